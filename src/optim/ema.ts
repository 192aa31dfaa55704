import { checkOptions } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import type { Node } from '../ir/graph.ts'
import { add, cast, div, equal, mul, sub, where } from '../ir/lang/pointwise.ts'
import type { Entry, Optimizer, TransformContext } from '../ir/optimizer.ts'
import { correction } from './average.ts'
import { COUNT } from './context.ts'
import { isStill } from './entries.ts'
import { BELOW_ONE, checkFlag, checkNumber } from './hyper.ts'
import { checkOptimizer } from './inner.ts'

/** Options of {@link ema}. */
export interface EmaOptions {
  /** Share of the average that stays in a step, in [0, 1). Default 0.999. */
  readonly decay?: number
  /**
   * True (default, as `optax.ema`): the average starts with the parameters after the first update and weighs the following ones
   * as if it had always run. False: it starts with the parameters before the first update.
   */
  readonly debias?: boolean
}

/**
 * Keeps an exponential moving average of the weights (Polyak & Juditsky, 1992), a ← decay·a + (1 − decay)·θ after each update,
 * while `optimizer` trains the weights themselves. To predict with the averages:
 *
 *     const train = fn(...).minimize('loss', optim.ema(optim.adam()))
 *     const program = compile({ train, predict: fn(...).averaged(train) })
 *
 * States besides the optimiser's, whose name it shares: `<name>:ema.average:<parameter>` of its type (corrected already: copy
 * it over the parameter to go on from there), `<name>:ema.count` i32[]. Errors: option/invalid.
 */
export function ema(optimizer: Optimizer, options: EmaOptions = {}): Optimizer {
  checkOptimizer('ema', optimizer)
  checkOptions('ema', options, ['decay', 'debias'])
  const { decay = 0.999, debias = true } = options
  checkNumber('ema', 'decay', decay, BELOW_ONE)
  checkFlag('ema', 'debias', debias)

  const keep = (ctx: TransformContext, entry: Entry, delta: Node, count: Node): void => {
    const { parameter } = entry
    const average = ctx.slot(entry, 'ema.average')
    const value = isStill(delta) ? parameter : add(parameter, delta)
    // Corrected means obey a ← a + (1 − d)/(1 − dᵗ)·(θ − a): the state is the average itself.
    const t = cast(add(count, 1), parameter.dtype)
    const share = debias ? div(1 - decay, correction(decay, t)) : 1 - decay
    const before = debias ? average : where(equal(count, 0), parameter, average)
    ctx.assign(average, add(before, mul(sub(value, before), share)))
  }

  return {
    name: optimizer.name,
    update(ctx, entries) {
      const half = entries.find((e) => e.parameter.dtype !== 'f32' && e.parameter.dtype !== 'f64')
      if (half) {
        throw new GradcError('dtype/unsupported', `ema does not average ${half.parameter.dtype}`, {
          parties: [{ label: 'x', node: half.parameter }],
          hint: 'average the f32 copy: optim.masterWeights(optim.ema(...))',
        })
      }
      const deltas = optimizer.update(ctx, entries)
      const count = ctx.own('ema.count', COUNT)
      ctx.assign(count, add(count, 1))
      entries.forEach((entry, i) => ctx.builder.derivedFrom(entry.parameter, () => keep(ctx, entry, deltas[i], count)))
      return deltas
    },
  }
}
