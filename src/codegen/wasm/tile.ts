import type { Affine } from '../../ir/affine.ts'
import { inOrder, type Expr } from '../../ir/expression.ts'
import { isHalf } from '../../ir/half.ts'
import { DTYPES, sizeOf, type DType } from '../../ir/types.ts'
import type { Nest } from '../nest.ts'
import { isContraction, operandLoad, type Load } from '../order.ts'
import { rowTiles, tilesOf, type Tiles } from './tiles.ts'

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
  /** A packed vector operand: all of its columns before any tile, instead of those of each tile before its rows. */
  readonly allColumns: boolean
  /** The other operand's elements are copied next to each other first, this many rows at a time; 0: they are read where they are. */
  readonly rowBlock: number
}

/** At most this many accumulators: with operands and a product they fill the 16 registers. 4×16 and 8×8 spill. */
const ACCUMULATORS = 10
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
const WRITE = 2.5
const WRITE_FAR = 4
const READ_FAR = 0.5
/** Cycles to get a line of memory that has left the first-level or the second-level cache. */
const NEAR_MISS = 2
const MISS = 10
/** Further cycles to read a vector again after stores that touch so many vectors that it has left the first-level cache. */
const AGAIN = 0.4
const TOUCHED = 4
/** The loop over terms itself. */
const PER_TERM = 0.3
/** Scratch is memory that the program takes: as many cycles as a byte of it has to win, beyond a quarter of the operands. */
const MEMORY = 0.25
/** Code is shipped and compiled: as many cycles as a vector's share of a tile, its loads, its transposition have to win. */
const CODE = 60
const LOAD_CODE = 20
const TURN_CODE = 600
const PANEL_CODE = 100

/**
 * The cheapest tiling by estimated cycles, or null if the nest is no contraction in f32 or no free axis belongs to one
 * operand alone. `mayLane` tells whether the stores can run in lanes along an axis.
 */
export function chooseTiling(nest: Nest, mayLane: (axis: number) => boolean): Tiling | null {
  let best: { tiling: Tiling; cost: number } | null = null
  for (const tiling of tilings(nest, mayLane)) {
    const cost = cyclesOf(nest, tiling)
    if (!best || cost < best.cost) best = { tiling, cost }
  }
  return best && best.tiling
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
  // An optimiser's states are walked as they lie, if that can be.
  const along = list.filter((t) => stores.every((s) => s.index.coefficients[t.column] === 1))
  return along.length && touched(nest) >= TOUCHED ? along : list
}

function candidates(nest: Nest, vector: Load, single: Load, column: number, row: number): Omit<Tiling, 'factors'>[] {
  // Only vectors of f32 are transposed.
  const apart: Feed = runsAlongTerms(nest, vector) && !isHalf(vector.dtype) ? 'turned' : 'strided'
  const feeds: Feed[] = vector.index.coefficients[column] === 1 ? ['direct', 'packed'] : [apart, 'packed']
  const { free, reduced } = nest
  const mixes = sizeOf(free) > MIXED_POINTS && sizeOf(reduced) * free[column] >= MIXED_PANEL
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
        const blocks = row < 0 || feed === 'turned' || isHalf(single.dtype) || runsAlongTerms(nest, single) ? [] : blocksOf(nest, row, rows)
        for (const allColumns of feed === 'packed' && !isHalf(vector.dtype) && 4 * sizeOf(extentsOf(nest, vector)) <= BLOCK ? [false, true] : [false]) {
          for (const rowBlock of [0, ...blocks]) {
            list.push({ vector, single, column, row, rows, vectors, feed, allColumns, rowBlock })
          }
        }
      }
    }
  }
  return list
}

/** Bytes that are packed at a time: they stay in the second-level cache, or come from the third in order. */
const BLOCK = 2 ** 20

/** Extents of the axes along which it moves. */
const extentsOf = ({ free, reduced }: Nest, x: Load): number[] => [...free, ...reduced].filter((_, i) => x.index.coefficients[i] !== 0)

/**
 * How many rows may be packed at a time: all of them, or blocks of whole tiles that leave no remainder, which would be another
 * form of block.
 */
