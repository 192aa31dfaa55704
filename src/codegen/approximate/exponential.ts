import type { Arith } from '../../ir/scalar.ts'
import { LN2_HIGH, LN2_LOW, SHIFTER, atMost, clamp, f32, horner, hornerOfPairs, lostBits, powerDown, powerOfTwo, scaleByPower } from './float.ts'

/** (eʳ − 1 − r) / r² on |r| ≤ ½ ln 2: minimax relative to eʳ, error 2⁻²⁸. */
const EXP = [0.49999994, 0.16666517, 0.041668247, 0.008369085, 0.0013817346]
/** (eʳ − 1 − r − r²/2) / r³: minimax relative to eʳ − 1, error 2⁻³¹. */
const EXPM1 = [0.16666666, 0.041666493, 0.008333546, 0.0013932325, 0.00019761804]
/** (eʳ − 1 − r) / r², minimax relative to eʳ − 1, error 2⁻²⁶. */
const EXPM1_SHORT = [0.49999997, 0.16666546, 0.041667435, 0.008366262, 0.0013870657]

/** x = n·ln 2 + high − low with |high − low| ≤ ½ ln 2, high exact, and n in the low bits of `shifted`. */
function reduce<V>(k: Arith<V>, x: V): { high: V; low: V; shifted: V } {
  const shifted = k.add(k.mul(x, f32(k, Math.LOG2E)), f32(k, SHIFTER))
  const n = k.sub(shifted, f32(k, SHIFTER))
  return { high: k.sub(x, k.mul(n, f32(k, LN2_HIGH))), low: k.mul(n, f32(k, LN2_LOW)), shifted }
}

/**
 * eˣ = 2ⁿ·eʳ with x = n ln 2 + r by a two-part reduction (Cody & Waite 1980) and a polynomial of degree 6. Subnormal
 * results are rounded once. At most 0.989 ulp over all floats, and monotone: no float has a larger result than the next.
 */
export function exp<V>(k: Arith<V>, x: V): V {
  // At both ends the result has been reached: 0 and ∞.
  const { high, low, shifted } = reduce(k, clamp(k, x, -104, 89))
  const r = k.sub(high, low)
  const step = k.add(k.mul(k.mul(r, r), horner(k, r, EXP)), r)
  return scaleByPower(k, k.add(step, f32(k, 1)), shifted)
}

/**
 * eˣ − 1 = (2ⁿ − 1) + 2ⁿr + 2ⁿ(eʳ − 1 − r), its two large terms added without loss (Fast2Sum). At most 0.815 ulp over
 * all floats, and monotone.
 */
export function expm1<V>(k: Arith<V>, x: V): V {
  const { high, low, shifted } = reduce(k, clamp(k, x, -20, 89))
  const r = k.sub(high, low)
  // The square, exactly halved, apart from what is smaller: eʳ − 1 − r to its last bit.
  const square = k.mul(r, r)
  const cubic = k.mul(square, k.mul(r, horner(k, r, EXPM1)))
  const tail = k.add(k.mul(square, f32(k, 0.5)), k.add(k.sub(k.sub(high, r), low), cubic))
  // Half of everything, 2ⁿ⁻¹ and ½, because 2¹²⁸ is no f32.
  const power = powerOfTwo(k, k.bitcast(shifted, 'i32'), -1)
  const minusHalf = f32(k, -0.5)
  const base = k.add(power, minusHalf)
  const linear = k.mul(power, r)
  const sum = k.add(base, linear)
  const lost = k.add(lostBits(k, power, minusHalf, base), lostBits(k, base, linear, sum))
  const half = k.add(sum, k.add(lost, k.mul(power, tail)))
  // Halving a subnormal loses a bit, and 0 + −0 the sign.
  return k.select(k.lt(k.abs(x), f32(k, 2 ** -25)), x, k.add(half, half))
}

/** 2ⁿ·e^(−tv) = e^(−tx) for |tx| ≤ 104 or NaN and t a power of two: |tv| ≤ ½ ln 2 in one part, and n in the low bits of `shifted`. */
function reduceFall<V>(k: Arith<V>, x: V, t: number): { v: V; shifted: V } {
  const shifted = k.add(k.mul(x, f32(k, -t * Math.LOG2E)), f32(k, SHIFTER))
  const n = k.sub(shifted, f32(k, SHIFTER))
  return { v: k.add(k.mul(n, f32(k, LN2_LOW / t)), k.add(k.mul(n, f32(k, LN2_HIGH / t)), x)), shifted }
}

/** (½(1 − e^(−2v)) − v) / v², from a series in −2v. */
const RISE = EXPM1_SHORT.map((c, i) => c * (-2) ** (i + 1))

/** ½(1 − e^(−2a)) for a ≥ 0 or NaN, in 0 … ½: what tanh needs. */
export function halfRise<V>(k: Arith<V>, a: V): V {
  const { v, shifted } = reduceFall(k, atMost(k, a, f32(k, 10)), 2)
  const square = k.mul(v, v)
  const step = k.add(k.mul(square, hornerOfPairs(k, v, square, RISE)), v)
  const power = powerOfTwo(k, k.bitcast(shifted, 'i32'), 0)
  return k.add(k.mul(power, step), k.add(k.mul(power, f32(k, -0.5)), f32(k, 0.5)))
}

/**
 * 1 / (1 + e⁻ˣ), as c·eˣ / (c·eˣ + c) with c = 2²⁴, so that c·e⁻¹⁰⁴ is no subnormal: the left tail keeps its relative accuracy down to
 * the smallest one, and neither side needs a form of its own. At most 2.64 ulp over all floats.
 */
export function sigmoid<V>(k: Arith<V>, x: V): V {
  // At both ends the result has been reached: 0 and 1.
  const { v, shifted } = reduceFall(k, clamp(k, x, -104, 18), 1)
  const square = k.mul(v, v)
  const y = k.add(k.mul(square, hornerOfPairs(k, v, square, EXP)), k.add(v, f32(k, 1)))
  const scaled = k.mul(y, powerDown(k, k.bitcast(shifted, 'i32'), 24))
  return k.div(scaled, k.add(scaled, f32(k, 2 ** 24)))
}
