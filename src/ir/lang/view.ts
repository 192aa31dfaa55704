import { checkList, checkOptions, checkTensors } from '../arguments.ts'
import { checkAxis, checkShape, refuse } from '../checks.ts'
import type { Attrs } from '../graph.ts'
import { sizeOf, type DType, type Shape } from '../types.ts'
import { apply, splat, type Tensor } from './tensor.ts'

/** Same elements in row-major order; one extent may be −1 and is computed. Errors: shape/mismatch, shape/invalid. */
export function reshape<D extends DType>(x: Tensor<D>, shape: Shape): Tensor<D> {
  checkTensors('reshape', [x])
  if (!Array.isArray(shape)) checkShape('reshape', shape, [x])
  const open = shape.indexOf(-1)
  const known = shape.reduce((n, d, i) => (i === open ? n : n * d), 1)
  if (open < 0) return apply('reshape', [x], { shape })
  const size = sizeOf(x.shape)
  if (known === 0 || size % known !== 0) refuse('shape/mismatch', `reshape: ${size} elements do not fit into [${shape.join(', ')}]`, [x])
  return apply('reshape', [x], { shape: shape.map((d, i) => (i === open ? size / known : d)) })
}

/** Axes in another order; reversed if none is given. Negative axes count from the end. Errors: shape/axis, attr/invalid. */
export function transpose<D extends DType>(x: Tensor<D>, axes?: readonly number[]): Tensor<D> {
  checkTensors('transpose', [x])
  if (axes !== undefined) checkList('transpose', 'axes', axes)
  const rank = x.shape.length
  const perm = axes?.map((a) => checkAxis('transpose', a, rank, [x])) ?? x.shape.map((_, i) => rank - 1 - i)
  return apply('permute', [x], { perm })
}

/** A new axis of extent 1 before `axis` (of the result; negative from its end). Errors: shape/axis. */
export function expandDims<D extends DType>(x: Tensor<D>, axis: number): Tensor<D> {
  checkTensors('expandDims', [x])
  const at = checkAxis('expandDims', axis, x.shape.length + 1, [x])
  return apply('reshape', [x], { shape: [...x.shape.slice(0, at), 1, ...x.shape.slice(at)] })
}

/** Drops axes of extent 1: those given, else all. Errors: shape/axis, shape/mismatch. */
export function squeeze<D extends DType>(x: Tensor<D>, axis?: number | readonly number[]): Tensor<D> {
  checkTensors('squeeze', [x])
  if (axis !== undefined && typeof axis !== 'number') checkList('squeeze', 'axis', axis)
  const given = axis === undefined ? null : (typeof axis === 'number' ? [axis] : axis).map((a) => checkAxis('squeeze', a, x.shape.length, [x]))
  const wide = given?.find((a) => x.shape[a] !== 1)
  if (wide !== undefined) refuse('shape/mismatch', `squeeze: axis ${wide} has extent ${x.shape[wide]}, not 1`, [x])
  return apply('reshape', [x], { shape: x.shape.filter((d, i) => (given ? !given.includes(i) : d !== 1)) })
}

/** What part of an axis {@link slice} takes: from `start` (default 0) up to, not including, `stop` (default: the end), every `step`-th (default 1). */
export interface Range {
  readonly start?: number
  readonly stop?: number
  readonly step?: number
}

/**
 * A range of each axis, from the first axis on; axes without one are whole (`null` too). Negative bounds count from the
 * end, bounds beyond the extent are cut as in NumPy; steps are positive (see {@link flip}). Errors: shape/axis, attr/invalid.
 */
export function slice<D extends DType>(x: Tensor<D>, ...ranges: readonly (Range | null)[]): Tensor<D> {
  checkTensors('slice', [x])
  for (const r of ranges) if (r !== null && r !== undefined) checkOptions('slice', r, ['start', 'stop', 'step'])
  if (ranges.length > x.shape.length) refuse('shape/axis', `slice: ${ranges.length} ranges for ${x.shape.length} axes`, [x])
  const parts = x.shape.map((extent, i) => {
    const { start = 0, stop = extent, step = 1 } = ranges[i] ?? {}
    const bound = (v: number): number => Math.min(Math.max(v < 0 ? v + extent : v, 0), extent)
    const from = bound(start)
    return { start: from, size: Math.max(0, Math.ceil((bound(stop) - from) / step)), step }
  })
  return apply('slice', [x], { start: parts.map((p) => p.start), size: parts.map((p) => p.size), step: parts.map((p) => p.step) })
}

