import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loopsText } from '../../src/cli/loops-text.ts'
import { planText } from '../../src/cli/plan-text.ts'
import { emitJs } from '../../src/codegen/js/emit.ts'
import { lowerPlan } from '../../src/codegen/lower.ts'
import type { LoweredProgram } from '../../src/codegen/nest.ts'
import { emitWasm } from '../../src/codegen/wasm/emit.ts'
import type { Graph, Node } from '../../src/ir/graph.ts'
import { sizeOf } from '../../src/ir/types.ts'
import { layoutOf, planGraph, type PlanOptions } from '../../src/passes/plan.ts'
import { given } from '../passes/plans.ts'
import { locals, shares, Threads, withoutThreads } from '../threads.ts'
import { interpret } from './interpreter.ts'
import { Desk, foldNest, kernelsOf, runJs } from './memory.ts'
import { arbitraryRows, rowsFrom } from './rows-random.ts'
import { arbitraryAttention, arbitraryLimits, attentionFrom, inBlocks, oneHead } from './rows-sums.ts'
import { Machine, sameBits, type Target } from './run.ts'

// GRADC_SEED=n runs other graphs; a failure prints its own seed.
const runs = { seed: Number(process.env.GRADC_SEED ?? 1), numRuns: Number(process.env.GRADC_RUNS ?? 100) }

/** Nests of the function whose sums go on from row to row. */
const sums = ({ program }: Machine): number =>
  program.functions.flatMap((f) => f.kernels).reduce((n, k) => n + k.nests.filter((nest) => nest.carried).length, 0)

/** How many sums go on from row to row; every target must give the bits that kernel after kernel gives. */
function checked(graph: Graph, seed: number, options: PlanOptions, targets: readonly Target[] = ['nests', 'js', 'wasm']): number {
  const values = given(graph, seed)
  const want = new Machine(graph, { rows: false }).run('nests', values)
  const machine = new Machine(graph, options)
  for (const target of targets) {
    const got = machine.run(target, values)
    for (const [name, array] of Object.entries(want.results)) expect(sameBits(got.results[name], array), `${target}: ${name}`).toBe(true)
  }
  return sums(machine)
}

test('sums over the rows of random attention have the bits of kernel after kernel on every target', () => {
  let some = 0
  fc.assert(fc.property(arbitraryAttention, arbitraryLimits, (program, limits) => {
    some += checked(attentionFrom(program), program.queries, limits)
  }), runs)
  expect(some).toBeGreaterThan(runs.numRuns / 8)
})

test('random rows in blocks give the same bits on every target', () => {
  let some = 0
  fc.assert(fc.property(arbitraryRows, arbitraryLimits, (program, limits) => {
    some += checked(rowsFrom(program), program.length, limits)
  }), runs)
  expect(some).toBeGreaterThan(0)
})

test('blocks of a single row have the bits of kernel after kernel on every target', () => {
  fc.assert(fc.property(fc.integer({ min: 36, max: 48 }), arbitraryAttention, (positions, { causal, mask, dropout, of, twice, kept }) => {
    checked(oneHead(positions, { causal, mask, dropout, of, twice, kept }), positions, inBlocks(2))
  }), { ...runs, numRuns: Math.ceil(runs.numRuns / 10) })
  expect(checked(oneHead(48), 1, inBlocks(4))).toBe(2)
})

test('threads divide what lies around a sum over rows, or else what each row does', async () => {
  const threads = new Threads()
  const headed = { batch: 2, shared: false, queries: 12, keys: 10, width: 5, out: 4, causal: true, dropout: 0 as const, of: ['q', 'k', 'v'], twice: false, kept: true }
  const graphs = [attentionFrom({ ...headed, heads: 2, mask: 'none' }), attentionFrom({ ...headed, heads: 3, mask: 'padded' }), oneHead(48)]
  try {
    for (const graph of graphs) {
      const machine = new Machine(graph, inBlocks(3))
      expect(sums(machine)).toBe(2)
      expect(shares(machine.program)).toBeGreaterThan(0)
      const want = withoutThreads(machine.program, 1)
      const scratch = locals(machine.program.functions.flatMap((f) => f.kernels))
      const holds = (i: number): boolean => !scratch.some(({ from, to }) => i >= from && i < to)
      for (const count of [1, 2, 3, 4]) {
        const got = await threads.run(machine.program, count, 1)
        expect(got.findIndex((b, i) => b !== want[i] && holds(i)), `first other byte on ${count} threads`).toBe(-1)
      }
    }
  } finally {
    threads.close()
  }
})

