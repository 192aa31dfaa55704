import { checkTensors } from '../../ir/arguments.ts'
import { checkDtype, FLOATS } from '../../ir/checks.ts'
import { gather } from '../../ir/lang/gather.ts'
import { constant } from '../../ir/lang/leaf.ts'
import { div, where } from '../../ir/lang/pointwise.ts'
import { max, mean, sum } from '../../ir/lang/reduce.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { reshape } from '../../ir/lang/view.ts'
import type { DType } from '../../ir/types.ts'
import { checkImages, LEADING, sizesOf, type Sizes } from '../convolution/sizes.ts'
import type { Pool } from './max-pool.ts'
import { tableOf } from './table.ts'
import { checkFilled } from './windows.ts'

/** The mean over so many equal parts of [n, c, length]: see {@link adaptiveAveragePool2d}. */
export const adaptiveAveragePool1d = (size: Sizes): Pool => adaptive('adaptiveAveragePool1d', 1, size, average)

/**
 * The mean over parts of [n, c, height, width] so that `size` of them come out along each spatial axis, as PyTorch's
 * AdaptiveAvgPool2d: part i of an axis of L goes from ⌊i·L / size⌋ to ⌈(i + 1)·L / size⌉, so parts overlap where size does not
 * divide L. Floats. Errors: option/invalid here; shape/mismatch, dtype/unsupported when applied.
 */
export const adaptiveAveragePool2d = (size: Sizes): Pool => adaptive('adaptiveAveragePool2d', 2, size, average)

/** The largest element of so many parts of [n, c, length]: see {@link adaptiveMaxPool2d}. */
export const adaptiveMaxPool1d = (size: Sizes): Pool => adaptive('adaptiveMaxPool1d', 1, size, largest)

/**
 * The largest element of the parts that {@link adaptiveAveragePool2d} makes of [n, c, height, width], as PyTorch's
 * AdaptiveMaxPool2d.
 * Gradients split evenly at a tie, first within columns, then along rows.
 * Errors: option/invalid here; shape/mismatch, dtype/unsupported when applied.
 */
export const adaptiveMaxPool2d = (size: Sizes): Pool => adaptive('adaptiveMaxPool2d', 2, size, largest)

/** From where to where each part of an axis goes. */
interface Part {
  readonly from: number
  readonly to: number
}
type Fold = (x: Tensor, axis: number, parts: readonly Part[]) => Tensor

function adaptive(whose: string, rank: number, size: Sizes, fold: Fold): Pool {
  const sizes = sizesOf(whose, 'the size of the result', size, rank, 1)
  return <D extends DType>(x: Tensor<D>): Tensor<D> => {
    checkTensors(whose, [x])
    checkDtype(whose, FLOATS, [x])
    checkImages(whose, x, rank)
    checkFilled(whose, x)
    // A part of a grid is the part of its rows and columns: one axis after the other.
    return sizes.reduce<Tensor>((y, n, i) => {
      const extent = y.shape[LEADING + i]
      const bounds = (p: number): Part => ({ from: Math.floor((p * extent) / n), to: Math.ceil(((p + 1) * extent) / n) })
      return fold(y, LEADING + i, Array.from({ length: n }, (_, p) => bounds(p)))
    }, x) as Tensor<D>
  }
}

function average(x: Tensor, axis: number, parts: readonly Part[]): Tensor {
  if (x.shape[axis] % parts.length === 0) return mean(blocks(x, axis, parts.length), { axis: axis + 1 })
  const lengths = parts.map(({ from, to }) => to - from)
  const shape = x.shape.map((_, a) => (a === axis ? parts.length : 1))
  return div(sum(picked(x, axis, parts, 0), { axis: axis + 1 }), tableOf(x, lengths, shape))
}

function largest(x: Tensor, axis: number, parts: readonly Part[]): Tensor {
  const even = x.shape[axis] % parts.length === 0
  return max(even ? blocks(x, axis, parts.length) : picked(x, axis, parts, -Infinity), { axis: axis + 1 })
}

const blocks = (x: Tensor, axis: number, count: number): Tensor =>
  reshape(x, [...x.shape.slice(0, axis), count, x.shape[axis] / count, ...x.shape.slice(axis + 1)])

/** Parts of unequal lengths as rows of one: [..., part, element, ...], those too short filled up. */
function picked(x: Tensor, axis: number, parts: readonly Part[], fill: number): Tensor {
  const longest = Math.max(...parts.map(({ from, to }) => to - from))
  const offsets = Array.from({ length: longest }, (_, i) => i)
  const places = parts.flatMap(({ from, to }) => offsets.map((i) => ({ at: Math.min(from + i, to - 1), real: from + i < to })))
  const rows = gather(x, constant(x, Int32Array.from(places, (p) => p.at), [parts.length, longest]), { axis })
  if (places.every((p) => p.real)) return rows
  const shape = rows.shape.map((d, a) => (a === axis || a === axis + 1 ? d : 1))
  return where(constant(x, Uint8Array.from(places, (p) => Number(p.real)), shape), rows, fill)
}
