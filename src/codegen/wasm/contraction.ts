import type { LoweredKernel, Nest } from '../nest.ts'
import { pushBeginning } from './carried.ts'
import type { Local } from './encoder/assembler.ts'
import { Evaluator, type Module, type Point } from './evaluate.ts'
import { over, Panel, type Packing } from './panel.ts'
import type { Scope } from './scope.ts'
import { storesInLanes } from './stores.ts'
import { Sums } from './sums.ts'
import { chooseTiling } from './tile.ts'
import { TileStores } from './tile-stores.ts'
import { tilePoint, TileTerms } from './tile-terms.ts'
import { packsRowsFor, type Tiling } from './tiling.ts'
import { rowTiles, tilesOf, type Tiles } from './tiles.ts'

/** How the nest would be tiled; null if it is for {@link emitFold} instead. */
export function tilingOf(scope: Scope, kernel: LoweredKernel, nest: Nest, module: Module): Tiling | null {
  const ev = new Evaluator(scope, kernel, nest, module)
  return chooseTiling(nest, (axis) => storesInLanes(ev, nest, axis))
}

/** The forms of column tile that the nest needs: each is emitted on its own, by {@link emitContraction}. */
export const columnTiles = (nest: Nest, t: Tiling): Tiles[] => tilesOf(nest.free[t.column], t.vectors, 4)

/**
 * A contraction by register tiles: for each tile of columns and each tile of rows (either packed into a panel if that pays),
 * all terms are added up in registers, one after the other, then the stores run on the registers. Figures: bench/README.md.
 */
export function emitContraction(
  scope: Scope,
  kernel: LoweredKernel,
  nest: Nest,
  module: Module,
  tiling: Tiling,
  columns: Tiles,
): void {
  scope.enter([...nest.free, ...nest.reduced])
  new Contraction(scope, kernel, nest, module, tiling, columns).emit()
}

class Contraction {
  readonly #scope: Scope
  readonly #nest: Nest
  readonly #ev: Evaluator
  readonly #t: Tiling
  readonly #columns: Tiles
  readonly #reduced: readonly number[]
  readonly #packing: Packing
  /** The vector operand, and the other one, if they are packed. */
  readonly #columnPanel: Panel | null
  readonly #rowPanel: Panel | null
  /** Where sums wait if not all of their terms are added up at a time. */
  readonly #sums: Sums | null
  readonly #terms: TileTerms
  readonly #stores: TileStores

  constructor(scope: Scope, kernel: LoweredKernel, nest: Nest, module: Module, tiling: Tiling, columns: Tiles) {
    const ev = new Evaluator(scope, kernel, nest, module)
    const reduced = nest.reduced.flatMap((n, i) => (n > 1 ? [nest.free.length + i] : []))
    this.#scope = scope
    this.#nest = nest
    this.#ev = ev
    this.#t = tiling
    this.#columns = columns
    this.#reduced = reduced
    const { feed, allColumns, column, row, rowBlock, termBlock } = tiling
    const wide = 4 * columns.points.length
    const extents = ev.extents.map((n, i) => (termBlock && i === reduced[0] ? termBlock : n))
    this.#packing = { scope, kernel, module, ev, tiling, extents, reduced }
    this.#columnPanel = feed === 'packed' ? new Panel(this.#packing, column, allColumns ? wide * columns.count : wide, allColumns) : null
    this.#rowPanel = packsRowsFor(tiling, columns) ? new Panel(this.#packing, row, rowBlock, true) : null
    const inside = this.#outer.filter((i) => !(this.#rowPanel ? tiling.single : tiling.vector).index.coefficients[i])
    const [rowsAtOnce, all] = this.#rowPanel ? [rowBlock, true] : [this.#rowExtent, false]
    this.#sums = termBlock ? new Sums(this.#packing, columns, all, rowsAtOnce, inside) : null
    this.#terms = new TileTerms(this.#packing, nest, columns, this.#columnPanel, this.#rowPanel)
    this.#stores = new TileStores(this.#packing, nest, columns)
  }

