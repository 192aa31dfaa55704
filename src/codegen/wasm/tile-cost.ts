import { isHalf } from '../../ir/half.ts'
import { DTYPES, sizeOf, type DType } from '../../ir/types.ts'
import type { Affine } from '../../ir/affine.ts'
import type { Nest } from '../nest.ts'
import type { Load } from '../order.ts'
import { rowTiles, tilesOf } from './tiles.ts'
import { extentsOf, firstReduced, loadsOf, packsRowsFor, runsAlongTerms, termsAtATime, touchesMuch, type Tiling } from './tiling.ts'

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
export const PANEL = 26_000
/** Bytes of a panel that comes from the second-level cache as fast as it is needed, or almost. */
export const LONG_PANEL: number = 4 * PANEL
/** Further cycles to write one vector into a panel, and to read it back, by whether the panel is larger than that. */
const WRITE = 2.5
const WRITE_FAR = 4
const READ_FAR = 0.5
const READ_FARTHER = 1.5
/** Cycles to get a line of memory from the second-level cache, the fuller that is, and from beyond. */
const NEAR_MISS = 0.25
const MISS = 10
/** Further cycles to read a vector again after stores that touch so many vectors that it has left the first-level cache. */
const AGAIN = 0.4
/** Cycles to get one vector of sums and put it back, where not all terms are added up at a time. */
const SUMS = 5
/** The loop over terms itself. */
const PER_TERM = 0.3
/** Scratch is memory that the program takes: as many cycles as a byte of it has to win, beyond a quarter of the operands. */
const MEMORY = 0.25
/** Code is shipped and compiled: as many cycles as a vector's share of a tile, its loads, its transposition have to win. */
const CODE = 60
const LOAD_CODE = 20
const TURN_CODE = 600
const PANEL_CODE = 100

/** Estimated cycles of the whole nest, for comparison only. */
export function cyclesOf(nest: Nest, t: Tiling): number {
  const { free, reduced } = nest
  const terms = sizeOf(reduced)
  const blocks = terms / termsAtATime(nest, t.termBlock)
  const first = firstReduced(nest)
  const block = t.termBlock ? { ...nest, reduced: reduced.map((n, i) => (i === first ? t.termBlock : n)) } : nest
  const outer = free.flatMap((n, i) => (n > 1 && i !== t.column && i !== t.row ? [i] : []))
  const times = (moved: Load | null): number => outer.reduce((n, i) => n * (!moved || moved.index.coefficients[i] ? free[i] : 1), sizeOf(nest.rows ?? []))
  const [widenVector, widenSingle] = [t.vector, t.single].map((x) => WIDEN[x.dtype] ?? 0)
  const write = epilogue(nest, t.column)
  const much = touchesMuch(nest)
  const alike = t.vector.index.coefficients[t.column] === 1
  const get = (alike ? LOAD : runsAlongTerms(nest, t.vector) && !isHalf(t.vector.dtype) ? TURN : gatherCost(t)) + widenVector
  const rowCost = t.rowBlock && packRowCost(t, widenSingle) + missOf(block, t.single) / t.rows
  // Rows whose elements lie in lines of their own.
  const apart = t.row >= 0 && Math.abs(t.single.index.coefficients[t.row]) * 4 >= LINE
  let cost = 0
  let scratch = 0
  for (const column of tilesOf(free[t.column], t.vectors, 4)) {
    const w = column.points.length
    const bytes = (terms / blocks) * w * 16
    const beyond = bytes > PANEL
    // All columns are packed into what the first-level cache has lost when they are read, once for each run of rows.
    const runs = Math.ceil((t.row < 0 ? 1 : free[t.row]) / t.rows)
    const readPanel = w * (bytes > LONG_PANEL ? READ_FARTHER : READ_FAR * (beyond ? 1 : t.allColumns ? 1 / runs : 0))
    const packsRows = packsRowsFor(t, column)
    const single = packsRows ? 0 : widenSingle
    const missSingle = packsRows ? 0 : missOf(block, t.single)
    for (const row of rowTiles(t.row < 0 ? 1 : free[t.row], t.rows)) {
      const r = row.points.length
      const readSingle = missSingle * (apart ? r : 1)
      // One multiplication and one addition a cycle, or one load. Loads hide behind them, almost; shuffles and gathers do not.
      const turned = w * (FIRST_ROW + NEXT_ROW * (r - 1))
      const direct = alike ? missOf(block, t.vector) + (much ? AGAIN * w : 0) : 0
      const feed = { direct, packed: readPanel, turned, strided: w * GATHER }[t.feed]
      const widen = r * single + (t.feed === 'packed' ? 0 : w * widenVector)
      const term = Math.max(r * w, r + w, t.feed === 'turned' ? LATENCY_TURNED : LATENCY) + feed + widen + readSingle + PER_TERM + 0.1 * (r + w)
      cost += times(null) * column.count * row.count * (PER_TILE * blocks + terms * term + (write + (blocks > 1 ? SUMS * blocks : 0)) * r * w)
      cost += CODE * (r * w + 1) + LOAD_CODE * (r + w) + (t.feed === 'turned' ? TURN_CODE * w : 0)
    }
    const panel = t.feed === 'packed' ? 16 * w * (t.allColumns ? column.count : 1) : 0
    const perRow = packsRows ? (16 * w * column.count * times(null)) / times(t.single) : (16 * w * times(null)) / times(t.vector)
    const sums = blocks > 1 ? perRow * (packsRows ? t.rowBlock : t.row < 0 ? 1 : free[t.row]) : 0
    scratch = Math.max(scratch, (terms / blocks) * (panel + (packsRows ? 4 * t.rowBlock : 0)) + sums)
    if (packsRows) cost += times(t.allColumns ? null : t.single) * free[t.row] * (terms * rowCost + PER_TILE / t.rows) + PANEL_CODE
    if (t.feed === 'packed') {
      const put = beyond || t.allColumns ? WRITE_FAR : WRITE
      const repeated = packsRows && !t.allColumns ? Math.ceil(free[t.row] / t.rowBlock) * times(null) : times(t.vector)
      cost += repeated * column.count * (PER_TILE * blocks + terms * ((get + put) * w + missOf(block, t.vector))) + PANEL_CODE * w
    }
  }
  const operands = [t.vector, t.single].reduce((n, x) => n + DTYPES[x.dtype].bytes * sizeOf(extentsOf(nest, x)), 0)
  return cost + MEMORY * Math.max(0, scratch - operands / 4)
}

