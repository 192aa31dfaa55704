// Loops and values with adjoints of their own as text, as IR that is checked, and on targets.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compile, custom, f32, f64, fn, GradcError, grad, mul, parse, print, scan, sum, type Tensor } from '../../src/index.ts'
import { evaluate } from '../../src/ir/evaluate.ts'
import type { Graph, Node } from '../../src/ir/graph.ts'
import { sizeOf } from '../../src/ir/types.ts'
import { violations, type Invariant } from '../../src/ir/verify.ts'
import { optimise } from '../../src/passes/pipeline.ts'
import { generatorOf } from '../generators.ts'
import { CASES } from './cases.ts'

describe('as text', () => {
  test.each(CASES.map((c) => [c.name, c] as const))('%s reads back the same, with its gradients', (_, c) => {
    const names = Object.keys(c.inputs)
    const { graph } = fn(Object.fromEntries(names.map((n) => [n, f64(...c.inputs[n])])), (x) => {
      const loss = c.loss(x)
      return { loss, ...Object.fromEntries(grad(loss, names.map((n) => x[n])).map((g, i) => [`d${names[i]}`, g])) }
    })
    const inputs = Object.fromEntries(names.map((n, k) => [n, Float64Array.from({ length: sizeOf(c.inputs[n]) }, (_, i) => Math.sin(i + k))]))
    for (const g of [graph, optimise({ ...graph, name: 'f' }, { verify: true })]) {
      const text = print(g)
      const again = parse(text)
      expect(print(again)).toBe(text)
      expect(violations(again)).toEqual([])
      expect(evaluate(again, { inputs }).results).toEqual(evaluate(g, { inputs }).results)
    }
  })

  test.each(['scan', 'custom'])('so does every %s', (op) => {
    fc.assert(fc.property(generatorOf(op, { special: true }), ({ graph, inputs, states }) => {
      const again = parse(print(graph))
      expect(print(again)).toBe(print(graph))
      expect(violations(again)).toEqual([])
      expect(evaluate(again, { inputs, states })).toEqual(evaluate(graph, { inputs, states }))
    }), { numRuns: 60 })
  })

  test('a small one, in full', () => {
    const { graph } = fn({ x: f32(4, 3), h: f32(3) }, ({ x, h }) => scan({ h }, { x }, ({ h }, { x }) => ({ carry: { h: mul(h, x) } })).carry)
    expect(print(optimise({ ...graph, name: 'f' }, {}))).toBe(`graph "f" {
  %0 = input f32[4, 3] "x"
  %1 = input f32[3] "h"
  %2 = scan f32[3] %1, %0 {carries = 1, scanned = 1, length = 4, reverse = 0, recompute = 0, index = 0} graph "scan" {
    %0 = input f32[3] "c0"
    %1 = input f32[3] "x0"
    %2 = mul f32[3] %0, %1
    result "c0" %2
  }
  result "h" %2
}
`)
  })
})

const loop = (): { graph: Graph; node: Node } => {
  const { graph } = fn({ x: f32(4, 3), h: f32(3) }, ({ x, h }) => scan({ h }, { x }, ({ h }, { x }) => ({ carry: { h: mul(h, x) } })).carry)
  return { graph, node: graph.results[0].node }
}

describe('broken loops are found', () => {
  const body = (n: Node): Graph => n.regions[0]
  const BROKEN: readonly (readonly [string, Invariant, (n: Node) => Partial<Node>])[] = [
    ['another type', 'type', () => ({ shape: [4, 3] })],
    ['another length', 'type', (n) => ({ attrs: { ...n.attrs, length: 3 } })],
    ['a result that there is not', 'type', (n) => ({ attrs: { ...n.attrs, index: 7 } })],
    ['a direction that is none', 'type', (n) => ({ attrs: { ...n.attrs, reverse: 2 } })],
    ['a count that is no number', 'attribute', (n) => ({ attrs: { ...n.attrs, carries: '1' } })],
    ['no body', 'region', () => ({ regions: [] })],
    ['two bodies', 'region', (n) => ({ regions: [body(n), body(n)] })],
    ['a body with another input', 'region', (n) => ({ regions: [{ ...body(n), inputs: body(n).inputs.slice(1) }] })],
    ['a body whose result is the outer value', 'region', (n) => ({ regions: [{ ...body(n), results: [{ name: 'c0', node: n.operands[0] }] }] })],
    ['an operand too few', 'type', (n) => ({ operands: n.operands.slice(0, 1) })],
  ]

  test.each(BROKEN)('%s', (_, invariant, change) => {
    const { graph, node } = loop()
    expect(violations(graph)).toEqual([])
    const forged = { ...node, id: node.id + 1000, ...change(node) }
    const found = violations({ ...graph, results: [{ name: 'h', node: forged }] })
    expect(found.map((v) => v.invariant)).toContain(invariant)
  })
})

test('a tangent of which only the transpose is known has no code', () => {
  const { graph } = fn({ x: f32(3), d: f32(3) }, ({ x, d }) => {
    const y = custom([x], ([x]) => mul(x, x), (_, __, ct) => [ct])
    return { y: x.builder.make('customTangent', [d, ...y.operands], y.attrs, y.regions) as Tensor }
  })
  expect(() => compile({ f: { inputs: {}, graph, results: {} } })).toThrow(GradcError)
  expect(() => compile({ f: { inputs: {}, graph, results: {} } })).toThrow(/target\/unsupported/)
})

describe('a custom adjoint', () => {
  test('is what is used, whatever the value is', async () => {
    const f = fn({ x: f32(3) }, ({ x }) => {
      const y = custom([x], ([x]) => mul(x, x), (_, y, ct) => [mul(ct, mul(10, y))])
      return { y, d: grad(sum(y), x) }
    })
    for (const target of ['js', 'wasm'] as const) {
      const { y, d } = (await compile({ f }, { target, verify: true }).load()).f({ x: Float32Array.of(1, 2, 3) })
      expect([[...y], [...d]]).toEqual([[1, 4, 9], [10, 40, 90]])
    }
  })

  test('counts for each argument, also where one tensor is two of them, and what is null counts nothing', () => {
    const { graph } = fn({ x: f32(1), z: f32(1) }, ({ x, z }) => {
      const y = custom([x, z, x], ([x, z]) => mul(x, z), (_, __, ct) => [ct, null, mul(ct, 2)])
      return { dx: grad(sum(y), x), dz: grad(sum(mul(y, z)), z) }
    })
    const { dx, dz } = evaluate(graph, { inputs: { x: [5], z: [7] } }).results
    expect([dx[0], dz[0]]).toEqual([3, 35])
  })

  test('is differentiated again', () => {
    const { graph } = fn({ x: f32(1) }, ({ x }) => {
      const y = custom([x], ([x]) => mul(x, mul(x, x)), ([x], _, ct) => [mul(ct, mul(3, mul(x, x)))])
      const first = grad(sum(y), x)
      const second = grad(sum(first), x)
      return { first, second, third: grad(sum(second), x) }
    })
    const { first, second, third } = evaluate(graph, { inputs: { x: [2] } }).results
    expect([first[0], second[0], third[0]]).toEqual([12, 12, 6])
  })
})