  /** Free axes around tiles. */
  get #outer(): number[] {
    return this.#nest.free.flatMap((n, i) => (n > 1 && i !== this.#t.row && i !== this.#t.column ? [i] : []))
  }

  emit(): void {
    const { vector, single, allColumns } = this.#t
    const outer = this.#outer
    const first = allColumns || !this.#rowPanel ? vector : single
    const moves = (i: number): boolean => first.index.coefficients[i] !== 0
    this.#over(outer.filter(moves), () => {
      if (allColumns) {
        this.#columnPanel?.begin(this.#columns.start)
        this.#overColumns(() => this.#packColumns())
      }
      const inside = (body: () => void): void => this.#over(outer.filter((i) => !moves(i)), body)
      if (!this.#rowPanel) this.#columnsOutside(inside)
      else if (allColumns) inside(() => this.#inBlocks(this.#rowPanel!, (body) => body()))
      else this.#inBlocks(this.#rowPanel, inside)
    })
  }

  /** For each tile of columns, all tiles of rows. */
  #columnsOutside(inside: (body: () => void) => void): void {
    const tiles = (): void => this.#overRows(this.#rowExtent, (t) => this.#tile(t))
    if (this.#t.allColumns) return inside(() => this.#overColumns(tiles))
    this.#overColumns(() => this.#inTermBlocks(0, () => {
      this.#packColumns()
      inside(tiles)
    }, () => inside(() => this.#stores.storeSums(this.#sums!, this.#rowExtent))))
  }

  /** If not all terms are added up at a time: `body` for each block of them, then `stores`. Rows are counted from `start`. */
  #inTermBlocks(start: number, body: () => void, stores: () => void): void {
    const { termBlock } = this.#t
    if (!this.#sums) return body()
    const [first] = this.#reduced
    this.#sums.begin(start)
    this.#scope.loop(first, 0, this.#ev.extents[first] / termBlock, termBlock, () => {
      this.#columnPanel?.begin(0)
      body()
    })
    stores()
  }

  /** The rows of a block are packed once for all columns. */
  #inBlocks(panel: Panel, inside: (body: () => void) => void): void {
    const { row, rowBlock, allColumns } = this.#t
    const block = (start: number, extent: number): void => this.#inTermBlocks(start, () => {
      panel.begin(start)
      this.#overRows(extent, (t) => panel.packRows(t))
      inside(() => this.#overColumns(() => {
        if (!allColumns) this.#packColumns()
        this.#overRows(extent, (t) => this.#tile(t))
      }))
    }, () => inside(() => this.#overColumns(() => this.#stores.storeSums(this.#sums!, extent))))
    // One block is no loop, which threads would divide.
    if (rowBlock >= this.#rowExtent) return block(0, this.#rowExtent)
    for (const { start, count, step, points } of tilesOf(this.#rowExtent, rowBlock, 1)) {
      this.#scope.loop(row, start, count, step, () => block(start, points.length))
    }
  }

  #packColumns(): void {
    this.#columnPanel?.packColumns(this.#columns)
  }

  get #rowExtent(): number {
    return this.#t.row < 0 ? 1 : this.#nest.free[this.#t.row]
  }

  #overColumns(body: () => void): void {
    const { start, count, step } = this.#columns
    this.#scope.loop(this.#t.column, start, count, step, body)
  }

  #overRows(extent: number, body: (t: Tiles) => void): void {
    if (this.#t.row < 0) return body(tilesOf(1, 1, 1)[0])
    for (const t of rowTiles(extent, this.#t.rows)) this.#scope.loop(this.#t.row, t.start, t.count, t.step, () => body(t))
  }

  #over(axes: readonly number[], body: () => void): void {
    over(this.#scope, this.#packing.extents, axes, body)
  }

  #tile(rows: Tiles): void {
    const ev = this.#ev
    const { code } = this.#scope
    const columns = this.#columns.points
    const accumulators = rows.points.map(() => columns.map(() => ev.local('v128')))
    const each = (body: (acc: Local, p: Point) => void): void =>
      accumulators.forEach((list, i) => list.forEach((acc, j) => body(acc, tilePoint(this.#packing, rows.points[i].by, columns[j]))))
    const sums = this.#sums
    each((acc, p) => {
      if (!sums) pushBeginning(ev, this.#nest, p)
      else {
        const a = sums.at(p)
        a.base()
        code.memory('v128.load', a.offset, 16)
      }
      code.set(acc)
    })
    this.#terms.add(rows, accumulators)
    if (!sums) return this.#stores.store(rows, accumulators)
    each((acc, p) => {
      const a = sums.at(p)
      a.base()
      code.get(acc).memory('v128.store', a.offset, 16)
    })
  }
}