function blocksOf({ free, reduced }: Nest, row: number, rows: number): number[] {
  const bytes = 4 * sizeOf(reduced)
  return [BLOCK, BLOCK / 8].flatMap((most) => {
    if (bytes * free[row] <= most) return [free[row]]
    let block = Math.floor(most / bytes / rows) * rows
    while (block > 0 && free[row] % block) block -= rows
    return block ? [block] : []
  })
}

/**
 * A nest has to be so large, and what a row meets, before tiles of five rows are mixed with tiles of four where four alone would
 * do: twice the code, which shall not depend on how many rows there are, steps of a loop, say.
 */
const MIXED_PANEL = 60_000
const MIXED_POINTS = 16_384

/** Estimated cycles of the whole nest, for comparison only. */
export function cyclesOf(nest: Nest, t: Tiling): number {
  const { free, reduced } = nest
  const terms = sizeOf(reduced)
  const outer = free.flatMap((n, i) => (n > 1 && i !== t.column && i !== t.row ? [i] : []))
  const times = (moved: Load | null): number => outer.reduce((n, i) => n * (!moved || moved.index.coefficients[i] ? free[i] : 1), sizeOf(nest.rows ?? []))
  const [widenVector, widenSingle] = [t.vector, t.single].map((x) => WIDEN[x.dtype] ?? 0)
  const write = epilogue(nest, t.column)
  const alike = t.vector.index.coefficients[t.column] === 1
  const get = (alike ? LOAD : runsAlongTerms(nest, t.vector) && !isHalf(t.vector.dtype) ? TURN : gatherCost(t)) + widenVector
  const rowCost = t.rowBlock && packRowCost(t, widenSingle) + missOf(nest, t.single) / t.rows
  // Rows whose elements lie in lines of their own.
  const apart = t.row >= 0 && Math.abs(t.single.index.coefficients[t.row]) * 4 >= LINE
  let cost = 0
  let scratch = 0
  for (const column of tilesOf(free[t.column], t.vectors, 4)) {
    const w = column.points.length
    const beyond = terms * w * 16 > PANEL
    // All columns are packed into what the first-level cache has lost when they are read, once for each run of rows.
    const runs = Math.ceil((t.row < 0 ? 1 : free[t.row]) / t.rows)
    const readPanel = READ_FAR * w * (beyond ? 1 : t.allColumns ? 1 / runs : 0)
    const packsRows = packsRowsFor(t, column)
    const single = packsRows ? 0 : widenSingle
    const missSingle = packsRows ? 0 : missOf(nest, t.single)
    for (const row of rowTiles(t.row < 0 ? 1 : free[t.row], t.rows)) {
      const r = row.points.length
      const readSingle = missSingle * (apart ? r : 1)
      // One multiplication and one addition a cycle. Loads hide behind them, almost; shuffles and gathers do not.
      const turned = w * (FIRST_ROW + NEXT_ROW * (r - 1))
      const direct = alike ? missOf(nest, t.vector) + (write >= TOUCHED ? AGAIN * w : 0) : 0
      const feed = { direct, packed: readPanel, turned, strided: w * GATHER }[t.feed]
      const widen = r * single + (t.feed === 'packed' ? 0 : w * widenVector)
      const term = Math.max(r * w, t.feed === 'turned' ? LATENCY_TURNED : LATENCY) + feed + widen + readSingle + PER_TERM + 0.1 * (r + w)
      cost += times(null) * column.count * row.count * (PER_TILE + terms * term + write * r * w)
      cost += CODE * (r * w + 1) + LOAD_CODE * (r + w) + (t.feed === 'turned' ? TURN_CODE * w : 0)
    }
    const panel = t.feed === 'packed' ? 16 * w * (t.allColumns ? column.count : 1) : 0
    scratch = Math.max(scratch, terms * (panel + (packsRows ? 4 * t.rowBlock : 0)))
    if (packsRows) cost += times(t.allColumns ? null : t.single) * free[t.row] * (terms * rowCost + PER_TILE / t.rows) + PANEL_CODE
    if (t.feed === 'packed') {
      const put = beyond || t.allColumns ? WRITE_FAR : WRITE
      const blocks = packsRows && !t.allColumns ? Math.ceil(free[t.row] / t.rowBlock) * times(null) : times(t.vector)
      cost += blocks * column.count * (PER_TILE + terms * ((get + put) * w + missOf(nest, t.vector))) + PANEL_CODE * w
    }
  }
  const operands = [t.vector, t.single].reduce((n, x) => n + DTYPES[x.dtype].bytes * sizeOf(extentsOf(nest, x)), 0)
  return cost + MEMORY * Math.max(0, scratch - operands / 4)
}

