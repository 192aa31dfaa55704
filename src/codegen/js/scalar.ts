import { InternalError } from '../../ir/errors.ts'
import type { Expr } from '../../ir/expression.ts'
import { halfBits, isHalf } from '../../ir/half.ts'
import type { Combine } from '../../ir/op.ts'
import { isFloat, isInt, type DType } from '../../ir/types.ts'
import type { Shared } from './prelude.ts'

/** JavaScript text of a value. `atom`: needs no parentheses; `rounds`: a double that f32 arithmetic still rounds. */
export interface Piece {
  readonly text: string
  readonly atom: boolean
  readonly rounds: boolean
}

/** A text that needs no parentheses. */
export const atom = (text: string): Piece => ({ text, atom: true, rounds: false })
/** A text that needs them as an operand. */
export const open = (text: string): Piece => ({ text, atom: false, rounds: false })

/** Rounded to f32 if it must be; as an operand of anything. */
export function operandText(p: Piece): string {
  if (p.rounds) return `fround(${p.text})`
  return p.atom ? p.text : `(${p.text})`
}

/** An exact literal: f32 values are printed as the double that they are, f16 and bf16 as their bits. */
export function literal(value: number, dtype: DType): Piece {
  if (dtype === 'bool') return atom(value ? 'true' : 'false')
  if (isHalf(dtype)) return atom(String(halfBits(value, dtype)))
  if (Object.is(value, -0)) return open('-0')
  return value < 0 ? open(String(value)) : atom(String(value))
}

const MATH = new Set(['exp', 'expm1', 'log', 'log1p', 'sin', 'cos', 'tanh', 'pow', 'atan2'])
const COMPARE: { readonly [op: string]: string } = { eq: '===', ne: '!==', lt: '<', le: '<=', gt: '>', ge: '>=' }
const BITS: { readonly [op: string]: string } = { and: '&', or: '|', xor: '^' }
const LOGIC: { readonly [op: string]: string } = { and: '&&', or: '||', xor: '!==' }
const SYMBOL: { readonly [op: string]: string } = { add: '+', sub: '-', mul: '*', div: '/', rem: '%' }

/** The text of one operation over the texts of its operands. */
export function scalarText(e: Extract<Expr, { kind: 'scalar' }>, args: readonly string[], shared: Shared): Piece {
  const [a, b, c] = args
  const from = e.args[0].dtype
  if (e.op === 'cast') return cast(a, from, e.dtype)
  if (e.op === 'bitcast') return bitcast(a, from, e.dtype, shared)
  if (e.op === 'select') return open(`${a} ? ${b} : ${c}`)
  if (e.op in COMPARE) return open(`${a} ${COMPARE[e.op]} ${b}`)
  if (from === 'bool') return logic(e.op, a, b)
  if (isInt(from)) return integer(e.op, a, b, from)
  return float(e.op, a, b, from, shared)
}

function float(op: string, a: string, b: string, dtype: DType, shared: Shared): Piece {
  const rounded = (text: string, isAtom = false): Piece => ({ text, atom: isAtom, rounds: dtype === 'f32' })
  if (dtype === 'f64' && MATH.has(op)) return atom(`Math.${op}(${b === undefined ? a : `${a}, ${b}`})`)
  switch (op) {
    case 'neg':
      return open(`-${a}`)
    case 'abs':
    case 'sign':
    case 'floor':
    case 'ceil':
      return atom(`Math.${op}(${a})`)
    case 'round':
      shared.need('roundEven')
      return atom(`roundEven(${a})`)
    case 'sqrt':
      return rounded(`Math.sqrt(${a})`, true)
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
      return rounded(`${a} ${SYMBOL[op]} ${b}`)
    case 'rem':
      return open(`${a} % ${b}`)
    case 'max':
    case 'min':
      return atom(`Math.${op}(${a}, ${b})`)
    default:
      throw new InternalError('js', `${op} of ${dtype} should have been expanded`)
  }
}

