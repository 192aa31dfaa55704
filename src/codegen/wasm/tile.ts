import type { Affine } from '../../ir/affine.ts'
import { inOrder, type Expr } from '../../ir/expression.ts'
import { isHalf } from '../../ir/half.ts'
import { sizeOf, type DType } from '../../ir/types.ts'
import type { Nest } from '../nest.ts'
import { isContraction, operandLoad, type Load } from '../order.ts'
import { tilesOf } from './tiles.ts'

/**
 * How the vector operand comes into registers: `direct` as it lies, four elements at a time; `packed` into a panel of
 * neighbouring columns first; `turned`: loaded along four terms and transposed in registers; `strided` element by element.
 */
export type Feed = 'direct' | 'packed' | 'turned' | 'strided'

/** The tiling of a contraction: rows × vectors of accumulators that stay in registers over all terms. */
export interface Tiling {
  /** The operand that is loaded in vectors along `column`, and the one that is spread from single elements. */
  readonly vector: Load
  readonly single: Load
  /** What is multiplied: the loads themselves, or what widens them from f16 or bf16. */
  readonly factors: ReadonlyMap<Load, Expr>
  readonly column: number
  /** −1: there is no axis along which only `single` moves. */
  readonly row: number
  readonly rows: number
  readonly vectors: number
  readonly feed: Feed
  /** Column tiles run inside the rows, so that what the stores touch is walked along its rows; else outside of them. */
  readonly rowsOutside: boolean
}

/** At most this many accumulators: with operands and a product they fill the 16 registers. 4×16 and 8×8 spill. */
const ACCUMULATORS = 8
/**
 * Accumulators that hide the latency of an addition: four cycles, and two multiplications and additions in each on machines of
 * today. With four, 1024³ ran at half the speed of eight.
 */
const LATENCY = 8
/** Where vectors are transposed between additions, half of that is hidden. */
const LATENCY_TURNED = 4
/** What a tile costs besides its terms: clearing, the loops around it. */
const PER_TILE = 12
/** Cycles to get one vector to copy it: as it lies, by transposing four, element by element. */
const LOAD = 0.5
const TURN = 1
const GATHER = 4
/** Transposed in registers, a vector is met by single elements that are spread anew; a first row of them is almost hidden. */
const FIRST_ROW = 0.5
const NEXT_ROW = 2
/** Further cycles to widen one element or one vector of these: a shift, or what approximate/half.ts does. */
const WIDEN: { readonly [D in DType]?: number } = { bf16: 1, f16: 6 }
/** Bytes of a panel that stays in the first-level cache, with room for others. */
const PANEL = 26_000
/** Further cycles to write one vector into a panel, and to read it back, by whether the panel is larger than that. */
const WRITE = 1
const WRITE_FAR = 4
const READ_FAR = 0.5
/** Cycles to get a line of memory that has left the second-level cache. */
const MISS = 16
/** Code is shipped and compiled: as many cycles as a vector's share of a tile, its loads, its transposition have to win. */
const CODE = 60
const LOAD_CODE = 20
const TURN_CODE = 600

/**
 * The cheapest tiling by estimated cycles, or null if the nest is no contraction in f32 or no free axis belongs to one
 * operand alone. `mayLane` tells whether the stores can run in lanes along an axis.
 */
export function chooseTiling(nest: Nest, mayLane: (axis: number) => boolean): Tiling | null {
  const { value, stores, reduced, free } = nest
  if (!value || !isContraction(nest) || value.dtype !== 'f32') return null
  if (reduced.includes(0) || stores.some((s) => s.accumulate)) return null
  const [a, b] = value.args.map((e) => operandLoad(e)!)
  const factors = new Map([a, b].map((load, i) => [load, value.args[i]!] as const))
  const axes = [...free.keys()].filter((i) => free[i] > 1)
  let best: { tiling: Tiling; cost: number } | null = null
  for (const [vector, single] of [[b, a], [a, b]]) {
    const moves = (x: Load, i: number): boolean => x.index.coefficients[i] !== 0
    const only = (x: Load, y: Load): number[] => axes.filter((i) => moves(x, i) && !moves(y, i))
    const rowAxes = only(single, vector).toReversed()
    for (const column of only(vector, single).toReversed()) {
      if (!mayLane(column)) continue
      for (const row of rowAxes.length ? rowAxes : [-1]) {
        for (const candidate of candidates(nest, vector, single, column, row)) {
          const tiling = { ...candidate, factors }
          const cost = cyclesOf(nest, tiling)
          if (!best || cost < best.cost) best = { tiling, cost }
        }
      }
    }
  }
  return best && best.tiling
}

function candidates(nest: Nest, vector: Load, single: Load, column: number, row: number): Omit<Tiling, 'factors'>[] {
  // Only vectors of f32 are transposed.
  const apart: Feed = runsAlongTerms(nest, vector) && !isHalf(vector.dtype) ? 'turned' : 'strided'
  const feeds: Feed[] = vector.index.coefficients[column] === 1 ? ['direct', 'packed'] : [apart, 'packed']
  const list: Omit<Tiling, 'factors'>[] = []
  for (const rows of row < 0 ? [1] : [4, 3, 2, 1]) {
    for (const vectors of [2, 1, 3, 4, 8]) {
      if (rows * vectors > ACCUMULATORS) continue
      for (const feed of feeds) {
        // Transposing is much code: no more of it than hides the latency of its additions.
        if (feed === 'turned' && vectors > 2) continue
        const rowsOutside = feed === 'direct' && walksRows(nest, vector, column)
        list.push({ vector, single, column, row, rows, vectors, feed, rowsOutside })
      }
    }
  }
  return list
}

