import { isHalf } from '../../ir/half.ts'
import type { Nest } from '../nest.ts'
import { loadLanes, loadSplat, type Address } from './access.ts'
import type { Local } from './encoder/assembler.ts'
import type { Point } from './evaluate.ts'
import { over, pushVector, type Packing, type Panel } from './panel.ts'
import { transpose4 } from './routines.ts'
import { termsAtATime } from './tiling.ts'
import type { Tiles } from './tiles.ts'

/** The accumulators of a register tile: for each of its rows one vector for each of its columns' vectors. */
export type Accumulators = readonly (readonly Local[])[]

/** The loop over terms of a register tile, with both operands from panels or from where they lie. */
export class TileTerms {
  readonly #p: Packing
  readonly #nest: Nest
  readonly #columns: Tiles
  readonly #columnPanel: Panel | null
  readonly #rowPanel: Panel | null

  constructor(packing: Packing, nest: Nest, columns: Tiles, columnPanel: Panel | null, rowPanel: Panel | null) {
    this.#p = packing
    this.#nest = nest
    this.#columns = columns
    this.#columnPanel = columnPanel
    this.#rowPanel = rowPanel
  }

  /** Adds all terms, or those of one block, to the accumulators. */
  add(rows: Tiles, accumulators: Accumulators): void {
    const { scope, ev, extents, tiling, reduced } = this.#p
    ev.unrolled = 0
    const last = reduced.at(-1)
    const term = (): void => this.#term(rows, accumulators)
    // In panels all terms lie one after the other.
    if (this.#columnPanel && this.#rowPanel && last !== undefined) return scope.loop(last, 0, termsAtATime(this.#nest, tiling.termBlock), 1, term)
    if (tiling.feed !== 'turned' || last === undefined) return over(scope, extents, reduced, term)
    const n = extents[last]
    const quads = Math.floor(n / 4)
    over(scope, extents, reduced.slice(0, -1), () => {
      scope.loop(last, 0, quads, 4, () => this.#fourTerms(rows, accumulators, last))
      if (n % 4) scope.loop(last, 4 * quads, n % 4, 1, term)
    })
  }

  /** Four terms at once: the vector operand is loaded along them and transposed in registers. */
  #fourTerms(rows: Tiles, accumulators: Accumulators, last: number): void {
    const { scope: { code }, ev, kernel, tiling: { vector, column, row } } = this.#p
    const address = (c: number): Address =>
      ev.address(kernel.address(vector.node), vector, 'f32', ev.point(new Map([[column, c]])))
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
  #term(rows: Tiles, accumulators: Accumulators): void {
    const { scope: { code }, ev } = this.#p
    const kept = (push: () => void): Local => {
      const local = ev.local('v128')
      push()
      code.set(local)
      return local
    }
    const columns = this.#columns.points
    const loadRow = (i: number): Local => kept(() => {
      if (this.#rowPanel) loadSplat(code, this.#rowPanel.at(ev.point(), rows.points.length, i))
      else this.#spreadSingle(tilePoint(this.#p, rows.points[i].by, columns[0]))
    })
    const loadColumn = (j: number): Local => kept(() => {
      if (!this.#columnPanel) return pushVector(this.#p, tilePoint(this.#p, 0, columns[j]))
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

  /** One element of the other operand, in all lanes. */
  #spreadSingle(p: Point): void {
    const { scope: { code }, ev, kernel, tiling: { single, factors } } = this.#p
    if (!isHalf(single.dtype)) return loadSplat(code, ev.address(kernel.address(single.node), single, 'f32', p))
    ev.push(factors.get(single)!, { ...p, lanes: null })
    code.op('f32x4.splat')
  }
}

/** A row and a vector of columns of the tile, relative to where it starts. */
export function tilePoint({ ev, tiling: { row, column } }: Packing, by: number, c: { by: number; width: number }, core: Local | null = null): Point {
  return ev.point(new Map([[row, by], [column, c.by]]), { axis: column, width: c.width }, core)
}
