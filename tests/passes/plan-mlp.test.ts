import { beforeAll, describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import type { Graph } from '../../src/ir/graph.ts'
import type { Plan } from '../../src/ir/plan.ts'
import { bytesOf } from '../../src/ir/types.ts'
import { relu } from '../../src/nn/activations.ts'
import { sequential } from '../../src/nn/layer.ts'
import { linear } from '../../src/nn/linear.ts'
import { accuracy, softmaxCrossEntropy } from '../../src/nn/losses.ts'
import { adam } from '../../src/optim/adam.ts'
import { minimise } from '../../src/passes/differentiate/minimise.ts'
import { optimise } from '../../src/passes/pipeline.ts'
import { layoutOf, planGraph } from '../../src/passes/plan.ts'
import { replaySymbolically } from '../replayer.ts'
import { planned, showPlan } from './plans.ts'

/** A classifier with one hidden layer, trained by Adam: the step as users declare it, simplified. */
function step(batch: number, inputs: number, hidden: number, classes: number): Graph {
  const b = new Builder()
  const x = b.input('x', { dtype: 'f32', shape: [batch, inputs] })
  const y = b.input('y', { dtype: 'i32', shape: [batch] })
  const logits = sequential(linear(inputs, hidden), relu, linear(hidden, classes))(x)
  const results = [{ name: 'loss', node: softmaxCrossEntropy(logits, y) }, { name: 'accuracy', node: accuracy(logits, y) }]
  const graph: Graph = { name: 'train', builder: b, inputs: b.inputs, states: b.states, results, updates: [] }
  return optimise(minimise(graph, { loss: 'loss', optimizer: adam() }), { verify: true })
}

test('a small step with Adam gives the graph’s values to the bit', () => {
  planned(step(5, 7, 6, 3))
})

describe('the step of a 784-128-10 classifier at batch 64 with Adam', () => {
  let plan: Plan
  let graph: Graph
  beforeAll(() => {
    graph = step(64, 784, 128, 10)
    plan = planGraph(graph, layoutOf([graph]))
  })

  test('keeps all its promises', () => {
    expect(replaySymbolically(plan, layoutOf([graph]))).toEqual([])
  })

  test('has few kernels', () => {
    if (process.env.GRADC_SHOW) process.stdout.write(`${showPlan(plan).join('\n')}\n${plan.arenaBytes} ${plan.lowerBound}\n`)
    expect(plan.kernels.length).toBeLessThanOrEqual(17)
  })

  test('never stores a weight gradient: nothing of a weight’s size is written but the weight and its moments', () => {
    const stores = plan.kernels.flatMap((k) => k.stores)
    for (const size of [784 * 128, 128 * 10]) {
      const targets = stores.filter((s) => bytesOf(s.node) === 4 * size).map((s) => plan.buffers[s.buffer])
      expect(targets.map((t) => t.region)).toEqual(['state', 'state', 'state'])
    }
  })

  test('updates every state in place, once, in the kernel that makes its gradient', () => {
    const targets = plan.kernels.flatMap((k) => k.stores.map((s) => plan.buffers[s.buffer]))
    const written = targets.filter((b) => b.region === 'state').map((b) => b.name)
    expect([...written].sort()).toEqual(graph.states.map((s) => s.name).sort())
    expect(plan.kernels.filter((k) => k.name.includes('copy'))).toEqual([])
    for (const w of ['0.weight', '2.weight']) {
      const kernel = plan.kernels.find((k) => k.stores.some((s) => plan.buffers[s.buffer].name === w))!
      expect(kernel.core?.op).toBe('contract')
      expect(kernel.stores.map((s) => plan.buffers[s.buffer].name).sort()).toEqual([w, `adam:m:${w}`, `adam:v:${w}`].sort())
    }
  })

  test('needs the arena that its live values need, little more than inputs, activations and one gradient of them', () => {
    expect(plan.arenaBytes).toBe(plan.lowerBound)
    const [x, h] = [64 * 784 * 4, 64 * 128 * 4]
    // The mask has a byte an element; everything else is of the size of logits or labels.
    expect(plan.arenaBytes).toBeLessThanOrEqual(x + 2 * h + h / 4 + 3 * 64 * 10 * 4)
  })
})
