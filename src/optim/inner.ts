import { showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import type { Optimizer, Transform } from '../ir/optimizer.ts'

/** What may stand inside besides the common case. */
export interface Allowed {
  readonly seeds?: boolean
}

/** Throws option/invalid unless the value is a transform. */
export function checkTransform(whose: string, value: unknown): asserts value is Transform {
  const t = value as Transform | null | undefined
  if (typeof t?.name === 'string' && typeof t.update === 'function') return
  throw new GradcError('option/invalid', `${whose} was given ${showValue(value)}, which is no optimiser`, {
    hint: 'for example optim.adam({ lr: 1e-3 })',
  })
}

/**
 * Throws option/invalid unless the value is an optimiser that can stand inside another one. Loss scaling and rounding of
 * weights stand outside: masterWeights(lossScale(...)); `seeds` lets the first of them in.
 */
export function checkOptimizer(whose: string, value: unknown, { seeds = false }: Allowed = {}): asserts value is Optimizer {
  checkTransform(whose, value)
  if (value.partial) {
    throw new GradcError('option/invalid', `${JSON.stringify(value.name)} in ${whose} changes gradients, but takes no step`, {
      hint: 'end with an optimiser: optim.chain(optim.clipByGlobalNorm(1), optim.sgd({ lr: 0.1 }))',
    })
  }
  checkPlace(whose, value, { seeds })
}

/** The part of {@link checkOptimizer} that holds for any transform. */
export function checkPlace(whose: string, value: Transform, { seeds = false }: Allowed = {}): void {
  const what = value.replaces ? 'an optimiser that rounds its weights' : value.seed && !seeds ? 'loss scaling' : null
  if (!what) return
  throw new GradcError('option/invalid', `${what} cannot stand inside ${whose}`, {
    hint: 'the order from outside is optim.masterWeights(optim.lossScale(optim.ema(...))); leave out what you do not need',
  })
}
