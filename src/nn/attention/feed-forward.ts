import { checkOptions, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'
import { gelu, relu } from '../activations.ts'
import { dropout as dropoutLayer } from '../dropout.ts'
import { model, type Layer } from '../layer.ts'
import { linear } from '../linear.ts'
import { checkCount, checkFlags, checkFloat, checkShare } from '../options.ts'

/** What stands between two linear maps: by name, or any function that keeps the shape. */
export type Activation = 'relu' | 'gelu' | ((x: Tensor) => Tensor)

/** Options of {@link feedForward}. */
export interface FeedForwardOptions {
  /** Default `gelu`. */
  readonly activation?: Activation
  /** Share that training drops, after the activation and at the end; default 0. */
  readonly dropout?: number
  /** Whether both maps add a bias; default true. */
  readonly bias?: boolean
  /** Element type of the parameters and of x; default `f32`. */
  readonly dtype?: DType
}

/**
 * Two linear maps with an activation between them, [..., dim] to [..., dim]: fc2(activation(fc1(x))) with `hidden` features
 * within. Parameters `fc1.weight`, `fc1.bias`, `fc2.weight`, `fc2.bias`. Errors: option/invalid; applied: those of linear.
 */
export function feedForward(dim: number, hidden: number = 4 * dim, options: FeedForwardOptions = {}): Layer {
  checkOptions('feedForward', options, ['activation', 'dropout', 'bias', 'dtype'])
  checkCount('feedForward', 'the number of features', dim, 'nn.feedForward(64, 256)')
  checkCount('feedForward', 'the number of hidden features', hidden, 'nn.feedForward(64, 256)')
  const { activation = 'gelu', dropout = 0, bias = true, dtype = 'f32' } = options
  checkShare('feedForward', 'dropout', dropout)
  checkFlags('feedForward', { bias })
  checkFloat('feedForward', dtype)
  const act = activationOf('feedForward', activation)
  const drop = dropoutLayer(dropout)
  return model({ fc1: linear(dim, hidden, { bias, dtype }), fc2: linear(hidden, dim, { bias, dtype }) }, ({ fc1, fc2 }, x) =>
    drop(fc2(drop(act(fc1(x))))))
}

/** The function of that name, or the function itself. Errors: option/invalid. */
export function activationOf(layer: string, activation: Activation): (x: Tensor) => Tensor {
  if (activation === 'relu') return relu
  if (activation === 'gelu') return (x) => gelu(x)
  if (typeof activation === 'function') return activation
  throw new GradcError('option/invalid', `${layer}: activation must be relu, gelu or a function, got ${showValue(activation)}`)
}
