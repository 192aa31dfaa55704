// What functions of f32 should give, in f64, fast enough for all 2³² floats.

/** Centres of the table of {@link erfc} lie 1/16 apart; the last one is beyond any argument whose erfc is not below all f32. */
const PER_UNIT = 16
const LAST = 10.75
/** At the farthest place from a centre, 1/32, the terms that are left out are below 2⁻⁵³ of the value. */
const DEGREE = 18
const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI)

/** Coefficients of erfc in the distance from each centre, one centre after the other. */
const TABLE = table()

/** erfc at a centre: 1 − Kummer's series, beyond 1.75 Laplace's continued fraction (Abramowitz & Stegun, 7.1.6 and 7.1.14). */
function erfcAt(x: number): number {
  if (x < 1.75) {
    let term = x
    let sum = x
    for (let n = 1; term > sum * 1e-18; n++) sum += term *= (2 * x * x) / (2 * n + 1)
    return 1 - TWO_OVER_ROOT_PI * Math.exp(-x * x) * sum
  }
  let fraction = x
  for (let n = 120; n >= 1; n--) fraction = x + n / 2 / fraction
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction
}

/** Taylor: erfc′ = −2/√π·e^(−x²), and the coefficients g of e^(−(x + h)²)/e^(−x²) follow (n + 1)·gₙ₊₁ = −2x·gₙ − 2·gₙ₋₁. */
function table(): Float64Array {
  const coefficients = new Float64Array((LAST * PER_UNIT + 1) * (DEGREE + 1))
  for (let centre = 0; centre <= LAST * PER_UNIT; centre++) {
    const x = centre / PER_UNIT
    const at = centre * (DEGREE + 1)
    const slope = -TWO_OVER_ROOT_PI * Math.exp(-x * x)
    let [before, g] = [0, 1]
    coefficients[at] = erfcAt(x)
    for (let n = 0; n < DEGREE; n++) {
      coefficients[at + n + 1] = (slope * g) / (n + 1);
      [before, g] = [g, (-2 * x * g - 2 * before) / (n + 1)]
    }
  }
  return coefficients
}

/**
 * 1 − erf x, within 2e-14 of itself (3e-7 of an f32's ulp): Taylor series around the nearest sixteenth. Zero from 10.75, where it is below
 * all f32.
 */
export function erfc(x: number): number {
  const a = Math.abs(x)
  if (!(a < LAST)) return Number.isNaN(x) ? NaN : x < 0 ? 2 : 0
  const centre = Math.round(a * PER_UNIT)
  const h = a - centre / PER_UNIT
  const at = centre * (DEGREE + 1)
  let y = TABLE[at + DEGREE]
  for (let n = DEGREE - 1; n >= 0; n--) y = y * h + TABLE[at + n]
  return x < 0 ? 2 - y : y
}

/** erf x, within 2e-14 of itself: around zero its own series, elsewhere 1 − erfc. */
export function erf(x: number): number {
  const a = Math.abs(x)
  if (a > 1 / 32) return x < 0 ? erfc(a) - 1 : 1 - erfc(a)
  // The centre 0 without its constant: no term of it is lost against 1.
  let y = TABLE[DEGREE]
  for (let n = DEGREE - 1; n >= 1; n--) y = y * a + TABLE[n]
  return -x * y
}

const sigmoid = (x: number): number => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)))

/** φ(x); the rounding of x² counts little where φ is no zero. */
const normalPdf = (x: number): number => Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI)
/** Φ is half an erfc: nothing cancels where it is small. */
const normalCdf = (x: number): number => 0.5 * erfc(-x * Math.SQRT1_2)
/** x·Φ(x); at −∞ its limit. */
const gelu = (x: number): number => (x < -LAST * Math.SQRT2 ? -0 : x * normalCdf(x))

/** V8's own functions are those of fdlibm, within an ulp of f64; sigmoid is within three, what is made of erfc within 2e-14 of themselves. */
export const EXACT: { readonly [name: string]: (x: number, y: number) => number } = {
  exp: Math.exp, log: Math.log, log1p: Math.log1p, expm1: Math.expm1, sin: Math.sin, cos: Math.cos, tanh: Math.tanh,
  sigmoid, erf, normalPdf, normalCdf, gelu, pow: Math.pow, atan2: Math.atan2,
}

const doubles = new Float64Array(1)
const words = new Uint32Array(doubles.buffer)

/**
 * Distance of an f32 from the exact result, in units in the last place of that result (2⁻¹⁴⁹ among subnormals). Where the exact
 * result is NaN, a zero or an infinity, only that will do, and of the right sign: anything else is ∞. So is a NaN or a
 * wrong sign elsewhere.
 */
export function ulpError(result: number, exact: number): number {
  const nearest = Math.fround(exact)
  if (Number.isNaN(exact) || exact === 0 || !Number.isFinite(exact)) return Object.is(result, exact) ? 0 : Infinity
  if (Object.is(result, nearest) && !Number.isFinite(nearest)) return 0
  if (Number.isNaN(result) || (Object.is(result, -0) || result < 0) !== exact < 0) return Infinity
  doubles[0] = Math.abs(exact)
  const exponent = Math.max(-126, Math.min(127, ((words[1] >>> 20) & 0x7ff) - 1023))
  const size = Number.isFinite(result) ? Math.abs(result) : 2 ** 128
  return Math.abs(size - Math.abs(exact)) / 2 ** (exponent - 23)
}
