import { checkOptions } from '../../ir/arguments.ts'
import { checkDtype, FLOATS } from '../../ir/checks.ts'
import {
  add, div, exp, expm1, greater, log1p, maximum, minimum, mul, neg, stopGradient, sub, where,
} from '../../ir/lang/pointwise.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'
import { checkFinite, checkPositive } from '../numbers.ts'

/** Options of {@link softplus}. */
export interface SoftplusOptions {
  /** Steepness of the bend; default 1. */
  readonly beta?: number
  /** Above this value of beta·x the result is x itself; default: never, as no x overflows. */
  readonly threshold?: number
}

/**
 * log(1 + e^(beta·x)) / beta, a smooth relu (Dugas et al., 2001). Sound for x of any size, its derivatives too: PyTorch's
 * threshold of 20, which is there against overflow, changes less than one unit in the last place of f32. Floats.
 * Errors: option/invalid, dtype/unsupported.
 */
export function softplus<D extends DType>(x: Tensor<D>, options: SoftplusOptions = {}): Tensor<D> {
  checkOptions('softplus', options, ['beta', 'threshold'])
  const { beta = 1, threshold } = options
  checkPositive('softplus', 'beta', beta)
  if (threshold !== undefined) checkFinite('softplus', 'threshold', threshold)
  checkDtype('softplus', FLOATS, [x])
  const z = beta === 1 ? x : mul(x, beta)
  const y = beta === 1 ? logOnePlusExp(z) : div(logOnePlusExp(z), beta)
  return (threshold === undefined ? y : where(greater(z, threshold), x as Tensor, y as Tensor)) as Tensor<D>
}

/** log σ(x) = −log(1 + e^−x). Sound for x of any size. Floats. Errors: dtype/unsupported. */
export function logSigmoid<D extends DType>(x: Tensor<D>): Tensor<D> {
  checkDtype('logSigmoid', FLOATS, [x])
  return neg(logOnePlusExp(neg(x)))
}

/** The two terms that log(1 + eˣ) is the sum of. */
export interface SoftplusTerms<D extends DType> {
  /** max(x, 0), as a constant to differentiation. */
  readonly shift: Tensor<D>
  /** The remainder, which carries the whole derivative. */
  readonly rest: Tensor<D>
}

/**
 * log(1 + eˣ) = m + log(1 + e^(x − m) + (e^−m − 1)) for any m. With m = max(x, 0), which carries no gradient, nothing
 * overflows and the derivative is one quotient for all x, to any order. The compiler's stability rules know this form.
 */
export function softplusTerms<D extends DType>(x: Tensor<D>): SoftplusTerms<D> {
  // An infinite x must not shift itself away.
  const shift = stopGradient(minimum(maximum(x, 0), x.dtype === 'f64' ? Number.MAX_VALUE : LARGEST_F32)) as Tensor
  const rest = log1p(add(exp(sub(x as Tensor, shift)), expm1(neg(shift))))
  return { shift, rest } as SoftplusTerms<D>
}

/** log(1 + eˣ). */
export function logOnePlusExp<D extends DType>(x: Tensor<D>): Tensor<D> {
  const { shift, rest } = softplusTerms<DType>(x)
  return add(shift, rest) as Tensor<D>
}

const LARGEST_F32 = 3.4028234663852886e38
