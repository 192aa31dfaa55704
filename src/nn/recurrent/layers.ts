import type { Tensor } from '../../ir/lang/tensor.ts'
import { layerOf, type Layer } from '../layer.ts'
import { checkChoice } from '../numbers.ts'
import { gated, longShortTerm, plain, type Formula } from './formulas.ts'
import { readLayer, type RecurrentOptions, type RnnOptions } from './options.ts'
import { stacked } from './stack.ts'

/** A recurrent layer: `net(x)` runs from zeros and gives the outputs of the last layer, `net.run` takes and gives states. */
export interface Recurrent<State, Run> extends Layer {
  /**
   * x and the states [layers · directions, B, hidden] before the first step (zeros if absent) to the outputs and the states
   * after the last. Inside a layer it follows the layer's mode, alone it trains: dropout between layers is on.
   */
  run(x: Tensor, state?: State): Run
}

/** States before a run: [layers · directions, B, hidden], directions innermost. */
export interface HiddenState {
  readonly h?: Tensor
}
/** States before a run of an LSTM: both [layers · directions, B, hidden], directions innermost. */
export interface MemoryState extends HiddenState {
  readonly c?: Tensor
}
/** Outputs [B, T, directions · hidden] of all steps, and the hidden state after the last one of each direction. */
export interface HiddenRun {
  readonly out: Tensor
  readonly h: Tensor
}
/** As {@link HiddenRun}, with the memory after the last step, too. */
export interface MemoryRun extends HiddenRun {
  readonly c: Tensor
}

/** See {@link rnn}. */
export type Rnn = Recurrent<HiddenState, HiddenRun>
/** See {@link lstm}. */
export type Lstm = Recurrent<MemoryState, MemoryRun>
/** See {@link gru}. */
export type Gru = Recurrent<HiddenState, HiddenRun>

/**
 * A recurrent layer (Elman, 1990): h′ = f(W_ih·x + b_ih + W_hh·h + b_hh), f tanh or relu, over the steps of x
 * [B, T, input] (the batch comes first unless `batchFirst` is false; PyTorch's default is the other) to [B, T, hidden], or
 * 2 · hidden if it is bidirectional. The inputs' product is one contraction for all steps; the steps are one loop, whose code
 * does not grow with them. Names and first values as in PyTorch: `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`,
 * `bias_hh_l0`, `weight_ih_l0_reverse`, …, uniform in ±1/√hidden.
 *
 *     const { out, h } = net.run(x, { h })
 *
 * Errors: option/invalid; applied: shape/contract, shape/mismatch, dtype/mismatch.
 */
export function rnn(options: RnnOptions): Rnn {
  const { nonlinearity = 'tanh' } = options ?? {}
  const read = readLayer('rnn', options, ['nonlinearity'])
  checkChoice('rnn', 'nonlinearity', nonlinearity, ['tanh', 'relu'])
  return recurrent<HiddenState, HiddenRun>(plain('rnn', nonlinearity), read)
}

/**
 * Long short-term memory (Hochreiter & Schmidhuber, 1997; with forget gates, Gers et al., 2000): gates i, f, g, o of
 * W_ih·x + b_ih + W_hh·h + b_hh in this order; c′ = σ(f)·c + σ(i)·tanh(g), h′ = σ(o)·tanh(c′). Shapes, names and first values
 * as {@link rnn}, with four blocks of rows a weight. `net.run(x, { h, c })` gives `{ out, h, c }`.
 * Errors: option/invalid; applied: shape/contract, shape/mismatch, dtype/mismatch.
 */
export function lstm(options: RecurrentOptions): Lstm {
  return recurrent<MemoryState, MemoryRun>(longShortTerm('lstm'), readLayer('lstm', options))
}

/**
 * Gated recurrent units (Cho et al., EMNLP 2014) in PyTorch's form, gates r, z, n: n = tanh(W·x + b + r·(U·h + d)),
 * h′ = (1 − z)·n + z·h. Shapes, names and first values as {@link rnn}, with three blocks of rows a weight.
 * Errors: option/invalid; applied: shape/contract, shape/mismatch, dtype/mismatch.
 */
export function gru(options: RecurrentOptions): Gru {
  return recurrent<HiddenState, HiddenRun>(gated('gru'), readLayer('gru', options))
}

function recurrent<State, Run>(formula: Formula, options: Required<RecurrentOptions>): Recurrent<State, Run> {
  const { parameters, run } = stacked(formula, options)
  const layer = layerOf(parameters, (x) => run(x, undefined).out)
  return Object.assign(layer, { run: (x: Tensor, state?: State): Run => run(x, state) as Run })
}
