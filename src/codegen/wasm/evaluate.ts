import { InternalError } from '../../ir/errors.ts'
import { inOrder, type Expr } from '../../ir/expression.ts'
import { halfBits, isHalf } from '../../ir/half.ts'
import type { Routine, ScalarOp } from '../../ir/scalar.ts'
import { DTYPES, type DType, type Shape } from '../../ir/types.ts'
import type { LoweredKernel, Nest, Store } from '../nest.ts'
import { accessOf, gatherLanes, loadLanes, loadOne, loadSplat, pointerBase, type Address } from './access.ts'
import { axisBit, CORE, Dependence } from './dependence.ts'
import type { Code, Func, Imported, Local, ValueType } from './encoder/assembler.ts'
import type { HostName } from './host.ts'
import { actsAt, applyLanes, castLanes, extract, hasLanes, isLaneType, shortSelect, splat } from './lanes.ts'
import { pushRandomWord, pushRandomWords } from './random.ts'
import { applyScalar, bitcastScalar, castScalar, constant, valueType, type Place } from './scalars.ts'
import { transpose4 } from './routines.ts'
import type { Scope } from './scope.ts'

/** What a function under construction may ask of the module around it. */
export interface Module {
  host(name: HostName): Imported
  /** `(block, key0, key1, stream) → four words`: see routines.ts. */
  philox(): Func
  /** `(from0 … from3, count, to, step)`: see routines.ts. */
  transpose(): Func
  /** See routine.ts. */
  routine(routine: Routine, lanes: boolean): Func
  /** Address of scratch memory that is the caller's until the next nest. */
  scratch(bytes: number): number
}

/** One point of the iteration space, or as many as there are lanes along one axis. */
export interface Point {
  /** Distance of the point from the present iteration of the open loops, axis by axis. */
  readonly at: readonly number[]
  readonly lanes: { readonly axis: number; readonly width: number } | null
  /** What the core has made here: a vector if there are lanes and the core varies along them. */
  readonly core: Local | null
}

/** Emits the expressions of one nest: each once for each point, at the outermost level where it is known. */
export class Evaluator implements Place {
  readonly scope: Scope
  readonly extents: Shape
  readonly #kernel: LoweredKernel
  readonly #module: Module
  readonly #depends: Dependence
  /** Axes that the function is told: they stand still in it, but anywhere. */
  readonly rows: number
  /** Level at which the core's value is bound; the emitter of the nest sets it. */
  coreLevel = 0
  /** Axes along which points of one iteration differ: tiles that are unrolled. */
  unrolled = 0

  constructor(scope: Scope, kernel: LoweredKernel, nest: Nest, module: Module) {
    this.scope = scope
    this.extents = [...nest.free, ...nest.reduced]
    this.rows = nest.rows?.length ?? 0
    this.#kernel = kernel
    this.#module = module
    this.#depends = new Dependence(nest)
  }

  get code(): Code {
    return this.scope.code
  }

  local(type: ValueType): Local {
    return this.scope.local(type)
  }

  host(name: HostName): Imported {
    return this.#module.host(name)
  }

  /** A point of the present iteration; `by` steps further along some axes. */
  point(by: ReadonlyMap<number, number> = new Map(), lanes: Point['lanes'] = null, core: Local | null = null): Point {
    return { at: this.scope.origin.map((o, i) => o + (by.get(i) ?? 0)), lanes, core }
  }

  /** Does this expression vary along the axis? */
  varies(e: Expr, axis: number): boolean {
    return (this.#depends.mask(e) & axisBit(axis)) !== 0
  }

  #level(e: Expr): number {
    const mask = this.#depends.mask(e)
    let level = mask & CORE ? this.coreLevel : 0
    for (let i = 0; i < this.extents.length; i++) if (mask & axisBit(i)) level = Math.max(level, this.scope.levelOf(i))
    return level
  }

  /** Can all that varies along this axis be computed in lanes along it, and its result be a vector? */
  lanesAlong(e: Expr, axis: number): boolean {
    return isLaneType(e.dtype) && inOrder([e]).every((x) => {
      if (!this.varies(x, axis)) return true
      if (!isLaneType(x.dtype)) return false
      if (x.kind === 'random') return x.args.every((a) => !this.varies(a, axis))
      return x.kind !== 'scalar' || hasLanes(x, (a) => this.varies(a, axis))
    })
  }

