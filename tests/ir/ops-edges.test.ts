import { describe, expect, it } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { evaluateNodes } from '../../src/ir/evaluate.ts'
import type { Node } from '../../src/ir/graph.ts'
import * as g from '../../src/ir/lang/index.ts'
import { grad } from '../../src/passes/differentiate/gradient.ts'
import { codeOf } from '../code-of.ts'

/** A function of two scalars and its derivatives, with their values at a point. */
interface Point {
  readonly f: Node
  readonly x: Node
  readonly y: Node
  readonly value: (n: Node) => number
}
function at(make: (x: Node, y: Node) => Node, point: readonly [number, number]): Point {
  const b = new Builder()
  const [x, y] = ['x', 'y'].map((name) => b.input(name, { dtype: 'f64', shape: [] }))
  return { f: make(x, y), x, y, value: (n) => evaluateNodes([n], { inputs: { x: [point[0]], y: [point[1]] } }).get(n)![0] }
}

describe('derivatives at the edges', () => {
  it('of x^y by x at x = 0 are those of the polynomial, to third order', () => {
    // Exponent -> f′, f″, f‴ at 0.
    for (const [y, ...want] of [[0, 0, 0, 0], [1, 1, 0, 0], [2, 0, 2, 0], [3, 0, 0, 6]]) {
      const { f, x, value } = at(g.pow, [0, y])
      const first = grad(f, x)
      const second = grad(first, x)
      expect([y, value(first), value(second), value(grad(second, x))]).toEqual([y, ...want])
    }
  })
  it('of rem by y count the multiples that rem itself took away, not those of the rounded quotient', () => {
    // 0.5 / 0.1 rounds up to 5, but the double next to 0.1 goes into 0.5 only 4 times.
    for (const [a, c] of [[0.5, 0.1], [-0.5, 0.1], [0.5, -0.1], [0.7, 0.2], [7, 2], [1e6 + 0.5, 1]] as const) {
      const { f, y, value } = at(g.rem, [a, c])
      expect([a, c, value(grad(f, y))]).toEqual([a, c, -Math.round((a - (a % c)) / c) + 0])
    }
  })
})

describe('refusals', () => {
  const b = new Builder()
  const ints = b.input('i', { dtype: 'i32', shape: [2] })
  it('of nothing to join', () => {
    expect(codeOf(() => g.concat([]))).toBe('shape/invalid')
    expect(codeOf(() => g.stack([]))).toBe('shape/invalid')
  })
  it('of a padding that the dtype cannot hold', () => {
    expect(codeOf(() => g.pad(ints, [[1, 0]], 0.5))).toBe('dtype/mismatch')
    expect(codeOf(() => g.pad(ints, [[1, 0]], 2 ** 31))).toBe('dtype/mismatch')
    expect(codeOf(() => g.pad(g.less(ints, 0), [[1, 0]], 2))).toBe('dtype/mismatch')
    expect(g.pad(ints, [[1, 0]], -1).shape).toEqual([3])
  })
})

it('argmax over all axes keeps them where it is asked to', () => {
  const x = new Builder().constant(Float64Array.of(1, 2, 3, 4), { dtype: 'f64', shape: [2, 2] })
  for (const position of [g.argmax, g.argmin]) {
    expect(position(x, { keepdims: true }).shape).toEqual([1, 1])
    expect(position(x).shape).toEqual([])
  }
})

it('two dtypes are a type error, whichever comes first', () => {
  const b = new Builder()
  const x = b.input('x', { dtype: 'f32', shape: [3] }) as Node<'f32'>
  const i = b.input('i', { dtype: 'i32', shape: [3] }) as Node<'i32'>
  // @ts-expect-error two dtypes
  expect(() => g.add(x, i)).toThrow(/dtype\/mismatch/)
  // @ts-expect-error two dtypes
  expect(() => g.less(i, x)).toThrow(/dtype\/mismatch/)
})
