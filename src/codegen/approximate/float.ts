import type { Arith } from '../../ir/scalar.ts'

/** The f32 nearest to `value`. */
export const f32 = <V>(k: Arith<V>, value: number): V => k.lit(Math.fround(value), 'f32')

/** The low 32 bits of `value`. */
export const i32 = <V>(k: Arith<V>, value: number): V => k.lit(value | 0, 'i32')

/** The sign bit, alone. */
export const SIGN = -0x80000000

/** c₀ + c₁x + c₂x² + … by Horner's rule; each step rounds the product and then the sum. */
export function horner<V>(k: Arith<V>, x: V, coefficients: readonly number[]): V {
  const last = coefficients.length - 1
  let sum = f32(k, coefficients[last])
  for (let i = last - 1; i >= 0; i--) sum = k.add(k.mul(sum, x), f32(k, coefficients[i]))
  return sum
}

/**
 * {@link horner} in `square` = x² over the pairs c₀ + c₁x, c₂ + c₃x, …: as many operations in a chain of half the length, which is what
 * a loop waits for.
 */
export function hornerOfPairs<V>(k: Arith<V>, x: V, square: V, coefficients: readonly number[]): V {
  const pair = (i: number): V => (i + 1 < coefficients.length ? horner(k, x, coefficients.slice(i, i + 2)) : f32(k, coefficients[i]))
  let i = (coefficients.length - 1) & ~1
  let sum = pair(i)
  while (i > 0) sum = k.add(k.mul(sum, square), pair((i -= 2)))
  return sum
}

/** `limit` where x > limit; NaN stays. The form of a SIMD `pmin`: `min`, with its rules for NaN and ±0, costs more. */
export const atMost = <V>(k: Arith<V>, x: V, limit: V): V => k.select(k.lt(limit, x), limit, x)

/** `limit` where x < limit; NaN stays. The form of a SIMD `pmax`. */
export const atLeast = <V>(k: Arith<V>, x: V, limit: V): V => k.select(k.lt(x, limit), limit, x)

/** x held in low … high; NaN stays. */
export const clamp = <V>(k: Arith<V>, x: V, low: number, high: number): V =>
  atLeast(k, atMost(k, x, f32(k, high)), f32(k, low))

/** The sign bit of an f32, alone, as an i32. */
export const signOf = <V>(k: Arith<V>, x: V): V => k.and(k.bitcast(x, 'i32'), i32(k, SIGN))

/** x with its sign flipped where `sign`, 0 or {@link SIGN}, is set. */
export const flipSign = <V>(k: Arith<V>, x: V, sign: V): V => k.bitcast(k.xor(k.bitcast(x, 'i32'), sign), 'f32')

/** The leading 12 of 24 bits, so that a product of two such numbers is exact (Dekker 1971; here by masking). */
export const head = <V>(k: Arith<V>, x: V): V => k.bitcast(k.and(k.bitcast(x, 'i32'), i32(k, 0xfffff000)), 'f32')

/** What rounding took from `sum` = a + b, for |a| ≥ |b| or an exact sum (Fast2Sum, Dekker 1971). */
export const lostBits = <V>(k: Arith<V>, a: V, b: V, sum: V): V => k.add(k.sub(a, sum), b)

/** 1.5·2²³: adding it to |x| ≤ 2²² rounds to an integer (half to even), which then stands in the low bits. */
export const SHIFTER = 12582912

/** 2^(n + offset) from the bits of n + {@link SHIFTER}: n moves into the exponent field, the rest falls off the top. */
export const powerOfTwo = <V>(k: Arith<V>, bits: V, offset: number): V =>
  k.bitcast(k.add(k.shl(bits, i32(k, 23)), i32(k, (127 + offset) << 23)), 'f32')

/** 2^(offset − n) from the same bits. */
export const powerDown = <V>(k: Arith<V>, bits: V, offset: number): V =>
  k.bitcast(k.sub(i32(k, (127 + offset) << 23), k.shl(bits, i32(k, 23))), 'f32')

/**
 * y·2ⁿ for ½ ≤ y < 2 and −152 ≤ n ≤ 130, given n + {@link SHIFTER}: ∞ where it overflows, rounded once where it is
 * subnormal. Two factors, because a single power of two cannot reach that far; the first product is exact.
 */
export function scaleByPower<V>(k: Arith<V>, y: V, shifted: V): V {
  const bits = k.bitcast(shifted, 'i32')
  const half = k.shr(bits, i32(k, 1))
  return k.mul(k.mul(y, powerOfTwo(k, half, 0)), powerOfTwo(k, k.sub(bits, half), 0))
}

/**
 * y·2ⁿ for y ≤ 2 and −220 ≤ n ≤ 0, given n + {@link SHIFTER}: rounded once where it is subnormal. One power, raised out of the
 * subnormal range, and a constant: cheaper than {@link scaleByPower}.
 */
export const scaleDown = <V>(k: Arith<V>, y: V, shifted: V): V =>
  k.mul(k.mul(y, powerOfTwo(k, k.bitcast(shifted, 'i32'), 100)), f32(k, 2 ** -100))

/** Bits of √½: with it, fractions lie in [√½, √2). */
const SQRT_HALF = 0x3f3504f3

/**
 * x = m·2ᵉ for 0 < x < ∞, subnormals included, with integral e and `least` ≤ m < 2·least (`least` given by its bits).
 * For other x both are finite and mean nothing: the caller selects.
 */
export function splitExponent<V>(k: Arith<V>, x: V, least: number = SQRT_HALF): { m: V; e: V } {
  const subnormal = k.lt(x, f32(k, 2 ** -126))
  const { m, e } = splitNormal(k, k.select(subnormal, k.mul(x, f32(k, 2 ** 23)), x), least)
  return { m, e: k.add(e, k.select(subnormal, f32(k, -23), f32(k, 0))) }
}

/** {@link splitExponent} for x that is not subnormal. */
export function splitNormal<V>(k: Arith<V>, x: V, least: number = SQRT_HALF): { m: V; e: V } {
  const bits = k.bitcast(x, 'i32')
  // Counted from `least`, the exponent field turns over where m does.
  const above = k.sub(bits, i32(k, least))
  const m = k.bitcast(k.sub(bits, k.and(above, i32(k, 0xff800000))), 'f32')
  return { m, e: k.cast(k.shr(above, i32(k, 23)), 'f32') }
}

/** ln 2 in two parts. The first has 15 bits, so that its product with an exponent is exact (Cody & Waite 1980). */
export const LN2_HIGH = 0.693145751953125
export const LN2_LOW: number = Math.LN2 - LN2_HIGH
