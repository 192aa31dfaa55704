import { axis as axisForm } from '../../ir/affine.ts'
import type { Expr } from '../../ir/expression.ts'
import { rowMajor, type Shape } from '../../ir/types.ts'
import type { LoweredKernel, Nest } from '../nest.ts'
import { Accumulators, type Parts } from './accumulators.ts'
import { pushBeginning } from './carried.ts'
import type { Local } from './encoder/assembler.ts'
import { Evaluator, type Module, type Point } from './evaluate.ts'
import { scheduleOf, turnedLoads, type Schedule } from './schedule.ts'
import type { Scope } from './scope.ts'
import { emitStores, emitStoresOfTile } from './stores.ts'
import { tilesOf, type Tiles } from './tiles.ts'

/** Bytes of the accumulators that stay in memory at a time: a part of the first-level cache. */
const BLOCK = 8192

/** Emits a map, a fold or a running sum into the scope. */
export function emitFold(scope: Scope, kernel: LoweredKernel, nest: Nest, module: Module): void {
  scope.enter([...nest.free, ...nest.reduced])
  new Fold(scope, kernel, nest, module).emit()
}

/** A step along some axes. */
type By = ReadonlyMap<number, number>

class Fold {
  readonly #scope: Scope
  readonly #kernel: LoweredKernel
  readonly #nest: Nest
  readonly #module: Module
  readonly #ev: Evaluator
  readonly #s: Schedule
  /** The last reduced axis (−1: there is none), and those around it. */
  readonly #last: number
  readonly #outerTerms: readonly number[]

  constructor(scope: Scope, kernel: LoweredKernel, nest: Nest, module: Module) {
    this.#scope = scope
    this.#kernel = kernel
    this.#nest = nest
    this.#module = module
    this.#ev = new Evaluator(scope, kernel, nest, module)
    this.#s = scheduleOf(this.#ev, nest)
    const from = nest.free.length
    this.#outerTerms = nest.reduced.slice(0, -1).flatMap((n, i) => (n === 1 ? [] : [from + i]))
    this.#last = nest.reduced.length ? from + nest.reduced.length - 1 : -1
  }

  // --- Loops over points ----------------------------------------------------------------------------------------------

