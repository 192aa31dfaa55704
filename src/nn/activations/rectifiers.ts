import { checkOptions } from '../../ir/arguments.ts'
import { checkDtype, FLOATS } from '../../ir/checks.ts'
import { GradcError } from '../../ir/errors.ts'
import { add, div, greaterEqual, lessEqual, mul, where } from '../../ir/lang/pointwise.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'
import { checkFinite } from '../numbers.ts'

// Selections instead of maxima: derivatives at a kink are those of PyTorch, and NaN stays NaN.

/** The larger of x and 0. Its derivative at 0 is 0, and NaN stays NaN: hence a selection instead of a maximum. */
export function relu<D extends DType>(x: Tensor<D>): Tensor<D> {
  return where(lessEqual(x, 0), 0, x)
}

/** Options of {@link leakyRelu}. */
export interface LeakyReluOptions {
  /** Slope below 0; default 0.01. */
  readonly slope?: number
}

/**
 * x above 0, slope·x below (Maas et al., 2013); the derivative at 0 is the slope. Floats, element by element. In a
 * sequential with options: `(x: Tensor) => nn.leakyRelu(x, { slope: 0.2 })`. Errors: option/invalid, dtype/unsupported.
 */
export function leakyRelu<D extends DType>(x: Tensor<D>, options: LeakyReluOptions = {}): Tensor<D> {
  checkOptions('leakyRelu', options, ['slope'])
  const { slope = 0.01 } = options
  checkFinite('leakyRelu', 'slope', slope)
  checkDtype('leakyRelu', FLOATS, [x])
  return where(lessEqual(x, 0), mul(x, slope), x)
}

/** Options of {@link hardTanh}. */
export interface HardTanhOptions {
  /** Default −1. */
  readonly low?: number
  /** Default 1. */
  readonly high?: number
}

/** x limited to [low, high]; derivative 0 at both ends and beyond. Floats. Errors: option/invalid, dtype/unsupported. */
export function hardTanh<D extends DType>(x: Tensor<D>, options: HardTanhOptions = {}): Tensor<D> {
  checkOptions('hardTanh', options, ['low', 'high'])
  const { low = -1, high = 1 } = options
  checkFinite('hardTanh', 'low', low)
  checkFinite('hardTanh', 'high', high)
  if (low >= high) throw new GradcError('option/invalid', `hardTanh from ${low} to ${high}: low must be below high`)
  return limited('hardTanh', x, low, high)
}

/** min(max(x, 0), 6) (Krizhevsky, 2010); derivative 0 at 0 and 6. Floats. Errors: dtype/unsupported. */
export function relu6<D extends DType>(x: Tensor<D>): Tensor<D> {
  return limited('relu6', x, 0, 6)
}

/** relu6(x + 3) / 6: 0 up to −3, 1 from 3 on (Howard et al., ICCV 2019). Floats. Errors: dtype/unsupported. */
export function hardSigmoid<D extends DType>(x: Tensor<D>): Tensor<D> {
  return gate('hardSigmoid', x)
}

/** x · relu6(x + 3) / 6 (Howard et al., ICCV 2019). Floats. Errors: dtype/unsupported. */
export function hardSwish<D extends DType>(x: Tensor<D>): Tensor<D> {
  return mul(x as Tensor, gate('hardSwish', x) as Tensor) as Tensor<D>
}

function limited<D extends DType>(whose: string, x: Tensor<D>, low: number, high: number): Tensor<D> {
  checkDtype(whose, FLOATS, [x])
  return where(lessEqual(x, low), low, where(greaterEqual(x, high), high, x))
}

function gate<D extends DType>(whose: string, x: Tensor<D>): Tensor<D> {
  checkDtype(whose, FLOATS, [x])
  return div(limited(whose, add(x, 3), 0, 6), 6)
}
