import { checkOptions } from '../../ir/arguments.ts'
import { abs, add, div, equal, exp, log, neg, stopGradient, sub, where } from '../../ir/lang/pointwise.ts'
import { max, sum } from '../../ir/lang/reduce.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'

/** Options of functions that work along an axis. */
export interface AxisOptions {
  /** Negative counts from the end. Default −1. */
  readonly axis?: number
}

/** Options of reductions along an axis. */
export interface LogsumexpOptions extends AxisOptions {
  /** Keeps the axis with extent 1; default false. */
  readonly keepdims?: boolean
}

/** eˣ / Σ eˣ along an axis, shifted by the largest x so that nothing overflows. Floats. Errors: shape/axis. */
export function softmax<D extends DType>(x: Tensor<D>, options: AxisOptions = {}): Tensor<D> {
  const axis = axisOf('softmax', options)
  const e = exp(shifted(x, axis))
  return div(e, sum(e, { axis, keepdims: true }))
}

/** softmax(−x) along an axis. Floats. Errors: shape/axis. */
export function softmin<D extends DType>(x: Tensor<D>, options: AxisOptions = {}): Tensor<D> {
  const axis = axisOf('softmin', options)
  return softmax(neg(x), { axis })
}

/** log(softmax(x)) along an axis, without the logarithm of a number near 0. Floats. Errors: shape/axis. */
export function logSoftmax<D extends DType>(x: Tensor<D>, options: AxisOptions = {}): Tensor<D> {
  const axis = axisOf('logSoftmax', options)
  const z = shifted(x, axis)
  return sub(z, log(sum(exp(z), { axis, keepdims: true })))
}

/** log Σ eˣ along an axis, which is removed. −∞ where all x are −∞, ∞ where one is ∞. Floats. Errors: shape/axis. */
export function logsumexp<D extends DType>(x: Tensor<D>, options: LogsumexpOptions = {}): Tensor<D> {
  checkOptions('logsumexp', options, ['axis', 'keepdims'])
  const { axis = -1, keepdims = false } = options
  const top = stopGradient(max(x, { axis, keepdims: true }))
  // ∞ − ∞ would be NaN: an infinite peak shifts nothing.
  const finite = where(equal(abs(top), Infinity), 0, top)
  const rest = log(sum(exp(sub(x, finite)), { axis, keepdims }))
  return add(rest, keepdims ? finite : sum(finite, { axis }))
}

/** x minus its largest element along the axis; the shift cancels in what follows, so no gradient flows through it. */
export function shifted<D extends DType>(x: Tensor<D>, axis: number): Tensor<D> {
  return sub(x, stopGradient(max(x, { axis, keepdims: true })))
}

function axisOf(whose: string, options: AxisOptions): number {
  checkOptions(whose, options, ['axis'])
  return options.axis ?? -1
}
