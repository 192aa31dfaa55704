import { checkOptions } from '../../ir/arguments.ts'
import { checkDtype, FLOATS } from '../../ir/checks.ts'
import { abs, add, div, erf, mul, sigmoid, square, tanh } from '../../ir/lang/pointwise.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'
import { checkChoice } from '../numbers.ts'
import { hardTanh } from './rectifiers.ts'
import { logOnePlusExp } from './softplus.ts'

/** Options of {@link gelu}. */
export interface GeluOptions {
  /** `none` (default): by erf. `tanh`: the approximation of the paper, as GPT-2 uses it. */
  readonly approximate?: 'none' | 'tanh'
}

/**
 * x·Φ(x) = x/2 · (1 + erf(x/√2)), or x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))) (Hendrycks & Gimpel, 2016). Floats.
 * Errors: option/invalid, dtype/unsupported.
 */
export function gelu<D extends DType>(x: Tensor<D>, options: GeluOptions = {}): Tensor<D> {
  checkOptions('gelu', options, ['approximate'])
  const { approximate = 'none' } = options
  checkChoice('gelu', 'approximate', approximate, ['none', 'tanh'])
  checkDtype('gelu', FLOATS, [x])
  const u: Tensor = x
  const bend = approximate === 'none' ? erf(mul(u, Math.SQRT1_2)) : tanh(cubic(u))
  return mul(mul(u, 0.5), add(bend, 1)) as Tensor<D>
}

/** √(2/π)·(x + c·x³) as x·(1 + c·x²), with x held where tanh is flat: else ∞·0 would get into the gradient. */
function cubic(x: Tensor): Tensor {
  const u = hardTanh(x, { low: -30, high: 30 })
  return mul(mul(u, Math.sqrt(2 / Math.PI)), add(mul(square(u), 0.044715), 1))
}

/** x·σ(x), also called swish (Elfwing et al., 2017). Floats. Errors: dtype/unsupported. */
export function silu<D extends DType>(x: Tensor<D>): Tensor<D> {
  return mul(x as Tensor, sigmoid(x as Tensor)) as Tensor<D>
}

/** x·tanh(log(1 + eˣ)) (Misra, BMVC 2020). Floats. Errors: dtype/unsupported. */
export function mish<D extends DType>(x: Tensor<D>): Tensor<D> {
  checkDtype('mish', FLOATS, [x])
  return mul(x as Tensor, tanh(logOnePlusExp(x as Tensor))) as Tensor<D>
}

/** x / (1 + |x|) (Turian et al., 2009). Floats. Errors: dtype/unsupported. */
export function softsign<D extends DType>(x: Tensor<D>): Tensor<D> {
  checkDtype('softsign', FLOATS, [x])
  return div(x as Tensor, add(abs(x as Tensor), 1)) as Tensor<D>
}
