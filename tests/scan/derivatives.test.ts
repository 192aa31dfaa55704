// Gradients of loops in doubles: against central differences to second order, forward against reverse, and the same of the
// optimised function.
import { describe, expect, test } from 'vitest'
import { add, f64, fn, grad, jvp, mul, square, sum, type Tensor } from '../../src/index.ts'
import { evaluate } from '../../src/ir/evaluate.ts'
import type { Graph } from '../../src/ir/graph.ts'
import { sizeOf } from '../../src/ir/types.ts'
import { optimise } from '../../src/passes/pipeline.ts'
import { codeOf } from '../code-of.ts'
import { CASES, type Case } from './cases.ts'

type Values = Readonly<Record<string, Float64Array>>

const valuesOf = ({ inputs }: Case): Values =>
  Object.fromEntries(Object.entries(inputs).map(([name, shape], k) =>
    [name, Float64Array.from({ length: sizeOf(shape) }, (_, i) => 0.9 * Math.sin(i * 1.7 + k + 0.5) + 0.05)]))

const declared = (c: Case, body: (x: Readonly<Record<string, Tensor>>) => Record<string, Tensor>): Graph =>
  fn(Object.fromEntries(Object.entries(c.inputs).map(([name, shape]) => [name, f64(...shape)])), body as never).graph

const at = (graph: Graph, inputs: Values): Record<string, Float64Array> =>
  evaluate(graph, { inputs }, { precision: 'f64' }).results as Record<string, Float64Array>

/** The derivative of `loss` by one element, fourth order. */
function difference(graph: Graph, values: Values, name: string, i: number): number {
  const h = 2 ** -10
  const moved = (k: number): number => {
    const array = values[name].slice()
    array[i] += k * h
    return at(graph, { ...values, [name]: array }).loss[0]
  }
  return (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * h)
}

/** Derivatives of a loss against differences: of each input, all elements, or about `most` of them. */
function expectGradients(c: Case, loss: (x: Readonly<Record<string, Tensor>>) => Tensor, most = Infinity): void {
  const values = valuesOf(c)
  const graph = declared(c, (x) => {
    const value = loss(x)
    const names = Object.keys(c.inputs)
    return { loss: value, ...Object.fromEntries(grad(value, names.map((n) => x[n])).map((g, i) => [`d${names[i]}`, g])) }
  })
  const plain = declared(c, (x) => ({ loss: loss(x) }))
  const results = at(graph, values)
  const largest = Math.max(1, ...Object.values(results).flatMap((r) => Array.from(r, Math.abs)))
  for (const name of Object.keys(c.inputs)) {
    const every = Math.ceil(results[`d${name}`].length / most)
    results[`d${name}`].forEach((d, i) => {
      if (i % every) return
      expect(Math.abs(d - difference(plain, values, name, i)), `d${name}[${i}] = ${d}`).toBeLessThan(1e-8 * largest)
    })
  }
  const after = at(optimise({ ...graph, name: 'f' }, { verify: true }), values)
  for (const [name, v] of Object.entries(results)) {
    v.forEach((x, i) => expect(Math.abs(after[name][i] - x), `${name}[${i}], optimised`).toBeLessThan(1e-12 * largest))
  }
}

describe.each(CASES.map((c) => [c.name, c] as const))('%s', (_, c) => {
  test('gradients are the differences', () => expectGradients(c, c.loss))

  test('gradients of a gradient, too', () => {
    expectGradients(c, (x) => {
      const inputs = Object.values(x)
      const loss = c.loss(x)
      const squares = grad(loss, inputs).map((g, i) => sum(square(mul(g, 0.5 + i))))
      // Also where a gradient is constant.
      return [...inputs.map((v) => sum(square(v))), ...squares].reduce<Tensor>((a, b) => add(a, b), mul(loss, 0.1))
    }, 4)
  })

  if (c.reverseOnly) {
    test('forward mode is refused', () => {
      const forward = (): unknown => declared(c, (x) => ({ d: jvp([c.loss(x)], Object.values(x), Object.values(x))[0]! }))
      expect(codeOf(forward)).toBe('grad/forward')
    })
    return
  }

  test('forward mode is the transpose of reverse mode', () => {
    const values = valuesOf(c)
    const graph = declared(c, (x) => {
      const inputs = Object.values(x)
      const along = inputs.map((v) => square(mul(v, 1.3)))
      const loss = c.loss(x)
      const back = grad(loss, inputs).map((g, i) => sum(mul(g, along[i])))
      return { forth: jvp([loss], inputs, along)[0]!, back: back.reduce<Tensor>((a, b) => add(a, b), mul(loss, 0)) }
    })
    const { forth, back } = at(graph, values)
    expect(Math.abs(forth[0] - back[0])).toBeLessThan(1e-12 * Math.max(1, Math.abs(back[0])))
    expect(Number.isFinite(forth[0])).toBe(true)
  })
})

describe('what is known in closed form', () => {
  test('the product of four numbers has the products of three as its gradient', () => {
    const c = CASES.find((x) => x.name === 'a product')!
    const x = Float64Array.of(2, 1, 3, 1, 5, 1, 7, 1)
    const graph = declared(c, (t) => ({ d: grad(c.loss(t), t.x) }))
    expect([...at(graph, { x, h: Float64Array.of(1, 1) }).d]).toEqual([105, 1, 70, 1, 42, 1, 30, 1])
  })

  test('without a step, the carry is what it was, and so is its cotangent', () => {
    const c = { name: '', inputs: { x: [0, 2], h: [2] }, loss: CASES.find((x) => x.name === 'a product')!.loss }
    const graph = declared(c, (t) => ({ y: c.loss(t), d: grad(c.loss(t), t.h) }))
    const { y, d } = at(graph, { x: new Float64Array(0), h: Float64Array.of(3, 4) })
    expect([...y, ...d]).toEqual([7, 1, 1])
  })
})
