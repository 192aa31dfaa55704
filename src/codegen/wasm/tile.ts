import { isHalf } from '../../ir/half.ts'
import { sizeOf } from '../../ir/types.ts'
import type { Nest } from '../nest.ts'
import { isContraction, operandLoad, type Load } from '../order.ts'
import { cyclesOf, LONG_PANEL, PANEL } from './tile-cost.ts'
import { extentsOf, firstReduced, runsAlongTerms, termsAtATime, touchesMuch, type Feed, type Tiling } from './tiling.ts'

/** At most this many accumulators: with operands and a product they fill the 16 registers. 4×16 and 8×8 spill. */
const ACCUMULATORS = 10

/** So much more may be estimated for a tiling that walks an optimiser's states as they lie: less code, and fewer lines of memory. */
const ALONG = 1.3

/**
 * The cheapest tiling by estimated cycles, or null if the nest is no contraction in f32 or no free axis belongs to one
 * operand alone. `mayLane` tells whether the stores can run in lanes along an axis.
 */
export function chooseTiling(nest: Nest, mayLane: (axis: number) => boolean): Tiling | null {
  const all = tilings(nest, mayLane).map((tiling) => ({ tiling, cost: cyclesOf(nest, tiling) }))
  const least = (list: typeof all): (typeof all)[number] | undefined => list.reduce((a, b) => (a && a.cost <= b.cost ? a : b), list.at(0))
  const best = least(all)
  if (!best || !touchesMuch(nest)) return best?.tiling ?? null
  const along = least(all.filter(({ tiling: t }) => nest.stores.every((s) => s.index.coefficients[t.column] === 1)))
  return along && along.cost <= ALONG * best.cost ? along.tiling : best.tiling
}

/** All tilings among which {@link chooseTiling} chooses. */
export function tilings(nest: Nest, mayLane: (axis: number) => boolean): Tiling[] {
  const { value, stores, reduced, free } = nest
  if (!value || !isContraction(nest) || value.dtype !== 'f32') return []
  if (reduced.includes(0) || stores.some((s) => s.accumulate)) return []
  const [a, b] = value.args.map((e) => operandLoad(e)!)
  const factors = new Map([a, b].map((load, i) => [load, value.args[i]!] as const))
  const axes = [...free.keys()].filter((i) => free[i] > 1)
  const list: Tiling[] = []
  for (const [vector, single] of [[b, a], [a, b]]) {
    const moves = (x: Load, i: number): boolean => x.index.coefficients[i] !== 0
    const only = (x: Load, y: Load): number[] => axes.filter((i) => moves(x, i) && !moves(y, i))
    const rowAxes = only(single, vector).toReversed()
    for (const column of only(vector, single).toReversed()) {
      if (!mayLane(column)) continue
      for (const row of rowAxes.length ? rowAxes : [-1]) {
        for (const candidate of candidates(nest, vector, single, column, row)) list.push({ ...candidate, factors })
      }
    }
  }
  return list
}

function candidates(nest: Nest, vector: Load, single: Load, column: number, row: number): Omit<Tiling, 'factors'>[] {
  // Only vectors of f32 are transposed.
  const apart: Feed = runsAlongTerms(nest, vector) && !isHalf(vector.dtype) ? 'turned' : 'strided'
  const feeds: Feed[] = vector.index.coefficients[column] === 1 ? ['direct', 'packed'] : [apart, 'packed']
  const { free, reduced } = nest
  // An epilogue whose elements lie apart is much code by itself.
  const short = !touchesMuch(nest) || nest.stores.every((s) => s.index.coefficients[column] === 1)
  const mixes = short && sizeOf(free) > MIXED_POINTS && sizeOf(reduced) * free[column] >= MIXED_PANEL
  const list: Omit<Tiling, 'factors'>[] = []
  for (const rows of row < 0 ? [1] : [5, 4, 3, 2, 1]) {
    // Two forms of tile are twice the code.
    if (rows === 5 && free[row] % 5 && free[row] % 4 === 0 && !mixes) continue
    for (const vectors of [2, 1, 3, 4, 8]) {
      if (rows * vectors > ACCUMULATORS) continue
      for (const feed of feeds) {
        // Transposing is much code: no more of it than hides the latency of its additions.
        if (feed === 'turned' && vectors > 2) continue
        // What is kept in 16 bits is to save memory: panels stay small.
        if (feed === 'packed' && vectors > 4 && (isHalf(vector.dtype) || isHalf(single.dtype))) continue
        const packsRows = row >= 0 && feed !== 'turned' && !isHalf(single.dtype) && !runsAlongTerms(nest, single)
        for (const allColumns of feed === 'packed' && !isHalf(vector.dtype) && 4 * sizeOf(extentsOf(nest, vector)) <= BLOCK ? [false, true] : [false]) {
          for (const termBlock of feed === 'packed' && !allColumns ? [0, ...termBlocksOf(nest, vectors)] : [0]) {
            for (const rowBlock of [0, ...(packsRows ? blocksOf(nest, row, rows, termBlock) : [])]) {
              list.push({ vector, single, column, row, rows, vectors, feed, allColumns, rowBlock, termBlock })
            }
          }
        }
      }
    }
  }
  return list
}

/** Bytes that are packed at a time: they stay in the second-level cache, or come from the third in order. */
const BLOCK = 2 ** 20

/**
 * How many rows may be packed at a time: all of them, or blocks of whole tiles that leave no remainder, which would be another
 * form of block.
 */
function blocksOf(nest: Nest, row: number, rows: number, termBlock: number): number[] {
  const { free } = nest
  const bytes = 4 * termsAtATime(nest, termBlock)
  return [BLOCK, BLOCK / 8].flatMap((most) => {
    if (bytes * free[row] <= most) return [free[row]]
    let block = Math.floor(most / bytes / rows) * rows
    while (block > 0 && free[row] % block) block -= rows
    return block ? [block] : []
  })
}

/**
 * How many points of the outermost reduced axis make a panel that leaves room for others in the first-level cache. None if the panel
 * of all comes from the next cache soon enough: sums that wait cost as much.
 */
function termBlocksOf(nest: Nest, vectors: number): number[] {
  const first = firstReduced(nest)
  const bytesOf = (points: number): number => 16 * vectors * termsAtATime(nest, points)
  if (first < 0 || nest.carried || bytesOf(nest.reduced[first]) <= LONG_PANEL) return []
  let block = Math.floor(PANEL / 2 / bytesOf(1))
  while (block > 0 && nest.reduced[first] % block) block--
  return block ? [block] : []
}

/**
 * A nest has to be so large, and what a row meets, before tiles of five rows are mixed with tiles of four where four alone would
 * do: twice the code, which shall not depend on how many rows there are, steps of a loop, say.
 */
const MIXED_PANEL = 60_000
const MIXED_POINTS = 16_384