/** Reversed along the given axes, all if none is given. Errors: shape/axis. */
export function flip<D extends DType>(x: Tensor<D>, axis?: number | readonly number[]): Tensor<D> {
  checkTensors('flip', [x])
  if (axis !== undefined && typeof axis !== 'number') checkList('flip', 'axis', axis)
  const axes = axis === undefined ? x.shape.map((_, i) => i) : (typeof axis === 'number' ? [axis] : axis).map((a) => checkAxis('flip', a, x.shape.length, [x]))
  return apply('flip', [x], { axes: [...new Set(axes)].sort((a, b) => a - b) })
}

/**
 * Surrounded by `value`: `widths[i]` = [low, high] or [low, high, interior] elements before, after and between those of
 * axis i, all ≥ 0. Errors: shape/axis, attr/invalid, dtype/mismatch (a value that the dtype cannot hold).
 */
export function pad<D extends DType>(x: Tensor<D>, widths: readonly (readonly number[])[], value = 0): Tensor<D> {
  checkTensors('pad', [x])
  checkList('pad', 'widths', widths)
  widths.forEach((w, i) => checkList('pad', `widths[${i}]`, w))
  if (widths.length !== x.shape.length) refuse('shape/axis', `pad: ${widths.length} widths for ${x.shape.length} axes`, [x])
  splat('pad', value, x, []) // refuses a value that the dtype cannot hold
  const attrs: Attrs = { low: widths.map((w) => w[0] ?? 0), high: widths.map((w) => w[1] ?? 0), interior: widths.map((w) => w[2] ?? 0), value }
  return apply('pad', [x], attrs)
}

/** One after the other along an axis; other extents agree. Errors: shape/invalid (none), shape/mismatch, shape/axis, dtype/mismatch. */
export function concat<D extends DType>(xs: readonly Tensor<D>[], axis = 0): Tensor<D> {
  checkList('concat', 'tensors', xs)
  checkTensors('concat', xs)
  if (xs.length === 0) refuse('shape/invalid', 'concat of no tensors', [], 'give at least one')
  return apply('concat', xs, { axis: checkAxis('concat', axis, xs[0].shape.length, xs) })
}

/** Side by side along a new axis; shapes agree. Errors: shape/invalid (none), shape/mismatch, shape/axis. */
export function stack<D extends DType>(xs: readonly Tensor<D>[], axis = 0): Tensor<D> {
  checkList('stack', 'tensors', xs)
  checkTensors('stack', xs)
  if (xs.length === 0) refuse('shape/invalid', 'stack of no tensors', [], 'give at least one')
  return concat(xs.map((x) => expandDims(x, axis)), axis < 0 ? axis + xs[0].shape.length + 1 : axis)
}

/** How {@link window} slides over its axes; all lists have one entry an axis. */
export interface WindowOptions {
  readonly axes: readonly number[]
  readonly size: readonly number[]
  readonly stride?: readonly number[]
  readonly dilation?: readonly number[]
}

/**
 * Overlapping patches as a view: axis a of extent L becomes ⌊(L − (k−1)·d − 1)/s⌋ + 1 positions, and an axis of extent k
 * is appended for each window axis, in order: y[…, o, …, k] = x[…, o·s + k·d, …]. Errors: shape/axis, attr/invalid.
 */
export function window<D extends DType>(x: Tensor<D>, options: WindowOptions): Tensor<D> {
  checkTensors('window', [x])
  checkOptions('window', options, ['axes', 'size', 'stride', 'dilation'])
  const { axes, size, stride, dilation } = options
  const lists = { axes, size, stride: stride ?? [], dilation: dilation ?? [] }
  for (const [name, value] of Object.entries(lists)) checkList('window', name, value)
  const ones = axes.map(() => 1)
  const at = axes.map((a) => checkAxis('window', a, x.shape.length, [x]))
  return apply('window', [x], { axes: at, size, stride: stride ?? ones, dilation: dilation ?? ones })
}
