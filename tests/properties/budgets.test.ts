// Under any budget a plan keeps all its promises, poisoned wherever nothing is promised to be, and gives the same bits.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import type { Graph, Node } from '../../src/ir/graph.ts'
import { add, matmul, mul, sin, sub, sum, tanh } from '../../src/ir/lang/index.ts'
import { softmax } from '../../src/nn/index.ts'
import { grad } from '../../src/passes/differentiate/gradient.ts'
import { layoutOf, planGraph } from '../../src/passes/plan.ts'
import { regions } from '../../src/passes/regions.ts'
import { runPasses } from '../../src/passes/runner.ts'
import { arbitraryGraph } from '../generators.ts'
import { given } from '../passes/plans.ts'
import { replay, type Values } from '../replayer.ts'
import { arbitraryStep, stepFrom } from './random-steps.ts'

const runs = { seed: Number(process.env.GRADC_SEED ?? 1), numRuns: Number(process.env.GRADC_RUNS ?? 60) }

/** How many of the graphs were made smaller, so that the test can tell that it tests something. */
let tightened = 0

function holds(graph: Graph, inputs: Values, states: Values, part: number, fuse: boolean): void {
  const layout = layoutOf([graph])
  const plain = planGraph(graph, layout, { fuse })
  const least = planGraph(graph, layout, { fuse, budget: 'min' })
  expect(replay(least, layout, inputs, states)).toEqual([])
  expect(least.arenaBytes).toBeLessThanOrEqual(plain.arenaBytes)
  const budget = Math.floor(least.arenaBytes + part * (plain.arenaBytes - least.arenaBytes))
  const kept = planGraph(graph, layout, { fuse, budget })
  expect(kept.arenaBytes).toBeLessThanOrEqual(budget)
  expect(replay(kept, layout, inputs, states)).toEqual([])
  expect(replay(planGraph(graph, layout, { fuse, budget: 'sqrt' }), layout, inputs, states)).toEqual([])
  if (kept.recomputePercent || least.recomputePercent) tightened++
}

const part = fc.double({ min: 0, max: 1, noNaN: true })

test('plans of random steps', () => {
  fc.assert(fc.property(arbitraryStep, part, fc.boolean(), ({ program, roots }, p, fuse) => {
    const graph = stepFrom(program, roots)
    const { inputs, states } = given(graph, program.length)
    holds(graph, inputs, states, p, fuse)
  }), runs)
})

test('plans of random whole graphs', () => {
  fc.assert(fc.property(arbitraryGraph(), part, fc.boolean(), ({ graph, inputs, states }, p, fuse) => {
    holds(runPasses(graph, [regions]), inputs, states, p, fuse)
  }), runs)
})

const LAYERS = ['tanh', 'sin', 'matmul', 'skip', 'softmax'] as const

/** A chain of layers with skips, its loss and all gradients, and new values of its weights. */
function chain(layers: readonly (typeof LAYERS)[number][], rows: number): Graph {
  const b = new Builder()
  const x = b.input('x', { dtype: 'f32', shape: [rows, 4] })
  const weights = layers.map((_, i): Node => b.state({ name: `w${i}`, dtype: 'f32', shape: [4, 4], init: (s, t) => s.zeros(t), trainable: true, owner: b }))
  const values: Node[] = [x]
  layers.forEach((layer, i) => {
    const [last, before] = [values[values.length - 1], values[Math.max(0, values.length - 3)]]
    const next = { tanh: () => tanh(last), sin: () => sin(last), matmul: () => matmul(last, weights[i]), skip: () => add(last, before), softmax: () => softmax(last) }
    values.push(next[layer]())
  })
  const loss = sum(mul(values[values.length - 1], values[values.length - 1]))
  const used = layers.flatMap((layer, i) => (layer === 'matmul' ? [i] : []))
  const gradients = grad(loss, [x, ...used.map((i) => weights[i])])
  return {
    name: 'chain', builder: b, inputs: b.inputs, states: b.states,
    results: [{ name: 'loss', node: loss }, { name: 'dx', node: gradients[0] }],
    updates: used.map((i, j) => ({ name: `w${i}`, node: sub(weights[i], gradients[1 + j]) })),
  }
}

test('plans of chains with their gradients', () => {
  const layers = fc.array(fc.constantFrom(...LAYERS), { minLength: 4, maxLength: 14 })
  fc.assert(fc.property(layers, fc.integer({ min: 4, max: 40 }), part, fc.boolean(), (list, rows, p, fuse) => {
    const graph = chain(list, rows)
    const numbers = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(3 * i + 1) / 2)
    const states = Object.fromEntries(list.map((_, i) => [`w${i}`, numbers(16)]))
    holds(graph, { x: numbers(4 * rows) }, states, p, fuse)
  }), { ...runs, numRuns: Math.ceil(runs.numRuns / 3) })
  expect(tightened).toBeGreaterThan(10)
})
