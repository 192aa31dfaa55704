import type { Node } from '../ir/graph.ts'
import type { Entry, Optimizer, TransformContext } from '../ir/optimizer.ts'

/** An optimiser that treats each parameter alone, by a formula that gives its delta. */
export const perEntry = (name: string, delta: (ctx: TransformContext, entry: Entry) => Node): Optimizer => ({
  name,
  update: (ctx, entries) => entries.map((entry) => ctx.builder.derivedFrom(entry.parameter, () => delta(ctx, entry))),
})

/** The delta that changes nothing, whatever it is added to: x + (−0) is x, zeros of both signs included. */
export const NOTHING = -0

/** Is this delta a literal zero, so that the parameter stays as it is? */
export const isStill = (delta: Node): boolean => delta.op === 'literal' && delta.attrs.value === 0
