import type { DType } from './types.ts'

/** A tensor at a fixed byte offset of the program's memory. */
export interface Slot {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly offset: number
}

/** What a module says of itself, as JSON beside it and inside it. Offsets and sizes are bytes of one memory. */
export interface Manifest {
  readonly gradc: string
  readonly name: string
  /** Of name, seed, states and functions with their types: 16 hexadecimal digits. Weights files carry it to tell who saved them. */
  readonly hash: string
  readonly target: 'wasm' | 'js'
  /** Seed of the first values when `load` is given none. */
  readonly seed: number
  /** Most threads that may run it; not there if it was not compiled for threads. */
  readonly threads?: number
  readonly memory: {
    /** All bytes of the memory: states, constants, arena, scratch. */
    readonly bytes: number
    readonly stateBytes: number
    readonly constantBytes: number
    /** One arena serves all functions in turn: the largest that any of them needs, its scratch included. */
    readonly arenaBytes: number
  }
  readonly states: readonly (Slot & {
    /** Present if optimisers may update it: the flat view of the model has these states, in this order. */
    readonly trainable?: true
  })[]
  /**
   * In the order of the code's entries, after the entry that makes the first values. Several of one name are one function
   * for several lengths of input.
   */
  readonly functions: readonly {
    readonly name: string
    /** Names of the states whose gradients lie one after the other in the result, or input, `gradients`. */
    readonly parameters?: readonly string[]
    readonly inputs: readonly Slot[]
    readonly results: readonly Slot[]
    readonly arenaBytes: number
  }[]
  /** Where `reset` writes the two words of its key. */
  readonly keyOffset: number
}

/** Code and memory of a module, ready to run: entry 0 makes the first values, entry i+1 is function i. */
export interface Code {
  readonly memory: ArrayBuffer
  readonly entries: readonly (() => void)[]
  /** Throws if it can be run no more. */
  readonly check?: () => void
}
