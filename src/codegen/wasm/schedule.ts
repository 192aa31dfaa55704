import { inOrder, type Expr } from '../../ir/expression.ts'
import type { Combine } from '../../ir/op.ts'
import { DTYPES, sizeOf, type DType } from '../../ir/types.ts'
import { operationsOf, type Nest, type Store } from '../nest.ts'
import { orderOf } from '../order.ts'
import type { Form } from './accumulators.ts'
import type { Evaluator } from './evaluate.ts'
import { isLaneType } from './lanes.ts'
import { storesInLanes } from './stores.ts'
import { evenLanes, evenUnroll } from './tiles.ts'

/** How the loops of a map, a fold or a running sum run. */
export interface Schedule {
  readonly form: Form
  /** The free axis of the tiles, innermost of all loops over free axes; −1: there is but one point. */
  readonly inner: number
  /** Free axes of few points: every tile holds all of them. */
  readonly jammed: readonly number[]
  /** A tile is so many vectors of so many lanes along `inner`. */
  readonly unroll: number
  readonly lanes: number
  /** Four partial results and a tail? (See order.ts.) */
  readonly partial: boolean
  /** Are all terms written out, without a loop? */
  readonly written: boolean
  /**
   * 0: accumulators stay in registers over all terms, and the loop over terms is innermost. Else they are in memory, and so many
   * terms at a time are added to each: what is folded is walked along its rows.
   */
  readonly rows: number
  /** The free axis along which loads are contiguous that are wanted along `inner`: they are transposed four by four; −1: none. */
  readonly turned: number
}

/** An f32, i32 or u32 that is loaded. */
export type Load = Extract<Expr, { kind: 'load' }>

/** The loads to be transposed between two axes: contiguous along `axis`, apart along `inner`. */
export const turnedLoads = (roots: readonly Expr[], inner: number, axis: number): Load[] => inOrder(roots).flatMap((e) => {
  if (e.kind !== 'load' || !isLaneType(e.dtype) || DTYPES[e.dtype].bytes !== 4) return []
  const { coefficients: c } = e.index
  return c[axis] === 1 && Math.abs(c[inner]) >= 4 ? [e] : []
})

/** Below this many operations in all, size counts for more than speed: a few microseconds. */
const LITTLE_WORK = 40_000
/** Operations of a body that may well be emitted twice. */
const SHORT_BODY = 8
/** Most points of the jammed axes. */
const MOST_JAMMED = 4
/** Most terms, and most operations of all of them, that are written out. */
const MOST_WRITTEN = 16
const MOST_WRITTEN_WORK = 48
/** Elements between two terms, terms and points from which on walking along columns costs more than accumulators in memory. */
const FAR = 16
const MANY_TERMS = 32
const MANY_POINTS = 16
/** Points from which on a map that transposes is worth its squares of code. */
const MANY_SQUARED = 4096
/** Terms that are added at a time to accumulators in memory, and the operations that they may have together. */
const ROWS = 8
const ROWS_WORK = 48

/** Combinations that may meet in any order with the same bits. */
const associative = (combine: Combine, d: DType): boolean =>
  combine === 'max' || combine === 'min' || ((combine === 'sum' || combine === 'prod') && (d === 'i32' || d === 'u32'))

/** The cheapest schedule by estimated instructions. */
export function scheduleOf(ev: Evaluator, nest: Nest): Schedule {
  return new Scheduling(ev, nest).choose()
}

class Scheduling {
  readonly #ev: Evaluator
  readonly #nest: Nest
  readonly #work: number
  readonly #terms: number

  constructor(ev: Evaluator, nest: Nest) {
    this.#ev = ev
    this.#nest = nest
    this.#work = sizeOf([...(nest.rows ?? []), ...ev.extents]) * operationsOf(this.#roots())
    this.#terms = Math.max(1, sizeOf(nest.reduced))
  }

