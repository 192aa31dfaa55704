import { max } from '../../ir/lang/reduce.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'
import type { Sizes } from '../convolution/sizes.ts'
import { checkPooled, poolingOf, windowsOf, type PoolOptions } from './windows.ts'

/** A layer without parameters. */
export type Pool = <D extends DType>(x: Tensor<D>) => Tensor<D>

/** Options of {@link maxPool1d}, {@link maxPool2d} and {@link maxPool3d}. */
export interface MaxPoolOptions extends PoolOptions {
  /** Distance of the elements of a window; default 1. */
  readonly dilation?: Sizes
}

/** The largest element of each window of [n, c, length]: see {@link maxPool2d}. */
export const maxPool1d = (kernel: Sizes, options: MaxPoolOptions = {}): Pool => maxPool('maxPool1d', 1, kernel, options)

/**
 * The largest element of each window of [n, c, height, width] as PyTorch's MaxPool2d; padding counts as −∞, NaN wins. An axis of
 * L gives ⌊(L + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1 positions. Floats. Where several elements of a window are
 * largest the gradient is split evenly among them (PyTorch gives all of it to the first).
 * Errors: option/invalid here; shape/mismatch, dtype/unsupported when applied.
 */
export const maxPool2d = (kernel: Sizes, options: MaxPoolOptions = {}): Pool => maxPool('maxPool2d', 2, kernel, options)

/** The largest element of each window of [n, c, depth, height, width]: see {@link maxPool2d}. */
export const maxPool3d = (kernel: Sizes, options: MaxPoolOptions = {}): Pool => maxPool('maxPool3d', 3, kernel, options)

function maxPool(whose: string, rank: number, kernel: Sizes, options: MaxPoolOptions): Pool {
  const pooling = poolingOf(whose, rank, kernel, options, ['dilation'])
  return <D extends DType>(x: Tensor<D>): Tensor<D> => {
    checkPooled(x, pooling)
    const { view, axes } = windowsOf(x, pooling, -Infinity)
    return max(view, { axis: axes }) as Tensor<D>
  }
}
