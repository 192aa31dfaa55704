import { inOrder } from '../../ir/expression.ts'
import { isHalf } from '../../ir/half.ts'
import { sizeOf } from '../../ir/types.ts'
import type { LoweredKernel, Nest } from '../nest.ts'
import { loadLanes, loadSplat, type Address } from './access.ts'
import type { Local } from './encoder/assembler.ts'
import { Evaluator, type Module, type Point } from './evaluate.ts'
import { over, Panel, pushVector, type Packing } from './panel.ts'
import { transpose4 } from './routines.ts'
import type { Scope } from './scope.ts'
import { emitStores, storesInLanes } from './stores.ts'
import { chooseTiling } from './tile.ts'
import { packsRowsFor, type Tiling } from './tiling.ts'
import { rowTiles, tilesOf, type Tiles } from './tiles.ts'

/**
 * Epilogues with more operations than this become a loop over the tile; smaller ones are unrolled. The tile goes through
 * memory for that, which is nothing beside a long sum.
 */
const SMALL_EPILOGUE = 1
const SMALL_EPILOGUE_OF_SHORT_SUM = 6
const SHORT_SUM = 24

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
  readonly #kernel: LoweredKernel
  readonly #nest: Nest
  readonly #module: Module
  readonly #ev: Evaluator
  readonly #t: Tiling
  readonly #columns: Tiles
  readonly #reduced: readonly number[]
  readonly #packing: Packing
  /** The vector operand, and the other one, if they are packed. */
  readonly #columnPanel: Panel | null
  readonly #rowPanel: Panel | null

  constructor(scope: Scope, kernel: LoweredKernel, nest: Nest, module: Module, tiling: Tiling, columns: Tiles) {
    const ev = new Evaluator(scope, kernel, nest, module)
    const reduced = nest.reduced.flatMap((n, i) => (n > 1 ? [nest.free.length + i] : []))
    this.#scope = scope
    this.#kernel = kernel
    this.#nest = nest
    this.#module = module
    this.#ev = ev
    this.#t = tiling
    this.#columns = columns
    this.#reduced = reduced
    const { feed, allColumns, column, row, rowBlock } = tiling
    const wide = 4 * columns.points.length
    this.#packing = { scope, kernel, module, ev, tiling, reduced }
    this.#columnPanel = feed === 'packed' ? new Panel(this.#packing, column, allColumns ? wide * columns.count : wide, allColumns) : null
    this.#rowPanel = packsRowsFor(tiling, columns) ? new Panel(this.#packing, row, rowBlock, true) : null
  }

  emit(): void {
    const { free } = this.#nest
    const { row, column, vector, single, allColumns } = this.#t
    const outer = free.flatMap((n, i) => (n > 1 && i !== row && i !== column ? [i] : []))
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
    this.#overColumns(() => {
      this.#packColumns()
      inside(tiles)
    })
  }

  /** The rows of a block are packed once for all columns. */
  #inBlocks(panel: Panel, inside: (body: () => void) => void): void {
    const { row, rowBlock, allColumns } = this.#t
    const block = (start: number, extent: number): void => {
      panel.begin(start)
      this.#overRows(extent, (t) => panel.packRows(t))
      inside(() => this.#overColumns(() => {
        if (!allColumns) this.#packColumns()
        this.#overRows(extent, (t) => this.#tile(t))
      }))
    }
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
    over(this.#scope, this.#ev.extents, axes, body)
  }

  #point(row: number, column: { by: number; width: number }, core: Local | null = null): Point {
    const at = new Map([[this.#t.row, row], [this.#t.column, column.by]])
    return this.#ev.point(at, { axis: this.#t.column, width: column.width }, core)
  }

  /** One element of the other operand, in all lanes. */
  #spreadSingle(p: Point): void {
    const { single, factors } = this.#t
    const { code } = this.#scope
    if (!isHalf(single.dtype)) return loadSplat(code, this.#ev.address(this.#kernel.address(single.node), single, 'f32', p))
    this.#ev.push(factors.get(single)!, { ...p, lanes: null })
    code.op('f32x4.splat')
  }

  // --- Tile -----------------------------------------------------------------------------------------------------------

  #tile(rows: Tiles): void {
    const ev = this.#ev
    const { code } = this.#scope
    const columns = this.#columns.points
    const accumulators = rows.points.map(() => columns.map(() => ev.local('v128')))
    for (const acc of accumulators.flat()) {
      ev.pushNumber(0, 'f32', true)
      code.set(acc)
    }
    this.#terms(rows, accumulators)
    ev.coreLevel = this.#scope.level
    const { stores } = this.#nest
    const weight = inOrder(stores.map((s) => s.value)).filter((e) => e.args.length).length + stores.length - 1
    const small = sizeOf(this.#nest.reduced) < SHORT_SUM ? SMALL_EPILOGUE_OF_SHORT_SUM : SMALL_EPILOGUE
    if (accumulators.flat().length >= 4 && weight > small) return this.#loopedEpilogue(rows, accumulators)
    ev.unrolled = (1 << this.#t.column) | (this.#t.row < 0 ? 0 : 1 << this.#t.row)
    rows.points.forEach((r, i) => columns.forEach((c, j) => emitStores(ev, this.#nest, this.#point(r.by, c, accumulators[i][j]))))
  }

  #terms(rows: Tiles, accumulators: readonly (readonly Local[])[]): void {
    this.#ev.unrolled = 0
    const last = this.#reduced.at(-1)
    const term = (): void => this.#term(rows, accumulators)
    // In panels all terms lie one after the other.
    if (this.#columnPanel && this.#rowPanel && last !== undefined) return this.#scope.loop(last, 0, sizeOf(this.#nest.reduced), 1, term)
    if (this.#t.feed !== 'turned' || last === undefined) return this.#over(this.#reduced, term)
    const n = this.#ev.extents[last]
    const quads = Math.floor(n / 4)
    this.#over(this.#reduced.slice(0, -1), () => {
      this.#scope.loop(last, 0, quads, 4, () => this.#fourTerms(rows, accumulators, last))
      if (n % 4) this.#scope.loop(last, 4 * quads, n % 4, 1, term)
    })
  }

  /** Four terms at once: the vector operand is loaded along them and transposed in registers. */
  #fourTerms(rows: Tiles, accumulators: readonly (readonly Local[])[], last: number): void {
    const ev = this.#ev
    const { code } = this.#scope
    const { vector, column, row } = this.#t
    const address = (c: number): Address =>
      ev.address(this.#kernel.address(vector.node), vector, 'f32', ev.point(new Map([[column, c]])))
    this.#columns.points.forEach((c, j) => {
      const columns = [0, 1, 2, 3].map((l) => {
        const local = ev.local('v128')
        const a = address(c.by + Math.min(l, c.width - 1))
        a.base()
        code.memory('v128.load', a.offset, 4).set(local)
        return local
      })
      const b = ev.local('v128')
      transpose4(code, columns, (push, k) => {
        push()
        code.set(b)
        rows.points.forEach((r, i) => {
          this.#spreadSingle(ev.point(new Map([[row, r.by], [last, k]])))
          code.get(b).op('f32x4.mul').get(accumulators[i][j]).op('f32x4.add').set(accumulators[i][j])
        })
      })
    })
  }

  /** Multiplies and adds one term into every accumulator of the tile. */
  #term(rows: Tiles, accumulators: readonly (readonly Local[])[]): void {
    const ev = this.#ev
    const { code } = this.#scope
    const kept = (push: () => void): Local => {
      const local = ev.local('v128')
      push()
      code.set(local)
      return local
    }
    const columns = this.#columns.points
    const loadRow = (i: number): Local => kept(() => {
      if (this.#rowPanel) loadSplat(code, this.#rowPanel.at(ev.point(), rows.points.length, i))
      else this.#spreadSingle(this.#point(rows.points[i].by, columns[0]))
    })
    const loadColumn = (j: number): Local => kept(() => {
      if (!this.#columnPanel) return pushVector(this.#packing, this.#point(0, columns[j]))
      loadLanes(ev, 'f32', this.#columnPanel.at(ev.point(), 4 * columns.length, 4 * j), 4, 4)
    })
    // In this order a product and its addition can become one relaxed multiply-add (runtime/relax.ts).
    const step = (acc: Local, a: Local, b: Local): void => void code.get(a).get(b).op('f32x4.mul').get(acc).op('f32x4.add').set(acc)
    // The smaller side stays in registers, the other one streams through.
    if (rows.points.length <= columns.length) {
      const a = rows.points.map((_, i) => loadRow(i))
      columns.forEach((_, j) => {
        const b = loadColumn(j)
        a.forEach((x, i) => step(accumulators[i][j], x, b))
      })
    } else {
      const b = columns.map((_, j) => loadColumn(j))
      rows.points.forEach((_, i) => {
        const a = loadRow(i)
        b.forEach((x, j) => step(accumulators[i][j], a, x))
      })
    }
  }

  /** The tile goes through memory once more, so that a long epilogue is emitted once and not for each vector. */
  #loopedEpilogue(rows: Tiles, accumulators: readonly (readonly Local[])[]): void {
    const ev = this.#ev
    const scope = this.#scope
    const columns = this.#columns.points
    const spilled = accumulators.flat()
    const address = this.#module.scratch(16 * spilled.length)
    spilled.forEach((acc, i) => {
      scope.pushScratchBase()
      scope.code.get(acc).memory('v128.store', address + 16 * i, 16)
    })
    const pointer = ev.local('i32')
    scope.pushScratchBase()
    scope.code.set(pointer)
    ev.unrolled = 0
    const vector = (width: number): void => {
      const { code } = scope
      const core = ev.local('v128')
      code.get(pointer).memory('v128.load', address, 16).set(core)
      code.get(pointer).i32(16).op('i32.add').set(pointer)
      ev.coreLevel = scope.level
      emitStores(ev, this.#nest, this.#point(0, { by: 0, width }, core))
    }
    const full = columns.filter((c) => c.width === 4).length
    const row = (): void => {
      if (full) scope.loop(this.#t.column, 0, full, 4, () => vector(4))
      if (full < columns.length) scope.loop(this.#t.column, 4 * full, 1, 4, () => vector(columns.at(-1)!.width))
    }
    if (this.#t.row < 0) row()
    else scope.loop(this.#t.row, 0, rows.points.length, 1, row)
  }
}
