import { GradcError } from '../ir/errors.ts'
import type { Node } from '../ir/graph.ts'
import type { Optimizer, Transform, TransformContext } from '../ir/optimizer.ts'

/**
 * Transforms one after the other, each on what the one before made of the gradients; the last one is the optimiser:
 * `chain(clipByGlobalNorm(1), adamw())`. The chain and its last member share name and states, so putting a transform in
 * front renames nothing; states of the others are called `<last>:<transform>.<kind>:<parameter>`.
 * Errors: option/invalid.
 */
export function chain(...transforms: readonly Transform[]): Optimizer {
  transforms.forEach((t, i) => {
    if (typeof t?.name === 'string' && typeof t.update === 'function') return
    throw new GradcError('option/invalid', `argument ${i + 1} of chain is no transform`)
  })
  if (!transforms.length) {
    throw new GradcError('option/invalid', 'chain needs at least one transform', { hint: 'end it with an optimiser' })
  }
  const last = transforms.length - 1
  const prefixes = transforms.map((t, i) => {
    const earlier = transforms.slice(0, i).filter((u) => u.name === t.name).length
    return i === last ? '' : `${t.name}${earlier || ''}.`
  })
  return {
    name: transforms[last].name,
    partial: transforms[last].partial ?? false,
    update: (ctx, entries) =>
      transforms.reduce((gradients: readonly Node[], transform, i) => {
        const own = prefixes[i] ? prefixed(ctx, prefixes[i]) : ctx
        return transform.update(own, entries.map((e, j) => ({ ...e, gradient: gradients[j] })))
      }, entries.map((e) => e.gradient)) as Node[],
  }
}

/** The same context with longer names of slots. */
function prefixed(ctx: TransformContext, prefix: string): TransformContext {
  return {
    builder: ctx.builder,
    inputs: ctx.inputs,
    // Reading the step declares it: only on demand.
    get step(): Node {
      return ctx.step
    },
    slot: (entry, kind, type, init) => ctx.slot(entry, prefix + kind, type, init),
    assign: (slot, next) => ctx.assign(slot, next),
  }
}
