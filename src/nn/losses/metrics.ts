import { checkOptions } from '../../ir/arguments.ts'
import { cast, equal, exp } from '../../ir/lang/pointwise.ts'
import { argmax, mean } from '../../ir/lang/reduce.ts'
import type { Scalar, Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'
import { softmaxCrossEntropy } from './cross-entropy.ts'
import { checkLabels, type ClassOptions } from './labels.ts'

/**
 * Share of rows whose largest logit (the first one at a tie) is at the label: an f32 scalar in [0, 1], without gradient.
 * `logits` is a float tensor [..., C], `labels` i32[...].
 * Errors: shape/mismatch, dtype/mismatch, dtype/unsupported.
 */
export function accuracy(logits: Tensor, labels: Tensor): Scalar<'f32'> {
  checkLabels('accuracy', logits, labels)
  return mean(cast(equal(argmax(logits, { axis: -1 }), labels), 'f32')) as Scalar<'f32'>
}

/**
 * e to the power of the mean cross-entropy: how many equally likely classes a language model is as unsure as. Rows with the
 * label `ignoreIndex` do not count. See {@link softmaxCrossEntropy} for operands. Errors: as there.
 */
export function perplexity<D extends DType>(
  logits: Tensor<D>, labels: Tensor, options: Pick<ClassOptions, 'ignoreIndex'> = {}): Scalar<D> {
  checkOptions('perplexity', options, ['ignoreIndex'])
  checkLabels('perplexity', logits, labels)
  return exp(softmaxCrossEntropy(logits, labels, options))
}
