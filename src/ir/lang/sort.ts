import { checkOptions, checkTensors, showValue } from '../arguments.ts'
import { checkAxis, refuse } from '../checks.ts'
import { isFloat, sameShape, sizeOf, type DType } from '../types.ts'
import { gather } from './gather.ts'
import { iota } from './leaf.ts'
import {
  add, bitwiseAnd, bitwiseNot, bitwiseXor, cast, clip, equal, leftShift, less, logicalAnd, logicalOr, mul, neg, notEqual, rightShift, where,
} from './pointwise.ts'
import { scan } from './scan.ts'
import type { Tensor } from './tensor.ts'
import { pad, reshape, slice, transpose } from './view.ts'

/** Options of {@link sort} and {@link argsort}. */
export interface SortOptions {
  /** Negative counts from the end. Default −1. */
  readonly axis?: number
  /** Largest first. Default false. */
  readonly descending?: boolean
}

/** Options of {@link topK} and {@link takeAlongAxis}. */
export interface AlongOptions {
  /** Negative counts from the end. Default −1. */
  readonly axis?: number
}

/** Elements in order, and where along the axis each of them stood: i32. */
export type Sorted<D extends DType> = { readonly values: Tensor<D>; readonly indices: Tensor<'i32'> }

/**
 * x in order along an axis, of any dtype and shape; also an empty one. Stable both ways: equal elements keep their order,
 * and −0 equals 0. NaN is above all, as in PyTorch: last, or first if descending. Gradients flow to x through the values;
 * indices have none. Work for n elements: n · log²n / 2 comparisons in a loop whose code does not grow with n.
 * Errors: shape/axis, operand/invalid, option/invalid. Source: Batcher, "Sorting networks and their applications" (1968).
 */
export function sort<D extends DType>(x: Tensor<D>, options: SortOptions = {}): Sorted<D> {
  const { axis, descending } = read('sort', x, options)
  const indices = order(x, axis, descending)
  return { values: takeAlongAxis(x, indices, { axis }), indices }
}

/** Where along an axis the elements of the sorted x stand: the indices of {@link sort}, i32 of x's shape. No gradient. Errors: as {@link sort}. */
export function argsort(x: Tensor, options: SortOptions = {}): Tensor<'i32'> {
  const { axis, descending } = read('argsort', x, options)
  return order(x, axis, descending)
}

/**
 * The k largest elements along an axis, largest first, of equal ones the first; NaN is the largest. The axis becomes k long.
 * Gradients flow to x through the values. Errors: option/invalid (k above the extent), and as {@link sort}.
 */
export function topK<D extends DType>(x: Tensor<D>, k: number, options: AlongOptions = {}): Sorted<D> {
  checkOptions('topK', options, ['axis'])
  const { axis } = read('topK', x, options)
  const extent = x.shape[axis]
  if (!Number.isInteger(k) || k < 0 || k > extent) {
    refuse('option/invalid', `topK: k cannot be ${showValue(k)} along an axis of extent ${extent}`, [x], `k is an integer from 0 to ${extent}`)
  }
  const indices = slice(order(x, axis, true), ...x.shape.slice(0, axis).map(() => null), { stop: k })
  return { values: takeAlongAxis(x, indices, { axis }), indices }
}

/**
 * Elements of x by their place along an axis: y[…, i, …] = x[…, indices[…, i, …], …]. `indices` is i32 of x's shape but for
 * the extent of that axis, and clamped into it. Gradients flow to x; meeting ones add up.
 * Errors: shape/axis, shape/mismatch, shape/invalid (an empty axis), dtype/mismatch, option/invalid. As NumPy's take_along_axis.
 */
export function takeAlongAxis<D extends DType>(x: Tensor<D>, indices: Tensor, options: AlongOptions = {}): Tensor<D> {
  checkTensors('takeAlongAxis', [x, indices])
  checkOptions('takeAlongAxis', options, ['axis'])
  const axis = checkAxis('takeAlongAxis', options.axis ?? -1, x.shape.length, [x, indices])
  if (indices.dtype !== 'i32') {
    refuse('dtype/mismatch', `takeAlongAxis: indices are ${indices.dtype}, not i32`, [x, indices], `cast(indices, 'i32')`)
  }
  const expected = x.shape.map((d, i) => (i === axis ? (indices.shape[i] ?? d) : d))
  if (!sameShape(expected, indices.shape)) {
    refuse('shape/mismatch', `takeAlongAxis: indices are [${indices.shape.join(', ')}] for [${x.shape.join(', ')}]`, [x, indices], `only the extent of axis ${axis} may differ`)
  }
  const extent = x.shape[axis]
  if (sizeOf(indices.shape) === 0) return reshape(slice(reshape(x, [sizeOf(x.shape)]), { stop: 0 }), indices.shape)
  if (extent === 0) refuse('shape/invalid', `takeAlongAxis: axis ${axis} is empty, nothing can be indexed`, [x, indices])
  const width = sizeOf(x.shape.slice(axis + 1))
  const before = sizeOf(x.shape.slice(0, axis))
  // [before, axis, width] in one row: clamped by hand, since clamping the flat place would read another row.
  const at = reshape(clip(indices as Tensor<'i32'>, 0, extent - 1), [before, indices.shape[axis], width])
  const place = add(add(mul(at, width), iota(at, 2)), mul(iota(at, 0), extent * width))
  return gather(reshape(x, [sizeOf(x.shape)]), reshape(place, indices.shape))
}

