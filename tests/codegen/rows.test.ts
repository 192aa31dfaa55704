import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loopsText } from '../../src/cli/loops-text.ts'
import { planText } from '../../src/cli/plan-text.ts'
import { lowerPlan } from '../../src/codegen/lower.ts'
import { layoutOf, planGraph, type PlanOptions } from '../../src/passes/plan.ts'
import { ROW_LIMITS } from '../../src/passes/rows/choice.ts'
import { arbitraryGraph } from '../generators.ts'
import { given } from '../passes/plans.ts'
import type { Graph } from '../../src/ir/graph.ts'
import { locals, shares, Threads, withoutThreads } from '../threads.ts'
import { CASES, LONG } from './rows-cases.ts'
import { arbitraryRows, rowsFrom } from './rows-random.ts'
import { Machine, sameBits, type Outcome, type Target } from './run.ts'

// GRADC_SEED=n runs other graphs; a failure prints its own seed.
const runs = { seed: Number(process.env.GRADC_SEED ?? 1), numRuns: Number(process.env.GRADC_RUNS ?? 100) }

/** Everything that can run row by row does, however small. */
const ALL: PlanOptions = { rows: { shortest: 1, rowBytes: Infinity, blockBytes: Infinity, leastBlock: 64, smallBytes: 0, rebuildBytes: 0 } }

function expectSame(got: Outcome, want: Outcome, what: string): void {
  for (const part of ['results', 'states'] as const) {
    for (const [name, values] of Object.entries(want[part])) {
      expect(sameBits(got[part][name], values), `${what}: ${part} ${name}`).toBe(true)
    }
  }
}

/** How many kernels run row by row; every target must give the bits that kernel after kernel gives. */
function rowKernels(
  graph: Graph, values: Parameters<Machine['run']>[1], options: PlanOptions = {}, targets: readonly Target[] = ['nests', 'js', 'wasm'],
): number {
  const want = new Machine(graph, { rows: false }).run(targets[0], values)
  const machine = new Machine(graph, options)
  for (const target of targets) expectSame(machine.run(target, values), want, target)
  return machine.program.functions[0].kernels.filter((k) => k.rows ?? k.loop?.body.some((inner) => inner.rows)).length
}

describe.each(Object.entries(CASES))('%s', (name, graph) => {
  test('runs row by row with the bits of kernel after kernel, on every target', () => {
    const g = graph()
    // Whole steps are long for the interpreter.
    expect(rowKernels(g, given(g), {}, name.startsWith('a training step') ? ['js', 'wasm'] : undefined)).toBeGreaterThan(0)
  })
})

test('attention over blocks of queries gives the same bits on every target', () => {
  const graph = LONG()
  expect(rowKernels(graph, given(graph), { rows: { ...ROW_LIMITS, blockBytes: 0 } })).toBe(1)
})

test('a row kernel is printed as loops around its parts', () => {
  const graph = CASES.softmax()
  const plan = planGraph(graph, layoutOf([graph]))
  expect(planText(plan)).toMatch(/rows 40; of %\d+ f32\[40\], .* one row at a time, in #\d+\n +reduceMax → /)
  const { name, kernels } = lowerPlan(plan, { state: 0, constant: 0, arena: 0 })
  expect(loopsText(name, kernels)).toContain('for each a < 40\n      core = max for b < 130\n')
})

test.each(['cross-entropy and its gradient', 'causal attention, adjoint', 'rows in the body of a loop'])('threads share the rows of %s', async (name) => {
  const { program } = new Machine(CASES[name]())
  const want = withoutThreads(program, 1)
  const scratch = locals(program.functions.flatMap((f) => f.kernels))
  const holds = (i: number): boolean => !scratch.some(({ from, to }) => i >= from && i < to)
  const threads = new Threads()
  try {
    expect(shares(program)).toBeGreaterThan(0)
    for (const count of [1, 2, 3]) {
      const got = await threads.run(program, count, 1)
      expect(got.findIndex((b, i) => b !== want[i] && holds(i)), `first other byte on ${count} threads`).toBe(-1)
    }
  } finally {
    threads.close()
  }
})

test('random rows give the same bits on every target', () => {
  let some = 0
  fc.assert(fc.property(arbitraryRows, (program) => {
    const graph = rowsFrom(program)
    some += rowKernels(graph, given(graph, program.length), ALL)
  }), runs)
  expect(some).toBeGreaterThan(runs.numRuns / 4)
})

test('random graphs give the same bits row by row', () => {
  fc.assert(fc.property(arbitraryGraph(), ({ graph, inputs, states }) => {
    rowKernels(graph, { inputs, states } as never, ALL)
  }), runs)
})