  emit(): void {
    const { free } = this.#nest
    const { inner, jammed, unroll, lanes, rows, turned } = this.#s
    if (inner < 0) return this.#tile(tilesOf(1, 1, 1)[0])
    const outer = free.flatMap((n, i) => (n > 1 && i !== inner && i !== turned && !jammed.includes(i) ? [i] : []))
    const along = (tiles: readonly Tiles[], body: (t: Tiles) => void): void => {
      for (const t of tiles) this.#scope.loop(inner, t.start, t.count, t.step, () => body(t))
    }
    this.#over(outer, () => {
      if (turned >= 0) return this.#turned(turned)
      if (!rows) return along(tilesOf(free[inner], unroll, lanes), (t) => this.#tile(t))
      const vectors = Math.min(Math.floor(BLOCK / (16 * this.#fresh().count)), this.#scope.piece(inner, Math.ceil(free[inner] / lanes)))
      along(tilesOf(free[inner], vectors, lanes), (t) => this.#block(t.points.at(-1)!.by + t.points.at(-1)!.width))
    })
  }

  #over(axes: readonly number[], body: () => void): void {
    if (!axes.length) return body()
    const [first, ...rest] = axes
    this.#scope.loop(first, 0, this.#ev.extents[first], 1, () => this.#over(rest, body))
  }

  /** The points of a tile, moved further along some reduced axes. */
  #points(t: Tiles, by: By, cores: readonly Local[] = [], lanes: Point['lanes'] = null): Point[] {
    return t.points.flatMap((p, i) => this.#jam.map((jam, j) => {
      const at = new Map([...by, ...jam, [this.#s.inner, p.by]])
      const beside = this.#s.form === 'beside' ? { axis: this.#s.inner, width: p.width } : null
      return this.#ev.point(at, lanes ?? beside, cores[i * this.#jam.length + j] ?? null)
    }))
  }

  /** All points of the jammed axes. */
  get #jam(): readonly By[] {
    return pointsOf(this.#s.jammed, this.#ev.extents)
  }

  #tile(t: Tiles): void {
    const { value, reduced, running } = this.#nest
    const ev = this.#ev
    const varied = [...this.#s.jammed, ...(t.points.length > 1 ? [this.#s.inner] : [])]
    ev.unrolled = varied.reduce((m, i) => m | (1 << i), 0)
    if (!value) return emitStoresOfTile(ev, this.#nest, this.#points(t, new Map()))
    const folds = this.#points(t, new Map()).map((p) => this.#begun(p))
    if (!reduced.includes(0)) this.#terms(t, folds)
    if (running) return
    const cores = folds.map((f) => f.result())
    ev.coreLevel = this.#scope.level
    emitStoresOfTile(ev, this.#nest, this.#points(t, new Map(), cores))
  }

  #fresh(): Accumulators {
    const { combine, value } = this.#nest
    return new Accumulators(this.#ev, combine!, value!.dtype, this.#s.form, this.#parts())
  }

  /** From the neutral element, or what the row steps before this one have made. */
  #begun(p: Point): Accumulators {
    const folds = this.#fresh().begin()
    if (!this.#nest.carried) return folds
    pushBeginning(this.#ev, this.#nest, p)
    this.#scope.code.set(folds.running)
    return folds
  }

  #parts(): Parts {
    if (!this.#s.partial) return 'one'
    return this.#nest.reduced.at(-1)! % 4 ? 'four and tail' : 'four'
  }

  /**
   * A map by squares of four by four points. Along `axis` four squares at a time, which is a line of memory of what is
   * contiguous there.
   */
  #turned(axis: number): void {
    const { inner } = this.#s
    const { free } = this.#nest
    for (const q of tilesOf(free[axis], 4, 4)) {
      const whole = q.points.filter((p) => p.width === 4).length
      this.#scope.loop(axis, q.start, q.count, q.step, () => {
        for (const t of tilesOf(free[inner], 1, 4)) {
          this.#scope.loop(inner, t.start, t.count, t.step, () => {
            if (whole) this.#scope.loop(axis, 0, whole, 4, () => this.#square(t, axis, 4))
            if (whole < q.points.length) this.#scope.loop(axis, 4 * whole, 1, 4, () => this.#square(t, axis, q.points.at(-1)!.width))
          })
        }
      })
    }
  }

  #square(t: Tiles, axis: number, count: number): void {
    const { stores } = this.#nest
    this.#unrolled([axis], () => {
      const [first] = this.#points(t, new Map())
      if (count === 4 && t.points[0].width === 4) {
        for (const e of turnedLoads(stores.map((s) => s.value), this.#s.inner, axis)) this.#ev.turn(e, first, axis)
      }
      for (let k = 0; k < count; k++) for (const p of this.#points(t, new Map([[axis, k]]))) emitStores(this.#ev, this.#nest, p)
    })
  }

  // --- Loops over terms -----------------------------------------------------------------------------------------------

  #terms(t: Tiles, folds: readonly Accumulators[]): void {
    if (this.#s.written) {
      this.#unrolled([...this.#outerTerms, this.#last], () => {
        for (const by of pointsOf([...this.#outerTerms, this.#last], this.#ev.extents)) this.#add(t, folds, by, 0)
      })
    } else this.#over(this.#outerTerms, () => this.#termsAlong(t, folds))
  }

