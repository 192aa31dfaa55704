import { checkTensors } from '../../ir/arguments.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'
import { layerOf, type Layer } from '../layer.ts'
import { checkChoice } from '../numbers.ts'
import { gated, longShortTerm, plain, type Carry, type Formula } from './formulas.ts'
import { readCell, type CellOptions, type RnnCellOptions } from './options.ts'
import { checkInput, startOf } from './state.ts'
import { weights } from './weights.ts'

/** The state of {@link rnnCell} and {@link gruCell}: [B, hidden]. */
export type HiddenCarry<D extends DType = DType> = { readonly h: Tensor<D> }
/** The state of {@link lstmCell}: both [B, hidden]. */
export type MemoryCarry<D extends DType = DType> = { readonly h: Tensor<D>; readonly c: Tensor<D> }

/** One step of a recurrent layer, for loops of one's own: `cell(x)` starts from zeros and gives h. */
export interface Cell extends Layer {
  /** x [B, input] and the state before (zeros if absent) to the state after. */
  step<D extends DType>(x: Tensor<D>, state?: Partial<HiddenCarry<NoInfer<D>>>): HiddenCarry<D>
}
/** As {@link Cell}, with a memory. */
export interface MemoryCell extends Layer {
  /** As {@link Cell.step}. */
  step<D extends DType>(x: Tensor<D>, state?: Partial<MemoryCarry<NoInfer<D>>>): MemoryCarry<D>
}

/**
 * One step of `rnn`: [B, input] to [B, hidden]. Names and first values of PyTorch's RNNCell: `weight_ih`, `weight_hh`,
 * `bias_ih`, `bias_hh`. Errors: option/invalid; applied: shape/contract, shape/mismatch, dtype/mismatch.
 *
 *     scan({ h }, { x }, (carry, { x }) => ({ carry: cell.step(x, carry) }))
 */
export function rnnCell(options: RnnCellOptions): Cell {
  const { nonlinearity = 'tanh' } = options ?? {}
  const read = readCell('rnnCell', options, ['nonlinearity'])
  checkChoice('rnnCell', 'nonlinearity', nonlinearity, ['tanh', 'relu'])
  return cell(plain('rnnCell', nonlinearity), read)
}

/** One step of `lstm`, with its gates; shapes and names as {@link rnnCell}. Errors: as {@link rnnCell}. */
export function lstmCell(options: CellOptions): MemoryCell {
  return cell(longShortTerm('lstmCell'), readCell('lstmCell', options))
}

/** One step of `gru`, with its gates; shapes and names as {@link rnnCell}. Errors: as {@link rnnCell}. */
export function gruCell(options: CellOptions): Cell {
  return cell(gated('gruCell'), readCell('gruCell', options))
}

/** `step` gives what the formula carries: the types of the cells say which. */
function cell(formula: Formula, options: Required<CellOptions>): Cell & MemoryCell {
  const { input, hidden, dtype } = options
  const w = weights(formula, { ...options, inputs: input }, '')
  const step = (x: Tensor, state: unknown): Carry => {
    checkTensors(formula.name, [x])
    checkInput(formula.name, x, ['B'], { features: input, dtype })
    return w.step(w.fromInput(x, 'bk,gk->bg'), startOf(formula.name, x, formula.carries, { dtype: x.dtype, shape: [x.shape[0], hidden] }, state))
  }
  return Object.assign(layerOf(w.parameters, (x) => step(x, undefined).h), { step: step as MemoryCell['step'] })
}
