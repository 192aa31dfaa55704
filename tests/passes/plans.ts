// Small graphs, their plans, and values to run them on: shared by the tests of the planner.
import { expect } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import type { Graph, Named, Node, StateDecl } from '../../src/ir/graph.ts'
import type { Layout, Plan } from '../../src/ir/plan.ts'
import { DTYPES, showType, sizeOf, type DType, type Shape, type TensorType } from '../../src/ir/types.ts'
import { layoutOf, planGraph, type PlanOptions } from '../../src/passes/plan.ts'
import { replay, type Values } from '../replayer.ts'

const OWNER = {}

/** Declares a state that starts at zero. */
export function state(b: Builder, name: string, shape: Shape, dtype: DType = 'f32'): Node {
  const decl: StateDecl = { name, dtype, shape, init: (c, type) => c.zeros(type), trainable: true, owner: OWNER }
  return b.state(decl)
}

export const input = (b: Builder, name: string, shape: Shape, dtype: DType = 'f32'): Node => b.input(name, { dtype, shape })

type Nodes = Readonly<Record<string, Node>>

const named = (nodes: Nodes): Named[] => Object.entries(nodes).map(([name, node]) => ({ name, node }))

/** A function with these results and new states. */
export function graphOf(b: Builder, results: Nodes, updates: Nodes = {}): Graph {
  return { name: 'f', builder: b, inputs: b.inputs, states: b.states, results: named(results), updates: named(updates) }
}

/** Numbers from a seed (Mulberry32): small floats, small non-negative integers, bits. */
export function valuesOf(type: TensorType, seed: number): Values[string] {
  let s = seed | 0
  const next = (): number => {
    s = (s + 0x6d2b79f5) | 0
    let t = Math.imul(s ^ (s >>> 15), 1 | s)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const values = new DTYPES[type.dtype].array(sizeOf(type.shape))
  const { kind } = DTYPES[type.dtype]
  const below = kind === 'bool' ? 2 : 5
  for (let i = 0; i < values.length; i++) values[i] = kind === 'float' ? next() * 2 - 1 : Math.floor(next() * below)
  return values
}

/** Values for all inputs and states. */
export function given(graph: Graph, seed = 1): { inputs: Values; states: Values } {
  const inputs = Object.fromEntries(graph.inputs.map(({ name, node }, i) => [name, valuesOf(node, seed + i)]))
  return { inputs, states: Object.fromEntries(graph.states.map((d, i) => [d.name, valuesOf(d, seed + 1000 + i)])) }
}

/** Plans a graph and replays the plan; what is wrong fails the test. */
export function planned(graph: Graph, options?: PlanOptions): { plan: Plan; layout: Layout; kernels: string[] } {
  const layout = layoutOf([graph])
  const plan = planGraph(graph, layout, options)
  const { inputs, states } = given(graph)
  expect(replay(plan, layout, inputs, states)).toEqual([])
  return { plan, layout, kernels: showPlan(plan) }
}

/** One line a kernel: `contract_add: x w b -> h f32[64, 128]`. Values that live only inside the step are numbered. */
export function showPlan(plan: Plan): string[] {
  const inner = new Map<Node, string>()
  const valueName = (node: Node): string => {
    if (typeof node.attrs.name === 'string') return node.attrs.name
    const result = plan.results.find((r) => bytesBehind(r.node) === node)
    if (result) return result.name
    if (!inner.has(node)) inner.set(node, `t${inner.size}`)
    return inner.get(node)!
  }
  return plan.kernels.map((k) => {
    const loads = k.loads.map((l) => valueName(l.node)).join(' ')
    const stores = k.stores.map(({ node, buffer }) => {
      const b = plan.buffers[buffer]
      const target = plan.results.find((r) => r.buffer === buffer && bytesBehind(r.node) === node)
      return `${b.region === 'state' ? b.name : target?.name ?? valueName(node)} ${showType(node)}`
    })
    return `${k.name.replace(/^k\d+_/, '')}: ${loads} -> ${stores.join(', ')}`
  })
}

const bytesBehind = (n: Node): Node => (n.op === 'reshape' ? bytesBehind(n.operands[0]) : n)
