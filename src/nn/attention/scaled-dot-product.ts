import { checkOptions, checkTensors } from '../../ir/arguments.ts'
import { checkDtype, checkSameDtype, FLOATS } from '../../ir/checks.ts'
import { GradcError, parties } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'
import { matmul } from '../../ir/lang/contract.ts'
import { add, div, equal, exp, logicalAnd, mul, stopGradient, sub, where } from '../../ir/lang/pointwise.ts'
import { max, sum } from '../../ir/lang/reduce.ts'
import { broadcastShapes, broadcastTo, type Tensor } from '../../ir/lang/tensor.ts'
import { transpose } from '../../ir/lang/view.ts'
import { sameShape, type DType, type Shape } from '../../ir/types.ts'
import { softmax } from '../activations.ts'
import { dropped } from '../dropout.ts'
import { checkFinite } from '../numbers.ts'
import { checkFlags, checkShare } from '../options.ts'
import { causalMask } from './masks.ts'

/** Options of {@link scaledDotProductAttention}. */
export interface AttentionOptions {
  /** Whether query i sees keys 0..i only; default false. Together with a mask both must hold. */
  readonly causal?: boolean
  /** Broadcasts to [..., L, S]. bool: true = attend; float: added to the scores, as relative biases are. */
  readonly mask?: Tensor
  /** Share of the attention weights that training drops; default 0. */
  readonly dropout?: number
  /** Factor of the scores; default 1/√E. */
  readonly scale?: number
}

/**
 * softmax(scale·q·kᵀ + mask)·v (Vaswani et al., NeurIPS 2017). q is [..., L, E], k [..., S, E], v [..., S, Ev], of one float
 * dtype; leading axes broadcast; the result is [..., L, Ev]. Shifted by the largest score of a row, so that nothing overflows.
 * A row whose mask allows no key gives zeros, and no gradient (as PyTorch's function; before 2.5 it gave NaN).
 * Errors: option/invalid, shape/mismatch, shape/contract, shape/broadcast, dtype/mismatch, dtype/unsupported.
 */
export function scaledDotProductAttention<D extends DType>(
  q: Tensor<D>,
  k: Tensor<D>,
  v: Tensor<D>,
  options: AttentionOptions = {},
): Tensor<D> {
  checkOptions(NAME, options, ['causal', 'mask', 'dropout', 'scale'])
  checkSameDtype(NAME, [q, k, v])
  checkDtype(NAME, FLOATS, [q])
  checkShapes(q, k, v)
  const width = q.shape[q.shape.length - 1]
  const { causal = false, mask, dropout = 0, scale = 1 / Math.sqrt(width) } = options
  checkFlags(NAME, { causal })
  checkShare(NAME, 'dropout', dropout)
  checkFinite(NAME, 'scale', scale)
  const scores = mul(matmul(q as Tensor, swapLast(k)), scale)
  const p = weightsOf(scores, causal, mask)
  return matmul(dropped(NAME, p, dropout, p.shape), v as Tensor) as Tensor<D>
}

const NAME = 'scaledDotProductAttention'

/** Softmax over the keys that a query may attend. */
function weightsOf(scores: Tensor, causal: boolean, mask: Tensor | undefined): Tensor {
  const [queries, keys] = scores.shape.slice(-2)
  const past = causal ? causalMask(scores, queries, keys) : null
  if (mask === undefined) return softmax(past ? where(past, scores, -Infinity) : scores)
  checkMask(mask, scores)
  if (mask.dtype !== 'bool') {
    const biased = add(scores, broadcastTo(mask, scores.shape))
    return softmaxOrZero(past ? where(past, biased, -Infinity) : biased)
  }
  const both = past ? logicalAnd(mask as Tensor<'bool'>, past) : mask
  return softmaxOrZero(where(broadcastTo(both, scores.shape), scores, -Infinity))
}

/** softmax, but 0 instead of NaN in rows that are −∞ throughout. */
function softmaxOrZero(scores: Tensor): Tensor {
  const top = stopGradient(max(scores, { axis: -1, keepdims: true }))
  const e = exp(sub(scores, where(equal(top, -Infinity), 0, top)))
  const total = sum(e, { axis: -1, keepdims: true })
  // The largest element of any other row counts 1, so a total of 0 is a row without keys.
  return div(e, where(equal(total, 0), 1, total))
}

const swapLast = (x: Tensor): Tensor => {
  const n = x.shape.length
  return transpose(x, x.shape.map((_, i) => (i === n - 1 ? n - 2 : i === n - 2 ? n - 1 : i)))
}

function checkShapes(q: Node, k: Node, v: Node): void {
  const fail = (code: 'shape/mismatch' | 'shape/contract', problem: string, hint: string): never => {
    throw new GradcError(code, `${NAME}: ${problem}`, {
      parties: [{ label: 'q', node: q }, { label: 'k', node: k }, { label: 'v', node: v }],
      hint,
    })
  }
  const LAYOUT = 'q is [..., L, E], k is [..., S, E], v is [..., S, Ev]'
  const flat = [q, k, v].some((x) => x.shape.length < 2)
  if (flat) fail('shape/mismatch', 'queries, keys and values need a position and a feature axis', LAYOUT)
  const [[, e], [s, f], [t]] = [q, k, v].map((x) => x.shape.slice(-2))
  if (e !== f) fail('shape/contract', `queries have ${e} features and keys ${f}`, LAYOUT)
  if (s !== t) fail('shape/mismatch', `there are ${s} keys and ${t} values`, LAYOUT)
  if (s === 0 || e === 0) fail('shape/mismatch', 'there must be at least one key and one feature', LAYOUT)
  if (q.shape.at(-2) === 0) fail('shape/mismatch', 'there must be at least one query', LAYOUT)
}

function checkMask(mask: Node, scores: Node): void {
  checkTensors(`the mask of ${NAME}`, [mask])
  if (mask.dtype !== 'bool' && mask.dtype !== scores.dtype) {
    throw new GradcError('dtype/mismatch', `${NAME} takes a mask of bool or ${scores.dtype}, got ${mask.dtype}`, {
      parties: parties(scores, mask),
      hint: "true means: attend; cast(mask, 'bool')",
    })
  }
  const wide: Shape = broadcastShapes(NAME, [scores, mask])
  if (sameShape(wide, scores.shape)) return
  const shapes = `a mask [${mask.shape.join(', ')}] does not fit scores [${scores.shape.join(', ')}]`
  throw new GradcError('shape/broadcast', `${NAME}: ${shapes}`, {
    parties: parties(scores, mask),
    hint: 'it broadcasts to [..., queries, keys]; a mask of padded keys [N, S] becomes [N, 1, S], and [N, 1, 1, S] with heads',
  })
}
