import { isHalf } from '../../ir/half.ts'
import type { LoweredKernel } from '../nest.ts'
import { accessOf, loadLanes, pointerBase, storeLanes, type Address } from './access.ts'
import type { Evaluator, Module, Point } from './evaluate.ts'
import type { Access, Scope } from './scope.ts'
import type { Tiling } from './tiling.ts'
import { tilesOf, type Tiles } from './tiles.ts'

/** What copies operands needs of the contraction around it. */
export interface Packing {
  readonly scope: Scope
  readonly kernel: LoweredKernel
  readonly module: Module
  readonly ev: Evaluator
  readonly tiling: Tiling
  /** Of the axes, of the outermost reduced one as many points as are added up at a time. */
  readonly extents: readonly number[]
  /** Reduced axes of more than one term. */
  readonly reduced: readonly number[]
}

/**
 * An operand copied into scratch memory in the order in which tiles read it: for each tile, term after term, the elements of
 * that tile next to each other.
 */
export class Panel {
  readonly #p: Packing
  readonly #axis: number
  readonly #address: number
  /** Does it hold all tiles along the axis, or one? */
  readonly #all: boolean
  /** Loops down to this level begin with another copy; its tiles start here along the axis. */
  #outside = 0
  #from = 0

  /** Room for `elements` points along `axis`, which are all tiles of a loop along it or one tile. */
  constructor(packing: Packing, axis: number, elements: number, all: boolean) {
    this.#p = packing
    this.#axis = axis
    this.#all = all
    this.#address = packing.module.scratch(4 * elements * this.#terms)
  }

  get #terms(): number {
    return this.#p.reduced.reduce((n, i) => n * this.#p.extents[i], 1)
  }

  /** From here on it is filled anew, in each iteration of the loops that are open now, with tiles from `start` on. */
  begin(start: number): void {
    this.#outside = this.#p.scope.level
    this.#from = start
  }

  /** Bytes of one term of a tile of `width` elements, and where it is. */
  #access(width: number): Access {
    const { extents, reduced } = this.#p
    const strides = extents.map(() => 0)
    let bytes = 4 * width
    for (const i of reduced.toReversed()) {
      strides[i] = bytes
      bytes *= extents[i]
    }
    if (!this.#all) return { offset: this.#address, strides, scratch: true, outside: this.#outside }
    strides[this.#axis] = bytes / width
    return { offset: this.#address - strides[this.#axis] * this.#from, strides, scratch: true, outside: this.#outside }
  }

  /** Element `by` of a tile of `width` at a point of the tile's first element. */
  at(p: Point, width: number, by = 0): Address {
    const { pointer, offset } = this.#p.scope.address(this.#access(width), p.at)
    return { base: pointerBase(() => this.#p.scope.code, pointer), offset: offset + 4 * by }
  }

  /** Copies one tile of the vector operand, in whole vectors: what lanes beyond the last column hold is arbitrary. */
  packColumns({ points }: Tiles): void {
    const { scope, ev, extents, tiling: { vector, column }, reduced } = this.#p
    const last = reduced.at(-1)
    const { coefficients } = vector.index
    const turns = coefficients[column] !== 1 && !isHalf(vector.dtype)
    const transposes = turns && last !== undefined && coefficients[last] === 1 && extents[last] >= 4
    over(scope, extents, transposes ? reduced.slice(0, -1) : reduced, () => {
      points.forEach((c, i) => {
        const p = ev.point(new Map([[column, c.by]]), { axis: column, width: c.width })
        const to = this.at(ev.point(), 4 * points.length, 4 * i)
        if (transposes) this.#transpose(to, p, c.width, last, 16 * points.length)
        else storeLanes(ev, 'f32', to, 4, 4, () => pushVector(this.#p, p))
      })
    })
  }

  #transpose(to: Address, p: Point, width: number, last: number, step: number): void {
    const { scope, extents, kernel, module, tiling: { vector, column } } = this.#p
    const { code } = scope
    const push = (a: Address): void => {
      a.base()
      code.i32(a.offset).op('i32.add')
    }
    const from = accessOf(kernel.address(vector.node), vector.index, 'f32')
    // Unused lanes repeat the last column.
    for (let l = 0; l < 4; l++) {
      const { pointer, offset } = scope.address(from, p.at)
      push({ base: pointerBase(() => scope.code, pointer), offset: offset + from.strides[column] * Math.min(l, width - 1) })
    }
    code.i32(extents[last])
    push(to)
    code.i32(step).call(module.transpose())
  }

  /** Copies one tile of the other operand. */
  packRows({ points }: Tiles): void {
    const { scope, ev, extents, tiling: { single, row, factors }, reduced } = this.#p
    const parts = tilesOf(points.length, 1, 4).flatMap((t) => t.points.map((x) => ({ by: t.start + x.by, width: x.width })))
    over(scope, extents, reduced, () => {
      for (const { by, width } of parts) {
        const p = ev.point(new Map([[row, by]]), { axis: row, width })
        storeLanes(ev, 'f32', this.at(ev.point(), points.length, by), 4, width, () => ev.push(factors.get(single)!, p))
      }
    })
  }
}

/** Loops along all of these axes, the first outermost. */
export function over(scope: Scope, extents: readonly number[], axes: readonly number[], body: () => void): void {
  if (!axes.length) return body()
  const [first, ...rest] = axes
  scope.loop(first, 0, extents[first], 1, () => over(scope, extents, rest, body))
}

/** A vector of the vector operand, as it lies in memory. */
export function pushVector({ ev, kernel, tiling: { vector, column, factors } }: Packing, p: Point): void {
  if (isHalf(vector.dtype)) return ev.push(factors.get(vector)!, p)
  const a = ev.address(kernel.address(vector.node), vector, 'f32', p)
  loadLanes(ev, 'f32', a, 4 * vector.index.coefficients[column], p.lanes!.width)
}
