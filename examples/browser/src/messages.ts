/** How to reach the code: WebAssembly if the page may, or JavaScript in any case. */
export type Target = 'wasm' | 'js'

/** What the page asks of the worker. */
export type Request =
  | { readonly kind: 'start'; readonly target: Target }
  | { readonly kind: 'read'; readonly pixels: Uint8Array }
  | { readonly kind: 'learn'; readonly pixels: Uint8Array; readonly label: number }
  | { readonly kind: 'forget' }

/** Where learning has come to. */
export interface Progress {
  /** Loss of every step so far. */
  readonly losses: readonly number[]
  /** Steps at which a correction came in. */
  readonly marks: readonly number[]
  /** Corrections, and how many of them are read right. */
  readonly corrections: number
  readonly learnt: number
  /** Share of the digits kept aside that are read right. */
  readonly others: number
}

/** What the program says of itself. */
export interface Facts {
  readonly target: Target
  /** Bytes of its memory, all known when it was compiled. */
  readonly memory: {
    readonly bytes: number
    readonly stateBytes: number
    readonly constantBytes: number
    readonly arenaBytes: number
  }
}

/** What the worker tells the page. */
export type Reply =
  | {
      readonly kind: 'ready'
      readonly facts: Facts
      readonly progress: Progress
      readonly returned: boolean
      readonly examples: readonly Uint8Array[]
    }
  | { readonly kind: 'reading'; readonly p: Float32Array }
  | { readonly kind: 'step'; readonly losses: readonly number[]; readonly marks: readonly number[]; readonly p: Float32Array }
  | {
      readonly kind: 'learnt'
      readonly progress: Progress
      readonly p: Float32Array
      readonly saved: boolean
      readonly steps: number
    }
  | { readonly kind: 'forgotten'; readonly progress: Progress }
  | { readonly kind: 'failed'; readonly problem: string }
