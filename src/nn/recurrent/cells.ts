import { checkTensors } from '../../ir/arguments.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { layerOf, type Layer } from '../layer.ts'
import { checkChoice } from '../numbers.ts'
import { gated, longShortTerm, plain, type Carry, type Formula } from './formulas.ts'
import { readCell, type CellOptions, type RnnCellOptions } from './options.ts'
import { checkInput, startOf } from './state.ts'
import { weights } from './weights.ts'

/** One step of a recurrent layer, for loops of one's own: `cell(x)` starts from zeros and gives h. */
export interface Cell<State> extends Layer {
  /** x [B, input] and the states before, [B, hidden] (zeros if absent), to the states after. */
  step(x: Tensor, state?: Partial<State>): State
}

/** The state of {@link rnnCell} and {@link gruCell}: [B, hidden]. */
export type HiddenCarry = { readonly h: Tensor }
/** The state of {@link lstmCell}: both [B, hidden]. */
export type MemoryCarry = { readonly h: Tensor; readonly c: Tensor }

/**
 * One step of `rnn`: [B, input] to [B, hidden]. Names and first values of PyTorch's RNNCell: `weight_ih`, `weight_hh`,
 * `bias_ih`, `bias_hh`. Errors: option/invalid; applied: shape/contract, shape/mismatch, dtype/mismatch.
 *
 *     scan({ h }, { x }, (carry, { x }) => ({ carry: cell.step(x, carry) }))
 */
export function rnnCell(options: RnnCellOptions): Cell<HiddenCarry> {
  const { nonlinearity = 'tanh' } = options ?? {}
  const read = readCell('rnnCell', options, ['nonlinearity'])
  checkChoice('rnnCell', 'nonlinearity', nonlinearity, ['tanh', 'relu'])
  return cell<HiddenCarry>(plain('rnnCell', nonlinearity), read)
}

/** One step of `lstm`, with its gates; shapes and names as {@link rnnCell}. Errors: as {@link rnnCell}. */
export function lstmCell(options: CellOptions): Cell<MemoryCarry> {
  return cell<MemoryCarry>(longShortTerm('lstmCell'), readCell('lstmCell', options))
}

/** One step of `gru`, with its gates; shapes and names as {@link rnnCell}. Errors: as {@link rnnCell}. */
export function gruCell(options: CellOptions): Cell<HiddenCarry> {
  return cell<HiddenCarry>(gated('gruCell'), readCell('gruCell', options))
}

function cell<State extends Carry & HiddenCarry>(formula: Formula, options: Required<CellOptions>): Cell<State> {
  const { input, hidden, dtype } = options
  const w = weights(formula, { ...options, inputs: input }, '')
  const step = (x: Tensor, state: unknown): Carry => {
    checkTensors(formula.name, [x])
    checkInput(formula.name, x, ['B'], { features: input, dtype })
    return w.step(w.fromInput(x, 'bk,gk->bg'), startOf(formula.name, x, formula.carries, { dtype: x.dtype, shape: [x.shape[0], hidden] }, state))
  }
  return Object.assign(layerOf(w.parameters, (x) => step(x, undefined).h), { step: (x: Tensor, state?: Partial<State>): State => step(x, state) as State })
}
