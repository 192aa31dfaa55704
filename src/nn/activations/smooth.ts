import { checkOptions } from '../../ir/arguments.ts'
import { checkDtype, FLOATS } from '../../ir/checks.ts'
import { abs, add, div, mul, tanh } from '../../ir/lang/pointwise.ts'
import { apply, type Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'
import { checkChoice } from '../numbers.ts'
import { logOnePlusExp } from './softplus.ts'

/** Options of {@link gelu}. */
export interface GeluOptions {
  /** `none` (default): x·Φ(x). `tanh`: the approximation of the paper, as GPT-2 uses it. */
  readonly approximate?: 'none' | 'tanh'
}

/**
 * x·Φ(x), or x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))) (Hendrycks & Gimpel, 2016), in forms that do not cancel for x < 0. Floats.
 * Errors: option/invalid, dtype/unsupported.
 */
export function gelu<D extends DType>(x: Tensor<D>, options: GeluOptions = {}): Tensor<D> {
  checkOptions('gelu', options, ['approximate'])
  const { approximate = 'none' } = options
  checkChoice('gelu', 'approximate', approximate, ['none', 'tanh'])
  checkDtype('gelu', FLOATS, [x])
  return apply(approximate === 'none' ? 'gelu' : 'geluTanh', [x as Tensor]) as Tensor<D>
}

/** x·σ(x), also called swish (Elfwing et al., 2017). Floats. Errors: dtype/unsupported. */
export function silu<D extends DType>(x: Tensor<D>): Tensor<D> {
  checkDtype('silu', FLOATS, [x])
  return apply('silu', [x as Tensor]) as Tensor<D>
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
