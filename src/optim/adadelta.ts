import { checkOptions } from '../ir/arguments.ts'
import { add, div, mul, neg, sqrt, square } from '../ir/lang/pointwise.ts'
import type { Hyper, Optimizer } from '../ir/optimizer.ts'
import { moving } from './average.ts'
import { perEntry } from './entries.ts'
import { BELOW_ONE, checkName, checkNumber, checkOption, NON_NEGATIVE, POSITIVE, valueOf } from './hyper.ts'

/** Options of {@link adadelta}. */
export interface AdadeltaOptions {
  /** Learning rate, ≥ 0; a number or a scalar of the step. Default 1, as PyTorch. */
  readonly lr?: Hyper
  /** Decay of both means of squares, in [0, 1). Default 0.9. */
  readonly rho?: number
  /** Added inside both roots, > 0. Default 1e-6. */
  readonly eps?: number
  /** Begins the names of its states; default `adadelta`. */
  readonly name?: string
}

/**
 * Adadelta (Zeiler, arXiv:1212.5701): s ← rho·s + (1 − rho)·g², d = g·√(u + eps)/√(s + eps), u ← rho·u + (1 − rho)·d²,
 * θ ← θ − lr·d. States, of the parameter's type: `adadelta:square:<parameter>` (s), `adadelta:delta:<parameter>` (u).
 * Errors: option/invalid, name/invalid.
 */
export function adadelta(options: AdadeltaOptions = {}): Optimizer {
  checkOptions('adadelta', options, ['lr', 'rho', 'eps', 'name'])
  const { lr = 1, rho = 0.9, eps = 1e-6, name = 'adadelta' } = options
  checkName(name)
  checkOption('adadelta', 'lr', lr, NON_NEGATIVE)
  checkNumber('adadelta', 'rho', rho, BELOW_ONE)
  checkNumber('adadelta', 'eps', eps, POSITIVE)
  return perEntry(name, (ctx, entry) => {
    const { gradient } = entry
    const s = moving(ctx, ctx.slot(entry, 'square'), square(gradient), rho)
    const u = ctx.slot(entry, 'delta')
    const direction = mul(gradient, div(sqrt(add(u, eps)), sqrt(add(s, eps))))
    moving(ctx, u, square(direction), rho)
    return neg(mul(direction, valueOf('adadelta', 'lr', lr, ctx, gradient.dtype)))
  })
}
