import { add, mul } from '../ir/lang/pointwise.ts'
import type { Hyper, Transform } from '../ir/optimizer.ts'
import { checkOption, NON_NEGATIVE, valueOf } from './hyper.ts'

/**
 * Adds `rate`·θ to each gradient, as `optax.add_decayed_weights` and the `weight_decay` of PyTorch's SGD: the gradient of
 * an L2 penalty ½·rate·‖θ‖². In front of Adam this is L2 regularisation, not decoupled decay: `adamw` has that.
 * No state. Errors: option/invalid.
 */
export function weightDecay(rate: Hyper): Transform {
  checkOption('weightDecay', 'rate', rate, NON_NEGATIVE)
  return {
    name: 'weightDecay',
    partial: true,
    update: (ctx, entries) =>
      entries.map(({ parameter, gradient }) =>
        add(gradient, mul(parameter, valueOf('weightDecay', 'rate', rate, ctx, parameter.dtype)))),
  }
}
