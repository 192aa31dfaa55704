import type { DType } from './types.ts'

/**
 * The abstract arithmetic that every scalar formula is written against, once. Read by numbers (the reference
 * evaluator) and by expression trees (both emitters). Operations act at the dtype of their operands, which agree;
 * comparisons give bool. Integer add, sub, mul wrap; shifts take the count modulo 32; `shr` is arithmetic on i32 and
 * logical on u32; integer division and remainder truncate and give 0 for a zero divisor (a kernel never traps);
 * `max`/`min` propagate NaN; `round` is half to even; `rem` has the sign of the dividend.
 */
export interface Arith<V> {
  lit(value: number, dtype: DType): V
  dtype(x: V): DType
  neg(x: V): V
  abs(x: V): V
  sign(x: V): V
  floor(x: V): V
  ceil(x: V): V
  round(x: V): V
  sqrt(x: V): V
  exp(x: V): V
  expm1(x: V): V
  log(x: V): V
  log1p(x: V): V
  sin(x: V): V
  cos(x: V): V
  tanh(x: V): V
  sigmoid(x: V): V
  erf(x: V): V
  /** The standard normal density, its distribution Φ, and x·Φ(x). */
  normalPdf(x: V): V
  normalCdf(x: V): V
  gelu(x: V): V
  add(x: V, y: V): V
  sub(x: V, y: V): V
  mul(x: V, y: V): V
  div(x: V, y: V): V
  rem(x: V, y: V): V
  pow(x: V, y: V): V
  atan2(x: V, y: V): V
  max(x: V, y: V): V
  min(x: V, y: V): V
  eq(x: V, y: V): V
  ne(x: V, y: V): V
  lt(x: V, y: V): V
  le(x: V, y: V): V
  gt(x: V, y: V): V
  ge(x: V, y: V): V
  and(x: V, y: V): V
  or(x: V, y: V): V
  xor(x: V, y: V): V
  not(x: V): V
  shl(x: V, y: V): V
  shr(x: V, y: V): V
  /** `c` is bool; both arms are evaluated. */
  select(c: V, x: V, y: V): V
  /**
   * `usual`, and where the bool `c` holds the routine's value of `x`: computed only then, by a function of its own that lanes call
   * if one of them needs it.
   */
  rarely(c: V, usual: V, x: V, routine: Routine): V
  /** Float to int truncates and saturates, NaN to 0; anything to bool is `x != 0`. */
  cast(x: V, to: DType): V
  /** Same bytes, other dtype of the same width (f32, i32, u32). Of a NaN, bits of any NaN: a formula must not let them show. */
  bitcast(x: V, to: DType): V
}

/** A formula from f32 to f32 that a target writes once, as a function of this name: a unique identifier. */
export interface Routine {
  readonly name: string
  readonly formula: <V>(k: Arith<V>, x: V) => V
}

/** Names of the scalar operations that take only values; `lit`, `rarely`, `dtype`, `cast` and `bitcast` carry more. */
export type ScalarOp = Exclude<keyof Arith<unknown>, 'lit' | 'dtype' | 'cast' | 'bitcast' | 'rarely'>

/** Operations that code generators compute of f32 by formulas of their own: folding them could change bits. */
export const APPROXIMATED = [
  'exp', 'expm1', 'log', 'log1p', 'sin', 'cos', 'tanh', 'sigmoid', 'erf', 'normalPdf', 'normalCdf', 'gelu', 'pow', 'atan2',
] as const
