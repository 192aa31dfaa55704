import type { Arith } from '../../ir/scalar.ts'
import { halfRise } from './exponential.ts'
import { atMost, f32, flipSign, horner, signOf } from './float.ts'

/** erf x / x − 1 in x² on |x| ≤ 9/8: minimax relative to erf x, error 2⁻²⁷. */
const ERF = [0.12837917, -0.37612602, 0.11283256, -0.026839225, 0.005160268, -0.00077659084, 7.063925e-5]
/** erfc(x)^⅛ in x − 9/4 on 9/8 ≤ x ≤ 3.93: minimax in its eighth power, error 2⁻²⁷. */
const ERFC_ROOT = [0.44222656, -0.2699192, 0.03070412, 0.014062224, -0.0034542033, -0.00041198794, 0.00016278571]

/**
 * tanh x = h / (1 − h) with h = ½(1 − e^(−2|x|)), where nothing cancels and 1 is never exceeded. At most 2.50 ulp over
 * all floats, and monotone.
 */
export function tanh<V>(k: Arith<V>, x: V): V {
  const h = halfRise(k, k.abs(x))
  return flipSign(k, k.div(h, k.sub(f32(k, 1), h)), signOf(k, x))
}

/**
 * erf x = x + x·P(x²) for |x| < 9/8, beyond it 1 − Q(|x|)⁸: the eighth root of erfc is smooth enough for degree 6, and 1 is
 * never exceeded (raising a short polynomial to a power as in Abramowitz & Stegun 7.1.28, without its division).
 * At most 2.17 ulp over all floats.
 */
export function erf<V>(k: Arith<V>, x: V): V {
  const one = f32(k, 1)
  const near = k.add(x, k.mul(x, horner(k, k.mul(x, x), ERF)))
  const ax = k.abs(x)
  const root = horner(k, k.sub(atMost(k, ax, f32(k, 3.93)), f32(k, 2.25)), ERFC_ROOT)
  const square = k.mul(root, root)
  const fourth = k.mul(square, square)
  const far = flipSign(k, k.sub(one, k.mul(fourth, fourth)), signOf(k, x))
  return k.select(k.lt(ax, f32(k, 1.125)), near, far)
}
