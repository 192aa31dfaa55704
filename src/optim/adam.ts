import { checkOptions } from '../ir/arguments.ts'
import { add, cast, div, mul, neg, rsqrt, sqrt, square } from '../ir/lang/pointwise.ts'
import type { Hyper, Optimizer } from '../ir/optimizer.ts'
import { correction, moving } from './average.ts'
import { perEntry } from './entries.ts'
import { BELOW_ONE, checkName, checkNumber, checkOption, NON_NEGATIVE, POSITIVE, valueOf } from './hyper.ts'

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
  checkNumber(kind, 'b1', b1, BELOW_ONE)
  checkNumber(kind, 'b2', b2, BELOW_ONE)
  checkNumber(kind, 'eps', eps, POSITIVE)

  return perEntry(name, (ctx, entry) => {
    const { parameter, gradient } = entry
    const { dtype } = gradient
    const m1 = moving(ctx, ctx.slot(entry, 'm'), gradient, b1)
    const v1 = moving(ctx, ctx.slot(entry, 'v'), square(gradient), b2)
    const t = cast(add(ctx.step, 1), dtype)
    const rate = valueOf(kind, 'lr', lr, ctx, dtype)
    // All that depends on t alone is a scalar: per element two multiplications, a root and a division remain.
    const size = div(rate, correction(b1, t))
    const direction = div(mul(m1, size), add(mul(sqrt(v1), rsqrt(correction(b2, t))), eps))
    if (weightDecay === 0) return neg(direction)
    return neg(add(direction, mul(parameter, mul(rate, valueOf(kind, 'weightDecay', weightDecay, ctx, dtype)))))
  })
}
