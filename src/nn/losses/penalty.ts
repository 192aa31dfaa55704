import { checkTensors, isTensor, showValue } from '../../ir/arguments.ts'
import { checkDtype, checkSameDtype, FLOATS } from '../../ir/checks.ts'
import { GradcError } from '../../ir/errors.ts'
import { abs, add, mul, square } from '../../ir/lang/pointwise.ts'
import { sum } from '../../ir/lang/reduce.ts'
import type { Scalar, Tensor } from '../../ir/lang/tensor.ts'
import { Parameter } from '../parameter.ts'

/**
 * Σ|w| over all elements of a list of tensors and parameters of one float type: `l1Penalty(x, net.parameters)`, where x is any
 * tensor of the function. Parameters that are not trained are left out; an empty list gives 0. Derivative 0 at 0.
 * Errors: operand/invalid, option/invalid (no list), dtype/mismatch, dtype/unsupported.
 */
export const l1Penalty = (x: Tensor, weights: readonly (Tensor | Parameter)[]): Scalar =>
  total('l1Penalty', x, weights, (w) => sum(abs(w)))

/**
 * ½·Σw² over all elements, as {@link l1Penalty}: the gradient is w, so that λ·l2Penalty added to a loss is a weight decay of λ,
 * as PyTorch's SGD counts it.
 */
export const l2Penalty = (x: Tensor, weights: readonly (Tensor | Parameter)[]): Scalar =>
  mul(total('l2Penalty', x, weights, (w) => sum(square(w))), 0.5) as Scalar

function total(whose: string, x: Tensor, weights: readonly (Tensor | Parameter)[], term: (w: Tensor) => Scalar): Scalar {
  checkTensors(whose, [x])
  if (!Array.isArray(weights)) {
    throw new GradcError('option/invalid', `${whose} takes a list of tensors and parameters, got ${showValue(weights)}`, {
      hint: `${whose}(x, net.parameters)`,
    })
  }
  const tensors = weights.flatMap((w) => (w instanceof Parameter ? (w.trainable ? [w.of(x)] : []) : [w]))
  checkTensors(whose, tensors)
  const foreign = tensors.find((w) => !isTensor(w) || w.builder !== x.builder)
  if (foreign) {
    throw new GradcError('build/foreign', `${whose} was given a value of another function`, {
      parties: [{ label: 'x', node: x }, { label: 'w', node: foreign }],
      hint: 'values live only inside the function that made them',
    })
  }
  if (!tensors.length) return x.builder.zeros({ dtype: FLOATS.includes(x.dtype) ? x.dtype : 'f32', shape: [] }) as Scalar
  checkSameDtype(whose, tensors)
  checkDtype(whose, FLOATS, tensors)
  return tensors.map(term).reduce((a, b) => add(a, b))
}
