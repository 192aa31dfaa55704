import { checkOptions } from '../../ir/arguments.ts'
import { checkDtype, FLOATS } from '../../ir/checks.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'
import { einsum } from '../../ir/lang/contract.ts'
import { add, where } from '../../ir/lang/pointwise.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { reshape, slice, transpose } from '../../ir/lang/view.ts'
import type { DType } from '../../ir/types.ts'
import { xavierUniform, zeros } from '../init.ts'
import { layerOf, type Layer } from '../layer.ts'
import { linear } from '../linear.ts'
import { checkChoice } from '../numbers.ts'
import { checkCount, checkFlags, checkFloat, checkShare } from '../options.ts'
import { Parameter } from '../parameter.ts'
import { rotary } from '../positional.ts'
import { alibi } from './masks.ts'
import { scaledDotProductAttention } from './scaled-dot-product.ts'

/** Options of {@link multiHeadAttention}. */
export interface MultiHeadAttentionOptions {
  /** Share of the attention weights that training drops; default 0. */
  readonly dropout?: number
  /** Whether projections add a bias; default true. */
  readonly bias?: boolean
  /** Whether position i sees positions 0..i only; default false. */
  readonly causal?: boolean
  /** Features of keys and of values, if they are others than those of queries; default `embed`. */
  readonly kdim?: number
  readonly vdim?: number
  /** How heads know positions beyond what x says: `rotary` turns queries and keys, `alibi` biases scores. Default `none`. */
  readonly positions?: 'none' | 'rotary' | 'alibi'
  /** Element type of the parameters and of x; default `f32`. */
  readonly dtype?: DType
}

/** What may be said at each use. */
export interface AttendOptions {
  /** Broadcasts to [..., heads, L, S]. bool: true = attend (PyTorch's MultiheadAttention means the opposite); float: added. */
  readonly mask?: Tensor
}

/** Self-attention as a layer; {@link MultiHeadAttention.attend} takes queries, keys and values apart. */
export interface MultiHeadAttention extends Layer {
  /** q [..., L, embed], k [..., S, kdim], v [..., S, vdim] to [..., L, embed]. Inside a layer it follows the layer's mode. */
  attend<D extends DType>(q: Tensor<D>, k: Tensor<D>, v: Tensor<D>, options?: AttendOptions): Tensor<D>
}

/**
 * Multi-head attention (Vaswani et al., NeurIPS 2017) on [..., L, embed]; the batch always comes first. `net(x)` is
 * self-attention, `net.attend(q, k, v, { mask })` the general form. Names, layout and first values of PyTorch's
 * MultiheadAttention: `in_proj_weight` [3·embed, embed], `in_proj_bias`, `out_proj.weight`, `out_proj.bias`; with another kdim or
 * vdim `q_proj_weight`, `k_proj_weight` and `v_proj_weight` instead of the first.
 * Errors: option/invalid; applied: shape/contract, and those of {@link scaledDotProductAttention}.
 */
export function multiHeadAttention(embed: number, heads: number, options: MultiHeadAttentionOptions = {}): MultiHeadAttention {
  checkOptions(NAME, options, ['dropout', 'bias', 'causal', 'kdim', 'vdim', 'positions', 'dtype'])
  const { dropout = 0, bias = true, causal = false, kdim = embed, vdim = embed, positions = 'none', dtype = 'f32' } = options
  checkCount(NAME, 'the number of features', embed, EXAMPLE)
  checkCount(NAME, 'the number of heads', heads, EXAMPLE)
  checkCount(NAME, 'kdim', kdim, EXAMPLE)
  checkCount(NAME, 'vdim', vdim, EXAMPLE)
  checkShare(NAME, 'dropout', dropout)
  checkFlags(NAME, { bias, causal })
  checkFloat(NAME, dtype)
  if (embed % heads) {
    throw new GradcError('option/invalid', `${NAME}: ${embed} features cannot be divided among ${heads} heads`, {
      hint: 'the number of heads must divide the number of features',
    })
  }
  checkChoice(NAME, 'positions', positions, ['none', 'rotary', 'alibi'])
  if (positions === 'rotary' && (embed / heads) % 2) {
    throw new GradcError('option/invalid', `${NAME}: rotary positions turn pairs of features, a head has ${embed / heads}`, {
      hint: 'take an even number of features a head',
    })
  }
  const inputs = projections([embed, kdim, vdim], { embed, bias, dtype })
  const out = linear(embed, embed, { bias, dtype, ...(bias ? { biasInit: zeros } : {}) })
  const turned = (x: Tensor): Tensor => (positions === 'rotary' ? rotary(x) : x)

  const attend = (x: readonly Tensor[], mask: Tensor | undefined): Tensor => {
    const [q, k, v] = inputs.apply(x).map((p) => headsFirst(p, heads))
    const bias = positions === 'alibi' ? biased(alibi(q, heads, q.shape.at(-2)!, k.shape.at(-2)), mask) : mask
    return out(headsLast(scaledDotProductAttention(turned(q), turned(k), v, { dropout, causal, mask: bias })))
  }
  const self = layerOf([...inputs.parameters, ['out_proj', out]], (x) => attend([x, x, x], undefined))
  return Object.assign(self, {
    attend: <D extends DType>(q: Tensor<D>, k: Tensor<D>, v: Tensor<D>, use: AttendOptions = {}): Tensor<D> => {
      checkOptions('attend', use, ['mask'])
      return attend([q, k, v], use.mask) as Tensor<D>
    },
  })
}

