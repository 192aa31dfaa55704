import { isHalf, type HalfType } from '../../ir/half.ts'
import type { Arith } from '../../ir/scalar.ts'
import { isFloat, type DType } from '../../ir/types.ts'
import { f32, i32, SIGN } from './float.ts'

/** The bits of a positive quiet NaN: sign and payload of the one that is rounded are the engine's, and must not show. */
const QUIET: { readonly [D in HalfType]: number } = { f16: 0x7e00, bf16: 0x7fc0 }

/** 2^-14, the smallest normal f16, and 65536, beyond the largest one, as bits of an f32. */
const LEAST_F16 = 113 << 23
const BEYOND_F16 = 143 << 23
/** Moves the exponent of an f16, at its place in an f32, from bias 15 to bias 127. */
const REBIAS = (127 - 15) << 23

/** An f32 for every f16: exact. No denormal f32 is computed with, which some processors do slowly. */
function widenF16<V>(k: Arith<V>, bits: V): V {
  const magnitude = k.shl(k.and(bits, i32(k, 0x7fff)), i32(k, 13))
  const normal = k.add(magnitude, i32(k, REBIAS))
  // A denormal is f·2^-24: 2^-14·(1 + f/2^10) − 2^-14.
  const raised = k.bitcast(k.add(magnitude, i32(k, LEAST_F16)), 'f32')
  const denormal = k.bitcast(k.sub(raised, f32(k, 2 ** -14)), 'i32')
  const special = k.add(normal, i32(k, REBIAS))
  const finite = k.select(k.lt(magnitude, i32(k, 1 << 23)), denormal, normal)
  const positive = k.select(k.lt(magnitude, i32(k, 31 << 23)), finite, special)
  return k.bitcast(k.or(positive, k.shl(k.and(bits, i32(k, 0x8000)), i32(k, 16))), 'f32')
}

/** The bits of the f16 nearest to an f32 that is no NaN (after F. Giesen's float_to_half_fast3_rtne, public domain). */
function roundF16<V>(k: Arith<V>, x: V): V {
  const bits = k.bitcast(x, 'i32')
  const magnitude = k.and(bits, i32(k, ~SIGN))
  // Rounds half to even where 13 bits fall off; the carry moves into the exponent and, above, into infinity.
  const odd = k.and(k.shr(magnitude, i32(k, 13)), i32(k, 1))
  const normal = k.shr(k.add(k.add(magnitude, i32(k, 0xfff - REBIAS)), odd), i32(k, 13))
  // Adding ½ leaves multiples of 2^-24, rounded half to even, in the low bits.
  const denormal = k.sub(k.bitcast(k.add(k.bitcast(magnitude, 'f32'), f32(k, 0.5)), 'i32'), i32(k, 126 << 23))
  const finite = k.select(k.lt(magnitude, i32(k, LEAST_F16)), denormal, normal)
  const positive = k.select(k.lt(magnitude, i32(k, BEYOND_F16)), finite, i32(k, 0x7c00))
  return k.or(positive, k.and(k.shr(bits, i32(k, 16)), i32(k, 0x8000)))
}

/** The bits of the bf16 nearest to an f32 that is no NaN: half to even, the carry moving up to infinity. */
function roundBf16<V>(k: Arith<V>, x: V): V {
  const bits = k.bitcast(x, 'i32')
  const odd = k.and(k.shr(bits, i32(k, 16)), i32(k, 1))
  return k.and(k.shr(k.add(k.add(bits, i32(k, 0x7fff)), odd), i32(k, 16)), i32(k, 0xffff))
}

/**
 * An f64 as the f32 below or above it that has an odd fraction, if it is none itself (Boldo & Melquiond 2008): rounding
 * that once more to 16 bits gives what rounding once would have given.
 */
function roundToOdd<V>(k: Arith<V>, x: V): V {
  const near = k.cast(x, 'f32')
  const back = k.cast(near, 'f64')
  const bits = k.bitcast(near, 'i32')
  const even = k.eq(k.and(bits, i32(k, 1)), i32(k, 0))
  const step = k.select(k.lt(k.abs(x), k.abs(back)), i32(k, -1), i32(k, 1))
  return k.bitcast(k.add(bits, k.select(k.and(k.ne(x, back), even), step, i32(k, 0))), 'f32')
}

/** An f32 from which one more rounding gives the nearest value of the type. */
function beforeRounding<V>(k: Arith<V>, x: V, to: HalfType): V {
  const from = k.dtype(x)
  if (from === 'f64') return roundToOdd(k, x)
  // An integer that f32 does not hold is infinite in f16; bf16 reaches further.
  const wide = to === 'bf16' && (from === 'i32' || from === 'u32')
  return wide ? roundToOdd(k, k.cast(x, 'f64')) : k.cast(x, 'f32')
}

/**
 * A cast from or to f16 or bf16 in basic operations of f32 and i32 (and f64, from that or large integers), the same for
 * all targets. In loops a value of these types is its 16 bits, in an i32; so copies move bits. Rounds to nearest, ties to
 * even, once; overflows to infinity; keeps denormals; every NaN becomes the positive quiet one. Null for other casts.
 */
export function castHalf<V>(k: Arith<V>, x: V, to: DType): V | null {
  const from = k.dtype(x)
  if (isHalf(from)) {
    const bits = k.bitcast(x, 'i32')
    const value = from === 'f16' ? widenF16(k, bits) : k.bitcast(k.shl(bits, i32(k, 16)), 'f32')
    return isHalf(to) ? castHalf(k, value, to) : k.cast(value, to)
  }
  if (!isHalf(to)) return null
  const rounded = beforeRounding(k, x, to)
  const bits = to === 'f16' ? roundF16(k, rounded) : roundBf16(k, rounded)
  return k.bitcast(isFloat(from) ? k.select(k.ne(x, x), i32(k, QUIET[to]), bits) : bits, to)
}
