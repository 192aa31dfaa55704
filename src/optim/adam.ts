import { checkOptions } from '../ir/arguments.ts'
import type { Node } from '../ir/graph.ts'
import { add, cast, div, expm1, mul, neg, rsqrt, sqrt, square } from '../ir/lang/pointwise.ts'
import type { Entry, Hyper, Optimizer, TransformContext } from '../ir/optimizer.ts'
import { BELOW_ONE, checkName, checkOption, NON_NEGATIVE, POSITIVE, valueOf } from './hyper.ts'

/** Options of {@link adam}. */
export interface AdamOptions {
  /** Learning rate, ≥ 0; a number or a scalar of the step. Default 1e-3. */
  readonly lr?: Hyper
  /** Decay of the mean of gradients, in [0, 1). Default 0.9. */
  readonly b1?: number
  /** Decay of the mean of squared gradients, in [0, 1). Default 0.999. */
  readonly b2?: number
  /** Added to the root of the mean square, > 0. Default 1e-8. */
  readonly eps?: number
  /** Begins the names of its states; default `adam` or `adamw`. */
  readonly name?: string
}

/** Options of {@link adamw}. */
export interface AdamwOptions extends AdamOptions {
  /** Share of a parameter that is taken away, times the learning rate, ≥ 0. Default 1e-2, as PyTorch. */
  readonly weightDecay?: Hyper
}

/**
 * Adam (Kingma & Ba, ICLR 2015, algorithm 1), with ε outside the corrected root as in PyTorch:
 * m ← b1·m + (1 − b1)·g, v ← b2·v + (1 − b2)·g², θ ← θ − lr·(m / (1 − b1ᵗ)) / (√(v / (1 − b2ᵗ)) + eps).
 * States: `adam:m:<parameter>` and `adam:v:<parameter>` of its type, `adam:step` i32[].
 * Errors: option/invalid, name/invalid.
 */
export function adam(options: AdamOptions = {}): Optimizer {
  checkOptions('adam', options, ['lr', 'b1', 'b2', 'eps', 'name'])
  return adamWith('adam', options, 0)
}

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter, ICLR 2019, algorithm 2): θ ← θ − lr·(Adam's direction +
 * weightDecay·θ). States as {@link adam}, named `adamw:…`.
 * Errors: option/invalid, name/invalid.
 */
export function adamw(options: AdamwOptions = {}): Optimizer {
  checkOptions('adamw', options, ['lr', 'b1', 'b2', 'eps', 'weightDecay', 'name'])
  const { weightDecay = 1e-2, ...rest } = options
  checkOption('adamw', 'weightDecay', weightDecay, NON_NEGATIVE)
  return adamWith('adamw', rest, weightDecay)
}

function adamWith(kind: string, options: AdamOptions, weightDecay: Hyper): Optimizer {
  const { lr = 1e-3, b1 = 0.9, b2 = 0.999, eps = 1e-8, name = kind } = options
  checkName(name)
  checkOption(kind, 'lr', lr, NON_NEGATIVE)
  for (const [option, value, domain] of [['b1', b1, BELOW_ONE], ['b2', b2, BELOW_ONE], ['eps', eps, POSITIVE]] as const) {
    checkOption(kind, option, typeof value === 'number' ? value : NaN, domain)
  }

  const delta = (ctx: TransformContext, entry: Entry): Node => {
    const { parameter, gradient } = entry
    const { dtype } = gradient
    const m = ctx.slot(entry, 'm')
    const v = ctx.slot(entry, 'v')
    const m1 = add(mul(m, b1), mul(gradient, 1 - b1))
    const v1 = add(mul(v, b2), mul(square(gradient), 1 - b2))
    ctx.assign(m, m1)
    ctx.assign(v, v1)
    const t = cast(add(ctx.step, 1), dtype)
    const rate = valueOf(kind, 'lr', lr, ctx, dtype)
    // All that depends on t alone is a scalar: per element two multiplications, a root and a division remain.
    const size = div(rate, correction(b1, t))
    const direction = div(mul(m1, size), add(mul(sqrt(v1), rsqrt(correction(b2, t))), eps))
    if (weightDecay === 0) return neg(direction)
    return neg(add(direction, mul(parameter, mul(rate, valueOf(kind, 'weightDecay', weightDecay, ctx, dtype)))))
  }

  return {
    name,
    update: (ctx, entries) => entries.map((entry) => ctx.builder.derivedFrom(entry.parameter, () => delta(ctx, entry))),
  }
}

/** 1 − bᵗ as −expm1(t·ln b): in f32, 1 − 0.999¹ taken literally would have lost half its digits. */
const correction = (b: number, t: Node): Node => (b === 0 ? t.builder.one(t) : neg(expm1(mul(t, Math.log(b)))))
