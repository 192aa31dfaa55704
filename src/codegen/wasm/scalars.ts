import { InternalError } from '../../ir/errors.ts'
import { halfBits, isHalf } from '../../ir/half.ts'
import type { ScalarOp } from '../../ir/scalar.ts'
import type { DType } from '../../ir/types.ts'
import type { Code, Imported, Local, ValueType } from './encoder/assembler.ts'
import type { MemoryOp, PlainOp } from './encoder/opcodes.ts'
import { isHost, type HostName } from './host.ts'

/** Puts an operand on the stack; each time it is called. */
export type Push = () => void

/** What the formulas of an op need besides its operands. */
export interface Place {
  readonly code: Code
  local(type: ValueType): Local
  host(name: HostName): Imported
}

/** Type of a single value in a local. A bool is an i32 that is 0 or 1; f16 and bf16 are their bits, in an i32. */
export function valueType(dtype: DType): 'f32' | 'f64' | 'i32' {
  return dtype === 'f64' || dtype === 'f32' ? dtype : 'i32'
}

const LOAD: { readonly [D in DType]: MemoryOp } = {
  f32: 'f32.load',
  f64: 'f64.load',
  i32: 'i32.load',
  u32: 'i32.load',
  bool: 'i32.load8_u',
  f16: 'i32.load16_u',
  bf16: 'i32.load16_u',
}
const STORE: { readonly [D in DType]: MemoryOp } = {
  f32: 'f32.store',
  f64: 'f64.store',
  i32: 'i32.store',
  u32: 'i32.store',
  bool: 'i32.store8',
  f16: 'i32.store16',
  bf16: 'i32.store16',
}

/** The instruction that reads or writes one element. */
export const memoryOp = (table: 'load' | 'store', dtype: DType): MemoryOp => (table === 'load' ? LOAD : STORE)[dtype]

/** The literal on the stack. */
export function constant(code: Code, value: number, dtype: DType): void {
  code[valueType(dtype)](isHalf(dtype) ? halfBits(value, dtype) : value)
}

/** The operand's pusher if it is needed more than once: computed once, kept in a local. */
export function reuse(place: Place, push: Push, type: ValueType): Push {
  let local: Local | null = null
  return () => {
    if (local) place.code.get(local)
    else {
      push()
      place.code.tee((local = place.local(type)))
    }
  }
}

const FLOAT: { readonly [op: string]: string } = {
  add: 'add', sub: 'sub', mul: 'mul', div: 'div', max: 'max', min: 'min', sqrt: 'sqrt', abs: 'abs', neg: 'neg',
  floor: 'floor', ceil: 'ceil',
  round: 'nearest', eq: 'eq', ne: 'ne', lt: 'lt', le: 'le', gt: 'gt', ge: 'ge',
}
const INT: { readonly [op: string]: string } = {
  add: 'add', sub: 'sub', mul: 'mul', and: 'and', or: 'or', xor: 'xor', shl: 'shl', eq: 'eq', ne: 'ne',
}
const COMPARE = new Set(['lt', 'le', 'gt', 'ge'])
const BOOL: { readonly [op: string]: PlainOp } = { and: 'i32.and', or: 'i32.or', xor: 'i32.xor', max: 'i32.or', min: 'i32.and' }

/** One scalar operation at dtype `d` (of its operands; of its arms for a select): leaves the result on the stack. */
export function applyScalar(place: Place, op: ScalarOp, d: DType, args: readonly Push[]): void {
  const { code } = place
  const all = (): void => args.forEach((push) => push())
  if (op === 'select') {
    args[1]()
    args[2]()
    args[0]()
    code.op('select')
  } else if (d === 'f32' || d === 'f64') {
    const name = FLOAT[op]
    if (op === 'sign') signOfFloat(place, d, args[0])
    else if (name) {
      all()
      code.op(`${d}.${name}` as PlainOp)
    } else if (isHost(op)) {
      // In f64 and rounded: exact for rem, whose result every f32 holds.
      for (const push of args) {
        push()
        if (d === 'f32') code.op('f64.promote_f32')
      }
      code.call(place.host(op as HostName))
      if (d === 'f32') code.op('f32.demote_f64')
    } else throw unsupported(op, d)
  } else if (d === 'bool') applyBool(place, op, args)
  else if (d === 'i32' || d === 'u32') applyInt(place, op, d, args)
  else throw unsupported(op, d)
}

const unsupported = (op: string, d: DType): InternalError => new InternalError('wasm emitter', `no ${op} on ${d}`)

