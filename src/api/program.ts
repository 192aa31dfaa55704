import { checkOptions, showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import type { Code } from '../ir/codes.ts'
import { firstNonFinite } from '../ir/evaluate.ts'
import type { Graph } from '../ir/graph.ts'
import type { Scalar } from '../ir/lang/tensor.ts'
import { numberAt } from '../ir/half.ts'
import type { Manifest, Slot } from '../ir/manifest.ts'
import { sizeOf, type ArrayOf, type DType, type TypedArray } from '../ir/types.ts'
import { boot, type Fail, type Running } from '../runtime/boot.ts'
import { crew, type Crew, type Spawned, type Started, type StartOptions } from '../runtime/crew.ts'
import { hostOf, hostText, instantiate } from '../runtime/load.ts'
import { relax } from '../runtime/relax.ts'
import { weights } from '../runtime/safetensors.ts'
import { unshare } from '../runtime/unshare.ts'
import { emit, write, type Emitted, type EmitOptions } from './emit.ts'
import { explain } from './explain.ts'
import { memoryOf, type ProgramMemory } from './memory.ts'
import type { Results, Specs } from './fn.ts'
import type { Compiled, Functions } from './compiled.ts'
import type { Spec } from './spec.ts'
import type { Tensor } from '../ir/lang/tensor.ts'

type Given<S> = S extends Spec<infer D, infer Sh> ? (Sh extends readonly [] ? number | boolean | ArrayOf[D] : ArrayOf[D]) : never
type Taken<T> = T extends Scalar<infer D> ? (D extends 'bool' ? boolean : number) : T extends Tensor<infer D> ? ArrayOf[D] : never
type Call<I extends Specs, R extends Results> = (inputs: { readonly [K in keyof I]: Given<I[K]> }) => { readonly [K in keyof R]: Taken<R[K]> }

/** A loaded program: its functions as methods, over one state. */
export type Model<F extends Functions> = Running & {
  readonly [K in keyof F]: Call<F[K]['inputs'], F[K]['results']>
} & {
  /** How many threads it runs on. If several, arrays of state and results are views of a SharedArrayBuffer, which some host functions refuse. */
  readonly threads: number
  /** Ends its threads. Calls are refused from then on (model/closed); the state can still be read. */
  close(): void
}

/** A program in a worker: its functions as methods that give promises, arrays in and out being copied. */
export type SpawnedModel<F extends Functions> = Spawned & {
  readonly [K in keyof F]: (...given: Parameters<Call<F[K]['inputs'], F[K]['results']>>) => Promise<ReturnType<Call<F[K]['inputs'], F[K]['results']>>>
}

/** How to load. */
export interface LoadOptions {
  /** Seed of the first values; default: the one given to `compile`. */
  readonly seed?: number
  /**
   * After every call looks for NaN and infinities in results and state. If there are any, the state goes back to what it
   * was and an error names the op that made the first one (slow then: it runs the reference evaluator). Default false.
   */
  readonly checkFinite?: boolean
  /**
   * How many threads to run on, 1 to those given to `compile`; default: as many as the machine has of them. The model runs on one
   * where there is no shared memory, where workers do not start, and on a page, which may not wait; `model.threads` says so.
   */
  readonly threads?: number
}

/** A compiled program: load it here, or write it as a module. */
export class Program<F extends Functions = Functions> {
  readonly compiled: Compiled
  /** Inputs, results, states and where they lie. */
  readonly manifest: Manifest
  /** Exact bytes, known before the first step; for each function also what lives when and where. */
  readonly memory: ProgramMemory
  declare readonly functions: F

  constructor(compiled: Compiled) {
    this.compiled = compiled
    this.manifest = compiled.manifest
    this.memory = memoryOf(compiled.manifest, compiled.plans)
  }

  /**
   * Runs it in this process. The model's first values are made from the seed. Errors: option/invalid; of calls also model/closed,
   * model/failed (a thread has ended: what it computed is half done).
   */
  async load(options: LoadOptions = {}): Promise<Model<F>> {
    checkOptions('load', options, ['seed', 'checkFinite', 'threads'])
    const code = await this.#start(options.threads)
    const model = boot(this.manifest, code, fail, weights)
    for (const key of ['threads', 'close'] as const) Object.defineProperty(model, key, { value: code[key], enumerable: true })
    model.reset(options.seed ?? this.manifest.seed)
    return (options.checkFinite ? this.#checked(model) : model) as unknown as Model<F>
  }

  /**
   * Runs it in a worker, threads and all, so that a page goes on meanwhile: the same methods, each giving a promise. In Node the
   * worker keeps the program alive only while it has something to answer. Errors: option/invalid; of calls also those of `load`.
   */
  async spawn(options: StartOptions = {}): Promise<SpawnedModel<F>> {
    checkOptions('spawn', options, ['seed', 'threads'])
    const { compiled } = this
    this.#crew('').threadsOf(options.threads)
    const served = this.manifest.threads ? compiled : compiled.again({ threads: 1 })
    return (await this.#crew(moduleAddress(emit(served).js), served.manifest).spawn(options)) as unknown as SpawnedModel<F>
  }

  #crew(address: string, manifest = this.manifest): Crew {
    const { code } = this.compiled
    return crew(manifest, 'bytes' in code ? hostOf(code.imports) : {}, unshare, address, fail)
  }

  /** The address of a module that is nothing but threads of this program. */
  #threadAddress(): string {
    const { code } = this.compiled
    const imports = 'bytes' in code ? code.imports.map((name) => `${name}: ${hostText(name)}`) : []
    return moduleAddress(`(${crew.toString()})(${JSON.stringify(this.manifest)}, { ${imports.join(', ')} }).serve()`)
  }

  async #start(asked: number | undefined): Promise<Started> {
    const { code, manifest, relaxed } = this.compiled
    const threads = this.#crew('').threadsOf(asked)
    if (!('bytes' in code)) return this.#crew('').alone(await this.#startJs(code.js))
    if (!manifest.threads) return this.#crew('').alone(await instantiate(code.bytes, code.imports, relaxed))
    return this.#crew(threads > 1 ? this.#threadAddress() : '').start(relaxed ? relax(code.bytes) : code.bytes, threads)
  }

  async #startJs(js: string): Promise<{ memory: ArrayBuffer; entries: (() => void)[] }> {
    const { constants, manifest } = this.compiled
    // The text becomes a module by import, as an app would do it: nothing is evaluated from a string.
    const url = `data:text/javascript;charset=utf-8,${encodeURIComponent(`export const kernels = ${js}`)}`
    const { kernels } = (await import(/* @vite-ignore */ url)) as { kernels: (memory: ArrayBuffer) => (() => void)[] }
    const memory = new ArrayBuffer(manifest.memory.bytes)
    for (const c of constants) new Uint8Array(memory).set(c.bytes, c.offset)
    return { memory, entries: kernels(memory) }
  }

  /** The module's files; {@link write} puts them into a folder. Errors: option/invalid. */
  emit(options: EmitOptions = {}): Emitted {
    return emit(this.compiled, options)
  }

  /**
   * Writes NAME.js, NAME.d.ts and NAME.json into a folder, which is made if it is not there, and NAME.wasm unless the module
   * carries it. Returns their paths. Errors: option/invalid.
   */
  async write(folder: string, options: EmitOptions = {}): Promise<string[]> {
    return write(this.compiled, folder, options)
  }

  /** A table of kernels with FLOPs and bytes, and the memory of each function. */
  explain(): string {
    return explain(this.compiled)
  }

  /**
   * The op that first makes a NaN or an infinity in a function for these inputs and states, by the reference evaluator;
   * null if none does. Says which op, of what type, and where it was declared.
   */
  firstNonFinite(name: keyof F & string, inputs: Readonly<Record<string, unknown>>, states: Readonly<Record<string, TypedArray>>): string | null {
    const called = this.compiled.declared.filter((_, i) => this.manifest.functions[i].name === name)
    const fits = (g: Graph): boolean => g.inputs.every(({ name: input, node }) => lengthOf(inputs?.[input]) === sizeOf(node.shape))
    const graph = called.find(fits) ?? called[0]
    if (!graph) throw new GradcError('option/invalid', `there is no function ${showValue(name)}`, {
        hint: `its functions are ${[...new Set(this.manifest.functions.map((f) => f.name))].join(', ')}`,
      })
    return firstNonFinite(graph, arraysOf(graph, inputs), states)
  }

  #checked(model: Running & Record<string, unknown>): Running {
    const checked: object = {}
    const own = new Set(this.manifest.functions.map((f) => f.name))
    for (const key of Object.keys(model)) {
      if (!own.has(key)) Object.defineProperty(checked, key, { value: model[key], enumerable: true })
    }
    for (const { name, results: slots } of this.manifest.functions) {
      if (Object.hasOwn(checked, name)) continue
      const finite = (values: Readonly<Record<string, unknown>>, of: readonly Slot[]): boolean =>
        of.every((s) => isFinite_(values[s.name], s.dtype))
      const run = model[name] as (inputs: object) => Record<string, unknown>
      const value = (inputs: Readonly<Record<string, unknown>>): object => {
        const before = copies(model.state)
        // Inputs may be live results of an earlier call, which this one overwrites.
        const given = copies(inputs ?? {})
        const results = run(inputs)
        if (finite(results, slots) && finite(model.state, this.manifest.states)) return results
        for (const s of Object.keys(before)) model.state[s].set(before[s] as never)
        const first = this.firstNonFinite(name, given, before)
        const where = first ? `: ${first}` : ' (only in compiled arithmetic)'
        throw new GradcError('value/nonfinite', `${JSON.stringify(name)} made a value that is not finite${where}`, {
          hint: 'the state is as before the call',
        })
      }
      Object.defineProperty(checked, name, { value, enumerable: true })
    }
    return checked as Running
  }
}

