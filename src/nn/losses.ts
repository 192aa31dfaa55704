import { checkTensors } from '../ir/arguments.ts'
import { checkDtype, checkSameDtype, checkSameShape, FLOATS } from '../ir/checks.ts'
import { GradcError } from '../ir/errors.ts'
import { cast, equal, exp, log, square, sub, where } from '../ir/lang/pointwise.ts'
import { argmax, mean, sum } from '../ir/lang/reduce.ts'
import type { Scalar, Tensor } from '../ir/lang/tensor.ts'
import { expandDims } from '../ir/lang/view.ts'
import { sameShape, showType, type DType } from '../ir/types.ts'
import { shifted } from './activations.ts'

/**
 * Mean squared error: mean((pred − target)²) over all elements. Floats of one shape and dtype: nothing is broadcast.
 * Errors: shape/mismatch, dtype/mismatch, dtype/unsupported.
 */
export function mse<D extends DType>(pred: Tensor<D>, target: Tensor<D>): Scalar<D> {
  checkSameDtype('mse', [pred, target])
  checkDtype('mse', FLOATS, [pred])
  checkSameShape('mse', [pred, target])
  return mean(square(sub(pred, target)))
}

/**
 * Mean cross-entropy in nats of softmax(logits) against class labels: mean over all rows of log Σ eᶻ − z[label].
 * `logits` is a float tensor [..., C], `labels` i32[...] in 0..C−1. The gradient by the logits is
 * (softmax(logits) − onehot(labels)) / rows. Sound for logits of any size; a label outside 0..C−1 matches no class.
 * Errors: shape/mismatch, dtype/mismatch, dtype/unsupported.
 */
export function softmaxCrossEntropy<D extends DType>(logits: Tensor<D>, labels: Tensor): Scalar<D> {
  checkLabels('softmaxCrossEntropy', logits, labels)
  const z = shifted(logits, -1)
  const picked = sum(where(hits(logits, labels), z, 0), { axis: -1 })
  // Both terms are shifted by the same peak, so it needs no adding back.
  return mean(sub(log(sum(exp(z), { axis: -1 })), picked))
}

/**
 * Share of rows whose largest logit (the first one at a tie) is at the label: an f32 scalar in [0, 1], without gradient.
 * `logits` is a float tensor [..., C], `labels` i32[...].
 * Errors: shape/mismatch, dtype/mismatch, dtype/unsupported.
 */
export function accuracy(logits: Tensor, labels: Tensor): Scalar<'f32'> {
  checkLabels('accuracy', logits, labels)
  return mean(cast(equal(argmax(logits, { axis: -1 }), labels), 'f32')) as Scalar<'f32'>
}

/** bool like `logits`: is this class the row's label? */
function hits(logits: Tensor, labels: Tensor): Tensor<'bool'> {
  const classes = logits.builder.iota(logits.shape, logits.shape.length - 1) as Tensor<'i32'>
  return equal(classes, expandDims(labels as Tensor<'i32'>, -1))
}

function checkLabels(loss: string, logits: Tensor, labels: Tensor): void {
  checkTensors(loss, [logits, labels])
  const parties = [{ label: 'logits', node: logits }, { label: 'labels', node: labels }]
  checkDtype(loss, FLOATS, [logits])
  if (labels.dtype !== 'i32') {
    throw new GradcError('dtype/mismatch', `${loss} needs labels of type i32, got ${labels.dtype}`, {
      parties,
      hint: 'labels are class numbers; for one-hot labels take argmax(labels, { axis: -1 })',
    })
  }
  const rows = logits.shape.slice(0, -1)
  if (logits.shape.length && sameShape(rows, labels.shape)) return
  throw new GradcError('shape/mismatch', `${loss} needs one label for each row of logits [..., classes]`, {
    parties,
    hint: logits.shape.length ? `labels must be ${showType({ dtype: 'i32', shape: rows })}` : 'logits need at least one axis',
  })
}
