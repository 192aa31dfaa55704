// Random loops and values with adjoints of their own, with their derivatives, through the whole compiler.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../src/ir/evaluate.ts'
import { rootsOf, topological, type Graph, type Node } from '../../src/ir/graph.ts'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { isFloat } from '../../src/ir/types.ts'
import { violations } from '../../src/ir/verify.ts'
import { vjp } from '../../src/passes/differentiate/gradient.ts'
import { optimise } from '../../src/passes/pipeline.ts'
import { layoutOf, planGraph } from '../../src/passes/plan.ts'
import { regions } from '../../src/passes/regions.ts'
import { runPasses } from '../../src/passes/runner.ts'
import { stabiliseNodes } from '../../src/passes/simplify.ts'
import { Machine, sameBits } from '../codegen/run.ts'
import { arbitraryGraph, computed, generatorOf, type Program, type Sample } from '../generators.ts'
import { replay } from '../replayer.ts'

// GRADC_RUNS is what the plans of whole steps run, 300; here it only scales.
const SCALE = Number(process.env.GRADC_RUNS ?? 300) / 300
const runs = (numRuns: number): { numRuns: number } => ({ numRuns: Math.ceil(numRuns * SCALE) })
const OPS = computed().filter((op) => op === 'scan' || op === 'custom')

/** The function with its gradients, and the gradients of those: all in one graph. */
function withDerivatives({ graph, node, builder }: Sample): Graph {
  const wrt = graph.inputs.map((i) => i.node).filter((x) => isFloat(x.dtype))
  const present = (list: readonly (Node | null)[]): Node[] => list.filter((d) => d !== null)
  const first = present(vjp([node], wrt, [builder.one(node)]))
  const second = present(vjp(first, wrt, first.map((g) => builder.one(g))))
  const named = (nodes: readonly Node[], kind: string): Graph['results'] => nodes.map((n, i) => ({ name: `${kind}${i}`, node: n }))
  return { ...graph, results: [...graph.results, ...named(first, 'd'), ...named(second, 'dd')] }
}

const finite = (a: ArrayLike<number>): boolean => Array.prototype.every.call(a, Number.isFinite)

/** Equal but for rounding: f64, where terms may be added in another order. */
function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string, tolerance = 1e-9): void {
  const largest = Math.max(1, ...Array.from(expected, Math.abs))
  expect(actual.length).toBe(expected.length)
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i] - expected[i]) / largest
    expect(error, `${what}[${i}]: ${actual[i]}, not ${expected[i]}`).toBeLessThan(tolerance)
  }
}

describe.each(OPS)('%s with its first and second derivatives', (op) => {
  test('has the same bits on every target, and the values of the evaluator', () => {
    fc.assert(fc.property(generatorOf(op, { smooth: true }), (sample) => {
      const graph = withDerivatives(sample)
      const want = evaluate(graph, sample, { precision: 'f64' }).results
      for (const g of [graph, optimise(graph, { verify: true })]) {
        const machine = new Machine(g)
        const [nests, js, wasm] = (['nests', 'js', 'wasm'] as const).map((target) => machine.run(target, sample).results)
        for (const [name, values] of Object.entries(want)) {
          expect(sameBits(js[name], nests[name]), `js, ${name}`).toBe(true)
          expect(sameBits(wasm[name], nests[name]), `wasm, ${name}`).toBe(true)
          if (finite(values)) expectClose(nests[name], values, name)
        }
      }
    }), runs(30))
  })

  test('keeps the promises of its plans', () => {
    fc.assert(fc.property(generatorOf(op, { smooth: true }), (sample) => {
      const graph = withDerivatives(sample)
      for (const g of [graph, optimise(graph, { verify: true })]) {
        const layout = layoutOf([g])
        for (const fuse of [true, false]) {
          expect(replay(planGraph(g, layout, { fuse }), layout, sample.inputs, sample.states)).toEqual([])
        }
      }
    }), runs(20))
  })
})

/** A whole program with its gradients by all inputs and states as further results; null where none depends on any. */
function withGradients({ graph }: Program): Graph | null {
  const { builder, results } = graph
  const wrt = [...graph.inputs.map((i) => i.node), ...graph.states.map((s) => builder.state(s))]
  const nodes = results.map((r) => r.node)
  const gradients = vjp(nodes, wrt, nodes.map((n) => builder.one(n)), { stabilise: stabiliseNodes })
  const found = gradients.flatMap((g, i) => (g ? [{ name: `d${i}`, node: g }] : []))
  return found.length ? { ...graph, results: [...results, ...found] } : null
}

test('whole programs with loops and their gradients: the same bits on every target, and plans that keep their promises', () => {
  let loops = 0
  fc.assert(fc.property(arbitraryGraph({ size: 16 }), (program) => {
    const graph = withGradients(program)
    if (!graph) return
    const optimised = optimise(graph, { verify: true })
    if (topological(rootsOf(optimised)).some((n) => n.op === 'scan')) loops++
    const layout = layoutOf([optimised])
    expect(replay(planGraph(optimised, layout), layout, program.inputs, program.states)).toEqual([])
    const machine = new Machine(optimised)
    const [nests, js, wasm] = (['nests', 'js', 'wasm'] as const).map((target) => machine.run(target, program))
    for (const part of ['results', 'states'] as const) {
      for (const [name, values] of Object.entries(nests[part])) {
        expect(sameBits(js[part][name], values), `js, ${name}`).toBe(true)
        expect(sameBits(wasm[part][name], values), `wasm, ${name}`).toBe(true)
      }
    }
    const [before, after] = [graph, optimised].map((g) => evaluate(g, program, { precision: 'f64' }).results)
    for (const [name, values] of Object.entries(before)) if (finite(values)) expectClose(after[name], values, name, 1e-6)
  }), runs(40))
  expect(loops).toBeGreaterThan(0)
})

describe.each(OPS)('%s', (op) => {
  test('means the same to the bit when its loops are united', () => {
    fc.assert(fc.property(generatorOf(op, { special: true }), (sample) => {
      const united = runPasses(sample.graph, [regions], { verify: true })
      expect(sameBits(evaluate(united, sample).results.y, evaluate(sample.graph, sample).results.y)).toBe(true)
      expect(topological(rootsOf(united)).filter((n) => n.op === 'custom')).toEqual([])
    }), runs(100))
  })

  test('means the same to the bit on every target when optimised, and in f64 to rounding', () => {
    fc.assert(fc.property(generatorOf(op), (sample) => {
      const after = optimise(sample.graph, { verify: true })
      const machine = new Machine(after)
      const [nests, js, wasm] = (['nests', 'js', 'wasm'] as const).map((target) => machine.run(target, sample).results.y)
      expect(sameBits(js, nests)).toBe(true)
      expect(sameBits(wasm, nests)).toBe(true)
      expect(sameBits(nests, evaluate(after, sample).results.y)).toBe(true)
    }), runs(60))
  })

  test('print(parse(print(g))) = print(g), also of derivatives and of the optimised function', () => {
    fc.assert(fc.property(generatorOf(op, { smooth: true }), (sample) => {
      const graph = withDerivatives(sample)
      for (const g of [graph, optimise(graph, { verify: true })]) {
        const text = print(g)
        const again = parse(text)
        expect(print(again)).toBe(text)
        expect(violations(again)).toEqual([])
      }
    }), runs(20))
  })
})
