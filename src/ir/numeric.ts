import { isHalf, roundHalf } from './half.ts'
import type { Arith } from './scalar.ts'
import { erf, gelu, normalCdf, normalPdf } from './special.ts'
import { isFloat, type DType } from './types.ts'

/** A number that knows its element type; bool is 0 or 1. */
export interface Num {
  readonly value: number
  readonly dtype: DType
}

/** `declared`: every operation rounds to its dtype. `f64`: all floating-point dtypes compute in doubles. */
export type Precision = 'declared' | 'f64'

const view = new DataView(new ArrayBuffer(4))
const READ: { readonly [d: string]: () => number } = { f32: () => view.getFloat32(0), i32: () => view.getInt32(0), u32: () => view.getUint32(0) }
const WRITE: { readonly [d: string]: (v: number) => void } = {
  f32: (v) => view.setFloat32(0, v), i32: (v) => view.setInt32(0, v), u32: (v) => view.setUint32(0, v),
}

/** The nearest even integer of the two nearest: IEEE 754 roundTiesToEven. */
function roundEven(v: number): number {
  if (!Number.isFinite(v) || Math.abs(v) >= 2 ** 52) return v
  const low = Math.floor(v)
  const rest = v - low
  const up = rest > 0.5 || (rest === 0.5 && low % 2 !== 0)
  const rounded = up ? low + 1 : low
  return rounded === 0 && (v < 0 || Object.is(v, -0)) ? -0 : rounded
}

const saturate = (v: number, low: number, high: number): number => (Number.isNaN(v) ? 0 : Math.trunc(Math.min(Math.max(v, low), high)) + 0)

/** The value of a number under another dtype: floats round, integers saturate from floats and wrap from integers. */
export function convert(v: number, from: DType, to: DType, round: (v: number, dtype: DType) => number): number {
  if (to === 'bool') return v !== 0 ? 1 : 0
  if (to === 'i32') return isFloat(from) ? saturate(v, -(2 ** 31), 2 ** 31 - 1) : v | 0
  if (to === 'u32') return isFloat(from) ? saturate(v, 0, 2 ** 32 - 1) : v >>> 0
  return round(v, to)
}

/** Arithmetic on numbers: the meaning of every scalar operation. */
export function numeric(precision: Precision): Arith<Num> {
  const round = (value: number, dtype: DType): number => {
    if (dtype === 'i32') return value | 0
    if (dtype === 'u32') return value >>> 0
    if (dtype === 'f64' || dtype === 'bool' || precision === 'f64') return value
    return isHalf(dtype) ? roundHalf(value, dtype) : Math.fround(value)
  }
  const make = (value: number, dtype: DType): Num => ({ value: round(value, dtype), dtype })
  const unary = (f: (v: number) => number) => (x: Num): Num => make(f(x.value), x.dtype)
  const binary = (f: (a: number, b: number) => number) => (x: Num, y: Num): Num => make(f(x.value, y.value), x.dtype)
  const compare = (f: (a: number, b: number) => boolean) => (x: Num, y: Num): Num => ({ value: f(x.value, y.value) ? 1 : 0, dtype: 'bool' })
  const special = (f: <V>(k: Arith<V>, x: V) => V) => (x: Num): Num => make(f(doubles, { value: x.value, dtype: 'f64' }).value, x.dtype)
  // Integers divide by truncation, and by zero to 0.
  const dividing = (float: (a: number, b: number) => number, int: (a: number, b: number) => number) =>
    (x: Num, y: Num): Num =>
      isFloat(x.dtype) ? make(float(x.value, y.value), x.dtype) : make(y.value === 0 ? 0 : int(x.value, y.value), x.dtype)
  // JavaScript's Math.max and Math.min propagate NaN and order the zeros, as the operations here do.
  const k: Arith<Num> = {
    lit: make,
    dtype: (x) => x.dtype,
    neg: unary((v) => -v),
    abs: unary(Math.abs),
    sign: unary(Math.sign),
    floor: unary(Math.floor),
    ceil: unary(Math.ceil),
    round: unary(roundEven),
    sqrt: unary(Math.sqrt),
    exp: unary(Math.exp),
    expm1: unary(Math.expm1),
    log: unary(Math.log),
    log1p: unary(Math.log1p),
    sin: unary(Math.sin),
    cos: unary(Math.cos),
    tanh: unary(Math.tanh),
    sigmoid: unary((v) => 1 / (1 + Math.exp(-v))),
    erf: special(erf),
    normalPdf: special(normalPdf),
    normalCdf: special(normalCdf),
    gelu: special(gelu),
    add: binary((a, b) => a + b),
    sub: binary((a, b) => a - b),
    mul: (x, y) => make(isFloat(x.dtype) ? x.value * y.value : Math.imul(x.value, y.value), x.dtype),
    div: dividing((a, b) => a / b, (a, b) => Math.trunc(a / b)),
    rem: dividing((a, b) => a % b, (a, b) => a % b),
    pow: binary(Math.pow),
    atan2: binary(Math.atan2),
    max: binary(Math.max),
    min: binary(Math.min),
    eq: compare((a, b) => a === b),
    ne: compare((a, b) => a !== b),
    lt: compare((a, b) => a < b),
    le: compare((a, b) => a <= b),
    gt: compare((a, b) => a > b),
    ge: compare((a, b) => a >= b),
    and: binary((a, b) => a & b),
    or: binary((a, b) => a | b),
    xor: binary((a, b) => a ^ b),
    not: (x) => make(x.dtype === 'bool' ? 1 - x.value : ~x.value, x.dtype),
    shl: binary((a, b) => a << b),
    shr: (x, y) => make(x.dtype === 'u32' ? x.value >>> y.value : x.value >> y.value, x.dtype),
    select: (c, x, y) => (c.value ? x : y),
    rarely: (c, usual, x, routine) => (c.value ? routine.formula(k, x) : usual),
    cast: (x, to) => ({ value: convert(x.value, x.dtype, to, round), dtype: to }),
    bitcast: (x, to) => {
      WRITE[x.dtype](x.value)
      return { value: READ[to](), dtype: to }
    },
  }
  return k
}

const doubles: Arith<Num> = numeric('f64')
