import { checkOptions } from '../ir/arguments.ts'
import type { Node } from '../ir/graph.ts'
import { add, cast, div, maximum, mul, neg, pow, rsqrt, sqrt, square, sub } from '../ir/lang/pointwise.ts'
import { mean } from '../ir/lang/reduce.ts'
import { expandDims } from '../ir/lang/view.ts'
import type { Entry, Hyper, Optimizer, TransformContext } from '../ir/optimizer.ts'
import { sizeOf, type Shape } from '../ir/types.ts'
import { moving } from './average.ts'
import { perEntry } from './entries.ts'
import {
  BELOW_ONE, checkCount, checkFlag, checkName, checkNumber, checkOption, NON_NEGATIVE, POSITIVE, valueOf,
} from './hyper.ts'

/** Options of {@link adafactor}. */
export interface AdafactorOptions {
  /** Learning rate, ≥ 0, relative to the size of a parameter; a number or a scalar of the step. Default 1e-2. */
  readonly lr?: Hyper
  /** Exponent c of the decay 1 − t^(−c) of the second moments, > 0. Default 0.8. */
  readonly decayRate?: number
  /** Most root mean square of a parameter's scaled gradient, ≥ 1; null: not limited. Default 1. */
  readonly clippingThreshold?: number | null
  /** Multiplies the learning rate by the parameter's root mean square, at least 1e-3. Default true. */
  readonly multiplyByParameterScale?: boolean
  /** Decay of a mean of updates, in [0, 1); default 0: none is kept. */
  readonly momentum?: number
  /** Share of a parameter that is taken away in each step, not times the learning rate, ≥ 0. Default 0. */
  readonly weightDecay?: Hyper
  /** Added to squared gradients, > 0. Default 1e-30. */
  readonly eps?: number
  /** Keeps row and column means only, where the two largest extents have at least this size, a whole number. Default 128. */
  readonly minDimSizeToFactor?: number
  /** Begins the names of its states; default `adafactor`. */
  readonly name?: string
}

/** Least root mean square of a parameter, as optax: one that starts at zero must be able to leave it. */
const MIN_SCALE = 1e-3

/**
 * Adafactor (Shazeer & Stern, ICML 2018), as `optax.adafactor`, whose defaults it has but for `lr`. With bₜ = 1 − t^(−decayRate):
 * a matrix keeps means of g² + eps over its columns and rows, R and C ← b·(…) + (1 − b)·mean, and u = g·√(mean(R) / (R·C));
 * others keep v, and u = g/√v. Then u ← u / max(1, rms(u)/clippingThreshold), times lr, times max(rms(θ), 1e-3); a mean of
 * that with momentum; plus weightDecay·θ; θ ← θ − u.
 * States: `adafactor:row:<parameter>` and `adafactor:column:…` (without the largest, and without the second largest axis),
 * or `adafactor:v:…`; `adafactor:momentum:…`; `adafactor:step` i32[]. Errors: option/invalid, name/invalid.
 */
export function adafactor(options: AdafactorOptions = {}): Optimizer {
  checkOptions('adafactor', options, [
    'lr', 'decayRate', 'clippingThreshold', 'multiplyByParameterScale', 'momentum', 'weightDecay', 'eps', 'minDimSizeToFactor',
    'name',
  ])
  const { lr = 1e-2, decayRate = 0.8, clippingThreshold = 1, multiplyByParameterScale = true } = options
  const { momentum = 0, weightDecay = 0, eps = 1e-30, minDimSizeToFactor = 128, name = 'adafactor' } = options
  checkName(name)
  checkOption('adafactor', 'lr', lr, NON_NEGATIVE)
  checkNumber('adafactor', 'decayRate', decayRate, POSITIVE)
  if (clippingThreshold !== null) checkNumber('adafactor', 'clippingThreshold', clippingThreshold, { low: 1 })
  checkFlag('adafactor', 'multiplyByParameterScale', multiplyByParameterScale)
  checkNumber('adafactor', 'momentum', momentum, BELOW_ONE)
  checkOption('adafactor', 'weightDecay', weightDecay, NON_NEGATIVE)
  checkNumber('adafactor', 'eps', eps, POSITIVE)
  checkCount('adafactor', 'minDimSizeToFactor', minDimSizeToFactor)
  return perEntry(name, (ctx, entry) => {
    const { parameter, gradient } = entry
    const { dtype } = gradient
    // 1 − b is what is computed: it is exact where b is near 1.
    const share = pow(cast(add(ctx.step, 1), dtype), -decayRate)
    let u = scaled(ctx, entry, share, eps, factoredAxes(parameter.shape, minDimSizeToFactor))
    if (clippingThreshold !== null) u = div(u, maximum(div(rms(u), clippingThreshold), 1))
    let rate = valueOf('adafactor', 'lr', lr, ctx, dtype)
    if (multiplyByParameterScale) rate = mul(rate, maximum(rms(parameter), MIN_SCALE))
    u = mul(u, rate)
    if (momentum !== 0) u = moving(ctx, ctx.slot(entry, 'momentum'), u, momentum)
    if (weightDecay !== 0) u = add(u, mul(parameter, valueOf('adafactor', 'weightDecay', weightDecay, ctx, dtype)))
    return neg(u)
  })
}

/** The gradient divided by the root of its second moments, which are moved first. */
function scaled(ctx: TransformContext, entry: Entry, share: Node, eps: number, axes: readonly [number, number] | null): Node {
  const { gradient, parameter } = entry
  const squares = add(square(gradient), eps)
  const moved = (slot: Node, x: Node): Node => {
    const next = add(slot, mul(sub(x, slot), share))
    ctx.assign(slot, next)
    return next
  }
  if (!axes) return mul(gradient, rsqrt(moved(ctx.slot(entry, 'v'), squares)))
  const [second, largest] = axes
  const averaged = (kind: string, axis: number): Node => {
    const shape = parameter.shape.filter((_, a) => a !== axis)
    return moved(ctx.slot(entry, kind, { dtype: parameter.dtype, shape }), mean(squares, { axis }))
  }
  const row = averaged('row', largest)
  const column = averaged('column', second)
  const rowMean = mean(row, { axis: second > largest ? second - 1 : second, keepdims: true })
  return mul(mul(gradient, expandDims(rsqrt(div(row, rowMean)), largest)), expandDims(rsqrt(column), second))
}

/** The axes of the second largest and of the largest extent, if both are large enough; of equal ones the last ones. */
function factoredAxes(shape: Shape, least: number): readonly [number, number] | null {
  if (shape.length < 2) return null
  const [second, largest] = shape.map((_, a) => a).sort((a, b) => shape[a] - shape[b]).slice(-2)
  return shape[second] < least ? null : [second, largest]
}

/** The root mean square; 0 of nothing. */
const rms = (x: Node): Node => (sizeOf(x.shape) ? sqrt(mean(square(x))) : x.builder.zeros({ dtype: x.dtype, shape: [] }))
