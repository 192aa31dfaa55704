// The replayer is what the planner's tests stand on: each fault that a plan can have must be found by it.
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { add, exp, flip, matmul, mul, scan, sum, tanh } from '../../src/ir/lang/index.ts'
import type { Layout, LoopPlan, Plan } from '../../src/ir/plan.ts'
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

/** Two carries, slices, a matrix and a stack that every step reads whole, two outputs. */
function looping(): { plan: Plan; layout: Layout } {
  const b = new Builder()
  const [x, w, all] = [input(b, 'x', [5, 2, 4]), input(b, 'w', [4, 4]), input(b, 'all', [5, 2, 4])]
  const [h, n] = [input(b, 'h', [2, 4]), input(b, 'n', [2, 4])]
  const { carry, out } = scan({ h, n }, { x }, ({ h, n }, { x }) => {
    const next = tanh(add(matmul(x, w), mul(h, sum(exp(add(all, sum(h)))))))
    return { carry: { h: next, n: add(n, h) }, out: { y: mul(next, x), s: sum(next) } }
  })
  const graph = graphOf(b, { h: carry.h, n: carry.n, y: out.y, s: out.s })
  const layout = layoutOf([graph])
  return { plan: planGraph(graph, layout), layout }
}

const loopAt = (plan: Plan): number => plan.kernels.findIndex((k) => k.loop)
const loopOf = (plan: Plan): LoopPlan => plan.kernels[loopAt(plan)].loop!
const withLoop = (plan: Plan, change: Partial<LoopPlan>): Plan => withKernel(plan, loopAt(plan), { loop: { ...loopOf(plan), ...change } })
const withBody = (plan: Plan, change: Change): Plan => withLoop(plan, { plan: change(loopOf(plan).plan) })
const inputBuffer = (plan: Plan, name: string): number => plan.inputs.find((i) => i.name === name)!.buffer

const LOOP_FAULTS: Record<string, [Change, RegExp]> = {
  'a step too few': [(p) => withLoop(p, { length: 4 }), /other steps/],
  'steps that run backwards': [(p) => withLoop(p, { reverse: true }), /other steps/],
  'a carry that begins as something else': [(p) => withLoop(p, { carries: changed(loopOf(p).carries, 0, { from: inputBuffer(p, 'n') }) }), /carry 0 begins/],
  'a carry that goes nowhere': [(p) => withLoop(p, { carries: changed(loopOf(p).carries, 1, { to: [] }) }), /carry 1 goes to/],
  'two carries in one place': [(p) => withLoop(p, { carries: changed(loopOf(p).carries, 1, { offset: 0 }) }), /carries 0 and 1 share bytes/],
  'a carry that is cut off': [(p) => withLoop(p, { carries: changed(loopOf(p).carries, 0, { bytes: 16 }) }), /carry 0 has 16 bytes/],
  'slices of something else': [(p) => withLoop(p, { scanned: changed(loopOf(p).scanned, 0, { from: inputBuffer(p, 'all') }) }), /slices 0/],
  'a slice that goes astray': [
    (p) => withLoop(p, { scanned: changed(loopOf(p).scanned, 0, { input: loopOf(p).plan.results[0].buffer }) }),
    /slice 0 goes to another buffer/,
  ],
  'outputs that are exchanged': [
    (p) => withLoop(p, { outputs: [...loopOf(p).outputs].reverse() }),
    /output 0 has/,
  ],
  'another matrix for every step': [
    (p) => withLoop(p, { captured: loopOf(p).captured.map((c) => ({ ...c, from: inputBuffer(p, 'x') })) }),
    /every step reads as k\d+ is something else/,
  ],
  'nothing that every step reads': [(p) => withLoop(p, { captured: [] }), /nothing outside/],
  'too little memory for the body': [(p) => withBuffer(p, loopOf(p).scratch, { bytes: 32 }), /its body needs \d+ bytes and has 32/],
  'memory of the body that is in use': [
    (p) => withBuffer(p, loopOf(p).scratch, { offset: p.buffers[inputBuffer(p, 'w')].offset }),
    /share bytes while both are in use/,
  ],
  'memory of the body that is gone before': [(p) => withBuffer(p, loopOf(p).scratch, { from: -2, to: -1 }), /its body has no memory/],
  'a body that is left out': [(p) => withBody(p, (body) => without(body, 0)), /in its body: .*/],
  'a body in the wrong order': [(p) => withBody(p, (body) => ({ ...body, kernels: [...body.kernels].reverse() })), /in its body: .*which is not in/],
  'a body that computes something else': [
    (p) => withBody(p, (body) => ({ ...body, graph: { ...body.graph, updates: body.graph.updates.map((u, i, all) => ({ ...u, node: all[1 - i].node })) } })),
    /computes something else as result 0/,
  ],
  'an output over what every step reads': [
    (p) => {
      const [at, all] = [loopAt(p), inputBuffer(p, 'all')]
      const stores = p.kernels[at].stores.map((s) => (s.buffer === resultBuffer(p, 'y') ? { ...s, buffer: all } : s))
      const outputs = changed(loopOf(p).outputs, 0, { to: [all] })
      return withKernel(p, at, { stores, loop: { ...loopOf(p), outputs } })
    },
    /is written over %\d+ input f32\[5,2,4\], which other steps read/,
  ],
}

describe('in loops the replayer finds', () => {
  test('nothing in a good plan', () => {
    const { plan, layout } = looping()
    const { inputs, states } = given(plan.graph)
    expect(replay(plan, layout, inputs, states)).toEqual([])
    expect(loopOf(plan).plan.kernels.length).toBeGreaterThan(1)
  })

  test.each(Object.entries(LOOP_FAULTS))('%s', (_, [change, complaint]) => {
    const { plan, layout } = looping()
    expect(replaySymbolically(change(plan), layout).join('\n')).toMatch(complaint)
  })

  test('values of a step before that are read in the next', () => {
    const { plan, layout } = looping()
    const { inputs, states } = given(plan.graph)
    const early = withBody(plan, (body) => ({ ...body, kernels: [body.kernels.at(-1)!, ...body.kernels.slice(0, -1)] }))
    const got = replayNumerically(early, layout, inputs, states)
    expect(Object.values(got.results).some((v) => v.some(Number.isNaN))).toBe(true)
  })

  test('slices that are overwritten where they were read, and nothing wrong with that', () => {
    const b = new Builder()
    const w = state(b, 'w', [4, 3])
    const graph = graphOf(b, {}, { w: scan({}, { w }, (_, { w }) => ({ carry: {}, out: { y: mul(w, 2) } })).out.y })
    const layout = layoutOf([graph])
    const plan = planGraph(graph, layout)
    const { inputs, states } = given(graph)
    expect(replay(plan, layout, inputs, states)).toEqual([])
    const k = plan.kernels[loopAt(plan)]
    expect(k.loads.map((l) => l.buffer)).toContain(k.stores[0].buffer)
  })
})

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
