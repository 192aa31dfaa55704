import { checkOptions, checkTensors } from '../../ir/arguments.ts'
import { add } from '../../ir/lang/pointwise.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'
import { dropout as dropoutLayer } from '../dropout.ts'
import { layerOf, sequential, type Child, type Layer } from '../layer.ts'
import { linear } from '../linear.ts'
import { layerNorm } from '../normalisation/layer-norm.ts'
import { checkCount, checkEpsilon, checkFlags, checkFloat, checkShare } from '../options.ts'
import { activationOf, type Activation } from './feed-forward.ts'
import { multiHeadAttention } from './multi-head.ts'

/** Options of {@link transformerEncoderLayer}. */
export interface EncoderLayerOptions {
  /** Features between the two linear maps; default 2048. */
  readonly feedForward?: number
  /** Share that training drops, of the attention weights, within the feed-forward part and of both branches; default 0.1. */
  readonly dropout?: number
  /** Default `relu`. */
  readonly activation?: Activation
  /** Whether norms stand before the branches instead of after the additions; default false. */
  readonly normFirst?: boolean
  /** Of the norms; default 1e-5. */
  readonly eps?: number
  /** Whether linear maps, attention and norms add a bias; default true. */
  readonly bias?: boolean
  /** Whether position i sees positions 0..i only; default false. */
  readonly causal?: boolean
  /** Element type of the parameters and of x; default `f32`. */
  readonly dtype?: DType
}

/** A layer whose attention takes a mask. */
export interface MaskedLayer extends Layer {
  /**
   * As `layer(x)`, with a mask that broadcasts to [..., heads, L, L]: bool (true = attend) or float (added to the scores).
   * Inside a layer it follows the layer's mode.
   */
  masked<D extends DType>(x: Tensor<D>, mask: Tensor): Tensor<D>
}

/**
 * One layer of a transformer's encoder (Vaswani et al., NeurIPS 2017) on [..., L, d]: self-attention and a feed-forward part,
 * each added to what it was given and normalised. Names of PyTorch's TransformerEncoderLayer: `self_attn.in_proj_weight`, …,
 * `linear1.weight`, `linear2.weight`, `norm1.weight`, `norm2.weight` and biases. The batch always comes first.
 * Errors: option/invalid; applied: those of {@link multiHeadAttention}.
 */
export function transformerEncoderLayer(d: number, heads: number, options: EncoderLayerOptions = {}): MaskedLayer {
  const name = 'transformerEncoderLayer'
  checkOptions(name, options, ['feedForward', 'dropout', 'activation', 'normFirst', 'eps', 'bias', 'causal', 'dtype'])
  const { feedForward = 2048, dropout = 0.1, activation = 'relu', normFirst = false, eps = 1e-5 } = options
  const { bias = true, causal = false, dtype = 'f32' } = options
  checkCount(name, 'the number of features', d, `nn.${name}(512, 8)`)
  checkCount(name, 'feedForward', feedForward, `nn.${name}(512, 8, { feedForward: 2048 })`)
  checkShare(name, 'dropout', dropout)
  checkFlags(name, { normFirst, bias, causal })
  checkEpsilon(name, eps)
  checkFloat(name, dtype)
  const act = activationOf(name, activation)
  const attention = multiHeadAttention(d, heads, { dropout, bias, causal, dtype })
  const [linear1, linear2] = [linear(d, feedForward, { bias, dtype }), linear(feedForward, d, { bias, dtype })]
  const [norm1, norm2] = [layerNorm(d, { eps, bias, dtype }), layerNorm(d, { eps, bias, dtype })]
  const drop = dropoutLayer(dropout)
  const children: [string, Child][] = Object.entries({ self_attn: attention, linear1, linear2, norm1, norm2 })

  const forward = (x: Tensor, mask?: Tensor): Tensor => {
    const attend = (t: Tensor): Tensor => drop(attention.attend(t, t, t, mask ? { mask } : {}))
    const transform = (t: Tensor): Tensor => drop(linear2(drop(act(linear1(t)))))
    if (normFirst) {
      const y = add(x, attend(norm1(x)))
      return add(y, transform(norm2(y)))
    }
    const y = norm1(add(x, attend(x)))
    return norm2(add(y, transform(y)))
  }
  return maskedLayer(children, forward)
}

/** Options of {@link transformerEncoder}. */
export interface EncoderOptions extends EncoderLayerOptions {
  /** Whether a layer norm follows the last layer; default: if normFirst. */
  readonly norm?: boolean
}

/**
 * `depth` encoder layers, one after the other. Names of PyTorch's TransformerEncoder: `layers.0.self_attn.in_proj_weight`, …,
 * and `norm.weight`, `norm.bias` of the last norm. Every layer has first values of its own.
 * Errors: as {@link transformerEncoderLayer}.
 */
export function transformerEncoder(d: number, heads: number, depth: number, options: EncoderOptions = {}): MaskedLayer {
  checkOptions('transformerEncoder', options, [
    'feedForward', 'dropout', 'activation', 'normFirst', 'eps', 'bias', 'causal', 'dtype', 'norm',
  ])
  checkCount('transformerEncoder', 'the number of layers', depth, 'nn.transformerEncoder(512, 8, 6)')
  const { norm = options.normFirst ?? false, ...each } = options
  checkFlags('transformerEncoder', { norm })
  const layers = Array.from({ length: depth }, () => transformerEncoderLayer(d, heads, each))
  const { eps = 1e-5, bias = true, dtype = 'f32' } = options
  const last = norm ? layerNorm(d, { eps, bias, dtype }) : null
  const children: [string, Child][] = [['layers', sequential(...layers)]]
  if (last) children.push(['norm', last])
  return maskedLayer(children, (x, mask) => {
    const y = layers.reduce((t, layer) => (mask ? layer.masked(t, mask) : layer(t)), x)
    return last ? last(y) : y
  })
}

/** A layer with one more way to call it. */
function maskedLayer(
  children: readonly (readonly [string, Child])[],
  forward: (x: Tensor, mask?: Tensor) => Tensor,
): MaskedLayer {
  const layer = layerOf(children, (x) => forward(x))
  return Object.assign(layer, {
    masked: <D extends DType>(x: Tensor<D>, mask: Tensor): Tensor<D> => {
      checkTensors('a layer with a mask', [x, mask])
      return forward(x, mask) as Tensor<D>
    },
  })
}
