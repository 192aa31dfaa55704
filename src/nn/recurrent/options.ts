import { checkOptions, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Checkpoint } from '../../ir/lang/scan.ts'
import type { DType } from '../../ir/types.ts'
import { checkCount, checkFlags, checkFloat, checkShare } from '../options.ts'

/** Options of recurrent cells. */
export interface CellOptions {
  /** Features of x. */
  readonly input: number
  /** Features of the hidden state. */
  readonly hidden: number
  /** Whether both products add a bias; default true. */
  readonly bias?: boolean
  /** Element type of the parameters and of x; default `f32`. */
  readonly dtype?: DType
}

/** Options of {@link rnnCell}. */
export interface RnnCellOptions extends CellOptions {
  /** Default `tanh`. */
  readonly nonlinearity?: 'tanh' | 'relu'
}

/** Options of recurrent layers. */
export interface RecurrentOptions extends CellOptions {
  /** Layers, each on the outputs of the one before; default 1. */
  readonly layers?: number
  /** Share of what goes from layer to layer that training drops; default 0. */
  readonly dropout?: number
  /** Whether a second set of weights runs from the last step to the first, its outputs beside the others; default false. */
  readonly bidirectional?: boolean
  /** Whether x and the outputs are [B, T, features], not [T, B, features]; default true, PyTorch's is false. */
  readonly batchFirst?: boolean
  /** What reverse mode keeps of the steps, as for `scan`; default `all`. */
  readonly checkpoint?: Checkpoint
}

/** Options of {@link rnn}. */
export interface RnnOptions extends RecurrentOptions {
  /** Default `tanh`. */
  readonly nonlinearity?: 'tanh' | 'relu'
}

const CELL = ['input', 'hidden', 'bias', 'dtype']
const LAYER = [...CELL, 'layers', 'dropout', 'bidirectional', 'batchFirst', 'checkpoint']

/** Options with what is missing filled in. Errors: option/invalid. */
export function readCell(name: string, options: CellOptions, more: readonly string[] = []): Required<CellOptions> {
  checkOptions(name, options, [...CELL, ...more])
  return sizes(name, options)
}

/** Options with what is missing filled in. Errors: option/invalid. */
export function readLayer(name: string, options: RecurrentOptions, more: readonly string[] = []): Required<RecurrentOptions> {
  checkOptions(name, options, [...LAYER, ...more])
  const { layers = 1, dropout = 0, bidirectional = false, batchFirst = true, checkpoint = 'all' } = options
  checkCount(name, 'layers', layers, example(name))
  checkShare(name, 'dropout', dropout)
  checkFlags(name, { bidirectional, batchFirst })
  checkCheckpoint(name, checkpoint)
  return { ...sizes(name, options), layers, dropout, bidirectional, batchFirst, checkpoint }
}

function sizes(name: string, { input, hidden, bias = true, dtype = 'f32' }: CellOptions): Required<CellOptions> {
  checkCount(name, 'input', input, example(name))
  checkCount(name, 'hidden', hidden, example(name))
  checkFlags(name, { bias })
  checkFloat(name, dtype)
  return { input, hidden, bias, dtype }
}

const example = (name: string): string => `nn.${name}({ input: 32, hidden: 64 })`

/** Here already, not when the layer is first applied. */
function checkCheckpoint(name: string, checkpoint: unknown): void {
  if (checkpoint === 'all' || checkpoint === 'sqrt') return
  const slots: unknown = typeof checkpoint === 'object' && checkpoint !== null ? (checkpoint as { slots?: unknown }).slots : undefined
  if (typeof slots === 'number' && Number.isSafeInteger(slots) && slots >= 1) return
  throw new GradcError('option/invalid', `${name}: checkpoint cannot be ${showValue(checkpoint)}`, { hint: "'all', 'sqrt' or { slots: 8 }" })
}
