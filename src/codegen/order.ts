import type { Expr } from '../ir/expression.ts'
import type { Nest } from './nest.ts'

/**
 * The order in which a fold adds its terms: one rule, read by every emitter, so that all targets give the same bits.
 *
 * - `sequential`: one accumulator, terms in row-major order of the reduced axes.
 * - `lanes`: a sum along a long last axis of extent n, in 4 partial sums. For each point of the outer reduced axes in
 *   order: terms i < 4·⌊n/4⌋ go to partial i mod 4; the rest go to a tail accumulator. All five start at 0 and run
 *   through the whole fold. Result: ((s0 + s2) + (s1 + s3)) + tail.
 *
 * Contractions are always sequential: their vectors run along a free axis. A product with no free axis (a dot product, a
 * sum of squares) has none to run along, and is summed as any other fold.
 */
export type Order = 'sequential' | 'lanes'

export function orderOf(nest: Nest): Order {
  const last = nest.reduced.at(-1) ?? 0
  const lanes = nest.combine === 'sum' && !nest.running && nest.value?.dtype === 'f32' && last >= 16 && !isContraction(nest)
  return lanes ? 'lanes' : 'sequential'
}

/** A sum of products of two loads for each of several results: what the register-tiled contraction takes. */
export const isContraction = (nest: Nest): boolean =>
  nest.combine === 'sum' && !nest.running && nest.free.some((extent) => extent > 1) && isProduct(nest.value)

const isProduct = (e: Expr | null): boolean => e?.kind === 'scalar' && e.op === 'mul' && e.args.every((a) => a.kind === 'load')
