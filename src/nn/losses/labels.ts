import { checkTensors, isTensor, showValue } from '../../ir/arguments.ts'
import { checkDtype, checkSameDtype, FLOATS } from '../../ir/checks.ts'
import { GradcError } from '../../ir/errors.ts'
import { constant } from '../../ir/lang/leaf.ts'
import { div, equal, notEqual, where } from '../../ir/lang/pointwise.ts'
import { sum } from '../../ir/lang/reduce.ts'
import { splat, type Scalar, type Tensor } from '../../ir/lang/tensor.ts'
import { expandDims } from '../../ir/lang/view.ts'
import { sameShape, showType, type DType } from '../../ir/types.ts'
import { checkReduction, reduced, type LossOptions, type ScalarLoss } from './reduction.ts'

/** Options of losses against class numbers. */
export interface ClassOptions {
  /** One factor a class: [C], of the dtype of the logits, or plain numbers. A mean is then weighted by them. Default: all 1. */
  readonly weight?: Tensor | readonly number[]
  /** Rows with this label do not count, neither in the loss nor in the mean; PyTorch's usual choice is −100. Default: none. */
  readonly ignoreIndex?: number
}

/** A loss of rows of numbers [..., C], floats, against labels i32[...] in 0..C−1. `reduction` is `mean` unless said otherwise. */
export interface LabelLoss<O = unknown> {
  <D extends DType>(rows: Tensor<D>, labels: Tensor, options?: O & ScalarLoss): Scalar<D>
  <D extends DType>(rows: Tensor<D>, labels: Tensor, options: O & LossOptions): Tensor<D>
}

/** bool like `rows`: is this class the row's label? */
export function hits(rows: Tensor, labels: Tensor): Tensor<'bool'> {
  const classes = rows.builder.iota(rows.shape, rows.shape.length - 1) as Tensor<'i32'>
  return equal(classes, expandDims(labels as Tensor<'i32'>, -1))
}

/** The number of each row that stands at its label; 0 for a label outside. */
export const picked = (rows: Tensor, labels: Tensor): Tensor => sum(where(hits(rows, labels), rows, 0), { axis: -1 })

/** Floats [..., C] with C ≥ 0 and i32[...]. Errors: shape/mismatch, dtype/mismatch, dtype/unsupported, operand/invalid. */
export function checkLabels(loss: string, logits: Tensor, labels: Tensor, what = 'logits'): void {
  checkTensors(loss, [logits, labels])
  const parties = [{ label: what, node: logits }, { label: 'labels', node: labels }]
  checkDtype(loss, FLOATS, [logits])
  if (labels.dtype !== 'i32') {
    throw new GradcError('dtype/mismatch', `${loss} needs labels of type i32, got ${labels.dtype}`, {
      parties,
      hint: 'labels are class numbers; for one-hot labels take argmax(labels, { axis: -1 })',
    })
  }
  const rows = logits.shape.slice(0, -1)
  if (logits.shape.length && sameShape(rows, labels.shape)) return
  throw new GradcError('shape/mismatch', `${loss} needs one label for each row of ${what} [..., classes]`, {
    parties,
    hint: logits.shape.length ? `labels must be ${showType({ dtype: 'i32', shape: rows })}` : `${what} need at least one axis`,
  })
}

/** Weights of classes as a tensor [C]; null if there are none. Errors: option/invalid, shape/mismatch, dtype/mismatch. */
export function classWeights(loss: string, weight: ClassOptions['weight'], logits: Tensor): Tensor | null {
  if (weight === undefined) return null
  const classes = logits.shape.at(-1)!
  const extent = isTensor(weight) ? weight.shape.join(', ') : Array.isArray(weight) ? String(weight.length) : null
  if (extent === null) {
    throw new GradcError('option/invalid', `${loss}: weight cannot be ${showValue(weight)}`, {
      hint: `a tensor [${classes}] or a list of numbers`,
    })
  }
  if (extent !== String(classes)) {
    throw new GradcError('shape/mismatch', `${loss}: weight is [${extent}] for ${classes} classes`, {
      parties: [{ label: 'rows', node: logits }, ...(isTensor(weight) ? [{ label: 'weight', node: weight }] : [])],
      hint: `one weight a class: [${classes}]`,
    })
  }
  if (isTensor(weight)) {
    checkSameDtype(loss, [logits, weight])
    return weight
  }
  for (const w of weight as readonly number[]) {
    if (typeof w === 'number' && Number.isFinite(w)) continue
    throw new GradcError('option/invalid', `${loss}: ${showValue(w)} is no weight of a class`, { hint: 'give finite numbers' })
  }
  return constant(logits, logits.dtype === 'f64' ? Float64Array.from(weight) : Float32Array.from(weight))
}

/** Throws option/invalid unless it is an i32. */
export function checkIgnoreIndex(loss: string, ignoreIndex: unknown): void {
  if (ignoreIndex === undefined || (ignoreIndex as number) === ((ignoreIndex as number) | 0)) return
  throw new GradcError('option/invalid', `${loss}: ignoreIndex must be a 32-bit integer, got ${showValue(ignoreIndex)}`)
}

/** The mean of rows, weighted by the classes of their labels, without rows that do not count: NaN if none does. Or as asked. */
export function reducedRows(
  loss: string, rows: Tensor, labels: Tensor, weights: Tensor | null, options: ClassOptions & LossOptions): Tensor {
  const { ignoreIndex, reduction = 'mean' } = options
  checkReduction(loss, reduction)
  const counts = ignoreIndex === undefined ? null : notEqual(labels as Tensor<'i32'>, ignoreIndex)
  const terms = counts ? where(counts, rows, 0) : rows
  if (reduction !== 'mean' || (!counts && !weights)) return reduced(loss, terms, reduction)
  const share = weights ?? splat(loss, 1, rows)
  return div(sum(terms), sum(counts ? where(counts, share, 0) : share))
}
