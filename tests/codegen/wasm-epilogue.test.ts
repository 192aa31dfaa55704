import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { wasmText } from '../../src/codegen/wasm/emit.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { Graph, Node } from '../../src/ir/graph.ts'
import { add, less, lessEqual, matmul, mul, sigmoid, sum, where } from '../../src/ir/lang/index.ts'
import * as nn from '../../src/nn/index.ts'
import { grad } from '../../src/passes/differentiate/gradient.ts'
import { graphOf, input } from '../passes/plans.ts'
import { Machine, sameBits, type Arrays } from './run.ts'

/** Everything that is not a number counts once, as in {@link sameBits}. */
function expectSameBits(graph: Graph, inputs: Arrays): void {
  const machine = new Machine(graph)
  const { results } = machine.run('nests', { inputs })
  for (const target of ['js', 'wasm'] as const) {
    const got = machine.run(target, { inputs }).results
    for (const name of Object.keys(results)) expect(sameBits(got[name], results[name]), `${target}, ${name}`).toBe(true)
  }
}

const numbers = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin((i + 1) * seed) * (i % 7 === 0 ? 12 : 2))

/** gelu of a product, its slope, or both. */
function layer(m: number, n: number, k: number): { graph: Graph; inputs: Arrays } {
  const b = new Builder()
  const u = add(matmul(input(b, 'x', [m, k]), input(b, 'w', [k, n])), input(b, 'b', [n]))
  const h = nn.gelu(u, { approximate: 'tanh' })
  const graph = graphOf(b, { h, slope: grad(sum(h), u) })
  return { graph, inputs: { x: numbers(m * k, 1.7), w: numbers(k * n, 2.3).map((v) => v / 8), b: numbers(n, 0.9) } }
}

const textOf = (graph: Graph): string => wasmText(new Machine(graph).program)
const count = (text: string, op: string): number => text.split(`${op}\n`).length - 1

describe('a long epilogue', () => {
  test('has the bits of the loop nests for any tile', () => {
    const size = fc.integer({ min: 1, max: 41 })
    fc.assert(fc.property(size, size, fc.integer({ min: 1, max: 40 }), (m, n, k) => {
      const { graph, inputs } = layer(m, n, k)
      expectSameBits(graph, inputs)
    }), { numRuns: 40 })
  })

  test('has them where sums wait for further terms', () => {
    const { graph, inputs } = layer(64, 48, 2048)
    expectSameBits(graph, inputs)
  })

  test('takes two vectors in turns, a short one does not', () => {
    expect(count(textOf(layer(8, 32, 64).graph), 'f32x4.div')).toBe(2)
    const b = new Builder()
    const short = sigmoid(matmul(input(b, 'x', [8, 64]), input(b, 'w', [64, 32])))
    expect(count(textOf(graphOf(b, { short })), 'f32x4.div')).toBe(1)
  })
})

const SPECIAL = [0, -0, NaN, Infinity, -Infinity, 1, -1, 2 ** -149]
const pointwise = (of: (x: Node, y: Node) => Node): Graph => {
  const b = new Builder()
  return graphOf(b, { z: of(input(b, 'x', [64]), input(b, 'y', [64])) })
}
const PAIRS = { x: SPECIAL.flatMap((v) => SPECIAL.map(() => v)), y: SPECIAL.flatMap(() => SPECIAL) }

describe('a select with a zero', () => {
  test.each<[string, (x: Node, y: Node) => Node, string]>([
    ['if', (x, y) => where(lessEqual(x, y), 0, y), 'v128.andnot'],
    ['else', (x, y) => where(lessEqual(x, y), y, 0), 'v128.and'],
  ])('is one instruction: %s', (_, of, op) => {
    const graph = pointwise(of)
    expect(count(textOf(graph), op)).toBe(1)
    expect(count(textOf(graph), 'v128.bitselect')).toBe(0)
    expectSameBits(graph, PAIRS)
  })

  test.each<[string, (x: Node, y: Node) => Node, string]>([
    ['of −0', (x, y) => where(lessEqual(x, y), -0, y), 'v128.bitselect'],
    ['that is a limit', (x) => where(less(x, 0), 0, x), 'f32x4.pmax'],
  ])('but not one %s', (_, of, op) => {
    const graph = pointwise(of)
    expect(count(textOf(graph), op)).toBe(1)
    expect(count(textOf(graph), 'v128.andnot')).toBe(0)
    expectSameBits(graph, PAIRS)
  })
})

describe('relaxed multiply-adds', () => {
  // What src/runtime/relax.ts looks for.
  const found = (graph: Graph): number => textOf(graph).match(/f32x4\.mul\n *local\.get \S+\n *f32x4\.add/g)?.length ?? 0

  test('take a product before and behind the other addend', () => {
    expect(found(pointwise((x, y) => add(mul(x, 3), add(y, 1))))).toBe(1)
    expect(found(pointwise((x, y) => add(add(y, 1), mul(x, 3))))).toBe(1)
    expect(found(pointwise((x) => add(mul(x, 3), x)))).toBe(1)
    expect(found(pointwise((x) => add(x, mul(x, 3))))).toBe(1)
  })

  test('take all eight sums of products of the sigmoid', () => {
    expect(found(pointwise((x) => sigmoid(x)))).toBe(8)
  })
})