  // --- Values ---------------------------------------------------------------------------------------------------------

  /** The value on the stack: a vector if the point has lanes, else a single value. */
  push(e: Expr, p: Point, from: Expr | null = null): void {
    if (p.lanes) this.#pushLanes(e, p, from)
    else this.#pushOne(e, p, from)
  }

  /** The value in a local. */
  value(e: Expr, p: Point): Local {
    if (e.kind === 'core') return p.core!
    if (e.kind === 'lit' && p.lanes) return this.#literal(e.value, e.dtype)
    const compute = (): void => {
      if (p.lanes) this.#spread(e, p)
      else if (e.kind === 'lit') constant(this.code, e.value, e.dtype)
      else this.#one(e, p)
    }
    return this.scope.value(this.#key(e, p), this.#level(e), p.lanes ? 'v128' : valueType(e.dtype), compute)
  }

  /** Names the value of an expression at a point, up to what it does not depend on. */
  #key(e: Expr, p: Point): string {
    const mask = this.#depends.mask(e)
    let key = `${this.#kernel.expressions.id(e)}`
    p.at.forEach((x, i) => (key += mask & axisBit(i) ? `,${x}` : ','))
    return p.lanes ? `${key}|${mask & axisBit(p.lanes.axis) ? `${p.lanes.axis}x${p.lanes.width}` : 'splat'}` : key
  }

