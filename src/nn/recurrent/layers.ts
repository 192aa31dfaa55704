import type { Tensor } from '../../ir/lang/tensor.ts'
import type { DType } from '../../ir/types.ts'
import { layerOf, type Layer } from '../layer.ts'
import { checkChoice } from '../numbers.ts'
import { gated, longShortTerm, plain, type Formula } from './formulas.ts'
import { readLayer, type RecurrentOptions, type RnnOptions } from './options.ts'
import { stacked } from './stack.ts'

/** States before a run: [layers · directions, B, hidden], directions innermost; zeros if absent. */
export type HiddenState<D extends DType = DType> = { readonly h?: Tensor<D> }
/** As {@link HiddenState}, with the memory of an LSTM, of the same shape. */
export type MemoryState<D extends DType = DType> = { readonly h?: Tensor<D>; readonly c?: Tensor<D> }
/** Outputs [B, T, directions · hidden] of all steps, and the state after the last one of each direction. */
export type HiddenRun<D extends DType = DType> = { readonly out: Tensor<D>; readonly h: Tensor<D> }
/** As {@link HiddenRun}, with the memory of an LSTM. */
export type MemoryRun<D extends DType = DType> = { readonly out: Tensor<D>; readonly h: Tensor<D>; readonly c: Tensor<D> }

/** A recurrent layer: `net(x)` runs from zeros and gives the outputs of the last layer, `net.run` takes and gives states. */
export interface Rnn extends Layer {
  /**
   * x and the states before the first step to the outputs and the states after the last. Inside a layer it follows the
   * layer's mode, alone it trains: dropout between layers is on.
   */
  run<D extends DType>(x: Tensor<D>, state?: HiddenState<NoInfer<D>>): HiddenRun<D>
}
/** As {@link Rnn}, with a memory. */
export interface Lstm extends Layer {
  /** As {@link Rnn.run}. */
  run<D extends DType>(x: Tensor<D>, state?: MemoryState<NoInfer<D>>): MemoryRun<D>
}
/** See {@link gru}. */
export type Gru = Rnn

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
  return recurrent(plain('rnn', nonlinearity), read)
}

/**
 * Long short-term memory (Hochreiter & Schmidhuber, 1997; with forget gates, Gers et al., 2000): gates i, f, g, o of
 * W_ih·x + b_ih + W_hh·h + b_hh in this order; c′ = σ(f)·c + σ(i)·tanh(g), h′ = σ(o)·tanh(c′). Shapes, names and first values
 * as {@link rnn}, with four blocks of rows a weight. `net.run(x, { h, c })` gives `{ out, h, c }`.
 * Errors: option/invalid; applied: shape/contract, shape/mismatch, dtype/mismatch.
 */
export function lstm(options: RecurrentOptions): Lstm {
  return recurrent(longShortTerm('lstm'), readLayer('lstm', options))
}

/**
 * Gated recurrent units (Cho et al., EMNLP 2014) in PyTorch's form, gates r, z, n: n = tanh(W·x + b + r·(U·h + d)),
 * h′ = (1 − z)·n + z·h. Shapes, names and first values as {@link rnn}, with three blocks of rows a weight.
 * Errors: option/invalid; applied: shape/contract, shape/mismatch, dtype/mismatch.
 */
export function gru(options: RecurrentOptions): Gru {
  return recurrent(gated('gru'), readLayer('gru', options))
}

/** `run` gives what the formula carries: the types of the layers say which. */
function recurrent(formula: Formula, options: Required<RecurrentOptions>): Rnn & Lstm {
  const { parameters, run } = stacked(formula, options)
  return Object.assign(layerOf(parameters, (x) => run(x, undefined).out), { run: run as Lstm['run'] })
}
