import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PlanOptions } from '../../src/passes/plan.ts'
import { layoutOf, planGraph } from '../../src/passes/plan.ts'
import { regions } from '../../src/passes/regions.ts'
import { runPasses } from '../../src/passes/runner.ts'
import { arbitraryGraph, computed, generatorOf } from '../generators.ts'
import { given } from '../passes/plans.ts'
import { replay } from '../replayer.ts'
import { arbitraryStep, stepFrom } from './random-steps.ts'

// GRADC_SEED=n runs other graphs; a failure prints its own seed.
const runs = { seed: Number(process.env.GRADC_SEED ?? 1), numRuns: Number(process.env.GRADC_RUNS ?? 300) }

const WAYS: [string, PlanOptions][] = [['fused', {}], ['op by op', { fuse: false }]]

describe.each(WAYS)('plans of random steps, %s', (_, options) => {
  test('keep all their promises and give the graph’s values to the bit', () => {
    fc.assert(
      fc.property(arbitraryStep, ({ program, roots }) => {
        const graph = stepFrom(program, roots)
        const layout = layoutOf([graph])
        const { inputs, states } = given(graph, program.length)
        expect(replay(planGraph(graph, layout, options), layout, inputs, states)).toEqual([])
      }),
      runs,
    )
  })
})

test.each(WAYS)('plans of random whole graphs, %s, keep their promises', (_, options) => {
  fc.assert(
    fc.property(arbitraryGraph(), ({ graph, inputs, states }) => {
      const layout = layoutOf([graph])
      expect(replay(planGraph(graph, layout, options), layout, inputs, states)).toEqual([])
    }),
    { ...runs, numRuns: Math.ceil(runs.numRuns / 3) },
  )
})

test.each(computed())('%s alone, with operands of all kinds, keeps its promises', (op) => {
  fc.assert(
    fc.property(generatorOf(op, { special: true }), ({ graph, inputs, states }) => {
      // As it stands, and as the pipeline hands it over.
      for (const g of [graph, runPasses(graph, [regions], { verify: true })]) {
        const layout = layoutOf([g])
        expect(replay(planGraph(g, layout), layout, inputs, states)).toEqual([])
      }
    }),
    { ...runs, numRuns: 12 },
  )
})
