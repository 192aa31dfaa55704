import { checkOptions, checkTensors } from '../arguments.ts'
import { checkAxis, checkShape } from '../checks.ts'
import type { DType } from '../types.ts'
import { cast, equal } from './pointwise.ts'
import { apply, type Tensor } from './tensor.ts'
import { iota } from './leaf.ts'
import { expandDims } from './view.ts'

/** Options of {@link gather} and {@link scatterAdd}. */
export interface IndexOptions {
  /** Negative counts from the end. Default 0. */
  readonly axis?: number
}

/**
 * Rows of `x` along `axis` by i32 index: x[..., index, ...] with the index's axes in place of `axis`. Indices are clamped
 * into the axis. Gradients flow to x. Errors: shape/axis, shape/invalid (an empty axis), dtype/unsupported.
 */
export const gather = <D extends DType>(x: Tensor<D>, index: Tensor, options: IndexOptions = {}): Tensor<D> =>
  apply('gather', [x, index], { axis: axisOf('gather', options, [x, index]) })

/**
 * x with `updates` (of the shape that gather would give) added at the clamped indices along `axis`; meeting updates all
 * count. Errors: shape/axis, shape/mismatch, dtype/mismatch.
 */
export const scatterAdd = <D extends DType>(x: Tensor<D>, index: Tensor, updates: Tensor<D>, options: IndexOptions = {}): Tensor<D> =>
  apply('scatterAdd', [x, index, updates], { axis: axisOf('scatterAdd', options, [x, index, updates]) })

function axisOf(op: string, options: IndexOptions, operands: readonly Tensor[]): number {
  checkTensors(op, operands)
  checkOptions(op, options, ['axis'])
  return checkAxis(op, options.axis ?? 0, operands[0].shape.length, operands)
}

/**
 * [..., n] with 1 at the index and 0 elsewhere; an index outside 0..n−1 gives zeros. No gradient.
 * Errors: shape/invalid, dtype/unsupported.
 */
export function oneHot<D extends DType = 'f32'>(index: Tensor, classes: number, dtype: D = 'f32' as D): Tensor<D> {
  checkTensors('oneHot', [index])
  checkShape('oneHot', [...index.shape, classes], [index])
  const wide = index.builder.make('broadcast', [expandDims(index, -1)], { shape: [...index.shape, classes] })
  return cast(equal(iota(wide, -1, index.dtype), wide), dtype)
}

/** u32 words of the given shape: Philox 4×32-10 under a u32[2] key and a u32 scalar stream. Errors: shape/mismatch, dtype/mismatch. */
export const randomBits = (key: Tensor, stream: Tensor, shape: readonly number[]): Tensor<'u32'> => apply('randomBits', [key, stream], { shape })
