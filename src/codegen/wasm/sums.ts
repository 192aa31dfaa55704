import { pointerBase, type Address } from './access.ts'
import type { Point } from './evaluate.ts'
import type { Packing } from './panel.ts'
import type { Access } from './scope.ts'
import type { Tiles } from './tiles.ts'

/** What has been added up so far, in scratch memory, row after row. A sum that goes through memory in f32 keeps its bits. */
export class Sums {
  readonly #p: Packing
  readonly #strides: number[]
  readonly #address: number
  readonly #bytes: number
  /** Bytes before the first column of this form. */
  readonly #start: number
  /** Loops down to this level do not move them; their rows start here. */
  #outside = 0
  #from = 0

  /** For `rows` rows and a tile of columns, or all tiles of this form. `inside`: further axes that have sums of their own. */
  constructor(packing: Packing, columns: Tiles, all: boolean, rows: number, inside: readonly number[]) {
    const { ev: { extents }, tiling: { row, column }, module } = packing
    this.#strides = extents.map(() => 0)
    this.#strides[column] = 4
    let bytes = 16 * columns.points.length * (all ? columns.count : 1)
    const extend = (axis: number, extent: number): void => {
      if (axis >= 0) this.#strides[axis] = bytes
      bytes *= extent
    }
    extend(row, rows)
    for (const i of inside) extend(i, extents[i])
    this.#p = packing
    this.#bytes = bytes
    this.#address = module.scratch(bytes)
    this.#start = 4 * columns.start
  }

  /** From here on all sums are 0 again, in each iteration of the loops that are open now; rows are counted from `row`. */
  begin(row: number): void {
    const { scope, tiling } = this.#p
    this.#outside = scope.level
    this.#from = tiling.row < 0 ? 0 : this.#strides[tiling.row] * row
    scope.pushScratchBase()
    scope.code.i32(this.#address).op('i32.add').i32(0).i32(this.#bytes).fill()
  }

  /** The vector of sums at a point of the tile. */
  at(p: Point): Address {
    const { scope } = this.#p
    const access: Access = { offset: this.#address - this.#start - this.#from, strides: this.#strides, scratch: true, outside: this.#outside }
    const { pointer, offset } = scope.address(access, p.at)
    return { base: pointerBase(() => scope.code, pointer), offset }
  }
}
