import { inOrder, type Expr } from '../../ir/expression.ts'
import { sizeOf } from '../../ir/types.ts'
import type { Nest } from '../nest.ts'
import type { Local } from './encoder/assembler.ts'
import type { Packing } from './panel.ts'
import { emitStores, emitStoresInTurns } from './stores.ts'
import type { Sums } from './sums.ts'
import { tilePoint, type Accumulators } from './tile-terms.ts'
import type { Tiles } from './tiles.ts'

/**
 * Epilogues with more operations than this become a loop over the tile; smaller ones are unrolled. The tile goes through
 * memory for that, which is nothing beside a long sum.
 */
const SMALL_EPILOGUE = 1
const SMALL_EPILOGUE_OF_SHORT_SUM = 6
const SHORT_SUM = 24
/** In a loop, those with more operations than this take two vectors in turns: one alone waits for itself most of the time. */
const LONG_EPILOGUE = 36

/** What becomes of the sums of a register tile: the nest's stores, on the registers or in a loop over the tile. */
export class TileStores {
  readonly #p: Packing
  readonly #nest: Nest
  readonly #columns: Tiles

  constructor(packing: Packing, nest: Nest, columns: Tiles) {
    this.#p = packing
    this.#nest = nest
    this.#columns = columns
  }

  /** The stores of a tile whose terms are all added up. */
  store(rows: Tiles, accumulators: Accumulators): void {
    const { scope, ev, tiling: { row, column } } = this.#p
    const { reduced, stores } = this.#nest
    ev.coreLevel = scope.level
    const small = sizeOf(reduced) < SHORT_SUM ? SMALL_EPILOGUE_OF_SHORT_SUM : SMALL_EPILOGUE
    if (accumulators.flat().length >= 4 && this.#operations.length + stores.length - 1 > small) return this.#storeInLoop(rows, accumulators)
    ev.unrolled = (1 << column) | (row < 0 ? 0 : 1 << row)
    rows.points.forEach((r, i) =>
      this.#columns.points.forEach((c, j) => emitStores(ev, this.#nest, tilePoint(this.#p, r.by, c, accumulators[i][j]))))
  }

  /** The stores of so many rows of a tile of columns, whose sums have waited. */
  storeSums(sums: Sums, rows: number): void {
    const { scope, ev, tiling: { column } } = this.#p
    this.#overVectors(rows, (by) => {
      const sum = ev.local('v128')
      const a = sums.at(ev.point(new Map([[column, by]])))
      a.base()
      scope.code.memory('v128.load', a.offset, 16).set(sum)
      return sum
    })
  }

  /** The operations that the stores are. */
  get #operations(): readonly Expr[] {
    return inOrder(this.#nest.stores.map((s) => s.value)).filter((e) => e.args.length)
  }

  /** The tile goes through memory once more, so that a long epilogue is emitted once and not for each vector. */
  #storeInLoop(rows: Tiles, accumulators: Accumulators): void {
    const { scope, ev, module } = this.#p
    const spilled = accumulators.flat()
    const address = module.scratch(16 * spilled.length)
    spilled.forEach((acc, i) => {
      scope.pushScratchBase()
      scope.code.get(acc).memory('v128.store', address + 16 * i, 16)
    })
    const pointer = ev.local('i32')
    scope.pushScratchBase()
    scope.code.set(pointer)
    this.#overVectors(rows.points.length, () => {
      const core = ev.local('v128')
      scope.code.get(pointer).memory('v128.load', address, 16).set(core)
      scope.code.get(pointer).i32(16).op('i32.add').set(pointer)
      return core
    })
  }

  /** The stores for each row and each vector of its columns, whose sums `load` gets, in order, `by` columns further on. */
  #overVectors(rows: number, load: (by: number) => Local): void {
    const { scope, ev, tiling } = this.#p
    const columns = this.#columns.points
    const vectors = (count: number, width: number): void => {
      ev.unrolled = count > 1 ? 1 << tiling.column : 0
      ev.coreLevel = scope.level
      emitStoresInTurns(ev, this.#nest, Array.from({ length: count }, (_, i) => tilePoint(this.#p, 0, { by: 4 * i, width }, load(4 * i))))
    }
    const full = columns.filter((c) => c.width === 4).length
    const long = this.#operations.filter((e) => ev.varies(e, tiling.column)).length > LONG_EPILOGUE
    const atOnce = long && full % 2 === 0 ? 2 : 1
    const row = (): void => {
      if (full) scope.loop(tiling.column, 0, full / atOnce, 4 * atOnce, () => vectors(atOnce, 4))
      if (full < columns.length) scope.loop(tiling.column, 4 * full, 1, 4, () => vectors(1, columns.at(-1)!.width))
    }
    if (tiling.row < 0) row()
    else scope.loop(tiling.row, 0, rows, 1, row)
  }
}