function read(op: string, x: Tensor, options: SortOptions): { axis: number; descending: boolean } {
  checkTensors(op, [x])
  checkOptions(op, options, ['axis', 'descending'])
  const { axis = -1, descending = false } = options
  if (typeof descending !== 'boolean') refuse('option/invalid', `${op}: descending must be true or false, got ${showValue(descending)}`, [x])
  return { axis: checkAxis(op, axis, x.shape.length, [x]), descending }
}

/** Sorting places along an axis: the axis last, all others as rows. */
function order(x: Tensor, axis: number, descending: boolean): Tensor<'i32'> {
  const extent = x.shape[axis]
  if (sizeOf(x.shape) === 0 || extent === 1) return iota(x, axis)
  const others = x.shape.flatMap((_, i) => (i === axis ? [] : [i]))
  const front = transpose(x, [...others, axis])
  const sorted = reshape(network(reshape(front, [-1, extent]), descending), front.shape)
  return transpose(sorted, x.shape.map((_, i) => (i === axis ? x.shape.length - 1 : i < axis ? i : i - 1)))
}

/** Places i32[rows, n] of the rows' elements in order, by Batcher's bitonic network on pairs of key and place. */
function network(x: Tensor, descending: boolean): Tensor<'i32'> {
  const [rows, n] = x.shape
  const width = 2 ** Math.ceil(Math.log2(n))
  const { key, place } = pairs(padded(x, width, descending), descending)
  const b = x.builder
  const scalar = (value: number): Tensor<'i32'> => b.literal(value, { dtype: 'i32', shape: [] }) as Tensor<'i32'>
  // Runs of 2, 4, … are merged, each by comparing lanes at distances of half the run, a quarter, … 1.
  const first = { key, place, run: scalar(2), gap: scalar(1) }
  const length = (Math.log2(width) * (Math.log2(width) + 1)) / 2
  const { carry } = scan(first, {}, (lanes) => {
    const [place, run, gap] = [lanes.place, lanes.run, lanes.gap] as Tensor<'i32'>[]
    const lane = b.iota([width], 0) as Tensor<'i32'>
    const partner = bitwiseXor(lane, gap)
    const otherKey = gather(lanes.key, partner, { axis: 1 })
    const otherPlace = gather(place, partner, { axis: 1 })
    // A strict order of pairs: the partner stands before, or behind.
    const before = logicalOr(less(otherKey, lanes.key), logicalAnd(equal(otherKey, lanes.key), less(otherPlace, place)))
    const isLow = equal(bitwiseAnd(lane, gap), 0)
    const isRising = equal(bitwiseAnd(lane, run), 0)
    const swap = equal(before, equal(isLow, isRising))
    const isLast = equal(gap, 1)
    return {
      carry: {
        key: where(swap, otherKey, lanes.key), place: where(swap, otherPlace, place),
        run: where(isLast, leftShift(run, 1), run), gap: where(isLast, run, rightShift(gap, 1)),
      },
    }
  }, { length })
  return bitwiseAnd(slice(carry.place as Tensor<'i32'>, { stop: rows }, { stop: n }), width - 1)
}

/** Rows filled up with what comes last: a later place decides against it where an element is equal. */
function padded(x: Tensor, width: number, descending: boolean): Tensor {
  const wide = x.dtype === 'bool' ? cast(x, 'i32') : x.dtype === 'f16' || x.dtype === 'bf16' ? cast(x, 'f32') : x
  const [least, most] = isFloat(wide.dtype) ? [-Infinity, NaN] : wide.dtype === 'u32' ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1]
  return pad(wide, [[0, 0], [0, width - x.shape[1]]], descending ? least : most)
}

/** Keys that rise in the order asked for, and places that decide between equal ones: modulo the width, where an element stood. */
function pairs(x: Tensor, descending: boolean): { key: Tensor; place: Tensor<'i32'> } {
  const lane = iota(x, 1)
  if (!isFloat(x.dtype)) return { key: descending ? bitwiseNot(x as Tensor<'i32'>) : x, place: lane }
  // NaN becomes an infinity, and the place says that it lies beyond the others.
  const isNaN = notEqual(x, x)
  const width = x.shape[1]
  return descending
    ? { key: where(isNaN, -Infinity, neg(x)), place: where(isNaN, lane, add(lane, width)) }
    : { key: where(isNaN, Infinity, x), place: where(isNaN, add(lane, width), lane) }
}
