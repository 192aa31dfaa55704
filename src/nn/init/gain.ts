import { showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import { checkFinite } from '../numbers.ts'

/** What follows a weight, as PyTorch's `calculate_gain` names it. */
export type Nonlinearity = 'linear' | 'conv1d' | 'conv2d' | 'conv3d' | 'sigmoid' | 'tanh' | 'relu' | 'leaky_relu' | 'selu'

const GAINS: Readonly<Record<Nonlinearity, (slope: number) => number>> = {
  linear: () => 1,
  conv1d: () => 1,
  conv2d: () => 1,
  conv3d: () => 1,
  sigmoid: () => 1,
  tanh: () => 5 / 3,
  relu: () => Math.SQRT2,
  leaky_relu: (slope) => Math.sqrt(2 / (1 + slope * slope)),
  selu: () => 3 / 4,
}

/**
 * By how much weights before a nonlinearity are scaled up, so that the variance of what flows through stays: PyTorch's table.
 * `slope` (default 0.01) is that of `leaky_relu` below 0; √2 for `relu`. Errors: option/invalid.
 */
export function calculateGain(nonlinearity: Nonlinearity, slope = 0.01): number {
  checkFinite('calculateGain', 'slope', slope)
  if (Object.hasOwn(GAINS, nonlinearity)) return GAINS[nonlinearity](slope)
  throw new GradcError('option/invalid', `there is no gain for ${showValue(nonlinearity)}`, {
    hint: `known are ${Object.keys(GAINS).join(', ')}`,
  })
}
