import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Plan } from '../../src/ir/plan.ts'
import { carriedBy } from '../../src/ir/rows.ts'
import { layoutOf, planGraph } from '../../src/passes/plan.ts'
import { arbitraryRows, rowsFrom } from '../codegen/rows-random.ts'
import { arbitraryAttention, arbitraryLimits, attentionFrom, inBlocks, sumsOverRows } from '../codegen/rows-sums.ts'
import { replay } from '../replayer.ts'
import { given } from './plans.ts'

// GRADC_SEED=n runs other graphs; a failure prints its own seed.
const runs = { seed: Number(process.env.GRADC_SEED ?? 1), numRuns: Number(process.env.GRADC_RUNS ?? 50) }

const long = (positions: number, width = 16): Plan['graph'] => attentionFrom({
  batch: 1, heads: 4, shared: false, queries: positions, keys: positions, width, out: width, causal: false, mask: 'none', dropout: 0,
  of: ['q', 'k', 'v'], twice: false, kept: false,
})

test('the memory of attention with its adjoint grows with the positions, not with their square', () => {
  const arena = (positions: number): number => {
    const graph = long(positions)
    return planGraph(graph, layoutOf([graph])).arenaBytes
  }
  expect(arena(2048)).toBeLessThanOrEqual(2 * arena(1024))
  expect(arena(4096)).toBeLessThanOrEqual(2 * arena(2048))
})

test('what runs after all rows takes the place of an operand that they are done with', () => {
  const graph = long(1024)
  const plan = planGraph(graph, layoutOf([graph]))
  const [{ rows, stores }] = plan.kernels
  const last = rows!.parts.filter((p) => p.axes.includes(-1)).flatMap((p) => p.stores)
  const given = new Set(plan.inputs.map((i) => i.buffer))
  expect(last.length).toBeGreaterThan(0)
  expect(stores.filter((s) => last.includes(s.node)).every((s) => given.has(s.buffer))).toBe(true)
})

test('short rows stay whole', () => {
  const graph = long(64)
  const plan = planGraph(graph, layoutOf([graph]))
  expect(sumsOverRows(plan)).toBe(0)
  expect(plan.kernels.map((k) => k.rows?.axes)).toEqual([[{ steps: 4, points: 1 }]])
})

test('the replayer finds nothing wrong with sums over rows, also under budgets', () => {
  let some = 0
  const wrong = (graph: Plan['graph'], seed: number, options: object): void => {
    const layout = layoutOf([graph])
    const { inputs, states } = given(graph, seed)
    for (const budget of [undefined, 'min', 'sqrt'] as const) {
      const plan = planGraph(graph, layout, { ...options, budget })
      some += sumsOverRows(plan)
      expect(replay(plan, layout, inputs, states)).toEqual([])
    }
  }
  fc.assert(fc.property(arbitraryAttention, arbitraryLimits, (program, limits) => wrong(attentionFrom(program), program.queries, limits)), runs)
  fc.assert(fc.property(arbitraryRows, arbitraryLimits, (program, limits) => wrong(rowsFrom(program), program.length, limits)), runs)
  expect(some).toBeGreaterThan(runs.numRuns / 4)
})

test('the replayer notices a sum that is read or lost before it is complete', () => {
  const graph = long(24, 2)
  const layout = layoutOf([graph])
  const plan = planGraph(graph, layout, inBlocks(3))
  const { inputs, states } = given(graph)
  const at = plan.kernels.findIndex((k) => k.rows)
  const { rows } = plan.kernels[at]
  const changed = (kernel: object): string =>
    replay({ ...plan, kernels: plan.kernels.map((k, i) => (i === at ? { ...k, ...kernel } : k)) }, layout, inputs, states).join()
  expect(changed({})).toBe('')
  const early = rows!.parts.map((p) => ({ ...p, axes: p.axes.map((a) => (a < 0 ? 2 : a)) }))
  expect(changed({ rows: { ...rows!, parts: early } })).toContain('is read before it is complete')
  const sum = rows!.parts.find((p) => carriedBy(p).length)!.stores[0]
  const covered = rows!.locals.map((l) => (l.node === sum ? { ...l, offset: 0 } : l))
  expect(changed({ rows: { ...rows!, locals: covered } })).toContain('share bytes')
})

test('rows that are made again for fewer values have room for what they do not store then', () => {
  const graph = attentionFrom({
    batch: 1, heads: 1, shared: false, queries: 3, keys: 7, width: 3, out: 3, causal: false, mask: 'none', dropout: 0.4,
    of: ['q', 'k', 'v'], twice: true, kept: true,
  })
  const layout = layoutOf([graph])
  const { inputs, states } = given(graph, 3)
  expect(replay(planGraph(graph, layout, { ...inBlocks(1), budget: 'min' }), layout, inputs, states)).toEqual([])
})
