import { checkOptions } from '../ir/arguments.ts'
import { add, div, maximum, mul, neg, sqrt, square, sub } from '../ir/lang/pointwise.ts'
import type { Hyper, Optimizer } from '../ir/optimizer.ts'
import { moving } from './average.ts'
import { perEntry } from './entries.ts'
import { BELOW_ONE, checkFlag, checkName, checkNumber, checkOption, NON_NEGATIVE, POSITIVE, valueOf } from './hyper.ts'

/** Options of {@link rmsprop}. */
export interface RmspropOptions {
  /** Learning rate, ≥ 0; a number or a scalar of the step. Default 1e-2. */
  readonly lr?: Hyper
  /** Decay of the mean of squares, in [0, 1); PyTorch's alpha. Default 0.99, as PyTorch (optax: 0.9). */
  readonly decay?: number
  /** Added to the root, > 0. Default 1e-8. */
  readonly eps?: number
  /** Decay of the velocity, ≥ 0; default 0: none is kept. */
  readonly momentum?: Hyper
  /** Divides by the standard deviation of the gradients, not their root mean square. Default false. */
  readonly centered?: boolean
  /** Begins the names of its states; default `rmsprop`. */
  readonly name?: string
}

/**
 * RMSProp (Hinton, Coursera lecture 6e, 2012; centred: Graves, arXiv:1308.0850), with ε outside the root and the learning
 * rate outside the velocity as in PyTorch: s ← decay·s + (1 − decay)·g², d = g / (√s + eps); centred, √(s − m²) with
 * m ← decay·m + (1 − decay)·g. With momentum: v ← momentum·v + d, θ ← θ − lr·v; without, θ ← θ − lr·d.
 * States, of the parameter's type: `rmsprop:square:<parameter>`, `rmsprop:mean:…` if centred, `rmsprop:momentum:…` with momentum.
 * Errors: option/invalid, name/invalid.
 */
export function rmsprop(options: RmspropOptions = {}): Optimizer {
  checkOptions('rmsprop', options, ['lr', 'decay', 'eps', 'momentum', 'centered', 'name'])
  const { lr = 1e-2, decay = 0.99, eps = 1e-8, momentum = 0, centered = false, name = 'rmsprop' } = options
  checkName(name)
  checkOption('rmsprop', 'lr', lr, NON_NEGATIVE)
  checkNumber('rmsprop', 'decay', decay, BELOW_ONE)
  checkNumber('rmsprop', 'eps', eps, POSITIVE)
  checkOption('rmsprop', 'momentum', momentum, NON_NEGATIVE)
  checkFlag('rmsprop', 'centered', centered)
  return perEntry(name, (ctx, entry) => {
    const { gradient } = entry
    const { dtype } = gradient
    let spread = moving(ctx, ctx.slot(entry, 'square'), square(gradient), decay)
    // Rounding can bring a variance below zero.
    if (centered) spread = maximum(sub(spread, square(moving(ctx, ctx.slot(entry, 'mean'), gradient, decay))), 0)
    let direction = div(gradient, add(sqrt(spread), eps))
    if (momentum !== 0) {
      const velocity = ctx.slot(entry, 'momentum')
      direction = add(mul(velocity, valueOf('rmsprop', 'momentum', momentum, ctx, dtype)), direction)
      ctx.assign(velocity, direction)
    }
    return neg(mul(direction, valueOf('rmsprop', 'lr', lr, ctx, dtype)))
  })
}