/** Zeros keep their sign, NaN stays. */
function signOfFloat(place: Place, d: 'f32' | 'f64', arg: Push): void {
  const { code } = place
  const x = reuse(place, arg, d)
  code[d](1)
  x()
  code.op(`${d}.copysign`)
  x()
  x()
  code[d](0).op(`${d}.lt`)
  x()
  code[d](0).op(`${d}.gt`).op('i32.or', 'select')
}

function applyBool(place: Place, op: ScalarOp, args: readonly Push[]): void {
  const { code } = place
  args.forEach((push) => push())
  if (op === 'not') code.op('i32.eqz')
  else if (op === 'eq' || op === 'ne') code.op(`i32.${op}`)
  else if (COMPARE.has(op)) code.op(`i32.${op}_u` as PlainOp)
  else if (BOOL[op]) code.op(BOOL[op])
  else throw unsupported(op, 'bool')
}

function applyInt(place: Place, op: ScalarOp, d: 'i32' | 'u32', args: readonly Push[]): void {
  const { code } = place
  const sign = d === 'i32' ? 's' : 'u'
  const all = (): void => args.forEach((push) => push())
  if (INT[op]) {
    all()
    code.op(`i32.${INT[op]}` as PlainOp)
    return
  }
  if (COMPARE.has(op) || op === 'shr') {
    all()
    code.op(`i32.${op}_${sign}` as PlainOp)
    return
  }
  const x = reuse(place, args[0], 'i32')
  const y = args[1] && reuse(place, args[1], 'i32')
  switch (op) {
    case 'floor':
    case 'ceil':
    case 'round':
      args[0]()
      return
    case 'neg':
      code.i32(0)
      args[0]()
      code.op('i32.sub')
      return
    case 'not':
      args[0]()
      code.i32(-1).op('i32.xor')
      return
    case 'abs':
      if (d === 'u32') return args[0]()
      // (x ^ m) − m with m = x >> 31
      x()
      x()
      code.i32(31).op('i32.shr_s', 'i32.xor')
      x()
      code.i32(31).op('i32.shr_s', 'i32.sub')
      return
    case 'sign':
      x()
      code.i32(0).op(d === 'i32' ? 'i32.gt_s' : 'i32.ne')
      if (d === 'u32') return
      x()
      code.i32(31).op('i32.shr_u', 'i32.sub')
      return
    case 'max':
    case 'min':
      x()
      y()
      x()
      y()
      code.op(`i32.${op === 'max' ? 'gt' : 'lt'}_${sign}`, 'select')
      return
    case 'div':
      if (d === 'u32') {
        code.i32(0)
        x()
        code.i32(1)
        y()
        y()
        code.op('i32.eqz', 'select', 'i32.div_u')
        y()
        code.op('i32.eqz', 'select')
        return
      }
      // By 0 and by −1 the quotient is x·y; both would trap.
      x()
      y()
      code.op('i32.mul')
      x()
      code.i32(1)
      y()
      y()
      code.i32(1).op('i32.add').i32(2).op('i32.lt_u', 'select', 'i32.div_s')
      y()
      code.i32(1).op('i32.add').i32(2).op('i32.lt_u', 'select')
      return
    case 'rem':
      code.i32(0)
      x()
      code.i32(1)
      y()
      y()
      code.op('i32.eqz', 'select', `i32.rem_${sign}`)
      y()
      code.op('i32.eqz', 'select')
      return
    default:
      throw unsupported(op, d)
  }
}

/** The operand as another dtype: floats truncate and saturate to integers, NaN gives 0; anything to bool is x ≠ 0. */
export function castScalar(code: Code, from: DType, to: DType, push: Push): void {
  const [a, b] = [valueType(from), valueType(to)]
  push()
  if (from === to) return
  if (to === 'bool') {
    constant(code, 0, from)
    code.op(`${a}.ne`)
  } else if (b === 'i32') {
    if (a !== 'i32') code.op(`i32.trunc_sat_${a}_${to === 'u32' ? 'u' : 's'}`)
  } else if (a === 'i32') code.op(`${b}.convert_i32_${from === 'u32' ? 'u' : 's'}`)
  else if (a !== b) code.op(b === 'f64' ? 'f64.promote_f32' : 'f32.demote_f64')
}

/** Same bits as another dtype of 4 bytes; an i32 of 16 bits as a half and back. */
export function bitcastScalar(code: Code, from: DType, to: DType, push: Push): void {
  const [a, b] = [valueType(from), valueType(to)]
  push()
  if (a === 'f32' && b === 'i32') code.op('i32.reinterpret_f32')
  else if (a === 'i32' && b === 'f32') code.op('f32.reinterpret_i32')
}
