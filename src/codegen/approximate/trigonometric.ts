import type { Arith, Routine } from '../../ir/scalar.ts'
import { SHIFTER, SIGN, f32, flipSign, horner, i32, lostBits, signOf } from './float.ts'

/** (sin r / r − 1) / r² in r² on |r| ≤ π/2: minimax relative to sin r, error 2⁻²⁷. */
const SIN = [-0.1666666, 0.008333069, -0.00019809777, 2.6060957e-6]

/** (atan q / q − 1) / q² in q² on 0 ≤ q ≤ 1: minimax relative to atan q, error 2⁻²⁶. */
const ATAN = [
  -0.33333153, 0.19993767, -0.14211002, 0.106657684, -0.07551655, 0.043204606, -0.016363064, 0.0029193761,
]

/** π in parts of 9 bits and a rest: products with an integer up to 2¹⁵ are exact. */
const PI_FOR_INTEGERS = [
  3.140625, 0.0009670257568359375, 6.277114152908325e-7, 1.2141754268668592e-10, 1.2446743939339977e-13,
]
/** π in parts of 8 bits and a rest: products with half an odd integer up to 2¹⁵ are exact. */
const PI_FOR_HALVES = [
  3.140625, 0.00096893310546875, -1.2814998626708984e-6, 1.979060471057892e-9, 5.115907697472721e-12,
  1.0780605906948477e-14,
]

/** Up to here all those products are exact: 2¹⁵π. */
const LARGE = 102943

/** 1/2π in parts of 29 bits: their products with an f32 are exact in f64, and what is left out is below 2⁻⁷⁷ turns of any f32. */
const TURNS = [341782637, 423170132, 352195499, 488592205, 461485765, 90590992, 478285810].map((c, i) => c * 2 ** (-31 - 29 * i))

/**
 * Of any f32 the angle in −π/2 … π/2 whose sine is that of `quarters` quarter turns more than x, in f64: whole turns fall
 * off each product exactly, what their sum loses to rounding is kept (Payne & Hanek 1983, with sums for their window of bits).
 */
const angleOfLarge = (quarters: 0 | 1): Routine['formula'] => <V>(k: Arith<V>, x: V): V => {
  const f64 = (value: number): V => k.lit(value, 'f64')
  const wide = k.cast(x, 'f64')
  const rests = TURNS.map((c) => {
    const turns = k.mul(wide, f64(c))
    // To the nearest whole number: what is below one half stays as it is, of either sign.
    return k.sub(turns, k.round(turns))
  })
  let sum = k.add(rests[0], rests[1])
  let lost = lostBits(k, rests[0], rests[1], sum)
  for (const rest of rests.slice(2)) {
    const next = k.add(sum, rest)
    lost = k.add(lost, lostBits(k, sum, rest, next))
    sum = next
  }
  const halves = k.mul(sum, f64(2))
  // A quarter turn more is taken from n, which is exact, not given to the angle, which would lose bits.
  const quarter = f64(quarters / 2)
  const n = k.round(quarters ? k.add(halves, quarter) : halves)
  const rest = k.sub(halves, quarters ? k.sub(n, quarter) : n)
  const angle = k.mul(k.add(rest, k.mul(lost, f64(2))), f64(Math.PI))
  const pairs = k.mul(n, f64(0.5))
  return k.cast(k.select(k.eq(pairs, k.floor(pairs)), angle, k.neg(angle)), 'f32')
}
const SINE_OF_LARGE: Routine = { name: 'sineAngle', formula: angleOfLarge(0) }
const COSINE_OF_LARGE: Routine = { name: 'cosineAngle', formula: angleOfLarge(1) }

/**
 * ±sin(x − n·π), negative where the lowest bit of `parity` is set. The first two differences are exact; what each later one loses to
 * rounding goes into the next (Cody & Waite 1980, with Fast2Sum), so that the rest is right to its last bit even beside a multiple of π.
 */
function sinOfRest<V>(k: Arith<V>, x: V, n: V, parity: V, pi: readonly number[], large: Routine): V {
  const [first, second, ...parts] = pi
  let r = k.sub(k.sub(x, k.mul(n, f32(k, first))), k.mul(n, f32(k, second)))
  let lost: V | null = null
  for (const part of parts) {
    const product = k.mul(n, f32(k, part))
    const step: V = lost === null ? product : k.sub(product, lost)
    const next = k.sub(r, step)
    lost = k.sub(k.sub(r, next), step)
    r = next
  }
  const signed = flipSign(k, r, k.shl(k.bitcast(parity, 'i32'), i32(k, 31)))
  r = k.rarely(k.gt(k.abs(x), f32(k, LARGE)), signed, x, large)
  const z = k.mul(r, r)
  // Smallest factors first: their product's rounding error counts least.
  return k.add(r, k.mul(k.mul(horner(k, z, SIN), r), z))
}

/** sin x = (−1)ⁿ sin(x − nπ), a polynomial of degree 9. At most 1.95 ulp over all floats. NaN of ±∞. */
export function sin<V>(k: Arith<V>, x: V): V {
  const shifted = k.add(k.mul(x, f32(k, 1 / Math.PI)), f32(k, SHIFTER))
  const n = k.sub(shifted, f32(k, SHIFTER))
  return k.select(k.eq(x, f32(k, 0)), x, sinOfRest(k, x, n, shifted, PI_FOR_INTEGERS, SINE_OF_LARGE))
}

/** cos x = (−1)ⁿ⁺¹ sin(x − (n + ½)π). At most 1.97 ulp over all floats. NaN of ±∞. */
export function cos<V>(k: Arith<V>, x: V): V {
  const half = f32(k, 0.5)
  // One more than the shifter, so that the lowest bit is that of n + 1.
  const shifter = f32(k, SHIFTER + 1)
  const shifted = k.add(k.sub(k.mul(x, f32(k, 1 / Math.PI)), half), shifter)
  const n = k.add(k.sub(shifted, shifter), half)
  return sinOfRest(k, x, n, shifted, PI_FOR_HALVES, COSINE_OF_LARGE)
}

/**
 * The angle of the point (x, y) in −π … π: atan of the smaller over the larger coordinate, then turned by 0, π/2 or π. Zeros,
 * infinities and NaN as in IEEE 754 and Math.atan2. At most 1.74 ulp over 10⁸ random points.
 */
export function atan2<V>(k: Arith<V>, y: V, x: V): V {
  const zero = f32(k, 0)
  const one = f32(k, 1)
  const ax = k.abs(x)
  const ay = k.abs(y)
  const steep = k.lt(ax, ay)
  const long = k.select(steep, ay, ax)
  const short = k.select(steep, ax, ay)
  // 0/0 is 0 and ∞/∞ is 1; NaN equals nothing and comes through.
  const divisor = k.select(k.eq(long, zero), one, long)
  const q = k.select(k.eq(short, divisor), one, k.div(short, divisor))
  const z = k.mul(q, q)
  const angle = k.add(q, k.mul(k.mul(q, z), horner(k, z, ATAN)))
  const left = k.lt(k.bitcast(x, 'i32'), i32(k, 0))
  const base = k.select(steep, f32(k, Math.PI / 2), k.select(left, f32(k, Math.PI), zero))
  const turned = flipSign(k, angle, k.xor(signOf(k, x), k.select(steep, i32(k, SIGN), i32(k, 0))))
  // What f32 lost of π, or of half of it.
  const rest = k.mul(base, f32(k, -2.78275344e-8))
  return flipSign(k, k.add(base, k.add(turned, rest)), signOf(k, y))
}
