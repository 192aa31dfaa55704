import { checkOptions } from '../../ir/arguments.ts'
import { checkDtype, FLOATS } from '../../ir/checks.ts'
import { GradcError } from '../../ir/errors.ts'
import { div, expm1, lessEqual, mul, where } from '../../ir/lang/pointwise.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'
import { checkFinite } from '../numbers.ts'

/** Options of {@link elu} and {@link celu}. */
export interface EluOptions {
  /** The limit below is −alpha; default 1. */
  readonly alpha?: number
}

/**
 * x above 0, alpha·(eˣ − 1) below (Clevert et al., ICLR 2016); the derivative at 0 is alpha. Floats.
 * Errors: option/invalid, dtype/unsupported.
 */
export function elu<D extends DType>(x: Tensor<D>, options: EluOptions = {}): Tensor<D> {
  checkOptions('elu', options, ['alpha'])
  const { alpha = 1 } = options
  checkFinite('elu', 'alpha', alpha)
  return bent('elu', x, (negative) => mul(expm1(negative), alpha))
}

/** scale · elu(x, { alpha }) with the two numbers that keep mean 0 and variance 1 (Klambauer et al., NeurIPS 2017). Floats. */
export function selu<D extends DType>(x: Tensor<D>): Tensor<D> {
  return mul(bent('selu', x, (negative) => mul(expm1(negative), SELU_ALPHA)), SELU_SCALE)
}

/**
 * x above 0, alpha·(e^(x/alpha) − 1) below, smooth at 0 (Barron, 2017). Floats.
 * Errors: option/invalid (alpha 0), dtype/unsupported.
 */
export function celu<D extends DType>(x: Tensor<D>, options: EluOptions = {}): Tensor<D> {
  checkOptions('celu', options, ['alpha'])
  const { alpha = 1 } = options
  checkFinite('celu', 'alpha', alpha)
  if (alpha === 0) throw new GradcError('option/invalid', 'celu: alpha must not be 0', { hint: 'nn.relu is its limit' })
  return bent('celu', x, (negative) => mul(expm1(div(negative, alpha)), alpha))
}

const SELU_ALPHA = 1.6732632423543772
const SELU_SCALE = 1.0507009873554805

/** x above 0, `below` elsewhere; `below` sees 0 for positive x, so that nothing overflows in the arm not taken. */
function bent<D extends DType>(whose: string, x: Tensor<D>, below: (negative: Tensor) => Tensor): Tensor<D> {
  checkDtype(whose, FLOATS, [x])
  const negative = lessEqual(x, 0)
  return where(negative, below(where(negative, x as Tensor, 0)), x as Tensor) as Tensor<D>
}
