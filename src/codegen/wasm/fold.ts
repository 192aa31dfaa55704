import { axis as axisForm } from '../../ir/affine.ts'
import { inOrder, type Expr } from '../../ir/expression.ts'
import type { Combine } from '../../ir/op.ts'
import { rowMajor, sizeOf, type DType } from '../../ir/types.ts'
import type { LoweredKernel, Nest } from '../nest.ts'
import { orderOf } from '../order.ts'
import { Accumulators, type Form, type Parts } from './accumulators.ts'
import type { Local } from './encoder/assembler.ts'
import { Evaluator, type Module, type Point } from './evaluate.ts'
import { isLaneType } from './lanes.ts'
import type { Scope } from './scope.ts'
import { emitStores, storesInLanes } from './stores.ts'
import { evenLanes, evenUnroll, tilesOf, type Tiles } from './tiles.ts'

/** Combinations that may meet in any order with the same bits. */
const associative = (combine: Combine, d: DType): boolean =>
  combine === 'max' || combine === 'min' || ((combine === 'sum' || combine === 'prod') && (d === 'i32' || d === 'u32'))

/** Below this many operations in all, size counts for more than speed: a few microseconds. */
const LITTLE_WORK = 40_000
/** Operations of a body that may well be emitted twice. */
const SHORT_BODY = 8

/** Emits a map, a fold or a running sum into the scope. */
export function emitFold(scope: Scope, kernel: LoweredKernel, nest: Nest, module: Module): void {
  scope.enter([...nest.free, ...nest.reduced])
  new Fold(scope, kernel, nest, module).emit()
}

class Fold {
  readonly #scope: Scope
  readonly #kernel: LoweredKernel
  readonly #nest: Nest
  readonly #ev: Evaluator
  /** The innermost free axis with more than one point, and the last reduced one; −1 if there is none. */
  readonly #inner: number
  readonly #last: number
  readonly #form: Form
  /** Are there four partial results and a tail? (See order.ts.) */
  readonly #partial: boolean
  readonly #unroll: number
  readonly #lanes: number

  constructor(scope: Scope, kernel: LoweredKernel, nest: Nest, module: Module) {
    this.#scope = scope
    this.#kernel = kernel
    this.#nest = nest
    this.#ev = new Evaluator(scope, kernel, nest, module)
    this.#inner = nest.free.findLastIndex((n) => n > 1)
    this.#last = nest.reduced.length ? nest.free.length + nest.reduced.length - 1 : -1
    this.#form = this.#chooseForm()
    this.#partial = this.#form === 'across' || (nest.value !== null && orderOf(nest) === 'lanes')
    const { unroll, lanes } = this.#chooseTile()
    this.#unroll = unroll
    this.#lanes = lanes
  }

  // --- Choices --------------------------------------------------------------------------------------------------------

