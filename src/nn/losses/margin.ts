import { checkOptions, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import { add, div, mul, square, sub, where } from '../../ir/lang/pointwise.ts'
import { sum } from '../../ir/lang/reduce.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { expandDims } from '../../ir/lang/view.ts'
import { relu } from '../activations/rectifiers.ts'
import { checkFinite } from '../numbers.ts'
import { checkLabels, classWeights, hits, picked, type ClassOptions, type LabelLoss } from './labels.ts'
import { checkPair, reduced, type LossOptions, type PairLoss } from './reduction.ts'

/** Options of {@link hinge}. */
export interface HingeOptions {
  /** Scores on the right side by this much cost nothing; default 1. */
  readonly margin?: number
}

/**
 * Hinge loss of a binary classifier: max(0, margin − target·score) with targets −1 and 1 (Cortes & Vapnik, 1995); derivative 0
 * at the margin. See {@link PairLoss}.
 */
export const hinge: PairLoss<HingeOptions> = (scores: Tensor, target: Tensor, options: HingeOptions & LossOptions = {}): any => {
  checkOptions('hinge', options, ['margin', 'reduction'])
  const { margin = 1, reduction } = options
  checkFinite('hinge', 'margin', margin)
  checkPair('hinge', [scores, target])
  return reduced('hinge', relu(sub(margin, mul(target, scores))), reduction)
}

/** Options of {@link multiMargin}. */
export interface MultiMarginOptions {
  /** Power of each violation: 1 (default) or 2. */
  readonly p?: 1 | 2
  /** Default 1. */
  readonly margin?: number
  /** One factor a class, by the label of the row: [C] or plain numbers. The mean stays over rows. Default: all 1. */
  readonly weight?: ClassOptions['weight']
}

/**
 * Hinge loss of a classifier of C classes (SVM): Σ over other classes of max(0, margin − s[label] + s[class])^p, over C
 * (Crammer & Singer, 2001; Weston & Watkins, 1999; scaled as PyTorch). `scores` are floats [..., C], labels i32[...] in 0..C−1.
 * Errors: shape/mismatch, dtype/mismatch, dtype/unsupported, option/invalid.
 */
export const multiMargin: LabelLoss<MultiMarginOptions> =
  (scores: Tensor, labels: Tensor, options: MultiMarginOptions & LossOptions = {}): any => {
    checkOptions('multiMargin', options, ['p', 'margin', 'weight', 'reduction'])
    const { p = 1, margin = 1, reduction } = options
    if (p !== 1 && p !== 2) throw new GradcError('option/invalid', `multiMargin: p must be 1 or 2, got ${showValue(p)}`)
    checkFinite('multiMargin', 'margin', margin)
    checkLabels('multiMargin', scores, labels, 'scores')
    const weights = classWeights('multiMargin', options.weight, scores)
    const right = hits(scores, labels)
    const gap = relu(add(sub(scores, expandDims(picked(scores, labels), -1)), margin))
    const others = where(right, 0, p === 2 ? square(gap) : gap)
    const rows = div(sum(others, { axis: -1 }), scores.shape.at(-1)!)
    const share = weights && sum(where(right, weights, 0), { axis: -1 })
    return reduced('multiMargin', share ? mul(rows, share) : rows, reduction)
  }
