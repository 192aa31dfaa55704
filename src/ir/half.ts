import type { DType, TypedArray } from './types.ts'

/** The two storage floats: IEEE 754 binary16, and bfloat16, the upper half of an f32. */
export type HalfType = 'f16' | 'bf16'

/** Bits of the fraction, and the bias of the exponent. */
interface Format {
  readonly fraction: number
  readonly bias: number
}

const FORMATS: { readonly [D in HalfType]: Format } = { f16: { fraction: 10, bias: 15 }, bf16: { fraction: 7, bias: 127 } }

/** Are values of this type kept in 16 bits, and computed with only after a cast? */
export const isHalf = (d: DType): d is HalfType => d === 'f16' || d === 'bf16'

const double = new DataView(new ArrayBuffer(8))

/** ⌊log₂ a⌋ of a normal double. */
function exponentOf(a: number): number {
  double.setFloat64(0, a)
  return (double.getUint16(0) >>> 4) - 1023
}

/**
 * The 16 bits of the nearest value of the type, ties to even (IEEE 754 roundTiesToEven), in one rounding from the double.
 * What is too large becomes an infinity, what is small a denormal or a zero with its sign; NaN is the positive quiet one.
 */
export function halfBits(value: number, dtype: HalfType): number {
  const { fraction, bias } = FORMATS[dtype]
  const infinity = (2 * bias + 1) << fraction
  if (Number.isNaN(value)) return infinity | (1 << (fraction - 1))
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const a = Math.abs(value)
  if (a === Infinity) return sign | infinity
  // Below 2^(1 − bias) the steps stay those of the smallest normal numbers.
  const exponent = Math.max(exponentOf(a), 1 - bias)
  const steps = a / 2 ** (exponent - fraction)
  const low = Math.floor(steps)
  const up = steps - low > 0.5 || (steps - low === 0.5 && low % 2 === 1)
  // A carry out of the fraction moves into the exponent, and out of the largest exponent into infinity.
  return sign | Math.min(((exponent + bias - 1) << fraction) + low + Number(up), infinity)
}

/** The number that 16 bits of the type stand for; exact. */
export function halfValue(bits: number, dtype: HalfType): number {
  const { fraction, bias } = FORMATS[dtype]
  const exponent = (bits & 0x7fff) >>> fraction
  const low = bits & ((1 << fraction) - 1)
  const sign = bits & 0x8000 ? -1 : 1
  if (exponent === 2 * bias + 1) return low ? NaN : sign * Infinity
  const steps = exponent ? low + (1 << fraction) : low
  return sign * steps * 2 ** (Math.max(exponent, 1) - bias - fraction)
}

/** The nearest value of the type, as a number: {@link halfBits} read back. */
export const roundHalf = (value: number, dtype: HalfType): number => halfValue(halfBits(value, dtype), dtype)

/**
 * Numbers of an array of the reference evaluator. In the declared precision f16 and bf16 stand in a Uint16Array as bits,
 * as in memory, so that copies keep them to the last one; in f64 they are doubles that nothing rounds.
 */
export const numberAt = (array: ArrayLike<number>, i: number, dtype: DType): number =>
  isHalf(dtype) && array instanceof Uint16Array ? halfValue(array[i], dtype) : array[i]

/** What an array of the reference evaluator holds for a number: the other way of {@link numberAt}. */
export const kept = (value: number, dtype: DType, array: TypedArray): number =>
  isHalf(dtype) && array instanceof Uint16Array ? halfBits(value, dtype) : value
