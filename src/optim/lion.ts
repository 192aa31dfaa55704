import { checkOptions } from '../ir/arguments.ts'
import { add, mul, neg, sign } from '../ir/lang/pointwise.ts'
import type { Hyper, Optimizer } from '../ir/optimizer.ts'
import { moving } from './average.ts'
import { perEntry } from './entries.ts'
import { BELOW_ONE, checkName, checkNumber, checkOption, NON_NEGATIVE, valueOf } from './hyper.ts'

/** Options of {@link lion}. */
export interface LionOptions {
  /** Learning rate, ≥ 0; a number or a scalar of the step: 3 to 10 times less than Adam's. Default 1e-4, as the paper's code. */
  readonly lr?: Hyper
  /** Share of the kept mean in the direction, in [0, 1). Default 0.9. */
  readonly b1?: number
  /** Decay of the mean of gradients, in [0, 1). Default 0.99. */
  readonly b2?: number
  /** Share of a parameter that is taken away, times the learning rate, ≥ 0. Default 1e-3, as optax. */
  readonly weightDecay?: Hyper
  /** Begins the names of its states; default `lion`. */
  readonly name?: string
}

/**
 * Lion (Chen et al., NeurIPS 2023, algorithm 2), as optax: θ ← θ − lr·(sign(b1·m + (1 − b1)·g) + weightDecay·θ),
 * m ← b2·m + (1 − b2)·g. State: `lion:m:<parameter>`, of its type. Errors: option/invalid, name/invalid.
 */
export function lion(options: LionOptions = {}): Optimizer {
  checkOptions('lion', options, ['lr', 'b1', 'b2', 'weightDecay', 'name'])
  const { lr = 1e-4, b1 = 0.9, b2 = 0.99, weightDecay = 1e-3, name = 'lion' } = options
  checkName(name)
  checkOption('lion', 'lr', lr, NON_NEGATIVE)
  checkNumber('lion', 'b1', b1, BELOW_ONE)
  checkNumber('lion', 'b2', b2, BELOW_ONE)
  checkOption('lion', 'weightDecay', weightDecay, NON_NEGATIVE)
  return perEntry(name, (ctx, entry) => {
    const { parameter, gradient } = entry
    const { dtype } = gradient
    const m = ctx.slot(entry, 'm')
    const direction = sign(add(mul(m, b1), mul(gradient, 1 - b1)))
    moving(ctx, m, gradient, b2)
    const rate = valueOf('lion', 'lr', lr, ctx, dtype)
    if (weightDecay === 0) return neg(mul(direction, rate))
    return neg(mul(add(direction, mul(parameter, valueOf('lion', 'weightDecay', weightDecay, ctx, dtype))), rate))
  })
}
