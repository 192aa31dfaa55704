import { checkOptions, checkTensors, showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import type { Init } from '../ir/graph.ts'
import { einsum } from '../ir/lang/contract.ts'
import { add } from '../ir/lang/pointwise.ts'
import type { DType } from '../ir/types.ts'
import { uniform } from './init.ts'
import { layerOf, type Layer } from './layer.ts'
import { Parameter } from './parameter.ts'

/** Options of {@link linear}. */
export interface LinearOptions {
  /** Whether to add a bias; default true. */
  readonly bias?: boolean
  /** Default uniform in ±1/√in, as PyTorch. */
  readonly weightInit?: Init
  /** Default uniform in ±1/√in, as PyTorch. */
  readonly biasInit?: Init
  /** Element type of the parameters and of x; default `f32`. */
  readonly dtype?: DType
}

/**
 * y = x·Wᵀ + b on the last axis: [..., in] to [..., out]. Parameters in PyTorch's layout: `weight` [out, in] and `bias`
 * [out]. Errors: option/invalid here; shape/contract and dtype/mismatch when applied.
 */
export function linear(inputs: number, outputs: number, options: LinearOptions = {}): Layer {
  checkOptions('linear', options, ['bias', 'weightInit', 'biasInit', 'dtype'])
  for (const n of [inputs, outputs]) {
    if (Number.isInteger(n) && n >= 0) continue
    const call = `linear(${showValue(inputs)}, ${showValue(outputs)})`
    throw new GradcError('option/invalid', `${call}: ${showValue(n)} is no number of features`, {
      hint: 'nn.linear(784, 128)',
    })
  }
  const bound = inputs === 0 ? 0 : 1 / Math.sqrt(inputs)
  const { bias = true, weightInit = uniform(-bound, bound), biasInit = uniform(-bound, bound), dtype = 'f32' } = options
  const weight = new Parameter('weight', [outputs, inputs], weightInit, { dtype })
  const offset = bias ? new Parameter('bias', [outputs], biasInit, { dtype }) : null
  const children: [string, Parameter][] = [['weight', weight]]
  if (offset) children.push(['bias', offset])

  return layerOf(children, (x) => {
    checkTensors('linear', [x])
    const last = x.shape.at(-1)
    if (last !== inputs) {
      const what = last === undefined ? 'a scalar has no last dimension to contract' : `cannot contract ${last} with ${inputs}`
      throw new GradcError('shape/contract', `${what}: linear(${inputs}, ${outputs}) with ${JSON.stringify(weight.name)}`, {
        parties: [{ label: 'x', node: x }],
        hint: last === undefined ? `x must be [..., ${inputs}]` : `nn.linear(${last}, ${outputs})`,
      })
    }
    const rows = LETTERS.slice(0, x.shape.length - 1)
    const y = einsum(`${rows}k,jk->${rows}j`, x, weight.of(x))
    return offset ? add(y, offset.of(x)) : y
  })
}

/** Labels of the leading axes; all but those of the contraction. */
const LETTERS = 'iabcdefghlmnopqrstuvwxyz'
