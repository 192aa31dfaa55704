import { checkOptions } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import { add, mul, neg } from '../ir/lang/pointwise.ts'
import type { Hyper, Optimizer } from '../ir/optimizer.ts'
import { perEntry } from './entries.ts'
import { checkFlag, checkName, checkOption, NON_NEGATIVE, valueOf } from './hyper.ts'

/** Options of {@link sgd}. */
export interface SgdOptions {
  /** Learning rate, ≥ 0; a number or a scalar of the step. */
  readonly lr: Hyper
  /** Decay of the velocity, ≥ 0; default 0: none is kept. */
  readonly momentum?: Hyper
  /** Looks ahead along the velocity; needs a momentum. Default false. */
  readonly nesterov?: boolean
  /** Begins the names of its states; default `sgd`. */
  readonly name?: string
}

/**
 * Stochastic gradient descent: θ ← θ − lr·g. With momentum μ, as PyTorch: v ← μ·v + g (v starts at 0), θ ← θ − lr·v;
 * with Nesterov's, θ ← θ − lr·(g + μ·v) (Sutskever et al., ICML 2013). State: `sgd:momentum:<parameter>`, of its type.
 * Errors: option/invalid, name/invalid.
 */
export function sgd(options: SgdOptions): Optimizer {
  checkOptions('sgd', options, ['lr', 'momentum', 'nesterov', 'name'])
  const { lr, momentum = 0, nesterov = false, name = 'sgd' } = options
  checkName(name)
  checkOption('sgd', 'lr', lr, NON_NEGATIVE)
  checkOption('sgd', 'momentum', momentum, NON_NEGATIVE)
  checkFlag('sgd', 'nesterov', nesterov)
  if (nesterov && momentum === 0) {
    throw new GradcError('option/invalid', 'nesterov of sgd needs a momentum', {
      hint: 'for example sgd({ lr, momentum: 0.9, nesterov: true })',
    })
  }
  return perEntry(name, (ctx, entry) => {
    const { gradient } = entry
    const rate = valueOf('sgd', 'lr', lr, ctx, gradient.dtype)
    if (momentum === 0) return neg(mul(gradient, rate))
    const velocity = ctx.slot(entry, 'momentum')
    const keep = valueOf('sgd', 'momentum', momentum, ctx, gradient.dtype)
    const next = add(mul(velocity, keep), gradient)
    ctx.assign(velocity, next)
    return neg(mul(nesterov ? add(gradient, mul(next, keep)) : next, rate))
  })
}
