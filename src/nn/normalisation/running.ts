import type { Node } from '../../ir/graph.ts'
import { add, cast, div, mul, sub } from '../../ir/lang/pointwise.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'
import { ones, zeros } from '../init.ts'
import { Parameter } from '../parameter.ts'

/** Statistics of past batches, as states that no optimiser touches; each [channels]. */
export interface Running {
  readonly parameters: readonly (readonly [string, Parameter])[]
  readonly mean: Parameter
  readonly variance: Parameter
  /** Sets the states' values after this step. */
  follow(x: Node, mean: Tensor, unbiasedVariance: Tensor): void
}

/**
 * `running_mean` (zeros), `running_var` (ones) and `num_batches_tracked` (an i32 scalar; PyTorch's is int64), named as in
 * PyTorch. A step takes running ← (1 − momentum)·running + momentum·batch; a momentum of null weighs all batches alike
 * (1 / batches so far). `counts: false` leaves `num_batches_tracked` at 0, as PyTorch's instance norm does.
 */
export function running(channels: number, momentum: number | null, dtype: DType, counts = true): Running {
  const fixed = { dtype, trainable: false }
  const mean = new Parameter('running_mean', [channels], zeros, fixed)
  const variance = new Parameter('running_var', [channels], ones, fixed)
  const batches = new Parameter('num_batches_tracked', [], zeros, { dtype: 'i32' })
  return {
    parameters: [['running_mean', mean], ['running_var', variance], ['num_batches_tracked', batches]],
    mean,
    variance,
    follow: (x, batchMean, batchVariance) => {
      const states = [mean.of(x), variance.of(x)]
      const seen = batches.of(x)
      const count = add(seen, 1)
      if (counts) x.builder.update(seen, count)
      const share = momentum ?? div(1, cast(count, dtype))
      const rest = typeof share === 'number' ? 1 - share : sub(1, share)
      for (const [i, next] of [batchMean, batchVariance].entries()) {
        x.builder.update(states[i], add(mul(states[i], rest), mul(next, share)))
      }
    },
  }
}