const fail: Fail = (code, problem, hint) => new GradcError(code as Code, problem, { hint })

/** An address from which a worker can be started. Browsers share memory with workers of their own origin only, as blobs are. */
function moduleAddress(text: string): string {
  if (typeof process === 'object') return `data:text/javascript;charset=utf-8,${encodeURIComponent(text)}`
  return URL.createObjectURL(new Blob([text], { type: 'text/javascript' }))
}

const lengthOf = (value: unknown): number => (ArrayBuffer.isView(value) ? (value as TypedArray).length : 1)

function isFinite_(value: unknown, dtype: DType): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  if (!ArrayBuffer.isView(value)) return true
  const array = value as TypedArray
  return array.every((_: number, i: number) => Number.isFinite(numberAt(array, i, dtype)))
}

function copies<T>(values: Readonly<Record<string, T>>): Record<string, T> {
  const copy = (v: T): T => (ArrayBuffer.isView(v) ? ((v as unknown as TypedArray).slice() as T) : v)
  return Object.fromEntries(Object.entries(values).map(([name, v]) => [name, copy(v)]))
}

/** Scalars may be given as numbers; the evaluator wants arrays. */
function arraysOf(graph: Graph, inputs: Readonly<Record<string, unknown>>): Record<string, TypedArray> {
  const wrap = (dtype: DType, value: unknown): TypedArray => {
    if (typeof value !== 'number' && typeof value !== 'boolean') return value as TypedArray
    return dtype === 'f64' ? Float64Array.of(Number(value)) : Float32Array.of(Number(value))
  }
  const given = graph.inputs.filter(({ name }) => inputs?.[name] !== undefined && inputs[name] !== null)
  return Object.fromEntries(given.map(({ name, node }) => [name, wrap(node.dtype, inputs[name])]))
}
