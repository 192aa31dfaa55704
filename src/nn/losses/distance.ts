import { checkOptions, showValue } from '../../ir/arguments.ts'
import { checkAxis, checkDtype, checkSameDtype, FLOATS, refuse } from '../../ir/checks.ts'
import { GradcError } from '../../ir/errors.ts'
import {
  abs, add, div, equal, maximum, minimum, mul, pow, sqrt, square, stopGradient, sub, where,
} from '../../ir/lang/pointwise.ts'
import { max, sum } from '../../ir/lang/reduce.ts'
import { broadcastShapes, broadcastTo, type Scalar, type Tensor } from '../../ir/lang/tensor.ts'
import { sameShape, type DType } from '../../ir/types.ts'
import { relu } from '../activations/rectifiers.ts'
import { checkFinite, checkPositive } from '../numbers.ts'
import { checkFlags } from '../options.ts'
import { checkPair, reduced, type LossOptions, type ScalarLoss } from './reduction.ts'

/** Options of {@link cosineSimilarity}. */
export interface CosineOptions {
  /** Axis of the vectors; negative counts from the end. Default −1. */
  readonly axis?: number
  /** Norms below it count as it; default 1e-8. */
  readonly eps?: number
}

/**
 * x·y / (max(‖x‖, eps)·max(‖y‖, eps)) along an axis, which is removed; x and y are broadcast. Norms neither overflow nor
 * underflow. A norm below eps has no gradient (PyTorch gives it one). Floats.
 * Errors: shape/broadcast, shape/axis, shape/invalid (an empty axis), dtype/mismatch, dtype/unsupported, option/invalid.
 */
export function cosineSimilarity<D extends DType>(x: Tensor<D>, y: Tensor<D>, options: CosineOptions = {}): Tensor<D> {
  checkOptions('cosineSimilarity', options, ['axis', 'eps'])
  const { axis = -1, eps = 1e-8 } = options
  checkPositive('cosineSimilarity', 'eps', eps)
  return similarity('cosineSimilarity', x, y, axis, eps) as Tensor<D>
}

/** Options of {@link cosineEmbedding}. */
export interface CosineEmbeddingOptions {
  /** Pairs that do not belong together cost nothing up to this cosine; default 0. */
  readonly margin?: number
}

/**
 * 1 − cos(x, y) for pairs that belong together (label 1), max(0, cos(x, y) − margin) for those that do not (label −1), 0 for
 * any other label. `x` and `y` are floats [..., n] of one type, `labels` [...] are i32 or of the same dtype.
 * Errors: shape/mismatch, shape/invalid (n = 0), dtype/mismatch, dtype/unsupported, option/invalid.
 */
export function cosineEmbedding<D extends DType>(
  x: Tensor<D>, y: Tensor<D>, labels: Tensor, options?: CosineEmbeddingOptions & ScalarLoss): Scalar<D>
export function cosineEmbedding<D extends DType>(
  x: Tensor<D>, y: Tensor<D>, labels: Tensor, options: CosineEmbeddingOptions & LossOptions): Tensor<D>
export function cosineEmbedding(
  x: Tensor, y: Tensor, labels: Tensor, options: CosineEmbeddingOptions & LossOptions = {}): Tensor {
  checkOptions('cosineEmbedding', options, ['margin', 'reduction'])
  const { margin = 0, reduction } = options
  checkFinite('cosineEmbedding', 'margin', margin)
  checkPair('cosineEmbedding', [x, y])
  checkDtype('cosineEmbedding', ['i32', ...FLOATS], [labels])
  if (labels.dtype !== 'i32') checkSameDtype('cosineEmbedding', [x, labels])
  if (!x.shape.length || !sameShape(x.shape.slice(0, -1), labels.shape)) {
    refuse('shape/mismatch', 'cosineEmbedding needs one label for each pair of vectors [..., n]', [x, y, labels])
  }
  // PyTorch adds 1e-12 to the squares of the norms here.
  const cosine = similarity('cosineEmbedding', x, y, -1, 1e-6)
  const apart = where(equal(labels, -1), relu(sub(cosine, margin)), 0)
  return reduced('cosineEmbedding', where(equal(labels, 1), sub(1, cosine), apart), reduction)
}

