import { emitJs, type Arithmetic } from '../codegen/js/emit.ts'
import { lowerPlan, type Bases } from '../codegen/lower.ts'
import { emitWasm } from '../codegen/wasm/emit.ts'
import { checkOptions, showValue } from '../ir/arguments.ts'
import { GradcError, InternalError } from '../ir/errors.ts'
import type { Graph, StateDecl } from '../ir/graph.ts'
import type { Manifest, Slot } from '../ir/manifest.ts'
import type { Binding, Layout, Plan } from '../ir/plan.ts'
import { unionOfStates } from '../ir/states.ts'
import type { PassContext, PassTiming } from '../passes/runner.ts'
import type { ArenaBudget } from '../passes/checkpoint/index.ts'
import { optimise, planAll } from '../passes/pipeline.ts'
import type { LoweredProgram } from '../codegen/nest.ts'
import { align, arenaOf, budgetOf, holdBudget, type Budget } from './budget.ts'
import { firstValues } from './first-values.ts'
import { hashed } from './fingerprint.ts'
import type { Called, Compiled, FunctionLists } from './compiled.ts'
import { Program } from './program.ts'
import { variantsOf, type Variant } from './variants.ts'
import { VERSION } from './version.ts'

/** How to compile. */
export interface CompileOptions {
  /** What to emit: WebAssembly with SIMD (default), or plain JavaScript that runs where WebAssembly is not allowed. */
  readonly target?: 'wasm' | 'js'
  /** Name of the module and of its files; default 'program'. */
  readonly name?: string
  /** Seed of the first values, a non-negative integer; default 0. */
  readonly seed?: number
  /** Most bytes that the arena may take: a number, or text such as '512 KiB'; default 'none'. */
  readonly memoryBudget?: Budget
  /**
   * `strict` (default): the same bits on every engine and target. `relaxed`: WebAssembly may multiply and add in one rounding where
   * the engine can (decided when it is loaded), which is faster and about as exact, but not the same everywhere; JavaScript adds up
   * sums and products of f32 in doubles and rounds once, which takes half the time and is closer to the real sum, the same bits on
   * every engine, but not those of `strict`.
   */
  readonly arithmetic?: Arithmetic
  /**
   * Most threads, 1 to 16, for which to make WebAssembly; one binary runs on any number up to it, with the same bits. Default: none of
   * what threads take. Scratch memory grows with it. The target js takes one.
   */
  readonly threads?: number
  /** Allows rules that may change the last bits, or results at ±0, infinities and NaN; default false. */
  readonly fastMath?: boolean
  /** Checks every graph between passes; default false (tests turn it on). */
  readonly verify?: boolean
  /** Called with each pass's name and the graph in text after it, where `printAfter` names the pass. */
  readonly printAfter?: { readonly pass: string; readonly log: (text: string) => void }
}

const MAX_BYTES = 2 ** 32
const MAX_THREADS = 16
const OPTIONS = ['target', 'name', 'seed', 'memoryBudget', 'arithmetic', 'threads', 'fastMath', 'verify', 'printAfter']
const RESERVED = new Set(['state', 'manifest', 'reset', 'save', 'restore', 'flat', 'setFlat', 'threads', 'close', 'then', 'init'])

/**
 * Compiles functions over one shared state into one program.
 * @throws GradcError name/invalid, option/invalid, state/duplicate, target/unsupported, budget/infeasible
 */
export function compile<const F extends FunctionLists>(functions: F, options: CompileOptions = {}): Program<Called<F>> {
  const began = performance.now()
  const { target = 'wasm', name = 'program', seed = 0, arithmetic = 'strict', threads } = check(functions, options)
  const budget = budgetOf(options.memoryBudget ?? 'none')
  const variants = variantsOf(functions)
  const declared = variants.map((v): Graph => ({ ...v.declared.graph, name: v.label }))
  const states = unionOfStates(declared)
  const timings: PassTiming[] = []
  const context: PassContext = {
    fastMath: options.fastMath ?? false,
    verify: options.verify ?? false,
    printAfter: options.printAfter?.pass,
    log: options.printAfter?.log,
    timings,
  }
  const graphs = [firstValues(states), ...declared].map((g) => optimise(g, context))
  // What emitted code needs beside the arena is known only once there is some, and the budget is for both.
  const how = { target, arithmetic, threads }
  let made = emitted(graphs, how, typeof budget === 'number' ? Infinity : budget, 0)
  const over = typeof budget === 'number' && arenaOf(made.plans, made.code.scratchBytes) > budget
  if (over) made = emitted(graphs, how, budget, made.code.scratchBytes)
  const { layout, plans, bases, lowered, constants, code } = made
  holdBudget(plans, code.scratchBytes, budget)
  const manifest = manifestOf({ name, target, seed, threads, variants, states, layout, plans, bases, scratchBytes: code.scratchBytes })
  if (manifest.memory.bytes > MAX_BYTES) {
    throw new GradcError('target/unsupported', `the program needs ${manifest.memory.bytes} bytes, one 32-bit memory has ${MAX_BYTES}`, {
      hint: 'take smaller shapes: program memory is states, constants and the largest arena',
    })
  }
  const relaxed = arithmetic === 'relaxed'
  const compiled: Compiled = {
    functions, options, manifest, code, relaxed, constants, plans: plans.slice(1), lowered, declared, timings, compileMs: performance.now() - began,
    again: (change) => compile(functions, { ...options, ...change }).compiled,
  }
  return new Program<Called<F>>(compiled)
}

