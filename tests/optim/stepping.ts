// A problem of two parameters and steps on it, for tests of optimisers.
import { firstValues } from '../../src/api/first-values.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { Graph, Node } from '../../src/ir/graph.ts'
import { add, mul, sin, square } from '../../src/ir/lang/pointwise.ts'
import { sum } from '../../src/ir/lang/reduce.ts'
import type { Optimizer } from '../../src/ir/optimizer.ts'
import { sizeOf, type DType } from '../../src/ir/types.ts'
import { minimise } from '../../src/passes/differentiate/minimise.ts'
import { run } from '../passes/numbers.ts'

/** A loss with two parameters: Σ sin(w)·c + (Σ w²)·v, whose gradients differ from step to step. */
export function problem(dtype: DType = 'f64', extra: (b: Builder) => void = () => {}): Graph {
  const b = new Builder()
  const c = b.input('c', { dtype, shape: [3] })
  const lr = b.input('lr', { dtype, shape: [] })
  const state = (name: string, shape: number[]): Node =>
    b.state({ name, dtype, shape, init: (x, t) => x.zeros(t), trainable: true, owner: {} })
  const w = state('w', [3])
  const v = state('v', [])
  extra(b)
  const loss = add(sum(mul(sin(w), c)), mul(sum(square(w)), v))
  return {
    name: 'train', builder: b, inputs: b.inputs, states: b.states, updates: [],
    results: [{ name: 'loss', node: loss }, { name: 'rate', node: lr }],
  }
}

export const C = [0.3, -1.2, 0.8]
export const START = { w: [0.5, -0.25, 1], v: [0.75] }

/** The gradients of the problem, written by hand. */
export const gradients = (w: number[], v: number[]): { w: number[]; v: number[] } => ({
  w: w.map((x, i) => Math.cos(x) * C[i] + 2 * x * v[0]),
  v: [w.reduce((s, x) => s + x * x, 0)],
})

export type Parameters = { w: number[]; v: number[] }
export type States = Record<string, number[]>

/** First values of all states, and the parameters. */
export function statesAtStart(graph: Graph): States {
  const zeros = Object.fromEntries(graph.states.map((s) => [s.name, new Array<number>(sizeOf(s.shape)).fill(0)]))
  return { ...zeros, ...run(firstValues(graph.states), { key: [1, 2] }, {}).updates, ...START }
}

/** Parameters and all states after each of `n` steps. */
export interface Steps {
  readonly trace: Parameters[]
  readonly all: States[]
  readonly states: States
}

/** Steps of the compiled graph, evaluated in doubles. `inputs` may change from step to step. */
export function steps(
  optimizer: Optimizer, lr: (t: number) => number = () => 0, n = 10, c: (t: number) => number[] = () => C,
): Steps {
  const graph = minimise(problem(), { loss: 'loss', optimizer })
  let states = statesAtStart(graph)
  const all: States[] = []
  for (let t = 0; t < n; t++) {
    const { updates } = run(graph, { c: c(t), lr: [lr(t)] }, states)
    states = { ...states, ...updates }
    all.push(states)
  }
  return { trace: all.map((s) => ({ w: s.w, v: s.v })), all, states }
}