  #unrolled(axes: readonly number[], body: () => void): void {
    const before = this.#ev.unrolled
    this.#ev.unrolled = axes.reduce((m, i) => m | (1 << i), before)
    body()
    this.#ev.unrolled = before
  }

  /** One term of every point of the tile, into accumulator k. A running sum is stored at once. */
  #add(t: Tiles, folds: readonly Accumulators[], by: By, k: number): void {
    const { value, running } = this.#nest
    const position = folds[0].pair ? this.#position() : null
    this.#points(t, by).forEach((p, i) => folds[i].add(value!, p, k, position))
    if (!running) return
    this.#ev.coreLevel = this.#scope.level
    for (const p of this.#points(t, by, folds.map((f) => f.running))) emitStores(this.#ev, this.#nest, p)
  }

  /** All terms along the last reduced axis. */
  #termsAlong(t: Tiles, folds: readonly Accumulators[]): void {
    const n = this.#nest.reduced.at(-1)!
    if (!this.#s.partial) return this.#scope.loop(this.#last, 0, n, 1, () => this.#add(t, folds, new Map(), 0))
    if (this.#s.form === 'across') return this.#termsAcross(t, folds)
    const quads = Math.floor(n / 4)
    if (quads) this.#scope.loop(this.#last, 0, quads, 4, () => this.#some(t, folds, 4, (k) => k))
    this.#scope.loop(this.#last, 4 * quads, 1, 1, () => this.#some(t, folds, n % 4, () => 4))
  }

  /** `count` terms one after the other. */
  #some(t: Tiles, folds: readonly Accumulators[], count: number, into: (k: number) => number): void {
    this.#unrolled([this.#last], () => {
      for (let k = 0; k < count; k++) this.#add(t, folds, new Map([[this.#last, k]]), into(k))
    })
  }

  #termsAcross(t: Tiles, folds: readonly Accumulators[]): void {
    const { reduced, value } = this.#nest
    const n = reduced.at(-1)!
    const points = (width: number): Point[] => this.#points(t, new Map(), [], { axis: this.#last, width })
    if (n >= 4) {
      this.#scope.loop(this.#last, 0, Math.floor(n / 4), 4, () => points(4).forEach((p, i) => folds[i].add(value!, p, 0, null)))
    }
    if (n % 4) {
      this.#scope.loop(this.#last, n - (n % 4), 1, 1, () => points(n % 4).forEach((p, i) => folds[i].addLanesToTail(value!, p)))
    }
  }

  /** Row-major position among the reduced axes. */
  #position(): Expr {
    const rank = this.#ev.extents.length
    const strides = rowMajor(this.#nest.reduced)
    const zero = axisForm(0, rank, 0)
    const index = strides.reduce((f, s, i) => ({ ...f, coefficients: f.coefficients.with(this.#nest.free.length + i, s) }), zero)
    return this.#kernel.expressions.position(index, 'i32')
  }

  // --- Accumulators in memory -----------------------------------------------------------------------------------------

  /**
   * So many points along the inner axis, with a few terms at a time: each row of what is folded is read from one end to the
   * other, as memory likes it, instead of one line of each of all rows.
   */
  #block(extent: number): void {
    const scope = this.#scope
    const { inner, lanes, rows, partial } = this.#s
    const bytes = 16 * this.#fresh().count
    const address = this.#module.scratch(bytes * Math.ceil(extent / lanes))
    const pointer = this.#ev.local('i32')
    const each = (body: (t: Tiles, folds: Accumulators) => void): void => {
      scope.pushScratchBase()
      scope.code.set(pointer)
      for (const t of tilesOf(extent, 1, lanes)) {
        scope.loop(inner, t.start, t.count, t.step, () => {
          body(t, this.#fresh())
          scope.code.get(pointer).i32(bytes).op('i32.add').set(pointer)
        })
      }
    }
    const terms = (count: number, into: (k: number) => number): void => each((t, folds) => {
      folds.fetch(pointer, address)
      this.#some(t, [folds], count, into)
      folds.keep(pointer, address)
    })
    each((t) => this.#begun(this.#points(t, new Map())[0]).keep(pointer, address))
    const n = this.#nest.reduced.at(-1)!
    const quads = n - (n % 4)
    const several = partial ? quads - (quads % rows) : n - (n % rows)
    const of = (k: number): number => (partial ? k % 4 : 0)
    const along = (start: number, count: number, step: number, body: () => void): void => {
      if (count) scope.loop(this.#last, start, count, step, body)
    }
    this.#over(this.#outerTerms, () => {
      along(0, several / rows, rows, () => terms(rows, of))
      if (partial) along(several, (quads - several) / 4, 4, () => terms(4, of))
      const rest = n - (partial ? quads : several)
      along(n - rest, Math.min(rest, 1), 1, () => terms(rest, () => (partial ? 4 : 0)))
    })
    if (this.#nest.running) return
    each((t, folds) => {
      folds.fetch(pointer, address)
      const core = folds.result()
      this.#ev.coreLevel = scope.level
      for (const p of this.#points(t, new Map(), [core])) emitStores(this.#ev, this.#nest, p)
    })
  }
}

/** The points of these axes in row-major order. */
const pointsOf = (axes: readonly number[], extents: Shape): By[] =>
  axes.reduce<By[]>((all, a) => all.flatMap((by) => Array.from({ length: extents[a] }, (_, i) => new Map([...by, [a, i]]))), [new Map()])