/** Wraps a sum of two integers, or any double below 2⁵³, to the dtype. */
const wrap = (text: string, dtype: DType): Piece => open(`${text} ${dtype === 'i32' ? '|' : '>>>'} 0`)

function integer(op: string, a: string, b: string, dtype: DType): Piece {
  switch (op) {
    case 'neg':
      return wrap(`-${a}`, dtype)
    case 'abs':
      return dtype === 'u32' ? atom(a) : wrap(`Math.abs(${a})`, dtype)
    case 'sign':
      return atom(`Math.sign(${a})`)
    case 'floor':
    case 'ceil':
    case 'round':
      return atom(a)
    case 'add':
    case 'sub':
    case 'div':
    case 'rem':
      // A quotient of 32-bit integers is exact enough in doubles, and |0 turns what a zero divisor gives into 0.
      return wrap(`${a} ${SYMBOL[op]} ${b}`, dtype)
    case 'mul':
      return dtype === 'i32' ? atom(`Math.imul(${a}, ${b})`) : wrap(`Math.imul(${a}, ${b})`, dtype)
    case 'max':
    case 'min':
      return atom(`Math.${op}(${a}, ${b})`)
    case 'and':
    case 'or':
    case 'xor':
      return dtype === 'i32' ? open(`${a} ${BITS[op]} ${b}`) : wrap(`(${a} ${BITS[op]} ${b})`, dtype)
    case 'not':
      return dtype === 'i32' ? open(`~${a}`) : wrap(`~${a}`, dtype)
    case 'shl':
      return dtype === 'i32' ? open(`${a} << ${b}`) : wrap(`(${a} << ${b})`, dtype)
    case 'shr':
      return open(`${a} ${dtype === 'i32' ? '>>' : '>>>'} ${b}`)
    default:
      throw new InternalError('js', `no ${op} of ${dtype}`)
  }
}

function logic(op: string, a: string, b: string): Piece {
  if (op in LOGIC) return open(`${a} ${LOGIC[op]} ${b}`)
  if (op === 'not') return open(`!${a}`)
  if (op === 'max' || op === 'min') return open(`${a} ${op === 'max' ? '||' : '&&'} ${b}`)
  throw new InternalError('js', `no ${op} of bool`)
}

function cast(a: string, from: DType, to: DType): Piece {
  if (from === 'bool') return open(`${a} ? 1 : 0`)
  if (to === 'bool') return open(`${a} !== 0`)
  if (to === 'f64') return atom(a)
  if (to === 'f32') return { text: a, atom: true, rounds: true }
  if (!isFloat(from)) return wrap(a, to)
  const [low, high] = to === 'i32' ? [-2147483648, 2147483647] : [0, 4294967295]
  return wrap(`Math.max(${low}, Math.min(${high}, ${a}))`, to)
}

function bitcast(a: string, from: DType, to: DType, shared: Shared): Piece {
  if (isHalf(from) || isHalf(to)) return atom(a) // 16 bits, held as a number
  if (isInt(from) && isInt(to)) return wrap(a, to)
  shared.need('bits')
  return atom(`${from === 'f32' ? (to === 'i32' ? 'i32OfF32' : 'u32OfF32') : 'f32OfBits'}(${a})`)
}

/** Text of `accumulator ∘ value` for the combinations that fold one value. */
export function combineText(combine: Combine, dtype: DType, accumulator: string, value: string): string {
  const f = (text: string): string => (dtype === 'f32' ? `fround(${text})` : isInt(dtype) ? wrap(text, dtype).text : text)
  switch (combine) {
    case 'sum':
      return f(`${accumulator} + ${value}`)
    case 'prod':
      return isInt(dtype) ? integer('mul', accumulator, value, dtype).text : f(`${accumulator} * ${value}`)
    case 'max':
    case 'min':
      return dtype === 'bool' ? logic(combine, accumulator, value).text : `Math.${combine}(${accumulator}, ${value})`
    default:
      throw new InternalError('js', `${combine} folds a pair`)
  }
}
