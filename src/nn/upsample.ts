import { checkOptions, checkTensors, showValue } from '../ir/arguments.ts'
import { checkDtype, FLOATS } from '../ir/checks.ts'
import { GradcError } from '../ir/errors.ts'
import { gather } from '../ir/lang/gather.ts'
import { constant } from '../ir/lang/leaf.ts'
import { add, mul } from '../ir/lang/pointwise.ts'
import { broadcastTo, type Tensor } from '../ir/lang/tensor.ts'
import { expandDims, reshape } from '../ir/lang/view.ts'
import type { DType } from '../ir/types.ts'
import { checkImages, LEADING, sizesOf, switchOf, type Sizes } from './convolution/sizes.ts'
import { checkFilled } from './pooling/windows.ts'
import { tableOf } from './pooling/table.ts'

/** Options of {@link upsample}: either `scale` or `size`. */
export interface UpsampleOptions {
  /** Integer factor of each spatial axis. */
  readonly scale?: Sizes
  /** Extent of each spatial axis of the result. */
  readonly size?: Sizes
  /** `nearest` (default), or a weighted mean of the two neighbours along each axis: linear, bilinear, trilinear by rank. */
  readonly mode?: 'nearest' | 'linear' | 'bilinear' | 'trilinear'
  /** Whether the first and last elements fall onto each other, else the picture's edges; not for `nearest`. Default false. */
  readonly alignCorners?: boolean
}

const LINEAR = ['linear', 'bilinear', 'trilinear']

/**
 * [n, c, ...] with other spatial extents, as PyTorch's Upsample. Position i of O reads at i·L/O (nearest, rounded down), or at
 * (i + ½)·L/O − ½ cut to the axis, or with alignCorners at i·(L − 1)/(O − 1). Floats.
 * Errors: option/invalid here; shape/mismatch, dtype/unsupported when applied.
 */
export function upsample(options: UpsampleOptions): <D extends DType>(x: Tensor<D>) => Tensor<D> {
  checkOptions('upsample', options, ['scale', 'size', 'mode', 'alignCorners'])
  const { scale, size, mode = 'nearest' } = options
  if ((scale === undefined) === (size === undefined)) {
    throw new GradcError('option/invalid', 'upsample takes either scale or size', { hint: 'nn.upsample({ scale: 2 })' })
  }
  if (mode !== 'nearest' && !LINEAR.includes(mode)) {
    throw new GradcError('option/invalid', `upsample: mode cannot be ${showValue(mode)}`, {
      hint: `one of nearest, ${LINEAR.join(', ')}`,
    })
  }
  const corners = switchOf('upsample', 'alignCorners', options.alignCorners ?? false)
  if (corners && mode === 'nearest') {
    throw new GradcError('option/invalid', 'upsample: alignCorners has no meaning for mode "nearest"', { hint: 'leave it out' })
  }
  const [name, given] = scale === undefined ? ['size', size] : ['scale', scale]
  const fixed = mode === 'nearest' ? null : LINEAR.indexOf(mode) + 1
  const listed = Array.isArray(given) ? given.length : 1
  sizesOf('upsample', name, given, fixed ?? Math.min(Math.max(listed, 1), 3), 1)
  return <D extends DType>(x: Tensor<D>): Tensor<D> => {
    checkTensors('upsample', [x])
    checkDtype('upsample', FLOATS, [x])
    const rank = fixed ?? Math.min(Math.max(x.shape.length - LEADING, 1), 3)
    checkImages('upsample', x, rank)
    checkFilled('upsample', x)
    const factors = sizesOf('upsample', name, given, rank, 1)
    return factors.reduce<Tensor>((y, f, i) => {
      const extent = y.shape[LEADING + i]
      const out = scale === undefined ? f : extent * f
      return mode === 'nearest' ? repeated(y, LEADING + i, out) : blended(y, LEADING + i, out, corners)
    }, x) as Tensor<D>
  }
}

function repeated(x: Tensor, axis: number, out: number): Tensor {
  const extent = x.shape[axis]
  if (out === extent) return x
  const shape = x.shape.map((d, a) => (a === axis ? out : d))
  if (out % extent === 0) {
    // A whole factor is a view.
    const wide = [...x.shape.slice(0, axis + 1), out / extent, ...x.shape.slice(axis + 1)]
    return reshape(broadcastTo(expandDims(x, axis + 1), wide), shape)
  }
  return gather(x, constant(x, Int32Array.from({ length: out }, (_, i) => Math.floor((i * extent) / out))), { axis })
}

function blended(x: Tensor, axis: number, out: number, corners: boolean): Tensor {
  const extent = x.shape[axis]
  if (out === extent) return x
  const places = Array.from({ length: out }, (_, i) => {
    if (corners) return out === 1 ? 0 : (i * (extent - 1)) / (out - 1)
    return Math.max(0, ((i + 0.5) * extent) / out - 0.5)
  })
  const below = places.map((p) => Math.min(Math.floor(p), extent - 1))
  const at = (indices: readonly number[]): Tensor => gather(x, constant(x, Int32Array.from(indices)), { axis })
  const weights = places.map((p, i) => p - below[i])
  const shape = x.shape.map((_, a) => (a === axis ? out : 1))
  return add(
    mul(at(below), tableOf(x, weights.map((w) => 1 - w), shape)),
    mul(at(below.map((b) => Math.min(b + 1, extent - 1))), tableOf(x, weights, shape)),
  )
}
