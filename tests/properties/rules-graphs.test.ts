import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../src/ir/evaluate.ts'
import { rootsOf, topological, type Graph } from '../../src/ir/graph.ts'
import type { Precision } from '../../src/ir/numeric.ts'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { violations } from '../../src/ir/verify.ts'
import { runPasses, type Pass } from '../../src/passes/runner.ts'
import { relax, simplification, simplify, stabilise } from '../../src/passes/simplify.ts'
import { arbitraryGraph, type Program } from '../generators.ts'
import { randomFrom } from '../passes/instances.ts'

const rewritten = (graph: Graph, ...passes: readonly Pass[]): Graph => runPasses(graph, passes, { verify: true, fastMath: true })

/** All results and updates of both graphs, one after the other, with what they are. */
function both(a: Graph, b: Graph, program: Program, precision: Precision): [number, number, string][] {
  const values = [a, b].map((g) => evaluate(g, program, { precision }))
  return [...a.results, ...a.updates].flatMap(({ name }) =>
    (['results', 'updates'] as const).flatMap((kind) => {
      const [v, w] = values.map((e) => e[kind][name])
      return v ? Array.from(v, (x, i): [number, number, string] => [x, w[i], `${kind} ${name}[${i}]`]) : []
    }))
}

const SPECIAL = [NaN, Infinity, -Infinity, 0, -0, 1e-45, -1e-40, 3.4e38, -3.4e38, 1, -1, 0.1]

/** The same function on values that rules are wrong about. */
function harsh(program: Program, seed: number): Program {
  const random = randomFrom(seed)
  const spoil = (arrays: Program['inputs']): Program['inputs'] =>
    Object.fromEntries(Object.entries(arrays).map(([name, array]) =>
      [name, array.map((v: number) => (random() < 0.4 ? SPECIAL[Math.floor(random() * SPECIAL.length)] : v)) as typeof array]))
  return { graph: program.graph, inputs: spoil(program.inputs), states: spoil(program.states) }
}

describe('random functions', () => {
  test('simplify keeps every bit, for special values too', () => {
    let shrunk = 0
    fc.assert(
      fc.property(arbitraryGraph({ size: 40 }), fc.integer(), (program, seed) => {
        const after = rewritten(program.graph, simplify)
        if (after !== program.graph) shrunk++
        for (const given of [program, harsh(program, seed)]) {
          for (const [v, w, where] of both(program.graph, after, given, 'declared')) {
            expect(Object.is(v, w), `${where}: ${v} became ${w}`).toBe(true)
          }
        }
      }),
      { numRuns: 100 },
    )
    expect(shrunk).toBeGreaterThan(0)
  })

  test.each([stabilise, relax])('$name keeps values', (pass) => {
    fc.assert(
      fc.property(arbitraryGraph({ size: 40 }), (program) => {
        const after = rewritten(program.graph, pass)
        for (const [v, w, where] of both(program.graph, after, program, 'f64')) {
          const same = Object.is(v, w) || Math.abs(v - w) <= 1e-6 * Math.max(1, Math.abs(v))
          expect(same, `${where}: ${v} became ${w}`).toBe(true)
        }
      }),
      { numRuns: 100 },
    )
  })

  test('a rewritten graph has nothing left to rewrite, and no more functions to compute', () => {
    fc.assert(
      fc.property(arbitraryGraph({ size: 40 }), ({ graph }) => {
        const once = rewritten(graph, ...simplification)
        expect(print(rewritten(once, ...simplification))).toBe(print(once))
        const transcendental = (g: Graph): number =>
          topological(rootsOf(g)).filter((n) => ['tanh', 'sigmoid', 'sin', 'cos'].includes(n.op)).length
        expect(transcendental(once)).toBeLessThanOrEqual(transcendental(graph))
      }),
      { numRuns: 60 },
    )
  })

  test('print(parse(print(g))) = print(g), and what is parsed means the same', () => {
    fc.assert(
      fc.property(arbitraryGraph(), (program) => {
        const text = print(program.graph)
        const again = parse(text)
        expect(print(again)).toBe(text)
        expect(violations(again)).toEqual([])
        for (const [v, w, where] of both(program.graph, again, program, 'declared')) expect(Object.is(v, w), where).toBe(true)
      }),
      { numRuns: 60 },
    )
  })
})