test('a sum over rows is printed as one', () => {
  const graph = attentionFrom({
    batch: 1, heads: 2, shared: false, queries: 8, keys: 6, width: 4, out: 4, causal: false, mask: 'none', dropout: 0, of: ['v'], twice: false, kept: false,
  })
  const plan = planGraph(graph, layoutOf([graph]), inBlocks(2))
  expect(planText(plan)).toMatch(/rows 2 × 4 of 2; [^]*contract → %\d+ f32\[2, 6, 4\], a sum over rows\n/)
  const { name, kernels } = lowerPlan(plan, { state: 0, constant: 0, arena: 0 })
  expect(loopsText(name, kernels)).toContain('core = sum, on from the last step of b, for e < 2\n')
})

describe('a nest that goes on from step to step', () => {
  /** Σ a[i, k] · b[j, k] (`diagonal`: for i = j alone), in `steps` blocks of k, which is the operands' last axis, or their first one. */
  const program = (
    d: Desk, i: number, j: number, steps: number, points: number, diagonal: boolean, last: boolean,
  ): { program: LoweredProgram; a: Node; b: Node; out: Node } => {
    const [a, b] = [d.node('f32', [steps * points * i]), d.node('f32', [steps * points * (diagonal ? i : j)])]
    const out = d.node('f32', diagonal ? [i] : [i, j])
    const [own, term] = last ? [steps * points, (): number => 1] : [1, (n: number): number => n]
    const [left, right] = diagonal
      ? [d.load(a, [points * term(i), own, term(i)]), d.load(b, [points * term(i), own, term(i)])]
      : [d.load(a, [points * term(i), own, 0, term(i)]), d.load(b, [points * term(j), 0, own, term(j)])]
    const store = { ...d.store(out, d.x.core('f32')), index: { offset: 0, coefficients: diagonal ? [0, 1] : [0, j, 1] } }
    const nest = { ...foldNest('sum', diagonal ? [steps, i] : [steps, i, j], [points], d.x.arith.mul(left, right), store), carried: [0] }
    const { functions, memoryBytes } = d.program(nest)
    return { program: { functions: functions.map((f) => ({ ...f, kernels: f.kernels.map((k) => ({ ...k, rows: [steps] })) })), memoryBytes }, a, b, out }
  }

  function checkedOnAll(i: number, j: number, steps: number, points: number, diagonal: boolean, last: boolean, seed: number): void {
    const d = new Desk()
    const { program: p, a, b, out } = program(d, i, j, steps, points, diagonal, last)
    const first = d.memory(seed)
    const of = (memory: ArrayBuffer, n: Node): Float32Array => new Float32Array(memory, d.address(n), sizeOf(n.shape))
    // What is there before the first step is nothing to go on from.
    of(first, out).fill(NaN)
    const [x, y] = [of(first, a), of(first, b)]
    const [columns, width] = diagonal ? [1, i] : [j, j]
    const at = (k: number, n: number, extent: number): number => (last ? n * steps * points + k : k * extent + n)
    const sums = (relaxed: boolean): Float32Array => Float32Array.from(of(first, out), (_, e) => {
      const [l, r] = [Math.floor(e / columns), diagonal ? e : e % columns]
      let sum = 0
      for (let k = 0; k < steps * points; k++) {
        const product = x[at(k, l, i)] * y[at(k, r, width)]
        sum = relaxed ? sum + product : Math.fround(sum + Math.fround(product))
        if (k % points === points - 1) sum = Math.fround(sum)
      }
      return sum
    })
    const after = (run: (memory: ArrayBuffer) => void): Float32Array => {
      const memory = first.slice(0)
      run(memory)
      return of(memory, out)
    }
    const strict = sums(false)
    expect(after((memory) => interpret(p, memory))).toEqual(strict)
    expect(after((memory) => runJs(p, memory))).toEqual(strict)
    expect(after((memory) => runWasm(p, memory))).toEqual(strict)
    expect(after((memory) => kernelsOf(emitJs(p, 'relaxed'))(memory).forEach((run) => run()))).toEqual(sums(true))
  }

  const extents = fc.integer({ min: 1, max: 21 })

  test('begins with 0 and goes on with what it has stored, on every target', () => {
    fc.assert(fc.property(
      fc.integer({ min: 2, max: 21 }), extents, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 9 }), fc.boolean(), fc.boolean(), fc.nat(1e6), checkedOnAll,
    ), runs)
  })
  test.each([[96, 80, 3, 40, false], [300, 1, 3, 64, true], [64, 64, 2, 300, false]] as const)('%i × %i in %i steps of %i', (i, j, steps, points, diagonal) => {
    checkedOnAll(i, j, steps, points, diagonal, false, 1)
  })
})

function runWasm(program: LoweredProgram, memory: ArrayBuffer): void {
  const { bytes } = emitWasm(program)
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {})
  const own = new Uint8Array((exports.memory as WebAssembly.Memory).buffer)
  own.set(new Uint8Array(memory))
  ;(exports.f0 as () => void)()
  new Uint8Array(memory).set(own.subarray(0, memory.byteLength))
}
