import { checkTensors, showValue } from '../arguments.ts'
import { checkSameDtype, refuse } from '../checks.ts'
import { GradcError } from '../errors.ts'
import type { DType } from '../types.ts'
import { sum } from './reduce.ts'
import { reshape } from './view.ts'
import { apply, type Agree, type Scalar, type Tensor } from './tensor.ts'

/**
 * The primitive: sum of products over named axes, `ik,kj->ij`, of numbers of one dtype. See {@link einsum} for a more
 * lenient reading. Errors: attr/invalid, shape/contract, dtype/mismatch, dtype/unsupported, operand/invalid.
 */
export function contract<D extends DType, E extends DType>(spec: string, x: Tensor<D>, y: Tensor<E> & Agree<D, E>): Tensor<D & E> {
  return apply('contract', [x, y], { spec })
}

/**
 * Einstein summation of two operands: labels in both and not in the result are contracted, labels in one operand only
 * and not in the result are summed there first. Without `->` the result has the labels that occur once, sorted (NumPy).
 * Errors: as {@link contract}.
 */
export function einsum<D extends DType, E extends DType>(spec: string, x: Tensor<D>, y: Tensor<E> & Agree<D, E>): Tensor<D & E> {
  checkTensors('einsum', [x, y])
  if (typeof spec !== 'string') refuse('attr/invalid', `einsum: ${showValue(spec)} is no specification`, [x, y], `'ik,kj->ij'`)
  const parts = /^([a-zA-Z]*),([a-zA-Z]*)(?:->([a-zA-Z]*))?$/.exec(spec.replaceAll(' ', ''))
  if (!parts) refuse('attr/invalid', `einsum: ${JSON.stringify(spec)} is no specification of two operands`, [x, y], `'ik,kj->ij'`)
  const labels = [parts[1], parts[2]]
  const once = [...labels.join('')].filter((c, _, all) => all.indexOf(c) === all.lastIndexOf(c))
  const out = parts[3] ?? once.sort().join('')
  const [a, b] = [x as Tensor, y as Tensor].map((t, i) => {
    const axes = [...labels[i]].flatMap((c, at) => (out.includes(c) || labels[1 - i].includes(c) ? [] : [at]))
    if (axes.length === 0 || labels[i].length !== t.shape.length) return t
    labels[i] = [...labels[i]].filter((_, at) => !axes.includes(at)).join('')
    return sum(t, { axis: axes })
  })
  return apply('contract', [a, b], { spec: `${labels[0]},${labels[1]}->${out}` })
}

/** Inner product of two vectors of one length and dtype. Errors: shape/contract, dtype/mismatch, dtype/unsupported. */
export function dot<D extends DType, E extends DType>(x: Tensor<D>, y: Tensor<E> & Agree<D, E>): Scalar<D & E> {
  checkTensors('dot', [x, y])
  if (x.shape.length !== 1 || y.shape.length !== 1) {
    refuse('shape/contract', `dot takes two vectors`, [x, y], 'matmul(x, y) multiplies matrices, einsum names any axes')
  }
  return contract('k,k->', x as Tensor, y as Tensor) as Scalar<D & E>
}

const LABELS = 'abcdefghlmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'

/**
 * The matrix product over the last axis of x and the last but one of y, with NumPy's rules: leading axes are a batch
 * and broadcast together; a vector x is a row, a vector y a column, and its axis is dropped from the result.
 * Throws `shape/contract` and `shape/broadcast` with both operands.
 */
export function matmul<D extends DType, E extends DType>(x: Tensor<D>, y: Tensor<E> & Agree<D, E>): Tensor<D & E>
export function matmul(x: Tensor, y: Tensor): Tensor {
  checkSameDtype('matmul', [x, y])
  if (x.shape.length === 0 || y.shape.length === 0) {
    refuse('shape/contract', 'matmul takes no scalars', [x, y], 'mul(x, y)')
  }
  const [row, column] = [x.shape.length > 1 ? 'i' : '', y.shape.length > 1 ? 'j' : '']
  const inner = x.shape.at(-1)!
  const at = Math.max(y.shape.length - 2, 0)
  if (inner !== y.shape[at]) mismatch(x, y, inner, at)
  const [left, right] = batches(x, y)
  const spec = `${left.labels}${row}k,${right.labels}k${column}->${left.out}${row}${column}`
  return contract(spec, reshape(x, left.shape), reshape(y, right.shape))
}

function mismatch(x: Tensor, y: Tensor, inner: number, at: number): never {
  const [m, n] = [x.shape.at(-2), y.shape.at(-1)!]
  const swapped = y.shape.length > 1 && n === inner
  throw new GradcError('shape/contract', `cannot contract ${inner} with ${y.shape[at]}`, {
    parties: [
      { label: 'x', node: x },
      { label: 'y', node: y, mark: { axis: at, text: `must equal ${inner}, the last dimension of x` } },
    ],
    hint: swapped
      ? `the last dimension of y is ${inner}: einsum('ik,jk->ij', x, y)`
      : `matmul multiplies [${m === undefined ? '' : `${m}, `}${inner}] by [${inner}${y.shape.length > 1 ? `, ${n}` : ''}]`,
  })
}

/** Batch labels of both operands; a batch axis of extent 1 that stretches is dropped instead of broadcast. */
function batches(x: Tensor, y: Tensor): [{ labels: string; shape: number[]; out: string }, { labels: string; shape: number[] }] {
  const kept = [Math.min(2, x.shape.length), Math.min(2, y.shape.length)]
  const lead = [x, y].map((t, i) => t.shape.slice(0, t.shape.length - kept[i]))
  const rank = Math.max(lead[0].length, lead[1].length)
  const parts = [x, y].map((t, i) => ({ labels: '', shape: [] as number[], tail: t.shape.slice(t.shape.length - kept[i]) }))
  const out = LABELS.slice(0, rank)
  for (let i = 0; i < rank; i++) {
    const extents = lead.map((l) => l[i - rank + l.length])
    const [a, b] = extents.map((d) => d ?? 1)
    if (a !== b && a !== 1 && b !== 1) {
      refuse('shape/broadcast', `matmul: cannot broadcast batches [${lead[0].join(', ')}] and [${lead[1].join(', ')}]`, [x, y])
    }
    extents.forEach((d, side) => {
      const stretched = d === undefined || (d === 1 && extents[1 - side] !== undefined && (side === 1 || extents[1] !== 1))
      if (stretched) return
      parts[side].labels += out[i]
      parts[side].shape.push(d)
    })
  }
  const [left, right] = parts.map(({ labels, shape, tail }) => ({ labels, shape: [...shape, ...tail] }))
  return [{ ...left, out }, right]
}
