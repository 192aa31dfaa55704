import type { Node } from '../../ir/graph.ts'
import { add, mul } from '../../ir/lang/pointwise.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { reshape } from '../../ir/lang/view.ts'
import type { DType, Shape } from '../../ir/types.ts'
import { ones, zeros } from '../init.ts'
import { Parameter } from '../parameter.ts'

/** What follows a normalisation: y = x·weight + bias, each of them optional. */
export interface Affine {
  readonly parameters: readonly (readonly [string, Parameter])[]
  /** `shaped` brings a parameter to a shape that broadcasts against x. */
  apply<D extends DType>(x: Tensor<D>, shaped?: (p: Node) => Node): Tensor<D>
}

/** `weight` (ones) and `bias` (zeros) of one shape, as PyTorch names and starts them. */
export function affine(shape: Shape, has: { readonly weight: boolean; readonly bias: boolean }, dtype: DType): Affine {
  const weight = has.weight ? new Parameter('weight', shape, ones, { dtype }) : null
  const bias = has.bias ? new Parameter('bias', shape, zeros, { dtype }) : null
  const parameters: [string, Parameter][] = []
  if (weight) parameters.push(['weight', weight])
  if (bias) parameters.push(['bias', bias])
  return {
    parameters,
    apply: <D extends DType>(x: Tensor<D>, shaped = (p: Node): Node => p): Tensor<D> => {
      const scaled = weight ? mul(x, shaped(weight.of(x)) as Tensor<D>) : x
      return (bias ? add(scaled, shaped(bias.of(x)) as Tensor<D>) : scaled) as Tensor<D>
    },
  }
}

/** A value a channel, [C], so that it broadcasts against [N, C, ...window] of the given rank. */
export const perChannel = (p: Node, rank: number): Node => reshape(p, [p.shape[0], ...new Array<number>(rank - 2).fill(1)])