  #roots(): Expr[] {
    const { value, stores } = this.#nest
    return [...(value ? [value] : []), ...stores.map((s) => s.value)]
  }

  choose(): Schedule {
    const { value, running, stores } = this.#nest
    const { inner, jammed } = this.#axes()
    const form = this.#form(inner)
    const partial = form === 'across' || (value !== null && orderOf(this.#nest) === 'lanes')
    const apart = form === 'beside' ? jammed : []
    const rows = this.#rows(form, inner, apart)
    const chained = value && !running && this.#work >= LITTLE_WORK && !stores.some((s) => s.accumulate)
    const single = !chained || rows > 0 || apart.length > 0 || form === 'single' || (form === 'beside' && partial)
    const extent = inner < 0 ? 1 : this.#ev.extents[inner]
    const most = single ? 1 : operationsOf([value]) <= 4 ? 4 : operationsOf([value]) <= 8 ? 2 : 1
    const unroll = evenUnroll(form === 'beside' ? Math.ceil(extent / 4) : extent, most)
    const written = this.#written(partial)
    const turned = this.#turned(form, inner, apart)
    return { form, inner, jammed: apart, unroll, lanes: turned < 0 ? this.#lanes(form, extent) : 4, partial, written, rows, turned }
  }

  #turned(form: Form, inner: number, jammed: readonly number[]): number {
    const { value, free, stores } = this.#nest
    if (value || form !== 'beside' || jammed.length || sizeOf(free) < MANY_SQUARED || free[inner] < 4) return -1
    if (stores.some((s) => s.accumulate || s.indirect || s.index.coefficients[inner] !== 1)) return -1
    return [...free.keys()].findLast((a) => a !== inner && free[a] >= 4 && turnedLoads(this.#roots(), inner, a).length > 0) ?? -1
  }

  /**
   * Where there is little, a long body is not emitted a second time for what four lanes leave over: fewer lanes leave
   * nothing.
   */
  #lanes(form: Form, extent: number): number {
    if (form !== 'beside') return 1
    const roots = this.#roots()
    // Random words come in blocks of four, which the evaluator relies on.
    const even = this.#work < LITTLE_WORK && operationsOf(roots) > SHORT_BODY && !inOrder(roots).some((e) => e.kind === 'random')
    return even ? evenLanes(extent) : 4
  }

  /** The innermost free axis, or one that has only a few points inside of it, as in windows that touch. */
  #axes(): { inner: number; jammed: number[] } {
    const { free, running, stores } = this.#nest
    const axes = [...free.keys()].filter((i) => free[i] > 1).toReversed()
    let best = { inner: axes[0] ?? -1, jammed: [] as number[] }
    if (running || stores.some((s) => s.accumulate)) return best
    let cost = this.#besideCost(best.inner, best.jammed)
    axes.forEach((inner, i) => {
      const jammed = axes.slice(0, i).toReversed()
      if (!i || free[inner] < 4 || sizeOf(jammed.map((a) => free[a])) > MOST_JAMMED) return
      const other = this.#besideCost(inner, jammed)
      if (other < cost) [best, cost] = [{ inner, jammed }, other]
    })
    return best
  }

  #mayLane(axis: number): boolean {
    const { value } = this.#nest
    return axis >= 0 && storesInLanes(this.#ev, this.#nest, axis) && (!value || this.#ev.lanesAlong(value, axis))
  }

  /** Instructions for one point if lanes go along this axis. */
  #besideCost(axis: number, jammed: readonly number[]): number {
    if (!this.#mayLane(axis)) return Infinity
    const { value, stores } = this.#nest
    const extent = this.#ev.extents[axis]
    const written = stores.reduce((n, s) => n + this.#cost(s.value, axis) + this.#storeCost(s, axis, jammed), 0)
    return ((this.#terms * this.#cost(value, axis) + written) * Math.ceil(extent / 4)) / extent
  }

  #storeCost({ index: { coefficients: c } }: Store, axis: number, jammed: readonly number[]): number {
    if (Math.abs(c[axis]) === 1) return 1
    return c[axis] === 2 && jammed.some((a) => c[a] === 1) ? 2 : 4
  }

  #form(inner: number): Form {
    const { value, combine, reduced, running, stores } = this.#nest
    const ev = this.#ev
    const last = ev.extents.length - 1
    const costs: [Form, number][] = [['single', this.#cost(value, -1)]]
    if (this.#mayLane(inner)) costs.push(['beside', this.#cost(value, inner) / Math.min(4, ev.extents[inner])])
    if (value && combine && !running && reduced.at(-1)! >= 8 && isLaneType(value.dtype) && ev.lanesAlong(value, last)) {
      const may = associative(combine, value.dtype) || orderOf(this.#nest) === 'lanes'
      // What is left to do once for each fold: adding up the lanes, and the stores in single values.
      const rest = stores.reduce((n, s) => n + this.#cost(s.value, -1), 8)
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
      // What all vectors along the axis share; with one vector nothing is shared.
      if (axis >= 0 && !this.#ev.varies(e, axis)) cost += this.#ev.extents[axis] > 4 ? 0.25 : 1
      else if (axis >= 0 && (e.kind === 'load' || e.kind === 'gather')) cost += loadCost(e, axis)
      else cost += 1
    }
    return cost
  }

  #written(partial: boolean): boolean {
    const { value, combine, running } = this.#nest
    if (!value || running || partial || combine === 'argmax' || combine === 'argmin') return false
    const operations = this.#terms * operationsOf([value])
    return this.#terms > 1 && this.#terms <= MOST_WRITTEN && operations <= MOST_WRITTEN_WORK && (this.#terms <= 4 || this.#work >= LITTLE_WORK)
  }

  /** How many terms to add at a time to accumulators in memory; 0 if registers are better. */
  #rows(form: Form, inner: number, jammed: readonly number[]): number {
    const { value, combine, reduced, stores } = this.#nest
    const n = reduced.at(-1) ?? 0
    if (!value || combine === 'argmax' || combine === 'argmin' || form !== 'beside' || jammed.length || this.#work < LITTLE_WORK || stores.some((s) => s.accumulate)) return 0
    if (n < MANY_TERMS || this.#ev.extents[inner] < MANY_POINTS) return 0
    const last = this.#ev.extents.length - 1
    const far = inOrder([value]).some((e) =>
      (e.kind === 'load' || e.kind === 'gather') && Math.abs(e.index.coefficients[inner]) === 1 && Math.abs(e.index.coefficients[last]) >= FAR)
    if (!far) return 0
    return operationsOf([value]) * ROWS <= ROWS_WORK ? ROWS : operationsOf([value]) * 4 <= ROWS_WORK ? 4 : 0
  }
}

function loadCost({ dtype, index }: Extract<Expr, { kind: 'load' | 'gather' }>, axis: number): number {
  const step = Math.abs(index.coefficients[axis])
  return step === 1 ? 1 : (step <= 3 && DTYPES[dtype].bytes === 4) || (step === 2 && dtype === 'bool') ? 2 : 4
}
