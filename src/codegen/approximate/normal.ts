import type { Arith } from '../../ir/scalar.ts'
import { LN2_HIGH, LN2_LOW, SHIFTER, atLeast, atMost, f32, horner, scaleDown } from './float.ts'

/** e^(−v/2) on |v| ≤ ln 2 + 2⁻⁴: that of eʳ in exponential.ts, relative error 2⁻²⁸. */
const FALL = [1, -0.5, 0.49999994 / 4, -0.16666517 / 8, 0.041668247 / 16, -0.008369085 / 32, 0.0013817346 / 64]

/** (Φ(x) − ½) / x in x² for |x| ≤ 15/16: minimax relative to Φ(−|x|), error 2⁻²⁶. */
const CENTRE = [0.3989422, -0.0664889, 0.00996519, -0.0011672751, 9.3586525e-5]
/** (e^(−a²/2) / Φ(−a) − √(2π)·a) / t in t = 1/(a + 3) for a ≥ 15/16: minimax relative to Φ(−a), error 2⁻²⁶. */
const MILLS = [2.5113559, 7.2166424, 25.689726, -96.53413, 982.91284, -5527.976, 12355.104, -9911.907]
const SEAM = 0.9375

/** From here on φ, Φ(−x) and x·Φ(−x) are below half of the smallest subnormal. */
const END = 14.4

/** 1.5·2¹⁵: adding it to a < 2¹⁴ rounds a to a multiple of 2⁻⁸, whose square is exact up to a = 16. */
const COARSE = 49152

/** e^(−a²/2) for 0 ≤ a ≤ END or NaN, as y·2ⁿ with n in the low bits of `shifted`. */
function fall<V>(k: Arith<V>, a: V): { y: V; shifted: V } {
  // a² in two parts: the square of a's leading bits, exact, and what they leave.
  const lead = k.sub(k.add(a, f32(k, COARSE)), f32(k, COARSE))
  const square = k.mul(lead, lead)
  const rest = k.mul(k.sub(a, lead), k.add(a, lead))
  const shifted = k.add(k.mul(square, f32(k, -Math.LOG2E / 2)), f32(k, SHIFTER))
  const n = k.sub(shifted, f32(k, SHIFTER))
  const high = k.add(square, k.mul(n, f32(k, 2 * LN2_HIGH)))
  const v = k.add(high, k.add(rest, k.mul(n, f32(k, 2 * LN2_LOW))))
  return { y: horner(k, v, FALL), shifted }
}

/**
 * e^(−a²/2) / Φ(−a) for a ≥ SEAM: its asymptote √(2π)·a, and what lies above it, whose errors count little beside it. (It is √(2π)
 * over Mills' ratio.)
 */
function overTail<V>(k: Arith<V>, a: V): V {
  const t = k.div(f32(k, 1), k.add(a, f32(k, 3)))
  return k.add(k.mul(a, f32(k, Math.sqrt(2 * Math.PI))), k.mul(horner(k, t, MILLS), t))
}

/** Φ(x) for |x| ≤ SEAM. */
const centre = <V>(k: Arith<V>, x: V): V => k.add(k.mul(horner(k, k.mul(x, x), CENTRE), x), f32(k, 0.5))

/** The density e^(−x²/2)/√(2π). At most 2.24 ulp over all floats. */
export function normalPdf<V>(k: Arith<V>, x: V): V {
  const { y, shifted } = fall(k, atMost(k, k.abs(x), f32(k, END)))
  return scaleDown(k, k.mul(y, f32(k, 1 / Math.sqrt(2 * Math.PI))), shifted)
}

/**
 * The distribution Φ: ½ + x·P(x²) in its centre, beyond it Φ(−|x|) as e^(−x²/2) times a polynomial in 1/(|x| + 3), so that the left
 * tail keeps its relative accuracy down to the smallest subnormal, and 1 − Φ(−x) for x > 0. At most 3.66 ulp over all floats.
 */
export function normalCdf<V>(k: Arith<V>, x: V): V {
  const a = atMost(k, k.abs(x), f32(k, END))
  const { y, shifted } = fall(k, a)
  const tail = scaleDown(k, k.div(y, overTail(k, a)), shifted)
  const outside = k.select(k.lt(f32(k, 0), x), k.sub(f32(k, 1), tail), tail)
  return k.select(k.lt(a, f32(k, SEAM)), centre(k, x), outside)
}

/**
 * x·Φ(x), outside the centre as max(x, 0) − |x|·Φ(−|x|), the product rounded once where it is subnormal: there Φ itself has too few bits to be
 * multiplied. −0 at −∞, its limit. At most 3.90 ulp over all floats.
 */
export function gelu<V>(k: Arith<V>, x: V): V {
  const a = atMost(k, k.abs(x), f32(k, END))
  const { y, shifted } = fall(k, a)
  const product = scaleDown(k, k.div(k.mul(y, k.neg(a)), overTail(k, a)), shifted)
  const outside = k.add(atLeast(k, x, f32(k, -0)), product)
  return k.select(k.lt(a, f32(k, SEAM)), k.mul(x, centre(k, x)), outside)
}