/** Options of {@link tripletMargin}. */
export interface TripletOptions {
  /** How much nearer the positive must be; default 1. */
  readonly margin?: number
  /** Norm of the distance: 2 (default), 1, Infinity or any number above 1. */
  readonly p?: number
  /** Added to every difference, so that no distance is 0; default 1e-6. */
  readonly eps?: number
  /** Takes the negative's distance from anchor or positive, whichever is smaller (Balntas et al., BMVC 2016); default false. */
  readonly swap?: boolean
}

/**
 * max(0, d(anchor, positive) − d(anchor, negative) + margin) with d(x, y) = ‖x − y + eps‖ₚ over the last axis (Schroff et al.,
 * CVPR 2015). Floats [..., n] of one type.
 * Errors: shape/mismatch, shape/invalid (n = 0), dtype/mismatch, dtype/unsupported, option/invalid.
 */
export function tripletMargin<D extends DType>(
  anchor: Tensor<D>, positive: Tensor<D>, negative: Tensor<D>, options?: TripletOptions & ScalarLoss): Scalar<D>
export function tripletMargin<D extends DType>(
  anchor: Tensor<D>, positive: Tensor<D>, negative: Tensor<D>, options: TripletOptions & LossOptions): Tensor<D>
export function tripletMargin(
  anchor: Tensor, positive: Tensor, negative: Tensor, options: TripletOptions & LossOptions = {}): Tensor {
  checkOptions('tripletMargin', options, ['margin', 'p', 'eps', 'swap', 'reduction'])
  const { margin = 1, p = 2, eps = 1e-6, swap = false, reduction } = options
  checkFinite('tripletMargin', 'margin', margin)
  checkFinite('tripletMargin', 'eps', eps)
  checkFlags('tripletMargin', { swap })
  if (typeof p !== 'number' || !(p >= 1)) {
    throw new GradcError('option/invalid', `tripletMargin: p must be at least 1, got ${showValue(p)}`)
  }
  checkPair('tripletMargin', [anchor, positive, negative])
  if (!anchor.shape.length) refuse('shape/mismatch', 'tripletMargin takes vectors, no scalars', [anchor, positive, negative])
  const far = (x: Tensor, y: Tensor): Tensor => norm(add(sub(x, y), eps), p)
  const away = far(anchor, negative)
  const least = swap ? minimum(away, far(positive, negative)) : away
  return reduced('tripletMargin', relu(add(sub(far(anchor, positive), least), margin)), reduction)
}

function similarity(whose: string, x: Tensor, y: Tensor, axis: number, eps: number): Tensor {
  checkSameDtype(whose, [x, y])
  checkDtype(whose, FLOATS, [x, y])
  const shape = broadcastShapes(whose, [x, y])
  const at = checkAxis(whose, axis, shape.length, [x, y])
  const [a, b] = [x, y].map((v) => direction(broadcastTo(v, shape), at, eps))
  return sum(mul(a, b), { axis: at })
}

/** x / max(‖x‖, eps). The scale by the largest element cancels, so no gradient flows through it. */
function direction(x: Tensor, axis: number, eps: number): Tensor {
  const scale = maximum(stopGradient(max(abs(x), { axis, keepdims: true })), eps)
  const u = div(x, scale)
  return div(u, sqrt(maximum(sum(square(u), { axis, keepdims: true }), square(div(eps, scale)))))
}

/** ‖x‖ₚ over the last axis, as peak·‖x/peak‖ₚ, which neither overflows nor underflows; derivative 0 at 0. */
function norm(x: Tensor, p: number): Tensor {
  const size = abs(x)
  if (p === 1) return sum(size, { axis: -1 })
  if (p === Infinity) return max(size, { axis: -1 })
  const peak = stopGradient(max(size, { axis: -1, keepdims: true }))
  const u = div(size, where(equal(peak, 0), 1, peak))
  const total = sum(p === 2 ? square(u) : pow(u, p), { axis: -1 })
  const top = stopGradient(max(size, { axis: -1 }))
  // The root of 0 has no derivative; there the factor is 0 anyway.
  const safe = where(equal(top, 0), 1, total)
  return mul(top, p === 2 ? sqrt(safe) : pow(safe, 1 / p))
}
