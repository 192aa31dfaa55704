import type { Nest } from '../nest.ts'
import { isContraction, operandLoad } from '../order.ts'

/** Elements of each tiled axis that one pass over the reduced axes computes: 16 sums in 16 locals, 8 loads for them. */
const TILE = 4

/**
 * How many neighbours along each free axis are folded together; 1 for all but contractions. Rows are an axis that only
 * the first operand moves along, columns one that only the second does: then each load serves a whole side of the tile. The
 * first `bound` axes stand still.
 */
export function tilesOf(nest: Nest, bound = 0): number[] {
  const tiles = nest.free.map(() => 1)
  if (!isContraction(nest)) return tiles
  const [a, b] = nest.value!.args.map((e) => operandLoad(e)!.index.coefficients)
  const only = (x: readonly number[], y: readonly number[]): number => nest.free.findLastIndex((_, i) => i >= bound && x[i] !== 0 && y[i] === 0)
  for (const i of new Set([only(a, b), only(b, a)])) if (i >= 0) tiles[i] = Math.min(TILE, nest.free[i])
  return tiles
}
