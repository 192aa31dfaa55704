import { showValue } from '../arguments.ts'
import { checkDtype, checkSameDtype, checkSameShape, FLOATS, refuse } from '../checks.ts'
import type { DType } from '../types.ts'
import { abs, less, stopGradient, sub, where } from './pointwise.ts'
import type { Scalar, Tensor } from './tensor.ts'

/**
 * The straight-through estimator: the value of f(x), with the derivative of x, for steps that have none (rounding, signs,
 * quantisation). The value is f(x) to the bit, zeros with their sign and infinities included; derivatives of all orders and
 * both modes are those of the identity where x is finite, and 0 where it is infinite or NaN. Nothing flows into what else
 * f reads (a scale to be learned): write the estimator of such a function with `custom`.
 *
 *     const bits = straightThrough(x, (x) => sign(x))
 *
 * x is f32 or f64; f(x) must have its type. Errors: operand/invalid, dtype/unsupported, dtype/mismatch, shape/mismatch.
 * Source: Bengio, Léonard, Courville, "Estimating or propagating gradients through stochastic neurons" (2013).
 */
export function straightThrough<D extends DType>(x: Scalar<D>, f: (x: Scalar<D>) => Tensor<D>): Scalar<D>
export function straightThrough<D extends DType>(x: Tensor<D>, f: (x: Tensor<D>) => Tensor<D>): Tensor<D>
export function straightThrough(x: Tensor, f: (x: never) => Tensor): Tensor {
  checkDtype('straightThrough', FLOATS, [x])
  if (typeof f !== 'function') {
    const problem = `straightThrough was given ${showValue(f)} as its function`
    refuse('operand/invalid', problem, [x], 'straightThrough(x, (x) => round(x))')
  }
  const y = f(x as never)
  checkSameDtype('straightThrough', [x, y])
  checkSameShape('straightThrough', [x, y])
  // y − 0 is y, also for −0; the zero is x − x, which only finite numbers make.
  const zero = where(less(abs(x), Infinity), sub(stopGradient(x), x), 0)
  return sub(stopGradient(y), zero)
}
