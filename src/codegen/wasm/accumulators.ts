import type { Expr } from '../../ir/expression.ts'
import type { Combine } from '../../ir/op.ts'
import type { ScalarOp } from '../../ir/scalar.ts'
import type { DType } from '../../ir/types.ts'
import { neutral } from '../lower/neutral.ts'
import type { Local } from './encoder/assembler.ts'
import type { PlainOp } from './encoder/opcodes.ts'
import type { Evaluator, Point } from './evaluate.ts'
import { applyLanes } from './lanes.ts'
import { applyScalar, valueType, type Push } from './scalars.ts'

/**
 * Where the four lanes of a vector go: nowhere, `beside` each other along the innermost free axis (one output a lane),
 * or `across` the last reduced axis (one partial result a lane).
 */
export type Form = 'single' | 'beside' | 'across'

const OP: { readonly [C in Combine]: ScalarOp } = { sum: 'add', prod: 'mul', max: 'max', min: 'min', argmax: 'gt', argmin: 'lt' }
/** Without a tail nothing is added to the four: + 0 would not change the bits of a sum that began at +0. */
export type Parts = 'one' | 'four' | 'four and tail'

/**
 * The largest (smallest) of floats in lanes takes the instruction that ignores NaN and the sign of zeros, and accounts for both
 * beside it: `f32x4.max` is eight instructions on x86, a chain of which waits 16 cycles for each term. The result's sign is
 * that of all terms, and-ed (or-ed): a maximum of 0 is −0 only if no term was +0.
 */
const TRACKED: { readonly [C in Combine]?: { readonly op: PlainOp; readonly sign: PlainOp; readonly start: number } } = {
  max: { op: 'f32x4.pmax', sign: 'v128.and', start: -1 },
  min: { op: 'f32x4.pmin', sign: 'v128.or', start: 0 },
}

/** Type of a local, and the number that it starts from. */
interface Start {
  readonly lanes: boolean
  readonly dtype: DType
  readonly from: number
}

/** The running results of one fold: one accumulator, or four partial ones and a tail, or a value with its position. */
export class Accumulators {
  /** Does it keep a position? */
  readonly pair: boolean
  readonly #ev: Evaluator
  readonly #combine: Combine
  readonly #dtype: DType
  readonly #form: Form
  readonly #parts: Parts
  readonly #tracked: (typeof TRACKED)[Combine]
  /** [one], [value, position], [s0, s1, s2, s3, tail], or across: [four lanes, tail]; if tracked, also [signs, NaN]. */
  readonly #locals: Local[] = []

  constructor(ev: Evaluator, combine: Combine, dtype: DType, form: Form, parts: Parts) {
    this.#ev = ev
    this.#combine = combine
    this.#dtype = dtype
    this.#form = form
    this.#parts = parts
    this.pair = combine === 'argmax' || combine === 'argmin'
    this.#tracked = form === 'single' || dtype !== 'f32' ? undefined : TRACKED[combine]
  }

  /** How many locals they are. */
  get count(): number {
    return this.#starts().length
  }

