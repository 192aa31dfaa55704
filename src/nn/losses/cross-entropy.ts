import { checkOptions, checkTensors } from '../../ir/arguments.ts'
import { checkSameDtype } from '../../ir/checks.ts'
import { GradcError } from '../../ir/errors.ts'
import { add, equal, exp, log, logicalAnd, mul, neg, sub, where } from '../../ir/lang/pointwise.ts'
import { sum } from '../../ir/lang/reduce.ts'
import type { Scalar, Tensor } from '../../ir/lang/tensor.ts'
import { isFloat, sameShape, type DType } from '../../ir/types.ts'
import { shifted } from '../activations/softmax.ts'
import { checkShare } from '../options.ts'
import {
  checkIgnoreIndex, checkLabels, classWeights, hits, picked, reducedRows, type ClassOptions, type LabelLoss,
} from './labels.ts'
import { reduced, type LossOptions, type ScalarLoss } from './reduction.ts'

/** Options of {@link softmaxCrossEntropy}. */
export interface CrossEntropyOptions extends ClassOptions {
  /** Share of each target that is spread evenly over all classes, 0 to 1 (Szegedy et al., CVPR 2016); default 0. */
  readonly labelSmoothing?: number
}

/**
 * Mean cross-entropy in nats of softmax(logits) against class labels: mean over all rows of log Σ eᶻ − z[label].
 * `logits` is a float tensor [..., C] (classes last), `targets` labels i32[...] in 0..C−1, or probabilities of the type of the
 * logits (one-hot rows, for example). The gradient by the logits is (softmax(logits) − onehot(labels)) / rows. Sound for
 * logits of any size; a label outside 0..C−1 matches no class. Weights, smoothing and means are PyTorch's.
 * Errors: shape/mismatch, dtype/mismatch, dtype/unsupported, option/invalid.
 */
export function softmaxCrossEntropy<D extends DType>(
  logits: Tensor<D>, targets: Tensor, options?: CrossEntropyOptions & ScalarLoss): Scalar<D>
export function softmaxCrossEntropy<D extends DType>(
  logits: Tensor<D>, targets: Tensor, options: CrossEntropyOptions & LossOptions): Tensor<D>
export function softmaxCrossEntropy(logits: Tensor, targets: Tensor, options: CrossEntropyOptions & LossOptions = {}): Tensor {
  checkOptions(NAME, options, ['weight', 'ignoreIndex', 'labelSmoothing', 'reduction'])
  checkShare(NAME, 'labelSmoothing', options.labelSmoothing ?? 0)
  checkIgnoreIndex(NAME, options.ignoreIndex)
  checkTensors(NAME, [logits, targets])
  const likely = logits.shape.length > 0 && isFloat(targets.dtype) && sameShape(logits.shape, targets.shape)
  return likely ? againstProbabilities(logits, targets, options) : againstLabels(logits, targets, options)
}

const NAME = 'softmaxCrossEntropy'

function againstLabels(logits: Tensor, labels: Tensor, options: CrossEntropyOptions & LossOptions): Tensor {
  checkLabels(NAME, logits, labels)
  const smoothing = options.labelSmoothing ?? 0
  const weights = classWeights(NAME, options.weight, logits)
  const z = shifted(logits, -1)
  const at = picked(z, labels)
  // Both terms are shifted by the same peak, so it needs no adding back.
  const total = log(sum(exp(z), { axis: -1 }))
  const surprise = sub(total, at)
  const share = weights && sum(where(hits(z, labels), weights, 0), { axis: -1 })
  const sure = share ? mul(surprise, share) : surprise
  if (smoothing === 0) return reducedRows(NAME, sure, labels, share, options)
  const classes = logits.shape.at(-1)!
  const everywhere = weights
    ? sub(mul(total, sum(weights)), sum(mul(z, weights), { axis: -1 }))
    : sub(mul(total, classes), sum(z, { axis: -1 }))
  const rows = add(mul(sure, 1 - smoothing), mul(everywhere, smoothing / classes))
  return reducedRows(NAME, rows, labels, share, options)
}

/** Σ w·y·(log Σ eᶻ − z) by row, with a plain mean. */
function againstProbabilities(logits: Tensor, targets: Tensor, options: CrossEntropyOptions & LossOptions): Tensor {
  checkSameDtype(NAME, [logits, targets])
  if (options.ignoreIndex !== undefined) {
    throw new GradcError('option/invalid', `${NAME}: ignoreIndex is a label, but the targets are probabilities`, {
      parties: [{ label: 'logits', node: logits }, { label: 'targets', node: targets }],
      hint: 'a row of zeros adds nothing; or give labels of type i32',
    })
  }
  const smoothing = options.labelSmoothing ?? 0
  const weights = classWeights(NAME, options.weight, logits)
  const z = shifted(logits, -1)
  const total = log(sum(exp(z), { axis: -1 }))
  const smooth = smoothing === 0 ? targets : add(mul(targets, 1 - smoothing), smoothing / logits.shape.at(-1)!)
  const y = weights ? mul(smooth, weights) : smooth
  // A class that is masked by −∞ and not asked for would give 0·∞.
  const masked = logicalAnd(equal(y, 0), equal(z, -Infinity))
  const at = sum(mul(y, where(masked, 0, z)), { axis: -1 })
  return reduced(NAME, sub(mul(total, sum(y, { axis: -1 })), at), options.reduction)
}

/**
 * Negative log-likelihood −logProbs[label] in nats of log-probabilities [..., C] (classes last; see logSoftmax) and labels
 * i32[...] in 0..C−1; a label outside gives 0. The mean is weighted by the classes' weights, as in PyTorch.
 * Errors: shape/mismatch, dtype/mismatch, dtype/unsupported, option/invalid.
 */
export const nll: LabelLoss<ClassOptions> = (logProbs: Tensor, labels: Tensor, options: ClassOptions & LossOptions = {}): any => {
  checkOptions('nll', options, ['weight', 'ignoreIndex', 'reduction'])
  checkIgnoreIndex('nll', options.ignoreIndex)
  checkLabels('nll', logProbs, labels, 'logProbs')
  const weights = classWeights('nll', options.weight, logProbs)
  const share = weights && sum(where(hits(logProbs, labels), weights, 0), { axis: -1 })
  const rows = neg(picked(logProbs, labels))
  return reducedRows('nll', share ? mul(rows, share) : rows, labels, share, options)
}
