import { checkOptions, isTensor } from '../../ir/arguments.ts'
import { checkSameDtype } from '../../ir/checks.ts'
import { abs, add, equal, lessEqual, log, log1p, mul, neg, sub, where } from '../../ir/lang/pointwise.ts'
import { broadcastTo, type Tensor } from '../../ir/lang/tensor.ts'
import { logOnePlusExp, softplusTerms } from '../activations/softplus.ts'
import { checkNotNegative } from '../numbers.ts'
import { checkPair, reduced, type LossOptions, type PairLoss } from './reduction.ts'

/** Options of {@link binaryCrossEntropy}. */
export interface BinaryCrossEntropyOptions {
  /** Factors of the terms, broadcast to their shape. */
  readonly weight?: Tensor
}

/**
 * −y·log p − (1 − y)·log(1 − p) in nats of probabilities `pred` in [0, 1] (outside: NaN) and targets y in [0, 1]. Logarithms
 * are clamped at −100, as in PyTorch, and have no gradient there: a p that has become exactly 0 or 1 stays; prefer
 * {@link binaryCrossEntropyWithLogits}. See {@link PairLoss}; shape/broadcast for a weight that does not fit.
 */
export const binaryCrossEntropy: PairLoss<BinaryCrossEntropyOptions> =
  (pred: Tensor, target: Tensor, options: BinaryCrossEntropyOptions & LossOptions = {}): any => {
    checkOptions('binaryCrossEntropy', options, ['weight', 'reduction'])
    checkPair('binaryCrossEntropy', [pred, target])
    // The arm that is not taken sees 1 or 0: else 0·∞ would get into the gradient.
    const none = lessEqual(abs(pred), Math.exp(-100))
    const certain = equal(pred, 1)
    const yes = where(none, -100, log(where(none, 1, pred)))
    const no = where(certain, -100, log1p(neg(where(certain, 0, pred))))
    const terms = neg(add(mul(target, yes), mul(sub(1, target), no)))
    return reduced('binaryCrossEntropy', weighted('binaryCrossEntropy', terms, options.weight), options.reduction)
  }

/** Options of {@link binaryCrossEntropyWithLogits}. */
export interface LogitsOptions extends BinaryCrossEntropyOptions {
  /** Factor of the positive part of each term (above 1: more recall), a number ≥ 0 or a tensor that is broadcast. */
  readonly posWeight?: number | Tensor
}

/**
 * Binary cross-entropy in nats of σ(logits), −y·log σ(z) − (1 − y)·log(1 − σ(z)), with targets y in [0, 1]. Sound for logits
 * of any size; its gradient is σ(z) − y. See {@link PairLoss}; shape/broadcast for weights that do not fit.
 */
export const binaryCrossEntropyWithLogits: PairLoss<LogitsOptions> =
  (logits: Tensor, target: Tensor, options: LogitsOptions & LossOptions = {}): any => {
    const whose = 'binaryCrossEntropyWithLogits'
    checkOptions(whose, options, ['weight', 'posWeight', 'reduction'])
    checkPair(whose, [logits, target])
    const { weight, posWeight, reduction } = options
    const terms = posWeight === undefined ? plain(logits, target) : unbalanced(logits, target, factor(whose, posWeight, logits))
    return reduced(whose, weighted(whose, terms, weight), reduction)
  }

/** softplus(z) − y·z; the large parts cancel first. */
function plain(logits: Tensor, target: Tensor): Tensor {
  const { shift, rest } = softplusTerms(logits)
  return neg(sub(sub(mul(target, logits), shift), rest))
}

/** w·y·softplus(−z) + (1 − y)·softplus(z): no term is negative, so that nothing cancels. */
function unbalanced(logits: Tensor, target: Tensor, positive: number | Tensor): Tensor {
  const yes = mul(mul(target, positive), logOnePlusExp(neg(logits)))
  return add(yes, mul(sub(1, target), logOnePlusExp(logits)))
}

function factor(whose: string, posWeight: number | Tensor, like: Tensor): number | Tensor {
  if (isTensor(posWeight)) return spread(whose, posWeight, like)
  checkNotNegative(whose, 'posWeight', posWeight)
  return posWeight
}

function weighted(whose: string, terms: Tensor, weight: Tensor | undefined): Tensor {
  return weight === undefined ? terms : mul(terms, spread(whose, weight, terms))
}

function spread(whose: string, weight: Tensor, like: Tensor): Tensor {
  checkSameDtype(whose, [like, weight])
  return broadcastTo(weight, like.shape)
}