/** Estimated cycles of the whole nest, for comparison only. */
export function cyclesOf(nest: Nest, t: Tiling): number {
  const { free, reduced } = nest
  const terms = reduced.reduce((n, d) => n * d, 1)
  const { coefficients } = t.vector.index
  const outer = free.flatMap((n, i) => (n > 1 && i !== t.column && i !== t.row ? [i] : []))
  const times = outer.reduce((n, i) => n * free[i], 1)
  const repacks = outer.reduce((n, i) => n * (coefficients[i] ? free[i] : 1), 1)
  const alike = coefficients[t.column] === 1
  const turns = runsAlongTerms(nest, t.vector) && !isHalf(t.vector.dtype)
  const get = alike ? LOAD : turns ? TURN : GATHER
  const far = (e: Load): number => (runsAlongTerms(nest, e) || fits(nest, e) ? 0 : MISS)
  const miss = alike ? far(t.vector) : 0
  const [widenVector, widenSingle] = [t.vector, t.single].map((x) => WIDEN[x.dtype] ?? 0)
  const write = epilogue(nest, t.column)
  let cost = 0
  for (const column of tilesOf(free[t.column], t.vectors, 4)) {
    const w = column.points.length
    const beyond = terms * w * 16 > PANEL
    for (const row of tilesOf(t.row < 0 ? 1 : free[t.row], t.rows, 1)) {
      const r = row.points.length
      // One multiplication and one addition a cycle. Loads hide behind them, almost; shuffles and gathers do not.
      const turned = w * (FIRST_ROW + NEXT_ROW * (r - 1))
      const feed = { direct: miss, packed: beyond ? READ_FAR * w : 0, turned, strided: w * GATHER }[t.feed]
      const widen = r * widenSingle + (t.feed === 'packed' ? 0 : w * widenVector)
      const term = Math.max(r * w, t.feed === 'turned' ? LATENCY_TURNED : LATENCY) + feed + widen + far(t.single) + 0.1 * (r + w)
      cost += times * column.count * row.count * (PER_TILE + terms * term + write * r * w)
      cost += CODE * (r * w + 1) + LOAD_CODE * (r + w) + (t.feed === 'turned' ? TURN_CODE * w : 0)
    }
    if (t.feed === 'packed') {
      const put = beyond ? WRITE_FAR : WRITE
      cost += repacks * column.count * (PER_TILE + terms * ((get + put + widenVector) * w + miss)) + CODE * w
    }
  }
  return cost
}

/** Do at least four terms of the operand lie next to each other? */
function runsAlongTerms(nest: Nest, { index: { coefficients } }: Load): boolean {
  const last = nest.reduced.findLastIndex((n) => n > 1)
  return last >= 0 && coefficients[nest.free.length + last] === 1 && nest.reduced[last] >= 4
}

/** Bytes of a vector operand that may be read again for every tile of rows: it stays in the second-level cache. */
const NEAR = 400_000

/**
 * Do the stores touch so much (an optimiser's weight and moments) that its order counts for more than the operand's? By
 * columns each line of memory would be fetched once for every tile that has a part of it.
 */
function walksRows(nest: Nest, vector: Load, column: number): boolean {
  const touched = inOrder(nest.stores.map((s) => s.value)).filter((e) => e.kind === 'load' && e.index.coefficients[column] === 1)
  const moving = [...nest.free, ...nest.reduced].filter((_, i) => vector.index.coefficients[i] !== 0)
  return touched.length + nest.stores.length >= 4 && 4 * sizeOf(moving) <= NEAR
}

/** Cycles of the stores and of what they load, for one vector along `column`. */
function epilogue(nest: Nest, column: number): number {
  const step = (e: { readonly index: Affine }): number => {
    const c = e.index.coefficients[column]
    return c === 0 ? 0.25 : c === 1 ? 1 : GATHER
  }
  const loads = inOrder(nest.stores.map((s) => s.value)).filter((e) => e.kind === 'load' || e.kind === 'gather')
  return [...nest.stores, ...loads].reduce((n, e) => n + step(e), 0)
}

/** Lines of 64 bytes, in sets of 16: the second-level cache that the estimate assumes. */
const SETS = 1024
const WAYS = 16

/** Does a column of the operand stay in the second-level cache, given that rows far apart share few sets of it? */
function fits(nest: Nest, { index: { coefficients } }: Load): boolean {
  const terms = nest.reduced.reduce((n, d) => n * d, 1)
  const strides = nest.reduced.map((_, i) => Math.abs(coefficients[nest.free.length + i]) * 4)
  const stride = strides[nest.reduced.indexOf(Math.max(...nest.reduced))]
  let sets = SETS
  for (let lines = stride / 64; Number.isInteger(lines) && lines % 2 === 0 && lines > 0 && sets > 1; lines /= 2) sets /= 2
  return terms <= (sets * WAYS) / 2
}
