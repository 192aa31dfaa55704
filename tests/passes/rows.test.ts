import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { add, flip, sum, tanh } from '../../src/ir/lang/index.ts'
import type { Kernel, Plan, RowPart, RowsPlan } from '../../src/ir/plan.ts'
import { layoutOf, planGraph, type PlanOptions } from '../../src/passes/plan.ts'
import { ROW_LIMITS } from '../../src/passes/rows/choice.ts'
import { CASES, LONG } from '../codegen/rows-cases.ts'
import { arbitraryRows, rowsFrom } from '../codegen/rows-random.ts'
import { replay, replayNumerically } from '../replayer.ts'
import { given, graphOf, input } from './plans.ts'

// GRADC_SEED=n runs other graphs; a failure prints its own seed.
const runs = { seed: Number(process.env.GRADC_SEED ?? 1), numRuns: Number(process.env.GRADC_RUNS ?? 100) }

/** Everything that can run row by row does, however small. */
const ALL: PlanOptions = { rows: { shortest: 1, rowBytes: Infinity, blockBytes: Infinity, leastBlock: 64, smallBytes: 0, rebuildBytes: 0 } }

const bodies = (plan: Plan): Plan[] => [plan, ...plan.kernels.flatMap((k) => (k.loop ? bodies(k.loop.plan) : []))]
const kernels = (plan: Plan): number => bodies(plan).reduce((n, p) => n + p.kernels.length, 0)
const scratchBytes = (plan: Plan): number =>
  Math.max(...bodies(plan).flatMap((p) => p.kernels.map((k) => (k.rows && k.rows.scratch !== null ? p.buffers[k.rows.scratch].bytes : 0))))

/** Kernels one after the other and row by row, and the least share of the arena that this saves; 0: it may take a row more. */
const SAVED: { readonly [name: string]: readonly [many: number, one: number, share: number] } = {
  softmax: [4, 1, 0],
  'softmax under two leading axes': [4, 1, 0],
  'log-softmax': [3, 1, 0],
  'softmax, adjoint': [5, 1, 0],
  'cross-entropy and its gradient': [6, 2, 0],
  'layer norm': [3, 1, 0],
  'layer norm, adjoint': [6, 1, 0],
  attention: [6, 1, 0.2],
  'causal attention, adjoint': [11, 1, 0.3],
  'masked attention, adjoint': [11, 1, 0.3],
  'a training step of a transformer': [64, 41, 0.05],
  'rows in the body of a loop': [8, 4, 0],
  'batch statistics, over rows that are not contiguous': [3, 1, 0],
}

test.each(Object.keys(CASES))('kernels and arena of %s', (name) => {
  const graph = CASES[name]()
  const layout = layoutOf([graph])
  const [one, many] = [planGraph(graph, layout), planGraph(graph, layout, { rows: false })]
  const [before, after, share] = SAVED[name]
  expect([kernels(many), kernels(one)]).toEqual([before, after])
  if (share) expect(one.arenaBytes).toBeLessThanOrEqual((1 - share) * many.arenaBytes)
  else expect(one.arenaBytes).toBeLessThanOrEqual(many.arenaBytes + scratchBytes(one))
})

test('where the scores of a head leave the cache, rows are blocks of queries', () => {
  const graph = LONG()
  const layout = layoutOf([graph])
  const plan = planGraph(graph, layout, { rows: { ...ROW_LIMITS, blockBytes: 0 } })
  expect(plan.kernels.map((k) => k.rows?.axes)).toEqual([[{ steps: 2, points: 1 }, { steps: 2, points: 64 }]])
  const { inputs, states } = given(graph)
  expect(replay(plan, layout, inputs, states)).toEqual([])
  const whole = planGraph(graph, layout)
  expect(whole.kernels[0].rows!.axes).toEqual([{ steps: 2, points: 1 }])
  expect(scratchBytes(plan)).toBe(scratchBytes(whole) / 2)
})