const NAME = 'multiHeadAttention'
const EXAMPLE = 'nn.multiHeadAttention(512, 8)'

interface Projections {
  readonly parameters: readonly (readonly [string, Parameter])[]
  /** Queries, keys and values, each [..., embed]. */
  apply(x: readonly Tensor[]): Tensor[]
}

interface Projected {
  readonly embed: number
  readonly bias: boolean
  readonly dtype: DType
}

/** The three projections before attention: one matrix if all have `embed` features, as PyTorch. */
function projections(widths: readonly number[], { embed, bias, dtype }: Projected): Projections {
  const whole = widths.every((w) => w === embed)
  const matrix = (name: string, rows: number, columns: number): [string, Parameter] =>
    [name, new Parameter(name, [rows, columns], xavierUniform(), { dtype })]
  const weights = whole
    ? [matrix('in_proj_weight', 3 * embed, embed)]
    : widths.map((w, i) => matrix(`${'qkv'[i]}_proj_weight`, embed, w))
  const offset = bias ? new Parameter('in_proj_bias', [3 * embed], zeros, { dtype }) : null
  const third = (t: Tensor, i: number, axis: number): Tensor =>
    slice(t, ...new Array<null>(axis).fill(null), { start: i * embed, stop: (i + 1) * embed })

  return {
    parameters: offset ? [...weights, ['in_proj_bias', offset]] : weights,
    apply: (x) => {
      checkDtype(NAME, FLOATS, x)
      x.forEach((t, i) => checkWidth(t, widths[i], 'qkv'[i]))
      const [first] = x
      if (whole && x.every((t) => t === first)) {
        const y = projected(first, weights[0][1].of(first), offset?.of(first))
        return [0, 1, 2].map((i) => third(y, i, y.shape.length - 1))
      }
      return x.map((t, i) => {
        const weight = whole ? third(weights[0][1].of(t), i, 0) : weights[i][1].of(t)
        return projected(t, weight, offset ? third(offset.of(t), i, 0) : undefined)
      })
    },
  }
}

/** x·Wᵀ + b on the last axis. */
function projected(x: Tensor, weight: Tensor, bias: Tensor | undefined): Tensor {
  const rows = ROWS.slice(0, x.shape.length - 1)
  const y = einsum(`${rows}k,jk->${rows}j`, x, weight)
  return bias ? add(y, bias) : y
}

const ROWS = 'iabcdefghlmnopqrstuvwxyz'

/** [..., L, heads·e] to [..., heads, L, e]. */
function headsFirst(x: Tensor, heads: number): Tensor {
  const [length, width] = x.shape.slice(-2)
  return swapped(reshape(x, [...x.shape.slice(0, -2), length, heads, width / heads]))
}

/** [..., heads, L, e] to [..., L, heads·e]. */
function headsLast(x: Tensor): Tensor {
  const y = swapped(x)
  return reshape(y, [...y.shape.slice(0, -2), y.shape.at(-2)! * y.shape.at(-1)!])
}

/** With the axis of heads and that of positions, the third and the second from the end, exchanged. */
const swapped = (x: Tensor): Tensor => {
  const n = x.shape.length
  return transpose(x, x.shape.map((_, i) => (i === n - 2 ? n - 3 : i === n - 3 ? n - 2 : i)))
}

/** A float mask of the biases and of what the caller masks. */
const biased = (bias: Tensor, mask: Tensor | undefined): Tensor =>
  mask === undefined ? bias : mask.dtype === 'bool' ? where(mask, bias, -Infinity) : add(bias, mask)

function checkWidth(x: Node, width: number, label: string): void {
  if (x.shape.length > 1 && x.shape.at(-1) === width) return
  throw new GradcError('shape/contract', `${NAME} takes ${label} [..., positions, ${width}], got [${x.shape.join(', ')}]`, {
    parties: [{ label, node: x }],
    hint: x.shape.length > 1 ? 'features come last; kdim and vdim are those of keys and values' : 'add an axis of positions',
  })
}
