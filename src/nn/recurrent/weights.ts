import { einsum } from '../../ir/lang/contract.ts'
import { add } from '../../ir/lang/pointwise.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'
import { uniform } from '../init.ts'
import { Parameter } from '../parameter.ts'
import type { Carry, Formula } from './formulas.ts'

/** Sizes of one direction of one layer, or of a cell. */
export interface Sizes {
  readonly inputs: number
  readonly hidden: number
  readonly bias: boolean
  readonly dtype: DType
}

/** The weights of one direction, and the two halves of a step. */
export interface Weights {
  readonly parameters: readonly (readonly [string, Parameter])[]
  /** What the inputs say to all steps at once, [..., gates · hidden]: axes of x and of the result as `spec` names them, k the features. */
  fromInput(x: Tensor, spec: string): Tensor
  /** The next carry of what the input says to a step, [B, gates · hidden]. */
  step(input: Tensor, carry: Carry): Carry
}

/**
 * Names, layout and first values as in PyTorch: `weight_ih` [gates · hidden, inputs], `weight_hh` [gates · hidden, hidden],
 * `bias_ih` and `bias_hh` [gates · hidden], each followed by the suffix, uniform in ±1/√hidden.
 */
export function weights(formula: Formula, { inputs, hidden, bias, dtype }: Sizes, suffix: string): Weights {
  const rows = formula.gates * hidden
  const bound = 1 / Math.sqrt(hidden)
  const made = (name: string, shape: readonly number[]): Parameter => new Parameter(name + suffix, shape, uniform(-bound, bound), { dtype })
  const [ih, hh] = [made('weight_ih', [rows, inputs]), made('weight_hh', [rows, hidden])]
  const offsets = bias ? { ih: made('bias_ih', [rows]), hh: made('bias_hh', [rows]) } : null
  const all: [string, Parameter][] = [['weight_ih', ih], ['weight_hh', hh]]
  if (offsets) all.push(['bias_ih', offsets.ih], ['bias_hh', offsets.hh])
  return {
    parameters: all.map(([name, p]) => [name + suffix, p]),
    fromInput: (x, spec) => {
      const y = einsum(spec, x, ih.of(x))
      if (!offsets) return y
      return add(y, formula.biasesMeet ? add(offsets.ih.of(x), offsets.hh.of(x)) : offsets.ih.of(x))
    },
    step: (input, carry) => {
      const y = einsum('bk,gk->bg', carry.h, hh.of(input))
      return formula.next(input, offsets && !formula.biasesMeet ? add(y, offsets.hh.of(input)) : y, carry)
    },
  }
}