function check(functions: FunctionLists, options: CompileOptions): CompileOptions {
  if (typeof functions !== 'object' || functions === null || 'graph' in functions) {
    const what = typeof functions === 'object' && functions !== null ? 'a function alone' : showValue(functions)
    throw new GradcError('option/invalid', `compile was given ${what}, not functions by name`, { hint: 'compile({ train: fn(...) })' })
  }
  checkOptions('compile', options, OPTIONS)
  const names = Object.keys(functions)
  if (!names.length) throw new GradcError('option/invalid', 'there is no function to compile', { hint: 'compile({ train: fn(...) })' })
  for (const name of names) {
    if (name === '' || RESERVED.has(name)) {
      throw new GradcError('name/invalid', `a function cannot be named ${JSON.stringify(name)}`, {
        hint: `these names are the model's own: ${[...RESERVED].join(', ')}`,
      })
    }
  }
  if (options.target !== undefined && options.target !== 'wasm' && options.target !== 'js') {
    throw new GradcError('option/invalid', `target ${showValue(options.target)} is not known`, { hint: "target: 'wasm' or 'js'" })
  }
  if (options.arithmetic !== undefined && options.arithmetic !== 'strict' && options.arithmetic !== 'relaxed') {
    throw new GradcError('option/invalid', `arithmetic ${showValue(options.arithmetic)} is not known`, { hint: "arithmetic: 'strict' or 'relaxed'" })
  }
  const { threads = 1 } = options
  if (!(Number.isSafeInteger(threads) && threads >= 1 && threads <= MAX_THREADS)) {
    throw new GradcError('option/invalid', `threads ${showValue(threads)} is not a number of threads`, { hint: `threads: 2, at most ${MAX_THREADS}` })
  }
  if (options.seed !== undefined && !(Number.isSafeInteger(options.seed) && options.seed >= 0)) {
    throw new GradcError('option/invalid', `seed ${showValue(options.seed)} is not a non-negative integer`, { hint: 'seed: 0' })
  }
  if (options.name !== undefined && !(typeof options.name === 'string' && /^[\w][\w.-]{0,99}$/.test(options.name))) {
    throw new GradcError('name/invalid', `a program cannot be named ${showValue(options.name)}`, {
      hint: 'letters, digits, _, - and . only: it names files',
    })
  }
  return options
}

interface EmittedCode {
  readonly layout: Layout
  readonly plans: readonly Plan[]
  readonly bases: Bases
  readonly lowered: LoweredProgram
  readonly constants: Compiled['constants']
  readonly code: { readonly scratchBytes: number } & Compiled['code']
}

/** Plans under the budget, lowers and emits. `reserved`: bytes of the budget that are spoken for. */
function emitted(
  graphs: readonly Graph[], { target, arithmetic, threads }: Pick<CompileOptions, 'target' | 'arithmetic' | 'threads'>,
  budget: ArenaBudget, reserved: number,
): EmittedCode {
  const { layout, plans } = planAll(graphs, budget, reserved)
  const bases = basesOf(layout)
  const lowered: LoweredProgram = { functions: plans.map((p) => lowerPlan(p, bases)), memoryBytes: bases.arena + arenaOf(plans, 0) }
  const constants = layout.constants.map(({ node, offset }) => {
    const { buffer, byteOffset, byteLength } = node.attrs.values as Float32Array<ArrayBuffer>
    return { offset: bases.constant + offset, bytes: new Uint8Array(buffer, byteOffset, byteLength) }
  })
  const code = target === 'wasm' ? emitWasm(lowered, { segments: constants, threads }) : { js: emitJs(lowered, arithmetic), scratchBytes: 0 }
  return { layout, plans, bases, lowered, constants, code }
}

function basesOf(layout: Layout): Bases {
  const constant = align(layout.stateBytes)
  return { state: 0, constant, arena: constant + align(layout.constantBytes) }
}

interface ManifestParts {
  readonly name: string
  readonly target: 'wasm' | 'js'
  readonly seed: number
  readonly threads: number | undefined
  readonly variants: readonly Variant[]
  readonly states: readonly StateDecl[]
  readonly layout: Layout
  readonly plans: readonly Plan[]
  readonly bases: Bases
  readonly scratchBytes: number
}

function manifestOf({ name, target, seed, threads, variants, states, layout, plans, bases, scratchBytes }: ManifestParts): Manifest {
  const slots = (plan: Plan, bindings: readonly (Binding & { readonly name: string })[]): Slot[] =>
    bindings.map(({ name: slot, node, buffer }) => {
      const { region, offset } = plan.buffers[buffer]
      if (region === 'outer') throw new InternalError('compile', `${slot} of ${plan.name} lies in no memory of its own`)
      return { name: slot, dtype: node.dtype, shape: [...node.shape], offset: bases[region] + offset }
    })
  const [init, ...rest] = plans
  const key = slots(init, init.inputs).find((s) => s.name === 'key')
  if (!key) throw new InternalError('compile', 'the init function has no key')
  const arenaBytes = arenaOf(plans, scratchBytes)
  const trainable = new Set(states.filter((s) => s.trainable).map((s) => s.name))
  return hashed({
    gradc: VERSION,
    name,
    target,
    seed,
    ...(threads && { threads: target === 'wasm' ? threads : 1 }),
    memory: { bytes: bases.arena + arenaBytes, stateBytes: layout.stateBytes, constantBytes: layout.constantBytes, arenaBytes },
    states: [...layout.states].map(([state, s]) => ({
      name: state, dtype: s.type.dtype, shape: [...s.type.shape], offset: bases.state + s.offset, ...(trainable.has(state) && { trainable: true }),
    })),
    functions: rest.map((p, i) => {
      const { name: called, declared: { parameters } } = variants[i]
      const entry = { name: called, inputs: slots(p, p.inputs), results: slots(p, p.results), arenaBytes: p.arenaBytes + scratchBytes }
      return parameters ? { ...entry, parameters } : entry
    }),
    keyOffset: key.offset,
  })
}
