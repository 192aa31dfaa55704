import { checkOptions } from '../ir/arguments.ts'
import type { Node } from '../ir/graph.ts'
import { add, cast, div, exp, mul, neg, rsqrt, sqrt, square, sub } from '../ir/lang/pointwise.ts'
import type { Hyper, Optimizer } from '../ir/optimizer.ts'
import { correction, moving } from './average.ts'
import { BELOW_ONE, checkName, checkNumber, checkOption, NON_NEGATIVE, POSITIVE, valueOf } from './hyper.ts'

/** Options of {@link nadam}. */
export interface NadamOptions {
  /** Learning rate, ≥ 0; a number or a scalar of the step. Default 2e-3, as PyTorch. */
  readonly lr?: Hyper
  /** Decay of the mean of gradients, in [0, 1). Default 0.9. */
  readonly b1?: number
  /** Decay of the mean of squared gradients, in [0, 1). Default 0.999. */
  readonly b2?: number
  /** Added to the root of the mean square, > 0. Default 1e-8. */
  readonly eps?: number
  /** How fast the momentum's warm-up ends, ≥ 0. Default 4e-3, as PyTorch. */
  readonly momentumDecay?: number
  /** Begins the names of its states; default `nadam`. */
  readonly name?: string
}

/**
 * Adam with Nesterov's momentum and its warm-up schedule (Dozat, ICLR workshop 2016), as PyTorch (optax leaves out the
 * warm-up): μₜ = b1·(1 − ½·0.96^(t·momentumDecay)), Πₜ = μ₁·…·μₜ, m and v as in Adam,
 * θ ← θ − lr·((1 − μₜ)/(1 − Πₜ)·g + μₜ₊₁/(1 − Πₜ₊₁)·m) / (√(v/(1 − b2ᵗ)) + eps).
 * States: `nadam:m:<parameter>` and `nadam:v:<parameter>` of its type, `nadam:product` f32[] or f64[], `nadam:step` i32[].
 * Errors: option/invalid, name/invalid.
 */
export function nadam(options: NadamOptions = {}): Optimizer {
  checkOptions('nadam', options, ['lr', 'b1', 'b2', 'eps', 'momentumDecay', 'name'])
  const { lr = 2e-3, b1 = 0.9, b2 = 0.999, eps = 1e-8, momentumDecay = 4e-3, name = 'nadam' } = options
  checkName(name)
  checkOption('nadam', 'lr', lr, NON_NEGATIVE)
  checkNumber('nadam', 'b1', b1, BELOW_ONE)
  checkNumber('nadam', 'b2', b2, BELOW_ONE)
  checkNumber('nadam', 'eps', eps, POSITIVE)
  checkNumber('nadam', 'momentumDecay', momentumDecay, NON_NEGATIVE)
  const momentumAt = (t: Node): Node => mul(sub(1, mul(exp(mul(t, momentumDecay * Math.log(0.96))), 0.5)), b1)
  return {
    name,
    update(ctx, entries) {
      const wide = entries.some((e) => e.parameter.dtype === 'f64') ? 'f64' : 'f32'
      const product = ctx.own('product', { dtype: wide, shape: [] }, (b, type) => b.one(type))
      const t = cast(add(ctx.step, 1), wide)
      const [mu, ahead] = [momentumAt(t), momentumAt(add(t, 1))]
      const next = mul(product, mu)
      ctx.assign(product, next)
      const [ofGradient, ofMean] = [div(sub(1, mu), sub(1, next)), div(ahead, sub(1, mul(next, ahead)))]
      return entries.map((entry) =>
        ctx.builder.derivedFrom(entry.parameter, () => {
          const { gradient } = entry
          const { dtype } = gradient
          const m = moving(ctx, ctx.slot(entry, 'm'), gradient, b1)
          const v = moving(ctx, ctx.slot(entry, 'v'), square(gradient), b2)
          const rate = valueOf('nadam', 'lr', lr, ctx, dtype)
          const root = add(mul(sqrt(v), rsqrt(correction(b2, cast(t, dtype)))), eps)
          const direction = add(mul(gradient, mul(rate, cast(ofGradient, dtype))), mul(m, mul(rate, cast(ofMean, dtype))))
          return neg(div(direction, root))
        }))
    },
  }
}
