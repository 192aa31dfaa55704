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
  readonly target: 'wasm' | 'js'
  /** Seed of the first values when `load` is given none. */
  readonly seed: number
  readonly memory: {
    /** All bytes of the memory: states, constants, arena, scratch. */
    readonly bytes: number
    readonly stateBytes: number
    readonly constantBytes: number
    /** One arena serves all functions in turn: the largest that any of them needs, its scratch included. */
    readonly arenaBytes: number
  }
  readonly states: readonly Slot[]
  /** In the order of the code's entries, after the entry that makes the first values. */
  readonly functions: readonly {
    readonly name: string
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
}
