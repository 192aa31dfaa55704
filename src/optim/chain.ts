import { GradcError } from '../ir/errors.ts'
import type { Node } from '../ir/graph.ts'
import type { Optimizer, Transform } from '../ir/optimizer.ts'
import { inner } from './context.ts'
import { checkPlace, checkTransform } from './inner.ts'

/**
 * Transforms one after the other, each on what the one before made of the gradients; the last one is the optimiser:
 * `chain(clipByGlobalNorm(1), adamw())`. The chain and its last member share name and states, so putting a transform in
 * front renames nothing; states of the others are called `<last>:<transform>.<kind>:<parameter>`.
 * Errors: option/invalid.
 */
export function chain(...transforms: readonly Transform[]): Optimizer {
  if (!transforms.length) {
    throw new GradcError('option/invalid', 'chain needs at least one transform', { hint: 'end it with an optimiser' })
  }
  for (const t of transforms) {
    checkTransform('chain', t)
    checkPlace('chain', t)
  }
  const last = transforms.length - 1
  const prefixes = transforms.map((t, i) => (i === last ? '' : `${numberedName(transforms, i, t.name)}.`))
  return {
    name: transforms[last].name,
    partial: transforms[last].partial ?? false,
    update: (ctx, entries) =>
      transforms.reduce((gradients: readonly Node[], transform, i) => {
        const own = prefixes[i] ? inner(ctx, { prefix: prefixes[i] }) : ctx
        return transform.update(own, entries.map((e, j) => ({ ...e, gradient: gradients[j] })))
      }, entries.map((e) => e.gradient)) as Node[],
  }
}

/** The name of the i-th transform in a list, with a number if an earlier one has it too: `sgd`, `sgd1`, … */
export function numberedName(transforms: readonly Transform[], i: number, name: string): string {
  return `${name}${transforms.slice(0, i).filter((u) => u.name === name).length || ''}`
}