/** Are rows packed for this form of column tile? For a few of them they are not read often enough. */
export const packsRowsFor = (t: Tiling, columns: Tiles): boolean => t.rowBlock > 0 && columns.count > 2

/** Cycles to get a vector element by element, each from a line of its own if they are far apart. */
const gatherCost = ({ vector, column }: Tiling): number => (Math.abs(vector.index.coefficients[column]) < 16 ? 1 : 3) * GATHER

/** Cycles to copy one row's element of one term. */
function packRowCost({ single, row, rows }: Tiling, widen: number): number {
  const vectors = Math.ceil(rows / 4)
  return single.index.coefficients[row] === 1 ? (vectors * (LOAD + WRITE + PER_TERM + widen)) / rows : GATHER / 4 + WRITE / 2 + widen
}

/** Cycles that a term of an operand waits, which is read where it lies: by the cache in which a tile of it stays. */
function missOf(nest: Nest, load: Load): number {
  if (runsAlongTerms(nest, load) || fits(nest, load, FIRST)) return 0
  return ((fits(nest, load, SECOND) ? NEAR_MISS : MISS) * linesOf(nest, load)) / sizeOf(nest.reduced)
}

/** Do at least four terms of the operand lie next to each other? */
function runsAlongTerms(nest: Nest, { index: { coefficients } }: Load): boolean {
  const last = nest.reduced.findLastIndex((n) => n > 1)
  return last >= 0 && coefficients[nest.free.length + last] === 1 && nest.reduced[last] >= 4
}

/** What the stores load. */
const loadsOf = ({ stores }: Nest): Extract<Expr, { index: Affine }>[] =>
  inOrder(stores.map((s) => s.value)).filter((e) => e.kind === 'load' || e.kind === 'gather')

/** Tensors that the epilogue loads and stores. */
const touched = (nest: Nest): number => nest.stores.length + loadsOf(nest).length

/** Cycles of the stores and of what they load, for one vector along `column`. */
function epilogue(nest: Nest, column: number): number {
  const step = (e: { readonly index: Affine }): number => {
    const c = e.index.coefficients[column]
    return c === 0 ? 0.25 : c === 1 ? 1 : GATHER
  }
  return [...nest.stores, ...loadsOf(nest)].reduce((n, e) => n + step(e), 0)
}

/** Bytes of a line of the caches that the estimate assumes. */
const LINE = 64
interface Cache {
  readonly sets: number
  readonly ways: number
}
const FIRST: Cache = { sets: 64, ways: 8 }
const SECOND: Cache = { sets: 1024, ways: 16 }

/** Bytes from term to term along each reduced axis. */
const stridesOf = ({ free, reduced }: Nest, { index: { coefficients } }: Load): number[] =>
  reduced.map((_, i) => Math.abs(coefficients[free.length + i]) * 4)

/** Lines that all terms of one element touch. */
const linesOf = (nest: Nest, load: Load): number =>
  stridesOf(nest, load).reduce((n, stride, i) => n * Math.ceil((nest.reduced[i] * Math.min(stride, LINE)) / LINE), 1)

/** Do they stay in the cache, given that rows far apart share few sets of it? */
function fits(nest: Nest, load: Load, cache: Cache): boolean {
  const stride = stridesOf(nest, load)[nest.reduced.indexOf(Math.max(...nest.reduced))]
  let { sets } = cache
  for (let lines = stride / LINE; Number.isInteger(lines) && lines % 2 === 0 && lines > 0 && sets > 1; lines /= 2) sets /= 2
  return linesOf(nest, load) <= (sets * cache.ways) / 2
}
