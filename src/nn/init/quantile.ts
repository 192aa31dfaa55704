import { abs, add, div, less, lessEqual, log, maximum, mul, neg, sqrt, square, sub, where } from '../../ir/lang/pointwise.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'

/**
 * The normal distribution function Φ(z), to a relative error of 1e-13 below 0: ½ − ½·erf(−z/√2) by the series of erf near 0,
 * beyond that φ(z)/(−z + 1/(−z + 2/(−z + …))). Source: Abramowitz & Stegun, 26.2.10 and 26.2.14.
 */
export function lowerTail(z: number): number {
  if (z > 0) return 1 - lowerTail(-z)
  const density = Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI)
  if (z < -2.5) {
    let fraction = -z
    for (let n = 200; n >= 1; n--) fraction = -z + n / fraction
    return density / fraction
  }
  let [term, total] = [-z, -z]
  for (let n = 1; n < 60; n++) {
    term *= (z * z) / (2 * n + 1)
    total += term
  }
  return 0.5 - density * total
}

/**
 * z with Φ(z) = ½ + offset, accurate to 1e-16 in f64 (Wichura, algorithm AS 241, 1988). `tail` is the smaller of Φ(z) and
 * 1 − Φ(z), given beside the offset because it has more digits; `deep` says that it may be below e^−25.
 */
export function normalQuantile(offset: Tensor, tail: Tensor, deep: boolean): Tensor {
  const near = ratio(CENTRE, sub(0.180625, square(offset)))
  // The logarithm is taken of no 0: rounding may make the tail one.
  const r = sqrt(neg(log(maximum(tail, deep ? 1e-37 : 2 ** -26))))
  const beside = ratio(SIDE, sub(r, 1.6))
  const size = deep ? where(lessEqual(r, 5), beside, ratio(FAR, sub(r, 5))) : beside
  const far = where(less(offset, 0), neg(size), size)
  return where(lessEqual(abs(offset), 0.425), mul(offset, near), far)
}

/** Quotient of two polynomials, highest coefficients first. */
function ratio([above, below]: readonly (readonly number[])[], r: Tensor): Tensor {
  const horner = (c: readonly number[]): Tensor => c.slice(2).reduce((y, k) => add(mul(y, r), k), add(mul(r, c[0]), c[1]))
  return div(horner(above), horner(below))
}

const CENTRE = [
  [
    2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987, 13731.69376550946,
    1971.5909503065513, 133.14166789178438, 3.3871328727963665,
  ],
  [
    5226.495278852854, 28729.085735721943, 39307.89580009271, 21213.794301586597, 5394.196021424751,
    687.1870074920579, 42.31333070160091, 1,
  ],
]
const SIDE = [
  [
    0.0007745450142783414, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684, 3.6478483247632045,
    5.769497221460691, 4.630337846156546, 1.4234371107496835,
  ],
  [
    1.0507500716444169e-9, 0.0005475938084995345, 0.015198666563616457, 0.14810397642748008, 0.6897673349851,
    1.6763848301838038, 2.053191626637759, 1,
  ],
]
const FAR = [
  [
    2.0103343992922881e-7, 2.7115555687434876e-5, 0.0012426609473880784, 0.026532189526576124, 0.29656057182850487,
    1.7848265399172913, 5.463784911164114, 6.657904643501103,
  ],
  [
    2.0442631033899397e-15, 1.421511758316446e-7, 1.8463183175100548e-5, 0.0007868691311456133, 0.014875361290850615,
    0.1369298809227358, 0.599832206555888, 1,
  ],
]
