import { InternalError } from '../../ir/errors.ts'
import type { Expr } from '../../ir/expression.ts'
import type { ScalarOp } from '../../ir/scalar.ts'
import type { DType } from '../../ir/types.ts'
import type { PlainOp } from './encoder/opcodes.ts'
import { reuse, type Place, type Push } from './scalars.ts'

/** Types of which four fill a vector. A bool is a mask in its lane, 0 or −1; an f16 or bf16 is its bits. */
const FOUR_LANES = new Set<DType>(['f32', 'i32', 'u32', 'bool', 'f16', 'bf16'])

const FLOAT: { readonly [op: string]: PlainOp } = {
  add: 'f32x4.add', sub: 'f32x4.sub', mul: 'f32x4.mul', div: 'f32x4.div', max: 'f32x4.max', min: 'f32x4.min', sqrt: 'f32x4.sqrt',
  abs: 'f32x4.abs', neg: 'f32x4.neg', floor: 'f32x4.floor', ceil: 'f32x4.ceil', round: 'f32x4.nearest',
  eq: 'f32x4.eq', ne: 'f32x4.ne', lt: 'f32x4.lt', le: 'f32x4.le', gt: 'f32x4.gt', ge: 'f32x4.ge',
}
const SIGNED: { readonly [op: string]: PlainOp } = {
  add: 'i32x4.add', sub: 'i32x4.sub', mul: 'i32x4.mul', max: 'i32x4.max_s', min: 'i32x4.min_s', abs: 'i32x4.abs',
  neg: 'i32x4.neg',
  and: 'v128.and', or: 'v128.or', xor: 'v128.xor', not: 'v128.not', shl: 'i32x4.shl', shr: 'i32x4.shr_s',
  eq: 'i32x4.eq', ne: 'i32x4.ne', lt: 'i32x4.lt_s', le: 'i32x4.le_s', gt: 'i32x4.gt_s', ge: 'i32x4.ge_s',
}
const UNSIGNED: { readonly [op: string]: PlainOp } = {
  ...SIGNED, max: 'i32x4.max_u', min: 'i32x4.min_u', shr: 'i32x4.shr_u',
  lt: 'i32x4.lt_u', le: 'i32x4.le_u', gt: 'i32x4.gt_u', ge: 'i32x4.ge_u',
}
/** On masks; as unsigned numbers true is the larger one. */
const MASK: { readonly [op: string]: PlainOp } = {
  and: 'v128.and', or: 'v128.or', xor: 'v128.xor', not: 'v128.not', max: 'v128.or', min: 'v128.and',
  eq: 'i32x4.eq', ne: 'v128.xor', lt: 'i32x4.lt_u', le: 'i32x4.le_u', gt: 'i32x4.gt_u', ge: 'i32x4.ge_u',
}
const TABLE: { readonly [D in DType]?: { readonly [op: string]: PlainOp } } = {
  f32: FLOAT,
  i32: SIGNED,
  u32: UNSIGNED,
  bool: MASK,
}
/** Rounding an integer is nothing. */
const IDENTITY = new Set<string>(['floor', 'ceil', 'round'])

/** The dtype at which an operation acts: that of its operands, or of a select's arms. */
export const actsAt = (e: Extract<Expr, { kind: 'scalar' }>): DType => e.args[e.op === 'select' ? 1 : 0].dtype

/** Can these values live in lanes of a v128? */
export const isLaneType = (d: DType): boolean => FOUR_LANES.has(d)

/** Is there a four-lane form of this operation? A shift needs one count for all lanes. */
export function hasLanes(e: Extract<Expr, { kind: 'scalar' }>, varies: (arg: Expr) => boolean): boolean {
  if (!isLaneType(e.dtype) || !e.args.every((a) => isLaneType(a.dtype))) return false
  if (e.op === 'cast' || e.op === 'bitcast' || e.op === 'select') return true
  const d = actsAt(e)
  if (e.op === 'shl' || e.op === 'shr') return d !== 'bool' && !varies(e.args[1])
  return d !== 'bool' && (e.op === 'sign' || (d !== 'f32' && IDENTITY.has(e.op))) ? true : TABLE[d]?.[e.op] !== undefined
}

/**
 * A select that one instruction of two operands makes, NaN and zeros as there: `b < a ? b : a` (pmin), `a < b ? b : a` (pmax),
 * `b ? a : 0` and `b ? 0 : a`; null for other selects.
 */
