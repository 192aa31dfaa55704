import type { Manifest, Slot } from '../ir/manifest.ts'
import { showType, sizeOf, type DType } from '../ir/types.ts'
import { commentText } from './js/comment.ts'
import { literal } from './module.ts'

const ARRAY: { readonly [D in DType]: string } = {
  f32: 'Float32Array', f64: 'Float64Array', i32: 'Int32Array', u32: 'Uint32Array', bool: 'Uint8Array', f16: 'Uint16Array', bf16: 'Uint16Array',
}

/**
 * The `.d.ts` beside an emitted module: inputs and results by name and dtype, with shapes and lengths in comments. A function that
 * was compiled for several lengths is declared once.
 */
export function emitDeclarations(manifest: Manifest): string {
  const functions = [...new Set(manifest.functions.map((f) => f.name))].map((name) => {
    const variants = manifest.functions.filter((f) => f.name === name)
    const inputs = record(variants.map((f) => f.inputs), (s) => `number | boolean | ${ARRAY[s.dtype]}`)
    const results = record(variants.map((f) => f.results), (s) => (s.dtype === 'bool' ? 'boolean' : 'number'))
    return `  /** Arrays in the result are live views, good until the next call. */\n  readonly ${literal(name)}: (inputs: ${inputs}) => ${results}`
  })
  const flat = manifest.states.some((s) => s.trainable && s.dtype === 'f64') ? 'Float64Array' : 'Float32Array'
  const total = manifest.states.reduce((n, s) => (s.trainable ? n + sizeOf(s.shape) : n), 0)
  return `/* ${commentText(`${manifest.name}: compiled by gradc ${manifest.gradc} for ${manifest.target}.`)} */
export interface Model {
${functions.join('\n')}
  /** Live views of the state. */
  readonly state: ${record([manifest.states], (s) => ARRAY[s.dtype])}
  readonly manifest: typeof manifest
  /** Makes the first values anew from a seed. */
  reset(seed?: number): void
  /** All states as a safetensors file. */
  save(): Uint8Array
  /** Takes all states from such a file, or those that fit if not strict; refuses by name before anything is changed. */
  restore(file: Uint8Array, options?: { readonly strict?: boolean }): Restored
  /** A copy of all trainable states, one after the other in the manifest's order: length ${total}. */
  flat(): ${flat}
  /** Sets all trainable states from such an array. */
  setFlat(values: Float32Array | Float64Array): void
${manifest.threads ? CLOSING : ''}}
/** What came of a weights file. */
export interface Restored {
  /** States that have the file's values now. */
  readonly taken: readonly string[]
  /** States that keep the values that they had. */
  readonly kept: readonly string[]
  /** Tensors of the file that were left out. */
  readonly left: readonly { readonly name: string; readonly type: string }[]
  /** Was it saved by this very program? */
  readonly sameProgram: boolean
}
/** A tensor at a fixed byte offset of the program's memory. */
export interface Slot {
  readonly name: string
  readonly dtype: 'f32' | 'f64' | 'i32' | 'u32' | 'bool' | 'f16' | 'bf16'
  readonly shape: readonly number[]
  readonly offset: number
}
export declare const manifest: {
  readonly gradc: string
  readonly name: string
  readonly hash: string
  readonly target: 'wasm' | 'js'
  readonly seed: number
${manifest.threads ? '  readonly threads: number\n' : ''}  readonly memory: { readonly bytes: number; readonly stateBytes: number; readonly constantBytes: number; readonly arenaBytes: number }
  readonly states: readonly (Slot & { readonly trainable?: true })[]
  readonly functions: readonly {
    readonly name: string
    /** Names of the states whose gradients lie one after the other in \`gradients\`. */
    readonly parameters?: readonly string[]
    readonly inputs: readonly Slot[]
    readonly results: readonly Slot[]
    readonly arenaBytes: number
  }[]
  readonly keyOffset: number
}
${manifest.threads ? spawning([...new Set(manifest.functions.map((f) => f.name))]) : LOADING}`
}

const LOADING = `/** A new model, its first values made from the seed. */
export declare function load(options?: { readonly seed?: number }): Promise<Model>
`

const CLOSING = `  /** How many threads it runs on: one where there is no shared memory, where workers do not start, and on a page, which may not wait. */
  readonly threads: number
  /** Ends its threads. Calls are refused from then on. */
  close(): void
`

/** How a module with threads is started, here or in a worker. */
const spawning = (functions: readonly string[]): string => `/** How to start a model. */
export interface StartOptions {
  readonly seed?: number
  /** Default: as many as the machine has, at most \`manifest.threads\`. */
  readonly threads?: number
}
/** A new model, its first values made from the seed. */
export declare function load(options?: StartOptions): Promise<Model>
type Answers<T> = { readonly [K in keyof T]: T[K] extends (...given: infer A) => infer R ? (...given: A) => Promise<R> : T[K] }
/** A model in a worker of its own: arrays in results are copies. */
export type SpawnedModel = Answers<Pick<Model, ${[...functions, 'reset', 'save', 'restore', 'flat', 'setFlat'].map(literal).join(' | ')}>> & Pick<Model, 'manifest' | 'threads' | 'close'>
/** The same in a worker, so that a page goes on meanwhile. */
export declare function spawn(options?: StartOptions): Promise<SpawnedModel>
`

/** An object type of slots, the same ones in every variant but for their extents. */
function record(variants: readonly (readonly Slot[])[], scalar: (s: Slot) => string): string {
  const fields = variants[0].map((s, i) => {
    const told = variants.map((v) => (v[i].shape.length ? `${showType(v[i])}, length ${sizeOf(v[i].shape)}` : showType(v[i])))
    return `    /** ${[...new Set(told)].join('; or ')} */\n    readonly ${literal(s.name)}: ${s.shape.length ? ARRAY[s.dtype] : scalar(s)}`
  })
  return fields.length ? `{\n${fields.join('\n')}\n  }` : '{}'
}
