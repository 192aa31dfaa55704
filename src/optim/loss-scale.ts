import { checkOptions, showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import type { Node } from '../ir/graph.ts'
import { abs, add, cast, equal, lessEqual, logicalAnd, maximum, mul, reciprocal, where } from '../ir/lang/pointwise.ts'
import { max } from '../ir/lang/reduce.ts'
import type { Entry, Optimizer, TransformContext } from '../ir/optimizer.ts'
import { sizeOf, type TensorType } from '../ir/types.ts'
import { COUNT, inner } from './context.ts'
import { isStill, NOTHING } from './entries.ts'
import { BETWEEN, checkCount, checkNumber, POSITIVE } from './hyper.ts'
import { checkOptimizer } from './inner.ts'

/** Options of {@link lossScale}. */
export interface LossScaleOptions {
  /** A factor > 0 that stays, or 'dynamic' (default). */
  readonly scale?: number | 'dynamic'
  /** Dynamic: the first factor, > 0. Default 2¹⁶. */
  readonly initial?: number
  /** Dynamic: what the factor is multiplied by after `interval` good steps, > 1. Default 2. */
  readonly growth?: number
  /** Dynamic: what it is multiplied by after a bad step, in (0, 1). Default 0.5. */
  readonly backoff?: number
  /** Dynamic: good steps in a row before it grows, a whole number. Default 2000. */
  readonly interval?: number
}

const SCALAR: TensorType = { dtype: 'f32', shape: [] }
const LARGEST = (2 - 2 ** -23) * 2 ** 127
/** The factor and its reciprocal stay normal numbers. */
const LEAST = 2 ** -126

/**
 * Multiplies the loss by a factor before it is differentiated and divides it out of the gradients, so that small gradients
 * survive f16; a step with a gradient that is not finite changes neither parameters nor the optimiser's states nor its step count
 * (Micikevicius et al., ICLR 2018). Dynamic as `torch.amp.GradScaler`, whose defaults it has: the factor shrinks after a bad step
 * and grows after `interval` good ones, unless that overflows. Results show the loss itself. Stands outside of all but
 * `masterWeights`.
 * States if dynamic, besides the optimiser's, whose name it shares:
 * `<name>:lossScale.scale` f32[], `<name>:lossScale.good` i32[].
 * Errors: option/invalid.
 */
export function lossScale(optimizer: Optimizer, options: LossScaleOptions = {}): Optimizer {
  checkOptimizer('lossScale', optimizer)
  checkOptions('lossScale', options, ['scale', 'initial', 'growth', 'backoff', 'interval'])
  const { scale = 'dynamic', initial = 2 ** 16, growth = 2, backoff = 0.5, interval = 2000 } = options
  const dynamic = scale === 'dynamic'
  if (!dynamic) {
    const other = Object.keys(options).find((o) => o !== 'scale')
    if (other) throw new GradcError('option/invalid', `${other} of lossScale goes with scale: 'dynamic', got ${showValue(scale)}`)
    checkNumber('lossScale', 'scale', scale, POSITIVE)
  }
  checkNumber('lossScale', 'initial', initial, POSITIVE)
  checkNumber('lossScale', 'growth', growth, { low: 1, open: 'low' })
  checkNumber('lossScale', 'backoff', backoff, BETWEEN)
  checkCount('lossScale', 'interval', interval)

  const factor = (ctx: TransformContext): Node =>
    dynamic ? ctx.own('lossScale.scale', SCALAR, (b, type) => b.literal(initial, type)) : ctx.builder.literal(scale, SCALAR)

  const adapt = (ctx: TransformContext, finite: Node): void => {
    const now = factor(ctx)
    const good = ctx.own('lossScale.good', COUNT)
    const full = equal(good, interval - 1)
    const grown = mul(now, growth)
    const after = where(logicalAnd(full, lessEqual(grown, LARGEST)), grown, now)
    ctx.assign(now, where(finite, after, maximum(mul(now, backoff), LEAST)))
    ctx.assign(good, where(finite, where(full, 0, add(good, 1)), 0))
  }

  return {
    name: optimizer.name,
    seed: factor,
    update(ctx, entries) {
      const back = reciprocal(factor(ctx))
      const unscaled = entries.map((e): Entry => ({ ...e, gradient: mul(e.gradient, cast(back, e.gradient.dtype)) }))
      const finite = unscaled.map((e) => allFinite(e.gradient)).reduce((a, b) => logicalAnd(a, b))
      if (dynamic) adapt(ctx, finite)
      const deltas = optimizer.update(inner(ctx, { gate: finite }), unscaled)
      return deltas.map((d) => (isStill(d) ? d : where(finite, d, NOTHING)))
    },
  }
}

/** bool[]: neither NaN nor an infinity among the elements. */
function allFinite(x: Node): Node {
  if (!sizeOf(x.shape)) return x.builder.literal(1, { dtype: 'bool', shape: [] })
  // A NaN wins every maximum and loses every comparison.
  return lessEqual(max(abs(x)), x.dtype === 'f64' ? Number.MAX_VALUE : LARGEST)
}
