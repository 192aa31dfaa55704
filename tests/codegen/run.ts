import { emitJs } from '../../src/codegen/js/emit.ts'
import { lowerPlan } from '../../src/codegen/lower.ts'
import type { LoweredProgram } from '../../src/codegen/nest.ts'
import { emitWasm } from '../../src/codegen/wasm/emit.ts'
import { hostText } from '../../src/runtime/load.ts'
import type { Graph } from '../../src/ir/graph.ts'
import { DTYPES, sizeOf, type TypedArray } from '../../src/ir/types.ts'
import { layoutOf, planGraph, type PlanOptions } from '../../src/passes/plan.ts'
import { interpret } from './interpreter.ts'
import { kernelsOf } from './memory.ts'

/** Where a graph runs: emitted code, or the interpreter of loop nests that emitted code must equal. */
export type Target = 'js' | 'wasm' | 'nests'

export type Arrays = Readonly<Record<string, ArrayLike<number>>>

/** What a call leaves behind, by name. */
export interface Outcome {
  readonly results: Record<string, TypedArray>
  readonly states: Record<string, TypedArray>
}

/** A graph through plan and lowering, ready to run on every target. */
export class Machine {
  readonly graph: Graph
  readonly program: LoweredProgram
  readonly #addresses: { inputs: Map<string, number>; results: Map<string, number>; states: Map<string, number> }
  readonly #constants: readonly { address: number; values: TypedArray }[]

  constructor(graph: Graph, options: PlanOptions = {}) {
    this.graph = graph
    const layout = layoutOf([graph])
    const plan = planGraph(graph, layout, options)
    const constant = align(layout.stateBytes)
    const bases = { state: 0, constant, arena: constant + align(layout.constantBytes) }
    this.program = { functions: [lowerPlan(plan, bases)], memoryBytes: bases.arena + align(plan.arenaBytes) }
    const byId = new Map(plan.buffers.map((b) => [b.id, b]))
    const address = (buffer: number): number => bases[byId.get(buffer)!.region as keyof typeof bases] + byId.get(buffer)!.offset
    this.#addresses = {
      inputs: new Map(plan.inputs.map((i) => [i.name, address(i.buffer)])),
      results: new Map(plan.results.map((r) => [r.name, address(r.buffer)])),
      states: new Map([...layout.states].map(([name, s]) => [name, s.offset])),
    }
    this.#constants = layout.constants.map(({ node, offset }) => ({
      address: constant + offset,
      values: node.attrs.values as TypedArray,
    }))
  }

  /** One call: results by name, and all states after it. Memory that nothing was written to is NaN. */
  run(target: Target, given: { inputs?: Arrays; states?: Arrays }): Outcome {
    const { memory, start } = this.#code(target)
    new Uint8Array(memory).fill(0xff, 0, this.program.memoryBytes)
    const view = (address: number, type: { dtype: keyof typeof DTYPES; shape: readonly number[] }): TypedArray =>
      new DTYPES[type.dtype].array(memory, address, sizeOf(type.shape))
    for (const { address, values } of this.#constants) {
      new Uint8Array(memory).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), address)
    }
    for (const s of this.graph.states) view(this.#addresses.states.get(s.name)!, s).set(given.states?.[s.name] ?? [])
    for (const { name, node } of this.graph.inputs) {
      const address = this.#addresses.inputs.get(name)
      if (address !== undefined) view(address, node).set(given.inputs?.[name] ?? [])
    }
    start()
    const { results, states } = this.#addresses
    return {
      results: Object.fromEntries(this.graph.results.map(({ name, node }) => [name, view(results.get(name)!, node).slice()])),
      states: Object.fromEntries(this.graph.states.map((s) => [s.name, view(states.get(s.name)!, s).slice()])),
    }
  }

  #code(target: Target): { memory: ArrayBuffer; start: () => void } {
    if (target === 'wasm') {
      const { bytes, imports } = emitWasm(this.program)
      const host = (name: string): (() => number) => new Function(`return ${hostText(name)}`)() as () => number
      const m = Object.fromEntries(imports.map((name) => [name, host(name)]))
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { m })
      return { memory: (exports.memory as WebAssembly.Memory).buffer as ArrayBuffer, start: exports.f0 as () => void }
    }
    const memory = new ArrayBuffer(Math.max(16, this.program.memoryBytes))
    if (target === 'nests') return { memory, start: () => interpret(this.program, memory) }
    return { memory, start: kernelsOf(emitJs(this.program))(memory)[0] }
  }
}

const align = (bytes: number): number => Math.ceil(bytes / 16) * 16

/** Are these the same bits, all NaN being one? */
export function sameBits(a: TypedArray, b: TypedArray): boolean {
  if (a.length !== b.length || a.constructor !== b.constructor) return false
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false
  return true
}
