import { checkOptions } from '../../ir/arguments.ts'
import { checkAxis, checkDtype, FLOATS } from '../../ir/checks.ts'
import { add, cast, div, equal, log, mul, neg, rightShift, stopGradient, sub } from '../../ir/lang/pointwise.ts'
import { argmax } from '../../ir/lang/reduce.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { expandDims } from '../../ir/lang/view.ts'
import type { DType } from '../../ir/types.ts'
import { checkPositive } from '../numbers.ts'
import { checkFlags } from '../options.ts'
import { randomWords } from '../random.ts'
import { softmax, type AxisOptions } from './softmax.ts'

/** Options of {@link gumbelSoftmax}. */
export interface GumbelSoftmaxOptions extends AxisOptions {
  /** Temperature; towards 0 samples become one-hot. Default 1. */
  readonly tau?: number
  /** One-hot samples, with the gradient of the soft ones (straight-through). Default false. */
  readonly hard?: boolean
}

/**
 * A differentiable sample of the categorical distribution softmax(logits): softmax((logits + g)/tau) with Gumbel noise g
 * (Jang et al.; Maddison et al., ICLR 2017). Draws in training and evaluation, as PyTorch, other noise in every step.
 * Floats. Errors: option/invalid, shape/axis, dtype/unsupported.
 */
export function gumbelSoftmax<D extends DType>(logits: Tensor<D>, options: GumbelSoftmaxOptions = {}): Tensor<D> {
  checkOptions('gumbelSoftmax', options, ['axis', 'tau', 'hard'])
  const { axis = -1, tau = 1, hard = false } = options
  checkPositive('gumbelSoftmax', 'tau', tau)
  checkFlags('gumbelSoftmax', { hard })
  checkDtype('gumbelSoftmax', FLOATS, [logits])
  const at = checkAxis('gumbelSoftmax', axis, logits.shape.length, [logits])
  const x: Tensor = logits
  const soft = softmax(div(add(x, gumbel(x)), tau), { axis: at })
  if (!hard) return soft as Tensor<D>
  const place = x.builder.iota(x.shape, at) as Tensor<'i32'>
  const chosen = cast(equal(place, expandDims(argmax(soft, { axis: at }), at)), x.dtype)
  // chosen + (soft − soft), not (chosen − soft) + soft: its ones are exactly 1.
  return add(chosen, sub(soft, stopGradient(soft))) as Tensor<D>
}

/** −log(−log u) with u = (k + ½)/2²³, which is neither 0 nor 1, in f32 exactly: from −2.8 to 16.6. */
function gumbel(x: Tensor): Tensor {
  const u = mul(add(cast(rightShift(randomWords(x, x.shape), 9), x.dtype), 0.5), 2 ** -23)
  return neg(log(neg(log(u))))
}
