import { checkOptions } from '../../ir/arguments.ts'
import { refuse } from '../../ir/checks.ts'
import { div, equal, exp, log, mul, sub, where } from '../../ir/lang/pointwise.ts'
import { sum } from '../../ir/lang/reduce.ts'
import type { Scalar, Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'
import { checkChoice } from '../numbers.ts'
import { checkFlags } from '../options.ts'
import { checkPair, reduced } from './reduction.ts'

/** Options of {@link klDivergence}. */
export interface KlOptions {
  /** The target too is given as log-probabilities; default false. */
  readonly logTarget?: boolean
  /** `mean` over all elements (default, as PyTorch); `batchmean`, the divergence itself: the sum over the first extent. */
  readonly reduction?: 'mean' | 'batchmean' | 'sum' | 'none'
}

/**
 * Kullback-Leibler divergence in nats, target·(log target − input) element by element, of log-probabilities `input` from
 * probabilities `target` (Kullback & Leibler, 1951). Where the target is 0 the term is 0, and so is its gradient by the
 * logarithm of the target. Floats of one shape and dtype.
 * Errors: shape/mismatch, dtype/mismatch, dtype/unsupported, option/invalid.
 */
export function klDivergence<D extends DType>(
  input: Tensor<D>, target: Tensor<D>, options?: KlOptions & { readonly reduction?: 'mean' | 'batchmean' | 'sum' }): Scalar<D>
export function klDivergence<D extends DType>(input: Tensor<D>, target: Tensor<D>, options: KlOptions): Tensor<D>
export function klDivergence(input: Tensor, target: Tensor, options: KlOptions = {}): Tensor {
  checkOptions('klDivergence', options, ['logTarget', 'reduction'])
  const { logTarget = false, reduction = 'mean' } = options
  checkFlags('klDivergence', { logTarget })
  checkChoice('klDivergence', 'reduction', reduction, ['mean', 'batchmean', 'sum', 'none'])
  checkPair('klDivergence', [input, target])
  const terms = logTarget ? ofLogs(input, target) : ofProbabilities(input, target)
  if (reduction !== 'batchmean') return reduced('klDivergence', terms, reduction)
  if (!input.shape.length) refuse('shape/mismatch', 'klDivergence of scalars has no batch', [input, target], "reduction: 'sum'")
  return div(sum(terms), input.shape[0])
}

function ofProbabilities(input: Tensor, target: Tensor): Tensor {
  const none = equal(target, 0)
  // Where nothing is expected, neither log 0 nor an input of −∞ counts.
  return mul(target, sub(log(where(none, 1, target)), where(none, 0, input)))
}

function ofLogs(input: Tensor, target: Tensor): Tensor {
  const none = equal(target, -Infinity)
  return mul(exp(target), where(none, 0, sub(target, input)))
}
