import { checkOptions } from '../../ir/arguments.ts'
import { add } from '../../ir/lang/pointwise.ts'
import type { DType } from '../../ir/types.ts'
import { dropout as dropoutLayer } from '../dropout.ts'
import { model, type Layer } from '../layer.ts'
import { layerNorm } from '../normalisation/layer-norm.ts'
import { checkCount, checkEpsilon, checkFlags } from '../options.ts'
import { feedForward, type Activation } from './feed-forward.ts'
import { multiHeadAttention } from './multi-head.ts'

/** Options of {@link transformerBlock}. */
export interface BlockOptions {
  /** Features within the feed-forward part; default 4·d. */
  readonly hidden?: number
  /** Share that training drops, of the attention weights and of both branches; default 0. */
  readonly dropout?: number
  /** Default `gelu`. */
  readonly activation?: Activation
  /** Whether position i sees positions 0..i only; default true. */
  readonly causal?: boolean
  /** How heads know positions beyond what x says; default `none`. */
  readonly positions?: 'none' | 'rotary' | 'alibi'
  /** Of the norms; default 1e-5. */
  readonly eps?: number
  /** Whether linear maps, attention and norms add a bias; default true. */
  readonly bias?: boolean
  /** Element type of the parameters and of x; default `f32`. */
  readonly dtype?: DType
}

/**
 * One block of GPT-2 (Radford et al., 2019) on [..., L, d]: y = x + attention(norm(x)), then y + mlp(norm(y)), causal unless said
 * otherwise. A stack of them ends with a layer norm of its own. Parameters below `norm1`, `attn` (as
 * {@link multiHeadAttention}), `norm2` and `mlp` (as {@link feedForward}). Errors: option/invalid; applied: those of the parts.
 */
export function transformerBlock(d: number, heads: number, options: BlockOptions = {}): Layer {
  const name = 'transformerBlock'
  checkOptions(name, options, ['hidden', 'dropout', 'activation', 'causal', 'positions', 'eps', 'bias', 'dtype'])
  checkCount(name, 'the number of features', d, `nn.${name}(256, 8)`)
  const { hidden = 4 * d, dropout = 0, activation = 'gelu', causal = true, positions = 'none' } = options
  const { eps = 1e-5, bias = true, dtype = 'f32' } = options
  checkEpsilon(name, eps)
  checkFlags(name, { bias, causal })
  const norm = (): Layer => layerNorm(d, { eps, bias, dtype })
  const drop = dropoutLayer(dropout)
  const parts = {
    norm1: norm(),
    attn: multiHeadAttention(d, heads, { dropout, bias, causal, positions, dtype }),
    norm2: norm(),
    mlp: feedForward(d, hidden, { activation, dropout, bias, dtype }),
  }
  return model(parts, ({ norm1, attn, norm2, mlp }, x) => {
    const y = add(x, drop(attn(norm1(x))))
    return add(y, mlp(norm2(y)))
  })
}
