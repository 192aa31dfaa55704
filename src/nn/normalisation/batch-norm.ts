import { checkOptions, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'
import { mul, sub } from '../../ir/lang/pointwise.ts'
import { mean } from '../../ir/lang/reduce.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { reshape } from '../../ir/lang/view.ts'
import { sizeOf, type DType } from '../../ir/types.ts'
import { layerOf, type Layer } from '../layer.ts'
import { checkCount, checkEpsilon, checkFlags, checkFloat, checkShare } from '../options.ts'
import { affine, perChannel } from './affine.ts'
import { checkChannels } from './checks.ts'
import { moments, standardised } from './moments.ts'
import { running } from './running.ts'

/** Options of {@link batchNorm1d}, {@link batchNorm2d} and {@link batchNorm3d}. */
export interface BatchNormOptions {
  /** Added to the variance; default 1e-5. */
  readonly eps?: number
  /** Share of the new batch in the running statistics; default 0.1. null weighs all batches alike. */
  readonly momentum?: number | null
  /** Whether `weight` and `bias` follow, a pair a channel; default true. */
  readonly affine?: boolean
  /** Whether to keep running statistics; default true. Without them evaluation takes those of its batch, too. */
  readonly trackRunningStats?: boolean
  /** Element type of the parameters and of x; default `f32`. */
  readonly dtype?: DType
}

/** Options of {@link instanceNorm1d}, {@link instanceNorm2d} and {@link instanceNorm3d}. */
export interface InstanceNormOptions extends Omit<BatchNormOptions, 'momentum'> {
  /** Share of the new batch in the running statistics; default 0.1. */
  readonly momentum?: number
  /** Default false. */
  readonly affine?: boolean
  /** Default false. */
  readonly trackRunningStats?: boolean
}

/**
 * Batch normalisation (Ioffe & Szegedy, ICML 2015) of [N, C] or [N, C, L]: y = (x − mean)/√(variance + eps)·weight + bias, with
 * statistics of each channel over all other axes. In training they are the batch's (biased variance), and the step moves
 * `running_mean` and `running_var` (unbiased variance) towards them; in evaluation (`net.evaluation(x)`) the running ones
 * are taken. States as PyTorch: `weight`, `bias`, `running_mean`, `running_var` [C], `num_batches_tracked` i32. A layer
 * with running statistics is applied once in a training step.
 * Errors: option/invalid; applied: shape/mismatch (also fewer than two values a channel in training), dtype/unsupported,
 * dtype/mismatch, state/duplicate (applied twice in training).
 */
export const batchNorm1d = (features: number, options: BatchNormOptions = {}): Layer =>
  batchNorm('batchNorm1d', [2, 3], features, options)
/** As {@link batchNorm1d}, of [N, C, H, W]. */
export const batchNorm2d = (features: number, options: BatchNormOptions = {}): Layer =>
  batchNorm('batchNorm2d', [4], features, options)
/** As {@link batchNorm1d}, of [N, C, D, H, W]. */
export const batchNorm3d = (features: number, options: BatchNormOptions = {}): Layer =>
  batchNorm('batchNorm3d', [5], features, options)

/**
 * Instance normalisation (Ulyanov, Vedaldi & Lempitsky, 2016) of [N, C, L]: as {@link batchNorm1d}, but with statistics of
 * each channel of each example, in training and evaluation alike. With `trackRunningStats` the means of these statistics
 * over the batch are kept and taken in evaluation; `num_batches_tracked` stays 0, as in PyTorch.
 * Errors: as {@link batchNorm1d}.
 */
export const instanceNorm1d = (features: number, options: InstanceNormOptions = {}): Layer =>
  instanceNorm('instanceNorm1d', 3, features, options)
/** As {@link instanceNorm1d}, of [N, C, H, W]. */
export const instanceNorm2d = (features: number, options: InstanceNormOptions = {}): Layer =>
  instanceNorm('instanceNorm2d', 4, features, options)
/** As {@link instanceNorm1d}, of [N, C, D, H, W]. */
export const instanceNorm3d = (features: number, options: InstanceNormOptions = {}): Layer =>
  instanceNorm('instanceNorm3d', 5, features, options)

function batchNorm(name: string, ranks: readonly number[], features: number, options: BatchNormOptions): Layer {
  checkOptions(name, options, NAMES)
  return normaliser({ name, ranks, perExample: false }, features, { affine: true, trackRunningStats: true, ...given(options) })
}

function instanceNorm(name: string, rank: number, features: number, options: InstanceNormOptions): Layer {
  checkOptions(name, options, NAMES)
  if ((options.momentum as unknown) === null) {
    throw new GradcError('option/invalid', `${name}: momentum must be a number from 0 to 1, got null`)
  }
  const chosen = { affine: false, trackRunningStats: false, ...given(options) }
  return normaliser({ name, ranks: [rank], perExample: true }, features, chosen)
}

const NAMES = ['eps', 'momentum', 'affine', 'trackRunningStats', 'dtype']

/** Options that are undefined count as absent. */
const given = (options: BatchNormOptions): BatchNormOptions =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

interface Kind {
  readonly name: string
  readonly ranks: readonly number[]
  /** Whether every example has statistics of its own. */
  readonly perExample: boolean
}

type Chosen = BatchNormOptions & Required<Pick<BatchNormOptions, 'affine' | 'trackRunningStats'>>

function normaliser({ name, ranks, perExample }: Kind, features: number, options: Chosen): Layer {
  checkCount(name, 'the number of features', features, `nn.${name}(64)`)
  const { eps = 1e-5, momentum = 0.1, affine: learned, trackRunningStats, dtype = 'f32' } = options
  checkEpsilon(name, eps)
  if (momentum !== null) checkShare(name, 'momentum', momentum)
  checkFlags(name, { affine: learned, trackRunningStats })
  checkFloat(name, dtype)
  const scale = affine([features], { weight: learned, bias: learned }, dtype)
  const past = trackRunningStats ? running(features, momentum, dtype, !perExample) : null

  return layerOf([...scale.parameters, ...(past?.parameters ?? [])], (x) => {
    checkChannels(name, x, features, ranks)
    const rank = x.shape.length
    const shaped = (p: Node): Node => perChannel(p, rank)
    if (past && x.builder.evaluation) {
      const centred = sub(x, shaped(past.mean.of(x)))
      return scale.apply(standardised({ centred, variance: shaped(past.variance.of(x)) }, eps), shaped)
    }
    const axes = x.shape.map((_, i) => i).filter((i) => i > 1 || (i === 0 && !perExample))
    const count = sizeOf(axes.map((a) => x.shape[a]))
    if (count < 2) {
      throw new GradcError('shape/mismatch', `${name} needs more than one value a channel, got ${showValue(count)}`, {
        parties: [{ label: 'x', node: x }],
        hint: past ? 'predict a single example with net.evaluation(x): it takes the running statistics' : 'take a larger batch',
      })
    }
    const now = moments(x, axes)
    // PyTorch keeps the unbiased variance, n/(n − 1) times the one it normalises by.
    past?.follow(x, ofChannels(now.mean), mul(ofChannels(now.variance), count / (count - 1)))
    return scale.apply(standardised(now, eps), shaped)
  })
}

/** Statistics with axes of extent 1, as [C]: the mean over examples if each has its own. */
function ofChannels(statistic: Tensor): Tensor {
  const [n, channels] = statistic.shape
  const flat = reshape(statistic, [n, channels])
  return n === 1 ? reshape(flat, [channels]) : mean(flat, { axis: 0 })
}
