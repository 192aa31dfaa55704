import { checkOptions, checkTensors, showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import type { Init } from '../ir/graph.ts'
import { gather } from '../ir/lang/gather.ts'
import { equal, stopGradient, where } from '../ir/lang/pointwise.ts'
import { broadcastTo, type Tensor } from '../ir/lang/tensor.ts'
import { expandDims } from '../ir/lang/view.ts'
import type { DType } from '../ir/types.ts'
import { normal } from './init.ts'
import { layerOf, type Layer } from './layer.ts'
import { checkCount, checkFloat } from './options.ts'
import { Parameter } from './parameter.ts'

/** Options of {@link embedding}. */
export interface EmbeddingOptions<E extends DType = 'f32'> {
  /** A row for padding: it starts at zero and gets no gradient. Negative counts from the end. */
  readonly paddingIdx?: number
  /** Default normal(0, 1), as PyTorch. */
  readonly weightInit?: Init
  /** Element type of the table; default `f32`. */
  readonly dtype?: E
}

/** A layer from indices to vectors. */
export interface Embedding<E extends DType = 'f32'> extends Layer {
  (index: Tensor<'i32'>): Tensor<E>
  <D extends DType>(x: Tensor<D>): Tensor<D>
  evaluation(index: Tensor<'i32'>): Tensor<E>
  evaluation<D extends DType>(x: Tensor<D>): Tensor<D>
}

/**
 * Rows of a table by number: i32[...] to [..., dim]. The parameter is `weight` [num, dim]. Its gradient adds up the rows'
 * gradients (scatterAdd). Indices are clamped into 0..num−1 (a step cannot throw half way): −1 reads row 0.
 * Errors: option/invalid; applied: dtype/mismatch (an index that is not i32).
 */
export function embedding<E extends DType = 'f32'>(num: number, dim: number, options: EmbeddingOptions<E> = {}): Embedding<E> {
  checkOptions('embedding', options, ['paddingIdx', 'weightInit', 'dtype'])
  checkCount('embedding', 'the number of rows', num, 'nn.embedding(10000, 64)')
  checkCount('embedding', 'the dimension', dim, 'nn.embedding(10000, 64)')
  const { paddingIdx, weightInit = normal(0, 1), dtype = 'f32' as DType } = options
  checkFloat('embedding', dtype)
  if (paddingIdx !== undefined && !(Number.isInteger(paddingIdx) && paddingIdx >= -num && paddingIdx < num)) {
    throw new GradcError('option/invalid', `embedding: paddingIdx ${showValue(paddingIdx)} is no row of a table of ${num}`, {
      hint: `rows are ${-num} to ${num - 1}`,
    })
  }
  if (typeof weightInit !== 'function') {
    throw new GradcError('option/invalid', `embedding: weightInit cannot be ${showValue(weightInit)}`, {
      hint: 'for example nn.init.normal(0, 0.02)',
    })
  }
  const padding = paddingIdx === undefined ? null : (paddingIdx + num) % num
  const weight = new Parameter('weight', [num, dim], padding === null ? weightInit : withoutRow(weightInit, padding), { dtype })

  return layerOf([['weight', weight]], (index) => {
    checkTensors('embedding', [index])
    if (index.dtype !== 'i32') {
      throw new GradcError('dtype/mismatch', `embedding needs indices of type i32, got ${index.dtype}`, {
        parties: [{ label: 'index', node: index }],
        hint: "declare the input as i32(...), or cast(index, 'i32')",
      })
    }
    const rows = gather(weight.of(index), index)
    if (padding === null) return rows
    const padded = broadcastTo(expandDims(equal(index, padding), -1), rows.shape)
    return where(padded, stopGradient(rows), rows)
  }) as Embedding<E>
}

/** The initialiser, with zeros in one row. */
const withoutRow = (make: Init, row: number): Init => (b, type, key) =>
  where(equal(b.iota(type.shape, 0), row), 0, make(b, type, key))
