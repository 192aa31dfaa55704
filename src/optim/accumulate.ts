import type { Node } from '../ir/graph.ts'
import { add, cast, div, equal, sub, where } from '../ir/lang/pointwise.ts'
import type { Optimizer } from '../ir/optimizer.ts'
import { COUNT, inner } from './context.ts'
import { isStill, NOTHING } from './entries.ts'
import { checkCount } from './hyper.ts'
import { checkOptimizer } from './inner.ts'

/**
 * Collects gradients over `n` calls and updates by their mean in the n-th, as `optax.MultiSteps`: n small batches count as
 * one large one if the loss is a mean. In between neither parameters nor the optimiser's states nor its step count change.
 * States besides the optimiser's, whose name it shares: `<name>:accumulate.mean:<parameter>` of its type,
 * `<name>:accumulate.count` i32[].
 * Errors: option/invalid.
 */
export function accumulate(n: number, optimizer: Optimizer): Optimizer {
  checkCount('accumulate', 'n', n)
  checkOptimizer('accumulate', optimizer)
  return {
    name: optimizer.name,
    update(ctx, entries) {
      const count = ctx.own('accumulate.count', COUNT)
      const last = equal(count, n - 1)
      ctx.assign(count, where(last, 0, add(count, 1)))
      const collected = entries.map((entry): Node => {
        const { gradient } = entry
        const mean = ctx.slot(entry, 'accumulate.mean')
        const next = add(mean, div(sub(gradient, mean), cast(add(count, 1), gradient.dtype)))
        ctx.assign(mean, where(last, 0, next))
        return next
      })
      const deltas = optimizer.update(inner(ctx, { gate: last }), entries.map((e, i) => ({ ...e, gradient: collected[i] })))
      return deltas.map((d) => (isStill(d) ? d : where(last, d, NOTHING)))
    },
  }
}