test('what an adjoint makes of rows again is never in memory whole', () => {
  const graph = CASES['a training step of a transformer']()
  const layout = layoutOf([graph])
  const arena = (rebuildBytes: number): number => planGraph(graph, layout, { rows: { ...ROW_LIMITS, rebuildBytes } }).arenaBytes
  // Two heads of 24 queries and keys for two sentences, exponentials: probabilities are made of them as it is.
  expect(arena(Infinity) - arena(0)).toBe(4 * 2 * 2 * 24 * 24)
})

describe('the replayer finds nothing wrong', () => {
  test.each(Object.keys(CASES))('with %s', (name) => {
    const graph = CASES[name]()
    const layout = layoutOf([graph])
    const { inputs, states } = given(graph)
    expect(replay(planGraph(graph, layout), layout, inputs, states)).toEqual([])
  })

  test('with random rows, also under budgets', () => {
    fc.assert(fc.property(arbitraryRows, (program) => {
      const graph = rowsFrom(program)
      const layout = layoutOf([graph])
      const { inputs, states } = given(graph, program.length)
      for (const budget of [undefined, 'min', 'sqrt'] as const) {
        expect(replay(planGraph(graph, layout, { ...ALL, budget }), layout, inputs, states)).toEqual([])
      }
    }), runs)
  })
})

describe('the replayer notices', () => {
  const graph = CASES['log-softmax']()
  const layout = layoutOf([graph])
  const plan = planGraph(graph, layout)
  const { inputs, states } = given(graph)
  const complaints = (change: (rows: RowsPlan) => Partial<RowsPlan>): string[] => {
    const kernels = plan.kernels.map((k) => (k.rows ? { ...k, rows: { ...k.rows, ...change(k.rows) } } : k))
    return replay({ ...plan, kernels }, layout, inputs, states)
  }

  test('nothing where nothing is wrong', () => expect(complaints(() => ({}))).toEqual([]))
  test('parts in another order', () => {
    expect(complaints(({ parts }) => ({ parts: [...parts].reverse() })).join()).toContain('which no part has made')
  })
  test('a part that is missing', () => {
    expect(complaints(({ parts }) => ({ parts: parts.slice(1) })).join()).toContain('no part makes')
  })
  test('locals in one place', () => {
    expect(complaints(({ locals }) => ({ locals: locals.map((l) => ({ ...l, offset: 0 })) })).join()).toContain('share bytes')
  })
  test('too many rows', () => {
    expect(complaints(({ axes }) => ({ axes: axes.map((a) => ({ ...a, steps: a.steps + 1 })) })).join()).toContain('steps of 1 are not axis 0')
  })
  test('a row that reads another one', () => {
    const b = new Builder()
    const x = input(b, 'x', [4, 40])
    const [first, second] = [tanh(x), flip(tanh(x), 0)]
    const mixed = graphOf(b, { y: add(sum(second, { axis: 1, keepdims: true }), first) })
    const place = layoutOf([mixed])
    const { inputs: at } = given(mixed)
    const apart = planGraph(mixed, place, { fuse: false })
    const t = apart.kernels.findIndex((k) => k.core === null)
    const reader = apart.kernels.findIndex((k) => k.core !== null)
    const [maker, sum1] = [apart.kernels[t], apart.kernels[reader]]
    const part = ({ core, loads, stores }: Kernel, axes: number[]): RowPart => ({ core, loads: loads.map((l) => l.node), stores: stores.map((l) => l.node), axes })
    const rows: RowsPlan = { axes: [{ steps: 4, points: 1 }], parts: [part(maker, [0]), part(sum1, [0])], locals: [], scratch: null }
    const joined: Kernel = { name: 'rows', core: null, loads: maker.loads, stores: [...maker.stores, ...sum1.stores], rows }
    const kernels = apart.kernels.flatMap((k, i) => (i === t ? [] : i === reader ? [joined] : [k]))
    const buffers = apart.buffers.map((buffer, i) => ({ ...buffer, offset: 1024 * i, from: 0, to: kernels.length }))
    const { results } = replayNumerically({ ...apart, kernels, buffers, arenaBytes: 1024 * buffers.length }, place, at, {})
    // Of other rows there is nothing yet, or no more.
    expect(results.y.every((y) => Number.isNaN(y))).toBe(true)
  })
})