  #starts(): Start[] {
    const [beside, across] = [this.#form === 'beside', this.#form === 'across']
    const of = (lanes: boolean): Start => ({ lanes, dtype: this.#dtype, from: neutral(this.#combine, this.#dtype) })
    if (this.pair) return [of(beside), { lanes: beside, dtype: 'i32', from: 0 }]
    const parts = Array.from({ length: this.#parts === 'one' || across ? 1 : 4 }, () => of(beside || across))
    if (this.#parts === 'four and tail') parts.push(of(beside))
    const { start } = this.#tracked ?? {}
    return start === undefined ? parts : [...parts, { lanes: true, dtype: 'i32', from: start }, { lanes: true, dtype: 'i32', from: 0 }]
  }

  /** Starts from the neutral element. */
  begin(): this {
    for (const { lanes, dtype, from } of this.#starts()) {
      const local = this.#ev.local(lanes ? 'v128' : valueType(dtype))
      this.#ev.pushNumber(from, dtype, lanes)
      this.#ev.code.set(local)
      this.#locals.push(local)
    }
    return this
  }

  /** Goes on from vectors that were kept at `pointer` + `address`. */
  fetch(pointer: Local, address: number): void {
    const { code } = this.#ev
    for (let i = 0; i < this.count; i++) {
      const local = this.#ev.local('v128')
      code.get(pointer).memory('v128.load', address + 16 * i, 16).set(local)
      this.#locals.push(local)
    }
  }

  /** Keeps the vectors at `pointer` + `address`. */
  keep(pointer: Local, address: number): void {
    this.#locals.forEach((local, i) => this.#ev.code.get(pointer).get(local).memory('v128.store', address + 16 * i, 16))
  }

  /** The only accumulator of a sum in order. */
  get running(): Local {
    return this.#locals[0]
  }

  #apply(lanes: boolean, op: ScalarOp, dtype: DType, args: readonly Push[]): void {
    if (lanes) applyLanes(this.#ev, op, dtype, args)
    else applyScalar(this.#ev, op, dtype, args)
  }

  /** accumulator k = accumulator k ∘ value */
  add(value: Expr, p: Point, k: number, position: Expr | null): void {
    if (position) return this.#addPair(value, p, position)
    const { code } = this.#ev
    const acc = this.#locals[k]
    if (this.#tracked && p.lanes) return this.#addTracked(value, p, this.#tracked)
    this.#apply(p.lanes !== null, OP[this.#combine], this.#dtype, [() => code.get(acc), () => this.#ev.push(value, p)])
    code.set(acc)
  }

  #addTracked(value: Expr, p: Point, { op, sign }: NonNullable<(typeof TRACKED)[Combine]>): void {
    const { code } = this.#ev
    const x = this.#ev.value(value, p)
    const best = this.#locals[0]
    const [signs, nan] = this.#locals.slice(-2)
    code.get(best).get(x).op(op).set(best).get(signs).get(x).op(sign).set(signs).get(nan).get(x).get(x).op('f32x4.ne', 'v128.or').set(nan)
  }

  /** The sign that the terms had, and NaN if one of them was. */
  #endTracked(): void {
    const { code } = this.#ev
    const best = this.#locals[0]
    const [signs, nan] = this.#locals.slice(-2)
    code.get(signs).get(best)
    this.#ev.pushNumber(-0x80000000, 'i32', true)
    code.op('v128.bitselect').get(nan).op('v128.or').set(best)
  }

  /** A larger (smaller) value wins, and the first NaN; the first one stays at a tie. */
  #addPair(value: Expr, p: Point, position: Expr): void {
    const { code } = this.#ev
    const lanes = p.lanes !== null
    const [best, index] = this.#locals
    const x = this.#ev.value(value, p)
    const get = (l: Local): Push => () => code.get(l)
    const wins = this.#ev.local(lanes ? 'v128' : 'i32')
    this.#apply(lanes, OP[this.#combine], this.#dtype, [get(x), get(best)])
    if (this.#dtype === 'f32' || this.#dtype === 'f64') {
      this.#apply(lanes, 'ne', this.#dtype, [get(x), get(x)])
      this.#apply(lanes, 'eq', this.#dtype, [get(best), get(best)])
      code.op(...(lanes ? (['v128.and', 'v128.or'] as const) : (['i32.and', 'i32.or'] as const)))
    }
    code.set(wins)
    this.#apply(lanes, 'select', this.#dtype, [get(wins), get(x), get(best)])
    code.set(best)
    this.#apply(lanes, 'select', 'i32', [get(wins), () => this.#ev.push(position, p), get(index)])
    code.set(index)
  }

  /** The last terms of a fold across lanes, one after the other into the tail. */
  addLanesToTail(value: Expr, p: Point): void {
    const { code } = this.#ev
    const terms = this.#ev.value(value, p)
    const tail = this.#locals[1]
    for (let l = 0; l < p.lanes!.width; l++) {
      const term = (): void => {
        code.get(terms)
        this.#ev.extract(this.#dtype, l)
      }
      this.#apply(false, OP[this.#combine], this.#dtype, [() => code.get(tail), term])
      code.set(tail)
    }
  }

  /** The fold's value, in a local: ((s0 + s2) + (s1 + s3)) + tail. */
  result(): Local {
    if (this.pair) return this.#locals[1]
    if (this.#tracked) this.#endTracked()
    if (this.#parts === 'one') return this.#locals[0]
    const { code } = this.#ev
    const lanes = this.#form === 'beside'
    const op = (a: Push, b: Push): Push => () => this.#apply(lanes, OP[this.#combine], this.#dtype, [a, b])
    const get = (l: Local): Push => () => code.get(l)
    const end = (sum: Push, tail: Local | undefined): Push => (tail ? op(sum, get(tail)) : sum)
    const out = this.#ev.local(lanes ? 'v128' : valueType(this.#dtype))
    if (this.#form === 'across') {
      const [four] = this.#locals
      const tail = this.#parts === 'four and tail' ? this.#locals[1] : undefined
      this.#apply(true, OP[this.#combine], this.#dtype, [get(four), () => code.get(four).get(four).shuffle32([2, 3, 2, 3])])
      code.set(four)
      const lane = (l: number): Push => () => {
        code.get(four)
        this.#ev.extract(this.#dtype, l)
      }
      end(op(lane(0), lane(1)), tail)()
    } else {
      const [s0, s1, s2, s3] = this.#locals.map(get)
      end(op(op(s0, s2), op(s1, s3)), this.#locals[4])()
    }
    code.set(out)
    return out
  }
}
