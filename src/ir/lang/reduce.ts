import { checkList, checkOptions, checkTensors } from '../arguments.ts'
import { checkAxis, checkDtype, FLOATS, refuse } from '../checks.ts'
import { sizeOf, type DType } from '../types.ts'
import { cast, div, equal, greater, logicalNot } from './pointwise.ts'
import { apply, type Scalar, type Tensor } from './tensor.ts'

/** Which axes to fold away (all by default; negative from the end), and whether to keep them with extent 1. */
export interface ReduceOptions {
  readonly axis?: number | readonly number[]
  readonly keepdims?: boolean
}

/** A fold over axes. Without options the result has rank 0. Errors: shape/axis, shape/invalid, dtype/unsupported, option/invalid. */
export interface Reduction {
  <D extends DType>(x: Tensor<D>): Scalar<D>
  <D extends DType>(x: Tensor<D>, options: ReduceOptions): Tensor<D>
}

/** The named axes from the front, ascending; all if none is named. */
function axesOf(op: string, x: Tensor, axis: ReduceOptions['axis']): number[] {
  checkTensors(op, [x])
  if (axis === undefined) return x.shape.map((_, i) => i)
  if (typeof axis !== 'number') checkList(op, 'axis', axis)
  const given = (typeof axis === 'number' ? [axis] : axis).map((a) => checkAxis(op, a, x.shape.length, [x]))
  const axes = [...new Set(given)].sort((a, b) => a - b)
  if (axes.length < given.length) refuse('shape/axis', `${op}: an axis is named twice`, [x])
  return axes
}

function fold(op: string, x: Tensor, options: ReduceOptions): Tensor {
  checkOptions(op, options, ['axis', 'keepdims'])
  const { axis, keepdims = false } = options
  const axes = axesOf(op, x, axis)
  const y = axes.length ? apply(op, [x], { axes }) : x
  return keepdims ? apply('reshape', [y], { shape: x.shape.map((d, i) => (axes.includes(i) ? 1 : d)) }) : y
}
const reduction = (op: string): Reduction => ((x: Tensor, options: ReduceOptions = {}) => fold(op, x, options)) as Reduction

/** Σ x; 0 over nothing. */
export const sum: Reduction = reduction('sum')
/** Π x; 1 over nothing. */
export const prod: Reduction = reduction('prod')
/** The largest element, NaN if there is one; gradients split evenly at a tie. Over nothing: an error. */
export const max: Reduction = reduction('reduceMax')
/** The smallest element, NaN if there is one; gradients split evenly at a tie. Over nothing: an error. */
export const min: Reduction = reduction('reduceMin')
/** Σ x / n; NaN over nothing. Floats only. */
export const mean: Reduction = ((x: Tensor, options: ReduceOptions = {}) => {
  checkDtype('mean', FLOATS, [x])
  const total = fold('sum', x, options)
  return div(total, sizeOf(axesOf('mean', x, options.axis).map((a) => x.shape[a])))
}) as Reduction

/** A fold of bools. */
export interface Quantifier {
  (x: Tensor<'bool'>): Scalar<'bool'>
  (x: Tensor<'bool'>, options: ReduceOptions): Tensor<'bool'>
}
/** Does any element hold? False over nothing. Errors: shape/axis, dtype/unsupported. */
export const any: Quantifier = ((x: Tensor<'bool'>, options: ReduceOptions = {}) => {
  checkDtype('any', ['bool'], [x])
  return greater(fold('sum', cast(x, 'i32'), options), 0)
}) as Quantifier
/** Do all elements hold? True over nothing. Errors: shape/axis, dtype/unsupported. */
export const all: Quantifier = ((x: Tensor<'bool'>, options: ReduceOptions = {}) => {
  checkDtype('all', ['bool'], [x])
  return equal(fold('sum', cast(logicalNot(x), 'i32'), options), 0)
}) as Quantifier

/** Along which axis to look: all elements in row-major order if absent. */
export interface ArgOptions {
  readonly axis?: number
  readonly keepdims?: boolean
}
function arg(op: string, x: Tensor, options: ArgOptions): Tensor<'i32'> {
  checkTensors(op, [x])
  checkOptions(op, options, ['axis', 'keepdims'])
  const { axis, keepdims } = options
  if (axis !== undefined) return fold(op, x, { axis, keepdims }) as Tensor<'i32'>
  const y = fold(op, apply('reshape', [x], { shape: [sizeOf(x.shape)] }), { axis: 0 })
  return (keepdims ? apply('reshape', [y], { shape: x.shape.map(() => 1) }) : y) as Tensor<'i32'>
}
/** Position of the largest element, the first one at a tie, NaN above all; i32. No gradient. Errors: shape/axis, shape/invalid. */
export const argmax = (x: Tensor, options: ArgOptions = {}): Tensor<'i32'> => arg('argmax', x, options)
/** Position of the smallest element, the first one at a tie, NaN below all; i32. No gradient. Errors: shape/axis, shape/invalid. */
export const argmin = (x: Tensor, options: ArgOptions = {}): Tensor<'i32'> => arg('argmin', x, options)

/** Running sum along an axis: y[i] = x[0] + … + x[i]. Errors: shape/axis. */
export function cumsum<D extends DType>(x: Tensor<D>, options: { readonly axis: number }): Tensor<D> {
  checkTensors('cumsum', [x])
  checkOptions('cumsum', options, ['axis'])
  return apply('cumsum', [x], { axis: checkAxis('cumsum', options.axis, x.shape.length, [x]) })
}
