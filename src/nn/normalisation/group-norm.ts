import { checkOptions } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import { reshape } from '../../ir/lang/view.ts'
import type { DType } from '../../ir/types.ts'
import { layerOf, type Layer } from '../layer.ts'
import { checkCount, checkEpsilon, checkFlags, checkFloat } from '../options.ts'
import { affine, perChannel } from './affine.ts'
import { checkChannels } from './checks.ts'
import { moments, standardised } from './moments.ts'

/** Options of {@link groupNorm}. */
export interface GroupNormOptions {
  /** Added to the variance; default 1e-5. */
  readonly eps?: number
  /** Whether `weight` and `bias` follow, a pair a channel; default true. */
  readonly affine?: boolean
  /** Element type of the parameters and of x; default `f32`. */
  readonly dtype?: DType
}

/**
 * Group normalisation (Wu & He, ECCV 2018) of [N, C, ...]: the channels are divided into groups of neighbours, and each group
 * of each example is normalised by its own mean and biased variance: y = (x − mean)/√(variance + eps)·weight + bias.
 * `weight` (ones) and `bias` (zeros) are [C]. One group is layer norm over all but the batch, C groups instance norm.
 * Errors: option/invalid; applied: shape/mismatch, dtype/unsupported, dtype/mismatch.
 */
export function groupNorm(groups: number, channels: number, options: GroupNormOptions = {}): Layer {
  checkOptions('groupNorm', options, ['eps', 'affine', 'dtype'])
  checkCount('groupNorm', 'the number of groups', groups, 'nn.groupNorm(4, 16)')
  checkCount('groupNorm', 'the number of channels', channels, 'nn.groupNorm(4, 16)')
  if (channels % groups) {
    throw new GradcError('option/invalid', `groupNorm: ${channels} channels do not divide into ${groups} groups of one size`, {
      hint: 'the number of groups must divide the number of channels',
    })
  }
  const { eps = 1e-5, affine: learned = true, dtype = 'f32' } = options
  checkEpsilon('groupNorm', eps)
  checkFlags('groupNorm', { affine: learned })
  checkFloat('groupNorm', dtype)
  const scale = affine([channels], { weight: learned, bias: learned }, dtype)
  return layerOf(scale.parameters, (x) => {
    checkChannels('groupNorm', x, channels, null)
    const [n, , ...rest] = x.shape
    const grouped = reshape(x, [n, groups, channels / groups, ...rest])
    const y = standardised(moments(grouped, grouped.shape.map((_, i) => i).slice(2)), eps)
    return scale.apply(reshape(y, x.shape), (p) => perChannel(p, x.shape.length))
  })
}
