import { checkDtype, checkSameDtype, checkSameShape, FLOATS } from '../../ir/checks.ts'
import { mean, sum } from '../../ir/lang/reduce.ts'
import type { Scalar, Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'
import { checkChoice } from '../numbers.ts'

/** Options of losses that are one number. */
export interface ScalarLoss {
  /** `mean` over all terms (NaN if there is none), or their `sum`. */
  readonly reduction?: 'mean' | 'sum'
}

/** Options of all losses. */
export interface LossOptions {
  /** `mean` over all terms (NaN if there is none), their `sum`, or `none`: the terms themselves. */
  readonly reduction?: 'mean' | 'sum' | 'none'
}

/**
 * A loss of a prediction and its target, floats of one shape and dtype: nothing is broadcast. `reduction` is `mean` unless
 * said otherwise. Errors: shape/mismatch, dtype/mismatch, dtype/unsupported, option/invalid.
 */
export interface PairLoss<O = unknown> {
  <D extends DType>(pred: Tensor<D>, target: Tensor<D>, options?: O & ScalarLoss): Scalar<D>
  <D extends DType>(pred: Tensor<D>, target: Tensor<D>, options: O & LossOptions): Tensor<D>
}

/** Terms as the reduction asks. Errors: option/invalid. */
export function reduced(whose: string, terms: Tensor, reduction: LossOptions['reduction'] = 'mean'): Tensor {
  checkReduction(whose, reduction)
  return reduction === 'none' ? terms : reduction === 'sum' ? sum(terms) : mean(terms)
}

/** Throws option/invalid unless the reduction is known. */
export function checkReduction(whose: string, reduction: unknown): void {
  checkChoice(whose, 'reduction', reduction, ['mean', 'sum', 'none'])
}

/** Floats of one shape and dtype. Errors: shape/mismatch, dtype/mismatch, dtype/unsupported. */
export function checkPair(whose: string, operands: readonly Tensor[]): void {
  checkSameDtype(whose, operands)
  checkDtype(whose, FLOATS, operands)
  checkSameShape(whose, operands)
}
