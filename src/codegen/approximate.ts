import type { APPROXIMATED, Arith, ScalarOp } from '../ir/scalar.ts'
import { exp, expm1, sigmoid } from './approximate/exponential.ts'
import { log, log1p } from './approximate/logarithm.ts'
import { gelu, normalCdf, normalPdf } from './approximate/normal.ts'
import { pow } from './approximate/power.ts'
import { erf, tanh } from './approximate/saturating.ts'
import { atan2, cos, sin } from './approximate/trigonometric.ts'

/** The last operand is of binary formulas only. */
type Formula = <V>(k: Arith<V>, x: V, y: V) => V

const FORMULAS: { readonly [O in (typeof APPROXIMATED)[number]]: Formula } = {
  exp, expm1, log, log1p, sin, cos, tanh, sigmoid, erf, normalPdf, normalCdf, gelu, pow, atan2,
}

/**
 * An f32 function in basic operations of f32, i32 and bool, one for all targets: each operation rounds to f32, so that
 * every target gives the same bits. Neither branches nor tables, and shifts only by literals, so that four lanes run it
 * as they are; what few arguments need is a routine, which computes in f64 ({@link Arith.rarely}). Null if the operation is
 * basic already, or the operands are not f32.
 *
 * Errors are in units in the last place of the exact result; each formula states its own, over all 2³² arguments where
 * it has one. Subnormal arguments and results count like all others. Polynomials are minimax (Remez), their
 * coefficients rounded to f32 one by one, the others refitted each time.
 */
export function expand<V>(k: Arith<V>, op: ScalarOp, args: readonly V[]): V | null {
  const formula: Formula | undefined = FORMULAS[op as keyof typeof FORMULAS]
  return formula === undefined || k.dtype(args[0]) !== 'f32' ? null : formula(k, args[0], args[1])
}
