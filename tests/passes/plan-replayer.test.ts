// The replayer is what the planner's tests stand on: each fault that a plan can have must be found by it.
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { add, exp, flip, matmul, mul, sum, tanh } from '../../src/ir/lang/index.ts'
import type { Layout, Plan } from '../../src/ir/plan.ts'
import { layoutOf, planGraph } from '../../src/passes/plan.ts'
import { replay, replayNumerically, replaySymbolically } from '../replayer.ts'
import { given, graphOf, input, state } from './plans.ts'

/** y = exp(x·w + 1), s = Σ y, z = tanh y, and w takes its new value in place. */
function example(): { plan: Plan; layout: Layout } {
  const b = new Builder()
  const [x, w] = [input(b, 'x', [4, 4]), state(b, 'w', [4, 4])]
  const y = exp(add(matmul(x, w), 1))
  const graph = graphOf(b, { s: sum(flip(y)), z: tanh(y) }, { w: add(w, tanh(w)) })
  const layout = layoutOf([graph])
  return { plan: planGraph(graph, layout), layout }
}

type Change = (plan: Plan) => Plan

const changed = <T>(list: readonly T[], i: number, change: object): T[] => list.map((x, j) => (j === i ? { ...x, ...change } : x))
const withBuffer = (plan: Plan, i: number, change: object): Plan => ({ ...plan, buffers: changed(plan.buffers, i, change) })
const withKernel = (plan: Plan, i: number, change: object): Plan => ({ ...plan, kernels: changed(plan.kernels, i, change) })
const without = (plan: Plan, i: number): Plan => ({ ...plan, kernels: plan.kernels.filter((_, j) => j !== i) })
const resultBuffer = (plan: Plan, name: string): number => plan.results.find((r) => r.name === name)!.buffer
const stateBuffer = (plan: Plan): number => plan.buffers.findIndex((b) => b.region === 'state')
const kernelWriting = (plan: Plan, buffer: number): number =>
  plan.kernels.findIndex((k) => k.stores.some((s) => s.buffer === buffer))

const FAULTS: Record<string, [Change, RegExp]> = {
  'kernels in the wrong order': [(p) => ({ ...p, kernels: [...p.kernels].reverse() }), /which is not in/],
  'a state that is overwritten before its last reader': [
    (p) => {
      const at = kernelWriting(p, stateBuffer(p))
      return { ...p, kernels: [p.kernels[at], ...p.kernels.filter((_, i) => i !== at)] }
    },
    /loads %\d+ state.*which is not in w/,
  ],
  'a load that is missing': [(p) => withKernel(p, 0, { loads: p.kernels[0].loads.slice(1) }), /which is not loaded/],
  'a load of something else': [
    (p) => {
      const [first, second] = p.kernels[0].loads
      return withKernel(p, 0, { loads: [{ ...first, buffer: second.buffer }, second] })
    },
    /which is not in/,
  ],
  'a core that is missing': [(p) => withKernel(p, 0, { core: null }), /neither loaded nor the core/],
  'two live buffers at one offset': [
    (p) => withBuffer(p, resultBuffer(p, 'z'), { offset: p.buffers[resultBuffer(p, 's')].offset }),
    /share bytes/,
  ],
  'a buffer outside the arena': [(p) => ({ ...p, arenaBytes: p.arenaBytes - 16 }), /leaves its region/],
  'an offset that is not aligned': [(p) => withBuffer(p, 0, { offset: p.buffers[0].offset + 4 }), /not aligned/],
  'a result that dies': [(p) => withBuffer(p, resultBuffer(p, 's'), { to: 0, from: 0 }), /does not live to the end/],
  'a state that is not updated': [(p) => without(p, kernelWriting(p, stateBuffer(p))), /does not hold/],
  'a result that is never written': [(p) => without(p, kernelWriting(p, resultBuffer(p, 's'))), /is not in its buffer/],
  'a store of the wrong size': [(p) => withBuffer(p, resultBuffer(p, 's'), { bytes: 64 }), /bytes into/],
  'a lower bound that is made up': [(p) => ({ ...p, lowerBound: p.lowerBound - 16 }), /lower bound/],
}

describe('the replayer finds', () => {
  test('nothing in a good plan', () => {
    const { plan, layout } = example()
    const { inputs, states } = given(plan.graph)
    expect(replay(plan, layout, inputs, states)).toEqual([])
  })

  test.each(Object.entries(FAULTS))('%s', (_, [change, complaint]) => {
    const { plan, layout } = example()
    expect(replaySymbolically(change(plan), layout).join('\n')).toMatch(complaint)
  })

  test('a store over elements that other points still read', () => {
    const b = new Builder()
    const w = state(b, 'w', [4])
    const next = flip(mul(w, 2))
    const graph = graphOf(b, {}, { w: next })
    const layout = layoutOf([graph])
    const plan = planGraph(graph, layout)
    const at = plan.buffers.findIndex((x) => x.region === 'state')
    const load = plan.kernels[0].loads[0]
    const bad: Plan = { ...plan, kernels: [{ name: 'k0', core: null, loads: [load], stores: [{ node: next, buffer: at }] }] }
    expect(replaySymbolically(bad, layout).join('\n')).toMatch(/of which point \d reads/)
  })

  test('values that were left in freed bytes', () => {
    const { plan, layout } = example()
    const { inputs, states } = given(plan.graph)
    const input0 = plan.inputs[0].buffer
    const short = withBuffer(plan, input0, { to: -1 })
    const got = replayNumerically(short, layout, inputs, states)
    expect([...got.results.s].every(Number.isNaN)).toBe(true)
  })
})
