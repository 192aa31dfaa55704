import { checkOptions, checkTensors, showValue } from '../arguments.ts'
import { checkAxis, checkDtype, FLOATS, refuse } from '../checks.ts'
import type { DType } from '../types.ts'
import { add, equal, mul, where } from './pointwise.ts'
import { sort, type AlongOptions } from './sort.ts'
import type { Tensor } from './tensor.ts'
import { slice, squeeze } from './view.ts'

/**
 * The value below which a share q of the elements along an axis lies: between neighbours in order it is interpolated, as
 * NumPy's and PyTorch's default. NaN if there is one. The axis (−1 by default) is dropped; f32 and f64. Gradients flow to
 * the one or two elements that decide. Errors: shape/invalid (an empty axis), shape/axis, option/invalid, dtype/unsupported.
 * Source: Hyndman & Fan, "Sample quantiles in statistical packages" (1996), definition 7.
 */
export function quantile<D extends DType>(x: Tensor<D>, q: number, options: AlongOptions = {}): Tensor<D> {
  return between('quantile', x, q, options)
}

/** The middle element along an axis, the mean of both if their number is even (NumPy's; PyTorch takes the lower): quantile ½. Errors: as {@link quantile}. */
export function median<D extends DType>(x: Tensor<D>, options: AlongOptions = {}): Tensor<D> {
  return between('median', x, 0.5, options)
}

function between<D extends DType>(op: string, x: Tensor<D>, q: number, options: AlongOptions): Tensor<D> {
  checkTensors(op, [x])
  checkDtype(op, FLOATS, [x])
  checkOptions(op, options, ['axis'])
  const axis = checkAxis(op, options.axis ?? -1, x.shape.length, [x])
  if (typeof q !== 'number' || !(q >= 0 && q <= 1)) refuse('option/invalid', `${op}: q must be a number from 0 to 1, got ${showValue(q)}`, [x])
  const extent = x.shape[axis]
  if (extent === 0) refuse('shape/invalid', `${op}: axis ${axis} is empty, nothing lies in its middle`, [x])
  const { values } = sort(x, { axis })
  const at = (i: number): Tensor<D> => squeeze(slice(values, ...x.shape.slice(0, axis).map(() => null), { start: i, stop: i + 1 }), axis)
  const place = q * (extent - 1)
  const low = Math.floor(place)
  const share = place - low
  // Two products, not low + share·(high − low), which overflows and is NaN between equal infinities.
  const mixed = share === 0 ? at(low) : add(mul(at(low), 1 - share), mul(at(low + 1), share))
  // NaN is sorted last.
  const last = at(extent - 1)
  return low === extent - 1 ? mixed : where(equal(last, last), mixed, last)
}
