import type { Arith } from '../../ir/scalar.ts'
import { SHIFTER, clamp, f32, flipSign, head, horner, i32, lostBits, scaleByPower, signOf, splitExponent } from './float.ts'

/** (2ʳ − 1) / r on |r| ≤ ½: minimax relative to 2ʳ, error 2⁻²⁷. */
const EXP2 = [0.69314724, 0.24022655, 0.055502728, 0.009617065, 0.0013417725, 0.00015824125]
/** (log₂((1 + s)/(1 − s)) − s·2/ln 2) / s³ in s² on |s| ≤ 0.1013: minimax, relative error 2⁻²⁶. */
const CURVE = [0.9617967, 0.57706034, 0.4170593]

/** 2/ln 2 and log₂ 1.5, each in a part of few bits and the rest. */
const SCALE_HIGH = 2.884765625
const SCALE_LOW = 2 / Math.LN2 - SCALE_HIGH
const LOG2_CENTRE_HIGH = 0.5849609375
const LOG2_CENTRE_LOW = Math.log2(1.5) - LOG2_CENTRE_HIGH

/** Bits of √¾: fractions from there to √3 lie about the centres 1 and 1.5, which part at √1.5. */
const SQRT_THREE_QUARTERS = 0x3f5db3d7

/**
 * log₂ a for 0 < a < ∞ as high + low, 12 bits and 24 more; absolute error about 2⁻³² on the fraction. With a = 2ᵉm and a
 * centre c, log₂(m/c) = 2/ln 2·atanh(s), s = (m − c)/(m + c): s and its product with 2/ln 2 are carried in two parts
 * (Dekker 1971), the cubic and later terms in one.
 */
function log2<V>(k: Arith<V>, a: V): { high: V; low: V } {
  const zero = f32(k, 0)
  const one = f32(k, 1)
  const { m, e } = splitExponent(k, a, SQRT_THREE_QUARTERS)
  const central = k.lt(m, f32(k, Math.sqrt(1.5)))
  const centre = k.select(central, one, f32(k, 1.5))
  const f = k.sub(m, centre)
  const d = k.add(m, centre)
  const inverse = k.div(one, d)
  const dHigh = head(k, d)
  const dLow = k.add(k.sub(d, dHigh), k.sub(m, k.sub(d, centre)))
  const sHigh = head(k, k.mul(f, inverse))
  const sLow = k.mul(k.sub(k.sub(f, k.mul(sHigh, dHigh)), k.mul(sHigh, dLow)), inverse)
  const s = k.add(sHigh, sLow)
  const z = k.mul(s, s)
  const curve = k.mul(k.mul(s, z), horner(k, z, CURVE))
  const whole = k.add(e, k.select(central, zero, f32(k, LOG2_CENTRE_HIGH)))
  const lead = k.mul(sHigh, f32(k, SCALE_HIGH))
  const sum = k.add(whole, lead)
  const products = k.add(k.mul(sLow, f32(k, SCALE_HIGH + SCALE_LOW)), k.mul(sHigh, f32(k, SCALE_LOW)))
  const small = k.add(k.add(k.select(central, zero, f32(k, LOG2_CENTRE_LOW)), curve), products)
  const rest = k.add(lostBits(k, whole, lead, sum), small)
  const high = head(k, k.add(sum, rest))
  return { high, low: k.add(k.sub(sum, high), rest) }
}

/** 2^(y·(high + low)), given that the product stays finite. */
function exp2OfProduct<V>(k: Arith<V>, y: V, high: V, low: V): V {
  const yHigh = head(k, y)
  const lead = k.mul(yHigh, high)
  const rest = k.add(k.mul(y, low), k.mul(k.sub(y, yHigh), high))
  const product = k.add(lead, rest)
  const bounded = clamp(k, product, -151, 129)
  const shifted = k.add(bounded, f32(k, SHIFTER))
  const n = k.sub(shifted, f32(k, SHIFTER))
  const lost = k.select(k.eq(bounded, product), lostBits(k, lead, rest, product), f32(k, 0))
  const r = k.add(k.sub(bounded, n), lost)
  return scaleByPower(k, k.add(k.mul(r, horner(k, r, EXP2)), f32(k, 1)), shifted)
}

/** What |x|ʸ is multiplied by: −1 for an odd power of x < 0, NaN where xʸ has no value, else 1. */
function signOfPower<V>(k: Arith<V>, x: V, y: V): V {
  const ax = k.abs(x)
  const infinity = f32(k, Infinity)
  const whole = k.floor(y)
  const half = k.mul(y, f32(k, 0.5))
  const isNaN = k.and(k.or(k.ne(x, x), k.ne(y, y)), k.ne(y, f32(k, 0)))
  const root = k.and(k.and(k.lt(x, f32(k, 0)), k.ne(whole, y)), k.lt(ax, infinity))
  const undetermined = k.and(k.eq(ax, f32(k, 1)), k.eq(k.abs(y), infinity))
  const odd = k.and(k.eq(whole, y), k.ne(k.floor(half), half))
  const sign = flipSign(k, f32(k, 1), k.select(odd, signOf(k, x), i32(k, 0)))
  return k.select(k.or(isNaN, k.or(root, undetermined)), f32(k, NaN), sign)
}

/**
 * xʸ with the special cases of Math.pow: x⁰ = 1 even of NaN, (±1)^±∞ = NaN, a negative base needs an integral exponent
 * (an odd one keeps the sign). 2 to the product of y and log₂|x|, the latter with 36 bits. At most 1.78 ulp over
 * 2·10⁸ random pairs whose results span all floats.
 */
export function pow<V>(k: Arith<V>, x: V, y: V): V {
  const ax = k.abs(x)
  // The logarithms of 0 and ∞ come out as about ∓150 and 128: any y but 0, made huge, then reaches the other end.
  const atEnd = k.or(k.eq(ax, f32(k, 0)), k.eq(ax, f32(k, Infinity)))
  const stretch = k.select(atEnd, f32(k, 2 ** 127), f32(k, 1))
  // Beyond 2³¹ every base but 1 has over- or underflowed, and all products stay finite.
  const exponent = clamp(k, k.mul(k.mul(y, stretch), stretch), -(2 ** 31), 2 ** 31)
  const { high, low } = log2(k, ax)
  return k.mul(exp2OfProduct(k, exponent, high, low), signOfPower(k, x, y))
}
