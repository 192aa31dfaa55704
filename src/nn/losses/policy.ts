import { checkOptions } from '../../ir/arguments.ts'
import { checkSameDtype, refuse } from '../../ir/checks.ts'
import { div, equal, exp, log, mul, stopGradient, sub, where } from '../../ir/lang/pointwise.ts'
import { sum } from '../../ir/lang/reduce.ts'
import type { Scalar, Tensor } from '../../ir/lang/tensor.ts'
import { sameShape, type DType } from '../../ir/types.ts'
import { shifted } from '../activations/softmax.ts'
import { checkFinite } from '../numbers.ts'
import { checkLabels, picked } from './labels.ts'
import { reduced, type LossOptions, type ScalarLoss } from './reduction.ts'

/** Options of {@link reinforce}. */
export interface ReinforceOptions {
  /** The policy's entropy in nats times this is subtracted, which keeps it exploring; default 0. */
  readonly entropyBonus?: number
}

/**
 * The surrogate whose gradient is the policy gradient: −log π(action)·advantage − entropyBonus·H(π) with π = softmax(logits)
 * (Williams, 1992). `logits` are floats [..., actions], `actions` i32[...] those that were taken, `advantages` [...] of the dtype
 * of the logits, through which no gradient flows. Actions that are masked by −∞ have probability 0.
 * Errors: shape/mismatch, dtype/mismatch, dtype/unsupported, option/invalid.
 */
export function reinforce<D extends DType>(
  logits: Tensor<D>, actions: Tensor, advantages: Tensor<D>, options?: ReinforceOptions & ScalarLoss): Scalar<D>
export function reinforce<D extends DType>(
  logits: Tensor<D>, actions: Tensor, advantages: Tensor<D>, options: ReinforceOptions & LossOptions): Tensor<D>
export function reinforce(
  logits: Tensor, actions: Tensor, advantages: Tensor, options: ReinforceOptions & LossOptions = {}): Tensor {
  checkOptions('reinforce', options, ['entropyBonus', 'reduction'])
  const { entropyBonus = 0, reduction } = options
  checkFinite('reinforce', 'entropyBonus', entropyBonus)
  checkLabels('reinforce', logits, actions)
  checkSameDtype('reinforce', [logits, advantages])
  if (!sameShape(advantages.shape, actions.shape)) {
    refuse('shape/mismatch', 'reinforce needs one advantage for each action', [logits, actions, advantages])
  }
  const z = shifted(logits, -1)
  const e = exp(z)
  const mass = sum(e, { axis: -1 })
  const surprise = sub(log(mass), picked(z, actions))
  const gain = mul(surprise, stopGradient(advantages))
  if (entropyBonus === 0) return reduced('reinforce', gain, reduction)
  // H = log Σ eᶻ − Σ π·z, where a masked action has π = 0 and z = −∞.
  const expected = div(sum(mul(e, where(equal(z, -Infinity), 0, z)), { axis: -1 }), mass)
  const entropy = sub(log(mass), expected)
  return reduced('reinforce', sub(gain, mul(entropy, entropyBonus)), reduction)
}
