import { checkTensors } from '../arguments.ts'
import { checkDtype, INTS } from '../checks.ts'
import type { DType } from '../types.ts'
import { apply, broadcastShapes, broadcastTo, splat, together, type Agree, type Operand, type Scalar, type Tensor } from './tensor.ts'

/**
 * One operand, element by element; the result has its shape and, unless said otherwise, its dtype.
 * Errors: dtype/unsupported, operand/invalid.
 */
export interface Unary {
  <D extends DType>(x: Scalar<D>): Scalar<D>
  <D extends DType>(x: Tensor<D>): Tensor<D>
}

/**
 * Two operands of one dtype, broadcast together; one of them may be a number. The result has their dtype.
 * Errors: shape/broadcast, dtype/mismatch, dtype/unsupported, operand/invalid, build/foreign.
 */
export interface Binary {
  <D extends DType>(x: number, y: Scalar<D>): Scalar<D>
  <D extends DType>(x: number, y: Tensor<D>): Tensor<D>
  <D extends DType, E extends DType>(x: Scalar<D>, y: number | (Scalar<E> & Agree<D, E>)): Scalar<D & E>
  <D extends DType, E extends DType>(x: Tensor<D>, y: number | (Tensor<E> & Agree<D, E>)): Tensor<D & E>
}

/** As {@link Binary}, but the result is bool. */
export interface Comparison {
  <D extends DType>(x: number, y: Scalar<D>): Scalar<'bool'>
  <D extends DType>(x: number, y: Tensor<D>): Tensor<'bool'>
  <D extends DType, E extends DType>(x: Scalar<D>, y: number | (Scalar<E> & Agree<D, E>)): Scalar<'bool'>
  <D extends DType, E extends DType>(x: Tensor<D>, y: number | (Tensor<E> & Agree<D, E>)): Tensor<'bool'>
}

const unary = (op: string): Unary => ((x: Tensor) => apply(op, [x])) as Unary
const binary = <F>(op: string, takes?: readonly DType[]): F =>
  ((x: Operand, y: Operand) => {
    const operands = together(op, [x, y])
    if (takes) checkDtype(op, takes, operands)
    return apply(op, operands)
  }) as F

/** x + y. */
export const add: Binary = binary('add')
/** x − y. */
export const sub: Binary = binary('sub')
/** x · y. */
export const mul: Binary = binary('mul')
/** x / y. Integers truncate towards zero; a zero divisor gives 0. */
export const div: Binary = binary('div')
/** The remainder with the sign of x (C's fmod); integers with a zero divisor give 0. */
export const rem: Binary = binary('rem')
/** x to the power of y, floats only, special cases as `Math.pow`. */
export const pow: Binary = binary('pow')
/** The larger one; NaN if either is NaN. Gradients split evenly at a tie. */
export const maximum: Binary = binary('max')
/** The smaller one; NaN if either is NaN. Gradients split evenly at a tie. */
export const minimum: Binary = binary('min')
/** The angle of the point (y, x) in (−π, π]: the ordinate comes first. */
export const atan2: Binary = binary('atan2')

/** x = y; NaN equals nothing. No gradient, as for all comparisons. */
export const equal: Comparison = binary('eq')
/** x ≠ y. */
export const notEqual: Comparison = binary('ne')
/** x < y. */
export const less: Comparison = binary('lt')
/** x ≤ y. */
export const lessEqual: Comparison = binary('le')
/** x > y. */
export const greater: Comparison = binary('gt')
/** x ≥ y. */
export const greaterEqual: Comparison = binary('ge')

/** Both; bool operands. */
export const logicalAnd: Comparison = binary('and', ['bool'])
/** Either or both; bool operands. */
export const logicalOr: Comparison = binary('or', ['bool'])
/** Exactly one; bool operands. */
export const logicalXor: Comparison = binary('xor', ['bool'])
/** Bits set in both; integer operands. */
export const bitwiseAnd: Binary = binary('and', INTS)
/** Bits set in either; integer operands. */
export const bitwiseOr: Binary = binary('or', INTS)
/** Bits set in exactly one; integer operands. */
export const bitwiseXor: Binary = binary('xor', INTS)
/** x · 2^y for integers, y modulo 32. */
export const leftShift: Binary = binary('shl')
/** Shift to the right by y modulo 32: keeps the sign of i32, fills with zeros for u32. */
export const rightShift: Binary = binary('shr')