  /** Is it computed where its only reader stands, exactly as often as the reader? */
  #inPlace(e: Expr, from: Expr | null): boolean {
    if (this.#depends.uses(e) > 1 || this.#level(e) !== this.scope.level) return false
    return ((this.#depends.mask(e) ^ (from ? this.#depends.mask(from) : -1)) & this.unrolled) === 0
  }

  #pushOne(e: Expr, p: Point, from: Expr | null): void {
    if (e.kind === 'lit') return constant(this.code, e.value, e.dtype)
    if (e.kind === 'core') return void this.code.get(p.core!)
    const level = this.#level(e)
    const key = this.#key(e, p)
    const known = this.scope.known(key, level)
    if (known) this.code.get(known)
    else if (this.#inPlace(e, from)) this.#one(e, p)
    else this.code.get(this.scope.value(key, level, valueType(e.dtype), () => this.#one(e, p)))
  }

  #pushLanes(e: Expr, p: Point, from: Expr | null): void {
    if (e.kind === 'core') return void this.code.get(p.core!)
    if (e.kind === 'lit') return void this.code.get(this.#literal(e.value, e.dtype))
    const key = this.#key(e, p)
    const level = this.#level(e)
    const known = this.scope.known(key, level)
    if (known) return void this.code.get(known)
    if (this.#inPlace(e, from)) this.#spread(e, p)
    else this.code.get(this.scope.value(key, level, 'v128', () => this.#spread(e, p)))
  }

  #spread(e: Expr, p: Point): void {
    if (this.varies(e, p.lanes!.axis)) this.#lanes(e, p)
    else this.#splat(e, p)
  }

  #literal(value: number, dtype: DType): Local {
    const shown = isHalf(dtype) ? halfBits(value, dtype) : dtype === 'bool' ? -value : value
    const key = `${valueType(dtype)} ${Object.is(shown, -0) && dtype !== 'bool' ? '-0' : shown}`
    return this.scope.literal(key, 'v128', () => splat(this, dtype, () => constant(this.code, value, dtype)))
  }

  /** A constant on the stack, as one value or in all lanes. */
  pushNumber(value: number, dtype: DType, lanes: boolean): void {
    if (lanes) this.code.get(this.#literal(value, dtype))
    else constant(this.code, value, dtype)
  }

  /** A value that all lanes share: single arithmetic, then spread. */
  #splat(e: Expr, p: Point): void {
    const one: Point = { ...p, lanes: null }
    const known = this.scope.known(this.#key(e, one), this.#level(e))
    if (!known && e.kind === 'load' && DTYPES[e.dtype].bytes === 4) loadSplat(this.code, this.#addressOf(e, one))
    else splat(this, e.dtype, () => (known ? this.code.get(known) : this.#one(e, one)))
  }

  // --- Single values --------------------------------------------------------------------------------------------------

  #one(e: Expr, p: Point): void {
    const { code } = this
    switch (e.kind) {
      case 'load':
        return loadOne(code, e.dtype, this.#addressOf(e, p))
      case 'gather':
        return loadOne(
          code,
          e.dtype,
          this.indirect(this.#addressOf(e, p), e.args[0], e.stride * DTYPES[e.dtype].bytes, e.limit, p),
        )
      case 'position': {
        this.pushForm(e, p)
        return castScalar(code, 'i32', e.dtype, () => {})
      }
      case 'random':
        return pushRandomWord(this, this.#module.philox(), e, p)
      case 'rarely':
        return this.#rarely(e, p)
      case 'scalar': {
        const push = (a: Expr): (() => void) => () => this.#pushOne(a, p, e)
        if (e.op === 'cast') castScalar(code, e.args[0].dtype, e.dtype, push(e.args[0]))
        else if (e.op === 'bitcast') bitcastScalar(code, e.args[0].dtype, e.dtype, push(e.args[0]))
        else applyScalar(this, e.op, actsAt(e), e.args.map(push))
        return
      }
      default:
        throw new InternalError('wasm emitter', `a ${e.kind} is not computed`)
    }
  }

  #addressOf(e: Extract<Expr, { kind: 'load' | 'gather' }>, p: Point): Address {
    return this.address(this.#kernel.address(e.node), e, e.dtype, p)
  }

  /** Where a load or store of `dtype` goes at this point. */
  address(base: number, { index }: Pick<Store, 'index'>, dtype: DType, p: Point): Address {
    const { pointer, offset } = this.scope.address(accessOf(base, index, dtype), p.at)
    return { base: pointerBase(() => this.code, pointer), offset }
  }

  /** `a` + clamp(at, 0, limit − 1) · stride bytes. */
  indirect(a: Address, at: Expr, stride: number, limit: number, p: Point): Address {
    const by = this.#byteOffset(at, stride, limit)
    return {
      base: () => {
        a.base()
        this.code.get(this.value(by, { ...p, lanes: null })).op('i32.add')
      },
      offset: a.offset,
    }
  }

  /** clamp(at, 0, limit − 1) · stride as an expression, so that it is shared and hoisted like any other. */
  #byteOffset(at: Expr, stride: number, limit: number): Expr {
    const { arith: k } = this.#kernel.expressions
    const top = k.min(at, k.lit(limit - 1, at.dtype))
    const clamped = at.dtype === 'i32' ? k.max(top, k.lit(0, 'i32')) : k.cast(top, 'i32')
    return k.mul(clamped, k.lit(stride, 'i32'))
  }

  /** The integer value of an affine form, in elements. */
  pushForm(e: Extract<Expr, { kind: 'position' | 'random' }>, p: Point, shift = 0): void {
    const { pointer, offset } = this.scope.address({ offset: e.index.offset + shift, strides: e.index.coefficients }, p.at)
    if (!pointer) this.code.i32(offset)
    else {
      this.code.get(pointer)
      if (offset) this.code.i32(offset).op('i32.add')
    }
  }

  // --- Four lanes -----------------------------------------------------------------------------------------------------

  #lanes(e: Expr, p: Point): void {
    const { code } = this
    const { axis, width } = p.lanes!
    switch (e.kind) {
      case 'load':
        return loadLanes(this, e.dtype, this.#addressOf(e, p), e.index.coefficients[axis] * DTYPES[e.dtype].bytes, width)
      case 'gather':
        return this.#gather(e, p)
      case 'position':
        splat(this, 'i32', () => this.pushForm(e, p))
        code.get(this.#steps(e.index.coefficients[axis])).op('i32x4.add')
        return castLanes(this, 'i32', e.dtype, () => {}, () => this.pushNumber(1, e.dtype, true))
      case 'random':
        return pushRandomWords(this, this.#module.philox(), e, p)
      case 'rarely':
        return this.#rarely(e, p)
      case 'scalar': {
        const push = (a: Expr): (() => void) => () => this.#pushLanes(a, p, e)
        const short = shortSelect(e)
        if (short) {
          for (const a of short.args) push(a)()
          code.op(short.op)
        } else if (e.op === 'cast') castLanes(this, e.args[0].dtype, e.dtype, push(e.args[0]), () => this.pushNumber(1, e.dtype, true))
        else if (e.op === 'bitcast') push(e.args[0])()
        else if (e.op === 'shl' || e.op === 'shr') {
          applyLanes(this, e.op, e.dtype, [push(e.args[0]), () => this.#pushOne(e.args[1], { ...p, lanes: null }, null)])
        } else if (e.op === 'add' && e.dtype === 'f32') this.#sum(e.args, p, e)
        else applyLanes(this, e.op, actsAt(e), e.args.map(push))
        return
      }
      default:
        throw new InternalError('wasm emitter', `a ${e.kind} is not computed`)
    }
  }

  /** A product comes first and the other addend from a local: relaxed arithmetic then has one instruction for both. */
  #sum([a, b]: readonly Expr[], p: Point, from: Expr): void {
    const isProduct = (e: Expr): boolean => isScalar(e, 'mul') && this.varies(e, p.lanes!.axis) && this.#inPlace(e, from)
    const [product, other] = isProduct(b) ? [b, a] : [a, b]
    // A load or a product would need a local just for this, and waits for little anyway.
    const kept = isScalar(other, 'add') || isScalar(other, 'sub') || !this.#inPlace(other, from)
    if (!kept || !isProduct(product)) return applyLanes(this, 'add', 'f32', [a, b].map((x) => () => this.#pushLanes(x, p, from)))
    const addend = this.value(other, p)
    this.#pushLanes(product, p, from)
    this.code.get(addend).op('f32x4.add')
  }

  /** [0, c, 2c, 3c] */
  #steps(c: number): Local {
    const bytes = new Uint8Array(Int32Array.of(0, c, 2 * c, 3 * c).buffer)
    return this.scope.literal(`steps ${c}`, 'v128', () => this.code.v128([...bytes]))
  }

  #gather(e: Extract<Expr, { kind: 'gather' }>, p: Point): void {
    const { axis, width } = p.lanes!
    const { bytes } = DTYPES[e.dtype]
    const a = this.#addressOf(e, p)
    const step = e.index.coefficients[axis] * bytes
    if (!this.varies(e.args[0], axis)) {
      return loadLanes(this, e.dtype, this.indirect(a, e.args[0], e.stride * bytes, e.limit, { ...p, lanes: null }), step, width)
    }
    const by = this.value(this.#byteOffset(e.args[0], e.stride * bytes, e.limit), p)
    const lane = (l: number): Address => ({
      base: () => {
        a.base()
        this.code.get(by).lane('i32x4.extract_lane', l).op('i32.add')
      },
      offset: a.offset + l * step,
    })
    gatherLanes(this, e.dtype, Array.from({ length: width }, (_, l) => lane(l)))
  }

  /**
   * Loads four vectors along `axis`, one for each lane of the point, and turns them into the vectors of this point and of the
   * next three along `axis`: what is contiguous along the one and wanted along the other.
   */
  turn(e: Extract<Expr, { kind: 'load' }>, p: Point, axis: number): void {
    const along = p.lanes!.axis
    const moved = (by: readonly [number, number]): Point => ({ ...p, at: p.at.with(by[0], p.at[by[0]] + by[1]) })
    const columns = [0, 1, 2, 3].map((l) => {
      const a = this.#addressOf(e, moved([along, l]))
      const column = this.local('v128')
      a.base()
      this.code.memory('v128.load', a.offset, 4).set(column)
      return column
    })
    transpose4(this.code, columns, (push, k) => void this.scope.value(this.#key(e, moved([axis, k])), this.#level(e), 'v128', push))
  }

  /** The routine is called where the condition holds, in any lane; in the others its result does not count. */
  #rarely(e: Extract<Expr, { kind: 'rarely' }>, p: Point): void {
    const { code } = this
    const [condition, usual, x] = e.args.map((a) => this.value(a, p))
    const result = this.local(usual.type)
    code.get(usual).set(result).get(condition)
    if (p.lanes) code.op('v128.any_true')
    code.within('if', () => {
      code.get(x).call(this.#module.routine(e.routine, p.lanes !== null))
      if (p.lanes) code.get(usual).get(condition).op('v128.bitselect')
      code.set(result)
    })
    code.get(result)
  }

  /** One lane of the vector on the stack as a single value. */
  extract(dtype: DType, lane: number): void {
    extract(this, dtype, lane)
  }
}

const isScalar = (e: Expr, op: ScalarOp): boolean => e.kind === 'scalar' && e.op === op
