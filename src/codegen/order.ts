import { inOrder, type Expr } from '../ir/expression.ts'
import { isHalf } from '../ir/half.ts'
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
 * sum of squares) has none to run along, and is summed as any other fold. A contraction whose outermost reduced axis is a row axis
 * goes on from step to step with the sum that is in memory, which is the same order: one row step after the other.
 */
export type Order = 'sequential' | 'lanes'

export function orderOf(nest: Nest): Order {
  const last = nest.reduced.at(-1) ?? 0
  const lanes = nest.combine === 'sum' && !nest.running && nest.value?.dtype === 'f32' && last >= 16 && !isContraction(nest)
  return lanes ? 'lanes' : 'sequential'
}

/** A load of an element. */
export type Load = Extract<Expr, { kind: 'load' }>

/** Of what an f16 or a bf16 is widened (approximate/half.ts), before and after that is written out. */
const WIDENING = new Set<string>(['cast', 'bitcast', 'shl', 'and', 'or', 'add', 'sub', 'lt', 'select'])

/** The load that an operand of a contraction is: of an f32, or of an f16 or bf16 that is widened; null if it is more. */
export function operandLoad(e: Expr): Load | null {
  if (e.kind === 'load') return e
  let load: Load | null = null
  for (const x of inOrder([e])) {
    if (x.kind === 'lit' || (x.kind === 'scalar' && WIDENING.has(x.op))) continue
    if (x.kind !== 'load' || !isHalf(x.dtype) || load) return null
    load = x
  }
  return load
}

/** A sum of products of two loads for each of several results: what the register-tiled contraction takes. */
export const isContraction = (nest: Nest): boolean =>
  nest.combine === 'sum' && !nest.running && [...nest.free, ...(nest.rows ?? [])].some((extent) => extent > 1) && isProduct(nest.value)

const isProduct = (e: Expr | null): boolean =>
  e?.kind === 'scalar' && e.op === 'mul' && e.args.every((a) => operandLoad(a) !== null)
