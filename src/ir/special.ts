import type { Arith } from './scalar.ts'

// Functions of f64 that hosts do not have. The quotients of polynomials are those of W. J. Cody, "Rational Chebyshev
// approximations for the error function", Mathematics of Computation 23 (1969), lowest power first.

/** erf x / x in x² for |x| ≤ 15/32. */
const NEAR_ABOVE = [3209.3775891384694, 377.485237685302, 113.86415415105016, 3.1611237438705655, 0.18577770618460315]
const NEAR_BELOW = [2844.236833439171, 1282.6165260773723, 244.02463793444417, 23.601290952344122, 1]
/** erfc a · e^(a²) for 15/32 ≤ a ≤ 4. */
const TAIL_ABOVE = [
  1230.3393547979972, 2051.0783778260716, 1712.0476126340707, 881.952221241769, 298.6351381974001, 66.11919063714163,
  8.883149794388377, 0.5641884969886701, 2.1531153547440383e-8,
]
const TAIL_BELOW = [
  1230.3393548037495, 3439.3676741437216, 4362.619090143247, 3290.7992357334597, 1621.3895745666903, 537.1811018620099,
  117.6939508913125, 15.744926110709835, 1,
]
/** 1/√π − a·erfc a · e^(a²), over 1/a², in 1/a² for a ≥ 4. */
const FAR_ABOVE = [0.0006587491615298378, 0.016083785148742275, 0.12578172611122926, 0.36034489994980445, 0.30532663496123236, 0.016315387137302097]
const FAR_BELOW = [0.0023352049762686918, 0.06051834131244132, 0.5279051029514285, 1.8729528499234604, 2.568520192289822, 1]

/** Below it erf has a series of its own, so that 1 − erfc does not cancel. */
const NEAR = 0.46875
/** e^(−a²/2) and e^(−a²) are zero from here on. */
const END = 40

function quotient<V>(k: Arith<V>, x: V, above: readonly number[], below: readonly number[]): V {
  const sum = (c: readonly number[]): V => c.reduceRight<V | null>((s, v) => (s === null ? k.lit(v, 'f64') : k.add(k.mul(s, x), k.lit(v, 'f64'))), null)!
  return k.div(sum(above), sum(below))
}

const erfNear = <V>(k: Arith<V>, x: V): V => k.mul(x, quotient(k, k.mul(x, x), NEAR_ABOVE, NEAR_BELOW))

/** erfc a · e^(a²) for 15/32 ≤ a ≤ END. */
function scaledTail<V>(k: Arith<V>, a: V): V {
  const z = k.div(k.lit(1, 'f64'), k.mul(a, a))
  const far = k.div(k.sub(k.lit(1 / Math.sqrt(Math.PI), 'f64'), k.mul(z, quotient(k, z, FAR_ABOVE, FAR_BELOW))), a)
  return k.select(k.lt(a, k.lit(4, 'f64')), quotient(k, a, TAIL_ABOVE, TAIL_BELOW), far)
}

/** e^(−s·a²) for s = 1 or ½ and 0 ≤ a ≤ END: the square of a's leading bits is exact, what they leave is a factor of its own. */
function fall<V>(k: Arith<V>, a: V, s: number): V {
  const lead = k.mul(k.round(k.mul(a, k.lit(2 ** 16, 'f64'))), k.lit(2 ** -16, 'f64'))
  const rest = k.mul(k.sub(a, lead), k.add(a, lead))
  return k.mul(k.exp(k.mul(k.mul(lead, lead), k.lit(-s, 'f64'))), k.exp(k.mul(rest, k.lit(-s, 'f64'))))
}

/** |x|, at most END; NaN stays. */
function magnitude<V>(k: Arith<V>, x: V): V {
  const a = k.abs(x)
  return k.select(k.gt(a, k.lit(END, 'f64')), k.lit(END, 'f64'), a)
}

/** Φ(−a) for 0 ≤ a ≤ END. */
function normalTail<V>(k: Arith<V>, a: V): V {
  const half = k.lit(0.5, 'f64')
  const scaled = k.mul(a, k.lit(Math.SQRT1_2, 'f64'))
  const near = k.sub(half, k.mul(half, erfNear(k, scaled)))
  return k.select(k.lt(scaled, k.lit(NEAR, 'f64')), near, k.mul(fall(k, a, 0.5), k.mul(half, scaledTail(k, scaled))))
}

/** The error function in f64, within 4 ulp. */
export function erf<V>(k: Arith<V>, x: V): V {
  const a = magnitude(k, x)
  const far = k.sub(k.lit(1, 'f64'), k.mul(fall(k, a, 1), scaledTail(k, a)))
  return k.select(k.lt(a, k.lit(NEAR, 'f64')), erfNear(k, x), k.select(k.lt(x, k.lit(0, 'f64')), k.neg(far), far))
}

/** The standard normal density e^(−x²/2)/√(2π) in f64. */
export const normalPdf = <V>(k: Arith<V>, x: V): V =>
  k.mul(fall(k, magnitude(k, x), 0.5), k.lit(1 / Math.sqrt(2 * Math.PI), 'f64'))

/** The standard normal distribution Φ in f64, accurate in its left tail. */
export function normalCdf<V>(k: Arith<V>, x: V): V {
  const tail = normalTail(k, magnitude(k, x))
  return k.select(k.gt(x, k.lit(0, 'f64')), k.sub(k.lit(1, 'f64'), tail), tail)
}

/** x·Φ(x) in f64; −0 at −∞, its limit. */
export function gelu<V>(k: Arith<V>, x: V): V {
  const a = magnitude(k, x)
  const zero = k.lit(-0, 'f64')
  return k.add(k.select(k.lt(x, zero), zero, x), k.mul(k.neg(a), normalTail(k, a)))
}