export function shortSelect(e: Extract<Expr, { kind: 'scalar' }>): { readonly op: PlainOp; readonly args: readonly [Expr, Expr] } | null {
  if (e.op !== 'select') return null
  const [condition, x, y] = e.args
  if (e.dtype === 'f32' && condition.kind === 'scalar' && condition.op === 'lt') {
    const [less, more] = condition.args
    if (less === x && more === y) return { op: 'f32x4.pmin', args: [y, x] }
    if (less === y && more === x) return { op: 'f32x4.pmax', args: [y, x] }
  }
  if (isZero(x)) return { op: 'v128.andnot', args: [y, condition] }
  return isZero(y) ? { op: 'v128.and', args: [x, condition] } : null
}

const isZero = (e: Expr): boolean => e.kind === 'lit' && Object.is(e.value, 0)

/** One operation in four lanes: leaves the result on the stack. The count of a shift is pushed as one i32. */
export function applyLanes(place: Place, op: ScalarOp, d: DType, args: readonly Push[]): void {
  const { code } = place
  if (op === 'select') {
    args[1]()
    args[2]()
    args[0]()
    code.op('v128.bitselect')
  } else if (op === 'sign' && d === 'f32') signOfFloats(place, args[0])
  else if (op === 'sign') signOfInts(place, d, args[0])
  else if ((op === 'abs' && d === 'u32') || (d !== 'f32' && IDENTITY.has(op))) args[0]()
  else {
    const name = TABLE[d]?.[op]
    if (!name) throw new InternalError('wasm emitter', `no ${op} in lanes of ${d}`)
    for (const push of args) push()
    code.op(name)
  }
}

/** copysign(1, x) where x < 0 or x > 0, else x itself: zeros keep their sign, NaN stays. */
function signOfFloats(place: Place, arg: Push): void {
  const { code } = place
  const x = reuse(place, arg, 'v128')
  x()
  code.i32(-0x80000000).op('i32x4.splat', 'v128.and').f32(1).op('f32x4.splat', 'v128.or')
  x()
  x()
  code.f32(0).op('f32x4.splat', 'f32x4.lt')
  x()
  code.f32(0).op('f32x4.splat', 'f32x4.gt', 'v128.or', 'v128.bitselect')
}

function signOfInts(place: Place, d: DType, arg: Push): void {
  const { code } = place
  if (d === 'u32') {
    arg()
    code.i32(1).op('i32x4.splat', 'i32x4.min_u')
    return
  }
  // Comparisons give −1: (x < 0) − (x > 0).
  const x = reuse(place, arg, 'v128')
  x()
  code.i32(31).op('i32x4.shr_s')
  x()
  code.i32(0).op('i32x4.splat', 'i32x4.gt_s', 'i32x4.sub')
}

/** Lanes as another dtype, with the meaning of a scalar cast. `one` pushes 1 of that type in all lanes. */
export function castLanes(place: Place, from: DType, to: DType, push: Push, one: Push): void {
  const { code } = place
  push()
  if (from === to) return
  if (from === 'bool') {
    one()
    code.op('v128.and')
  } else if (to === 'bool') {
    if (from === 'f32') code.f32(0).op('f32x4.splat', 'f32x4.ne')
    else code.i32(0).op('i32x4.splat', 'i32x4.ne')
  } else if (to === 'f32') code.op(from === 'u32' ? 'f32x4.convert_i32x4_u' : 'f32x4.convert_i32x4_s')
  else if (from === 'f32') code.op(to === 'u32' ? 'i32x4.trunc_sat_f32x4_u' : 'i32x4.trunc_sat_f32x4_s')
}

/** One value in all lanes; a bool becomes a mask. */
export function splat(place: Place, d: DType, push: Push): void {
  const { code } = place
  if (d === 'bool') {
    code.i32(0)
    push()
    code.op('i32.sub', 'i32x4.splat')
  } else {
    push()
    code.op(d === 'f32' ? 'f32x4.splat' : 'i32x4.splat')
  }
}

/** The value of one lane out of the vector on the stack, as a single value; a mask becomes 0 or 1. */
export function extract(place: Place, d: DType, lane: number): void {
  const { code } = place
  if (d === 'f32') code.lane('f32x4.extract_lane', lane)
  else code.lane('i32x4.extract_lane', lane)
  if (d === 'bool') code.i32(1).op('i32.and')
}
