import { checkOptions } from '../../ir/arguments.ts'
import { abs, div, minimum, mul, square, sub } from '../../ir/lang/pointwise.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { checkNotNegative, checkPositive } from '../numbers.ts'
import { checkPair, reduced, type LossOptions, type PairLoss } from './reduction.ts'

/** Mean squared error: (pred − target)². See {@link PairLoss}. */
export const mse: PairLoss = loss('mse', (pred, target) => square(sub(pred, target)))

/** ½·(pred − target)², summed unless said otherwise: ½‖pred − target‖², whose gradient is the residual. See {@link PairLoss}. */
export const halfSquaredError: PairLoss = loss('halfSquaredError', (pred, target) => mul(square(sub(pred, target)), 0.5), 'sum')

/** Mean absolute error: |pred − target|; derivative 0 where they are equal. See {@link PairLoss}. */
export const mae: PairLoss = loss('mae', distance)

/** {@link mae} under PyTorch's name. */
export const l1Loss: PairLoss = loss('l1Loss', distance)

/** Options of {@link huber}. */
export interface HuberOptions {
  /** Up to this distance the loss is quadratic; default 1. */
  readonly delta?: number
}

/** ½·d² up to a distance d = delta, beyond it delta·(d − ½·delta) (Huber, 1964). See {@link PairLoss}. */
export const huber: PairLoss<HuberOptions> = (pred: Tensor, target: Tensor, options: HuberOptions & LossOptions = {}): any => {
  checkOptions('huber', options, ['delta', 'reduction'])
  const { delta = 1, reduction } = options
  checkPositive('huber', 'delta', delta)
  checkPair('huber', [pred, target])
  return reduced('huber', bowl(pred, target, delta), reduction)
}

/** Options of {@link smoothL1}. */
export interface SmoothL1Options {
  /** Up to this distance the loss is quadratic; default 1. 0 gives {@link mae}. */
  readonly beta?: number
}

/** ½·d²/beta up to a distance d = beta, beyond it d − ½·beta (Girshick, ICCV 2015). See {@link PairLoss}. */
export const smoothL1: PairLoss<SmoothL1Options> =
  (pred: Tensor, target: Tensor, options: SmoothL1Options & LossOptions = {}): any => {
    checkOptions('smoothL1', options, ['beta', 'reduction'])
    const { beta = 1, reduction } = options
    checkNotNegative('smoothL1', 'beta', beta)
    checkPair('smoothL1', [pred, target])
    const terms = beta === 0 ? distance(pred, target) : div(bowl(pred, target, beta), beta)
    return reduced('smoothL1', terms, reduction)
  }

function distance(pred: Tensor, target: Tensor): Tensor {
  return abs(sub(pred, target))
}

/** With c = min(d, delta), c·(d − ½·c) is both arms in one: no square overflows. */
function bowl(pred: Tensor, target: Tensor, delta: number): Tensor {
  const d = distance(pred, target)
  const c = minimum(d, delta)
  return mul(c, sub(d, mul(c, 0.5)))
}

function loss(whose: string, term: (pred: Tensor, target: Tensor) => Tensor, usual: 'mean' | 'sum' = 'mean'): PairLoss {
  return (pred: Tensor, target: Tensor, options: LossOptions = {}): any => {
    checkOptions(whose, options, ['reduction'])
    checkPair(whose, [pred, target])
    return reduced(whose, term(pred, target), options.reduction ?? usual)
  }
}