/** Cycles to get a vector element by element, each from a line of its own if they are far apart. */
const gatherCost = ({ vector, column }: Tiling): number => (Math.abs(vector.index.coefficients[column]) < 16 ? 1 : 3) * GATHER

/** Cycles to copy one row's element of one term. */
function packRowCost({ single, row, rows }: Tiling, widen: number): number {
  const vectors = Math.ceil(rows / 4)
  return single.index.coefficients[row] === 1 ? (vectors * (LOAD + WRITE + PER_TERM + widen)) / rows : GATHER / 4 + WRITE / 2 + widen
}

/** Cycles that a term of an operand waits, which is read where it lies: by the cache in which a tile of it stays. */
function missOf(nest: Nest, load: Load): number {
  if (runsAlongTerms(nest, load) || fillOf(nest, load, FIRST) <= ROOM) return 0
  const fill = fillOf(nest, load, SECOND)
  return ((fill <= 1 ? NEAR_MISS * (1 + fill / 2) : MISS) * linesOf(nest, load)) / sizeOf(nest.reduced)
}

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
/** The part of the first-level cache that one operand may fill beside the others. */
const ROOM = 0.5

/** Bytes from term to term along each reduced axis. */
const stridesOf = ({ free, reduced }: Nest, { index: { coefficients } }: Load): number[] =>
  reduced.map((_, i) => Math.abs(coefficients[free.length + i]) * 4)

/** Lines that all terms of one element touch. */
const linesOf = (nest: Nest, load: Load): number =>
  stridesOf(nest, load).reduce((n, stride, i) => n * Math.ceil((nest.reduced[i] * Math.min(stride, LINE)) / LINE), 1)

/** The part of the cache that they fill, given that rows far apart share few sets of it; above 1 they do not stay. */
function fillOf(nest: Nest, load: Load, cache: Cache): number {
  const stride = stridesOf(nest, load)[nest.reduced.indexOf(Math.max(...nest.reduced))]
  let { sets } = cache
  for (let lines = stride / LINE; Number.isInteger(lines) && lines % 2 === 0 && lines > 0 && sets > 1; lines /= 2) sets /= 2
  return linesOf(nest, load) / (sets * cache.ways)
}