  #chooseForm(): Form {
    const { value, combine, reduced, running } = this.#nest
    const ev = this.#ev
    const costs: [Form, number][] = [['single', this.#cost(value, -1)]]
    const { 0: inner, 1: last } = [this.#inner, this.#last]
    if (inner >= 0 && storesInLanes(ev, this.#nest, inner) && (!value || ev.lanesAlong(value, inner))) {
      costs.push(['beside', this.#cost(value, inner) / Math.min(4, ev.extents[inner])])
    }
    if (value && combine && !running && reduced.at(-1)! >= 8 && isLaneType(value.dtype) && ev.lanesAlong(value, last)) {
      const may = associative(combine, value.dtype) || orderOf(this.#nest) === 'lanes'
      // What is left to do once for each fold: adding up the lanes, and the stores in single values.
      const rest = this.#nest.stores.reduce((n, s) => n + this.#cost(s.value, -1), 8)
      if (may) costs.push(['across', this.#cost(value, last) / 4 + rest / reduced.at(-1)!])
    }
    // A map of nothing but constants is still better off in lanes.
    return costs.reduce((a, b) => (b[1] <= a[1] ? b : a))[0]
  }

  /** Instructions for one vector along `axis` (−1: for one value): arithmetic, and loads by how they step. */
  #cost(root: Expr | null, axis: number): number {
    let cost = 0
    for (const e of root ? inOrder([root]) : []) {
      if (e.kind === 'lit' || e.kind === 'core') continue
      if (axis >= 0 && !this.#ev.varies(e, axis)) cost += 0.25
      else if (axis >= 0 && (e.kind === 'load' || e.kind === 'gather') && Math.abs(e.index.coefficients[axis]) !== 1) cost += 4
      else cost += 1
    }
    return cost
  }

  /**
   * How many vectors of how many lanes make a tile along the innermost free axis. Several independent accumulators hide
   * the latency of an addition; that pays for its code if the body is small and there is much to do. Where there is little,
   * a long body is not emitted a second time for what four lanes leave over: fewer lanes leave nothing.
   */
  #chooseTile(): { unroll: number; lanes: number } {
    const { value, running, stores } = this.#nest
    const roots = [...(value ? [value] : []), ...stores.map((s) => s.value)]
    const weigh = (of: readonly Expr[]): number => inOrder(of).filter((e) => e.kind !== 'lit').length
    const work = sizeOf(this.#ev.extents) * weigh(roots)
    const extent = this.#inner < 0 ? 1 : this.#ev.extents[this.#inner]
    // Random words come in blocks of four, which the evaluator relies on.
    const even = work < LITTLE_WORK && weigh(roots) > SHORT_BODY && !inOrder(roots).some((e) => e.kind === 'random')
    const lanes = this.#form !== 'beside' ? 1 : even ? evenLanes(extent) : 4
    const chained = value && !running && work >= LITTLE_WORK && !stores.some((s) => s.accumulate)
    if (!chained || this.#form === 'single' || (this.#form === 'beside' && this.#partial)) return { unroll: 1, lanes }
    const most = weigh([value]) <= 4 ? 4 : weigh([value]) <= 8 ? 2 : 1
    return { unroll: evenUnroll(this.#form === 'beside' ? Math.ceil(extent / 4) : extent, most), lanes }
  }

  // --- Loops ----------------------------------------------------------------------------------------------------------

  emit(): void {
    const { free } = this.#nest
    if (this.#inner < 0) return this.#tile(tilesOf(1, 1, 1)[0])
    const outer = free.flatMap((n, i) => (n > 1 && i !== this.#inner ? [i] : []))
    this.#over(outer, () => {
      for (const t of tilesOf(free[this.#inner], this.#unroll, this.#lanes)) {
        this.#scope.loop(this.#inner, t.start, t.count, t.step, () => this.#tile(t))
      }
    })
  }

  #over(axes: readonly number[], body: () => void): void {
    if (!axes.length) return body()
    const [first, ...rest] = axes
    this.#scope.loop(first, 0, this.#ev.extents[first], 1, () => this.#over(rest, body))
  }

  /** The points of a tile, moved further along some reduced axis. */
  #points(t: Tiles, by: number, cores: readonly Local[] = [], lanes: Point['lanes'] = null): Point[] {
    return t.points.map((p, i) => {
      const at = new Map([[this.#last, by], [this.#inner, p.by]])
      const beside = this.#form === 'beside' ? { axis: this.#inner, width: p.width } : null
      return this.#ev.point(at, lanes ?? beside, cores[i] ?? null)
    })
  }

  #tile(t: Tiles): void {
    const { value, combine, reduced, running } = this.#nest
    const ev = this.#ev
    ev.unrolled = t.points.length > 1 ? 1 << this.#inner : 0
    if (!value || !combine) {
      for (const p of this.#points(t, 0)) emitStores(ev, this.#nest, p)
      return
    }
    const folds = t.points.map(() => new Accumulators(ev, combine, value.dtype, this.#form, this.#parts()))
    const outer = reduced.slice(0, -1).map((_, i) => this.#nest.free.length + i)
    if (!reduced.includes(0)) this.#over(outer.filter((i) => ev.extents[i] > 1), () => this.#terms(t, folds))
    if (running) return
    const cores = folds.map((f) => f.result())
    ev.coreLevel = this.#scope.level
    for (const p of this.#points(t, 0, cores)) emitStores(ev, this.#nest, p)
  }

  #parts(): Parts {
    if (!this.#partial) return 'one'
    return this.#nest.reduced.at(-1)! % 4 ? 'four and tail' : 'four'
  }

  /** All terms along the last reduced axis. */
  #terms(t: Tiles, folds: readonly Accumulators[]): void {
    const { reduced, running, value } = this.#nest
    const ev = this.#ev
    const n = reduced.at(-1)!
    if (!this.#partial) {
      this.#scope.loop(this.#last, 0, n, 1, () => {
        const position = folds[0].pair ? this.#position() : null
        this.#points(t, 0).forEach((p, i) => folds[i].add(value!, p, 0, position))
        if (!running) return
        ev.coreLevel = this.#scope.level
        for (const p of this.#points(t, 0, folds.map((f) => f.running))) emitStores(ev, this.#nest, p)
      })
      return
    }
    const quads = Math.floor(n / 4)
    const across = this.#form === 'across'
    const unrolled = ev.unrolled
    ev.unrolled |= across ? 0 : 1 << this.#last
    if (quads) {
      this.#scope.loop(this.#last, 0, quads, 4, () => {
        for (let k = 0; k < (across ? 1 : 4); k++) {
          const lanes = across ? { axis: this.#last, width: 4 } : null
          this.#points(t, k, [], lanes).forEach((p, i) => folds[i].add(value!, p, k, null))
        }
      })
    }
    this.#scope.loop(this.#last, 4 * quads, 1, 1, () => {
      if (across && n % 4) {
        this.#points(t, 0, [], { axis: this.#last, width: n % 4 }).forEach((p, i) => folds[i].addLanesToTail(value!, p))
      }
      for (let k = 0; !across && k < n % 4; k++) this.#points(t, k).forEach((p, i) => folds[i].add(value!, p, 4, null))
    })
    ev.unrolled = unrolled
  }

  /** Row-major position among the reduced axes. */
  #position(): Expr {
    const rank = this.#ev.extents.length
    const strides = rowMajor(this.#nest.reduced)
    const zero = axisForm(0, rank, 0)
    const index = strides.reduce((f, s, i) => ({ ...f, coefficients: f.coefficients.with(this.#nest.free.length + i, s) }), zero)
    return this.#kernel.expressions.position(index, 'i32')
  }
}