/** −x. */
export const neg: Unary = unary('neg')
/** |x|; its derivative at 0 is 0. */
export const abs: Unary = unary('abs')
/** −1, 0 or 1 (the zero keeps its sign); derivative 0. */
export const sign: Unary = unary('sign')
/** Rounds down; derivative 0. */
export const floor: Unary = unary('floor')
/** Rounds up; derivative 0. */
export const ceil: Unary = unary('ceil')
/** Rounds to the nearest integer, halves to even; derivative 0. */
export const round: Unary = unary('round')
/** e^x. */
export const exp: Unary = unary('exp')
/** e^x − 1, accurate near 0. */
export const expm1: Unary = unary('expm1')
/** The natural logarithm. */
export const log: Unary = unary('log')
/** log(1 + x), accurate near 0. */
export const log1p: Unary = unary('log1p')
/** The square root. */
export const sqrt: Unary = unary('sqrt')
/** 1 / √x. */
export const rsqrt: Unary = unary('rsqrt')
/** Sine of x in radians. */
export const sin: Unary = unary('sin')
/** Cosine of x in radians. */
export const cos: Unary = unary('cos')
/** The hyperbolic tangent. */
export const tanh: Unary = unary('tanh')
/** 1 / (1 + e^−x). */
export const sigmoid: Unary = unary('sigmoid')
/** The error function 2/√π · ∫₀ˣ e^(−t²) dt. */
export const erf: Unary = unary('erf')
/** The density of the standard normal distribution, φ(x) = e^(−x²/2)/√(2π). */
export const normalPdf: Unary = unary('normalPdf')
/** The standard normal distribution Φ(x) = ½·(1 + erf(x/√2)), accurate in its left tail, where that would cancel. */
export const normalCdf: Unary = unary('normalCdf')
/** Not x, for bool. */
export const logicalNot: Unary = ((x: Tensor) => (checkDtype('logicalNot', ['bool'], [x]), apply('not', [x]))) as Unary
/** All bits flipped, for integers. */
export const bitwiseNot: Unary = ((x: Tensor) => (checkDtype('bitwiseNot', INTS, [x]), apply('not', [x]))) as Unary
/** x, as a constant to differentiation: no gradient flows through. */
export const stopGradient: Unary = unary('stopGradient')

/** x · x. */
export const square: Unary = ((x: Tensor) => mul(x, x)) as Unary
/** 1 / x. */
export const reciprocal: Unary = ((x: Tensor) => div(1, x)) as Unary

/** x limited to [low, high]: `minimum(maximum(x, low), high)`. Errors: as {@link Binary}. */
export function clip<D extends DType>(x: Tensor<D>, low: Operand<D>, high: Operand<D>): Tensor<D> {
  const bounded = together('clip', [x, low])
  return apply('min', together('clip', [apply('max', bounded), high])) as Tensor<D>
}

/**
 * `x` where the bool `condition` holds, `y` elsewhere; all three are broadcast. One of x and y may be a number.
 * Errors: as {@link Binary}.
 */
export function where<D extends DType, E extends DType>(
  condition: Tensor<'bool'> | Tensor, x: Tensor<D>, y: number | (Tensor<E> & Agree<D, E>)): Tensor<D & E>
export function where<D extends DType>(condition: Tensor<'bool'> | Tensor, x: number, y: Tensor<D>): Tensor<D>
export function where(condition: Tensor, x: Operand, y: Operand): Tensor {
  checkDtype('where', ['bool'], [condition])
  const arms = together('where', [x, y])
  const [c, a, b] = shapes([condition, ...arms])
  return apply('select', [c, a, b])
}

/** Broadcasts without asking for one dtype. */
function shapes(tensors: readonly Tensor[]): Tensor[] {
  const shape = broadcastShapes('where', tensors)
  return tensors.map((x) => broadcastTo(x, shape))
}

/**
 * The same numbers in another dtype. Float to integer truncates and saturates (NaN gives 0); anything to bool is
 * x ≠ 0. Differentiable between floats only. Errors: dtype/unsupported, operand/invalid.
 */
export function cast<E extends DType>(x: Scalar, dtype: E): Scalar<E>
export function cast<E extends DType>(x: Tensor, dtype: E): Tensor<E>
export function cast(x: Tensor, dtype: DType): Tensor {
  checkTensors('cast', [x])
  return x.dtype === dtype ? x : apply('cast', [x], { to: dtype })
}

/**
 * The same bytes read as another dtype of 4 bytes (f32, i32, u32). A NaN, whatever its sign and payload, is 0x7fc00000 as
 * an integer. No gradient. Errors: dtype/unsupported, operand/invalid.
 */
export function bitcast<E extends DType>(x: Tensor, dtype: E): Tensor<E> {
  checkTensors('bitcast', [x])
  return x.dtype === (dtype as DType) ? (x as Tensor<E>) : apply('bitcast', [x], { to: dtype })
}

/** Zeros of x's type. */
export const zerosLike: Unary = ((x: Tensor) => (checkTensors('zerosLike', [x]), splat('zerosLike', 0, x))) as Unary
/** Ones of x's type. */
export const onesLike: Unary = ((x: Tensor) => (checkTensors('onesLike', [x]), splat('onesLike', 1, x))) as Unary
