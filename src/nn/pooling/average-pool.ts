import { mul } from '../../ir/lang/pointwise.ts'
import { sum } from '../../ir/lang/reduce.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { sizeOf, type DType } from '../../ir/types.ts'
import { LEADING, switchOf, type Sizes } from '../convolution/sizes.ts'
import type { Pool } from './max-pool.ts'
import { tableOf } from './table.ts'
import { checkPooled, poolingOf, positionsOf, windowsOf, type Pooling, type PoolOptions } from './windows.ts'

/** Options of {@link avgPool1d}, {@link avgPool2d} and {@link avgPool3d}. */
export interface AvgPoolOptions extends PoolOptions {
  /** Whether padding counts as elements that are 0 (default true), or not at all. What ceilMode adds never counts. */
  readonly countIncludePad?: boolean
}

/** The mean of each window of [n, c, length]: see {@link avgPool2d}. */
export const avgPool1d = (kernel: Sizes, options: AvgPoolOptions = {}): Pool => avgPool('avgPool1d', 1, kernel, options)

/**
 * The mean of each window of [n, c, height, width] as PyTorch's AvgPool2d. An axis of L gives
 * ⌊(L + 2·padding − kernel) / stride⌋ + 1 positions. Floats.
 * Errors: option/invalid here; shape/mismatch, dtype/unsupported when applied.
 */
export const avgPool2d = (kernel: Sizes, options: AvgPoolOptions = {}): Pool => avgPool('avgPool2d', 2, kernel, options)

/** The mean of each window of [n, c, depth, height, width]: see {@link avgPool2d}. */
export const avgPool3d = (kernel: Sizes, options: AvgPoolOptions = {}): Pool => avgPool('avgPool3d', 3, kernel, options)

function avgPool(whose: string, rank: number, kernel: Sizes, options: AvgPoolOptions): Pool {
  const pooling = poolingOf(whose, rank, kernel, options, ['countIncludePad'])
  const withPadding = switchOf(whose, 'countIncludePad', options.countIncludePad ?? true)
  return <D extends DType>(x: Tensor<D>): Tensor<D> => {
    checkPooled(x, pooling)
    const { view, axes } = windowsOf(x, pooling, 0)
    const total = sum(view, { axis: axes })
    const counts = pooling.size.map((_, i) => countsOf(x, i, pooling, withPadding))
    const even = counts.every((list, i) => list.every((n) => n === pooling.size[i]))
    if (even) return mul(total, 1 / sizeOf(pooling.size)) as Tensor<D>
    // One factor for each position, the product of those along the axes.
    const factors = counts.reduce<number[]>((all, list) => all.flatMap((f) => list.map((n) => f / n)), [1])
    return mul(total, tableOf(x as Tensor, factors, total.shape.slice(LEADING))) as Tensor<D>
  }
}

/** How many elements each window along a spatial axis counts. */
function countsOf(x: Tensor, i: number, pooling: Pooling, withPadding: boolean): number[] {
  const [extent, padding] = [x.shape[LEADING + i], pooling.padding[i]]
  const margin = withPadding ? padding : 0
  return Array.from({ length: positionsOf(x, i, pooling).count }, (_, p) => {
    const start = p * pooling.stride[i] - padding
    return Math.min(start + pooling.size[i], extent + margin) - Math.max(start, -margin)
  })
}
