import type { Arith } from '../../ir/scalar.ts'
import { LN2_HIGH, LN2_LOW, f32, horner, lostBits, splitExponent, splitNormal } from './float.ts'

/** (log(1 + f) − f + f²/2) / f³ on √½ − 1 ≤ f ≤ √2 − 1: minimax relative to log(1 + f), error 2⁻²⁷. */
const LOG = [0.3333333, -0.25000823, 0.20001245, -0.16623324, 0.14201832, -0.13161053, 0.127588, -0.07625601]

/** log(2ᵉ(1 + f)) + correction; e·ln 2 + f is added without loss. */
function logOfParts<V>(k: Arith<V>, e: V, f: V, correction: V | null): V {
  const curve = k.mul(k.mul(f, f), k.sub(k.mul(f, horner(k, f, LOG)), f32(k, 0.5)))
  const high = k.mul(e, f32(k, LN2_HIGH))
  const sum = k.add(high, f)
  const lost = lostBits(k, high, f, sum)
  const small = k.add(curve, k.mul(e, f32(k, LN2_LOW)))
  return k.add(sum, k.add(correction === null ? lost : k.add(lost, correction), small))
}

/** `inside` where 0 < u < ∞; the logarithm of u elsewhere: −∞ of 0, ∞ of ∞, NaN of NaN and below 0. */
function withEnds<V>(k: Arith<V>, u: V, inside: V): V {
  const zero = f32(k, 0)
  const infinity = f32(k, Infinity)
  const outside = k.select(k.eq(u, zero), f32(k, -Infinity), f32(k, NaN))
  return k.select(k.gt(u, zero), k.select(k.lt(u, infinity), inside, infinity), outside)
}

/**
 * log x = e·ln 2 + log(1 + f) with x = 2ᵉ(1 + f), √½ ≤ 1 + f < √2: f − f²/2 + f³P(f) with P of degree 7, and ln 2 in two
 * parts (Cody & Waite 1980). At most 0.923 ulp over all floats, and monotone.
 */
export function log<V>(k: Arith<V>, x: V): V {
  const { m, e } = splitExponent(k, x)
  return withEnds(k, x, logOfParts(k, e, k.sub(m, f32(k, 1)), null))
}

/**
 * log(1 + x) as log(u) + (1 + x − u)/u with u = 1 + x rounded; where u needs no exponent, the series takes x itself,
 * which is exact (the correction of fdlibm's log1p). At most 0.975 ulp over all floats, and
 * monotone.
 */
export function log1p<V>(k: Arith<V>, x: V): V {
  const one = f32(k, 1)
  const zero = f32(k, 0)
  const u = k.add(one, x)
  const { m, e } = splitNormal(k, u)
  const big = k.lt(one, x)
  const lost = k.sub(k.select(big, one, x), k.sub(u, k.select(big, x, one)))
  const near = k.eq(e, zero)
  const value = logOfParts(k, e, k.select(near, x, k.sub(m, one)), k.select(near, zero, k.div(lost, u)))
  return k.select(k.eq(x, zero), x, withEnds(k, u, value))
}
