// Derivatives up to third order, and straight-through estimators, in doubles.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  add, cast, compile, exp, f32, fn, grad, greater, hvp, jvp, matmul, mul, neg, round, sign, sin, square, straightThrough, sub,
  sum, tanh, where, type Scalar, type Tensor,
} from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { Node } from '../../src/ir/graph.ts'
import type { DType, Shape } from '../../src/ir/types.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'

const RUNS = { numRuns: 60 }
const input = (b: Builder, name: string, shape: Shape, dtype: DType = 'f64'): Tensor<'f64'> =>
  b.input(name, { dtype, shape }) as Tensor<'f64'>
const number = (limit: number): fc.Arbitrary<number> => fc.double({ min: -limit, max: limit, noNaN: true })

/** f, f′, f″ and f‴ at a number: grad of grad of grad, and once more by forward mode over reverse over reverse. */
function derivatives(f: (x: Scalar<'f64'>) => Scalar<'f64'>, at: number): { reverse: number[]; forward: number } {
  const b = new Builder()
  const x = input(b, 'x', []) as Scalar<'f64'>
  const nodes: Node[] = [f(x)]
  for (let order = 1; order <= 3; order++) nodes.push(grad(nodes.at(-1)!, x))
  const one = b.one(x)
  const mixed = jvp([nodes[2]], [x], [one])[0] ?? b.zeros(x)
  const values = numbersOf([...nodes, mixed], { x: [at] }).map(([v]) => v)
  return { reverse: values.slice(0, 4), forward: values[4] }
}

function expectAll(actual: readonly number[], expected: readonly number[]): void {
  actual.forEach((v, i) => {
    const most = 1e-11 * Math.max(1, Math.abs(expected[i]))
    expect(Math.abs(v - expected[i]), `order ${i}: ${v}, not ${expected[i]}`).toBeLessThanOrEqual(most)
  })
}

describe('grad of grad of grad', () => {
  test('of sin', () => {
    fc.assert(fc.property(number(30), (x) => {
      const { reverse, forward } = derivatives((v) => sin(v), x)
      expectAll([...reverse, forward], [Math.sin(x), Math.cos(x), -Math.sin(x), -Math.cos(x), -Math.cos(x)])
    }), RUNS)
  })

  test('of exp(sin x)', () => {
    fc.assert(fc.property(number(10), (x) => {
      const { reverse } = derivatives((v) => exp(sin(v)), x)
      const [s, c, e] = [Math.sin(x), Math.cos(x), Math.exp(Math.sin(x))]
      expectAll(reverse, [e, c * e, (c * c - s) * e, (c ** 3 - 3 * s * c - c) * e])
    }), RUNS)
  })

  test('of polynomials', () => {
    fc.assert(fc.property(fc.array(number(3), { minLength: 1, maxLength: 6 }), number(2), (c, x) => {
      // A constant alone does not depend on x.
      fc.pre(c.length > 3)
      const { reverse } = derivatives((v) => c.reduceRight<Scalar<'f64'>>((p, k) => add(mul(p, v), k), mul(v, 0)), x)
      const falling = (k: number, n: number): number => Array.from({ length: n }, (_, i) => k - i).reduce((p, q) => p * q, 1)
      const derivative = (n: number): number => c.reduce((t, v, k) => (k < n ? t : t + v * falling(k, n) * x ** (k - n)), 0)
      expectAll(reverse, [0, 1, 2, 3].map(derivative))
    }), RUNS)
  })

  test('of a small network: directional derivatives against differences of the order below', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 4 }), (seed, hidden) => {
      const b = new Builder()
      const [x, w] = [input(b, 'x', [2, 3]), input(b, 'w', [3, hidden])]
      const [u, v] = [input(b, 'u', [hidden, 1]), input(b, 'v', [3, hidden])]
      const loss = sum(square(sub(matmul(tanh(matmul(x, w)), u), 0.3)))
      const along = (f: Node): Scalar<'f64'> => sum(mul(grad(f, w), v)) as Scalar<'f64'>
      const orders = [loss, along(loss), along(along(loss)), along(along(along(loss)))] as Node[]
      const draw = (n: number, k: number): number[] =>
        Array.from({ length: n }, (_, i) => Math.sin((seed + k) * 12.9898 + i * i * 78.233 + i))
      const given = { x: draw(6, 1), w: draw(3 * hidden, 2), u: draw(hidden, 3), v: draw(3 * hidden, 4) }
      const at = (by: number): number[] =>
        numbersOf(orders, { ...given, w: given.w.map((e, i) => e + by * given.v[i]) }).map(([n]) => n)
      const h = 1e-3
      const [a, c, here, d, e] = [-2, -1, 0, 1, 2].map((k) => at(k * h))
      for (let n = 1; n <= 3; n++) {
        const slope = (8 * (d[n - 1] - c[n - 1]) - (e[n - 1] - a[n - 1])) / (12 * h)
        expect(Math.abs(here[n] - slope), `order ${n}`).toBeLessThan(1e-7 * Math.max(1, Math.abs(slope), Math.abs(here[n - 1])))
      }
      // Pearlmutter's product is the second order by another way.
      const second = numbersOf([sum(mul(hvp(loss, [w], [v])[0]!, v))], given)[0][0]
      expect(Math.abs(second - here[2])).toBeLessThan(1e-11 * Math.max(1, Math.abs(second)))
    }), { numRuns: 20 })
  })
})

describe('straightThrough', () => {
  const at = (f: (x: Tensor<'f64'>) => Record<string, Node>, x: readonly number[]): Record<string, number[]> => {
    const nodes = f(input(new Builder(), 'x', [x.length]))
    const values = numbersOf(Object.values(nodes), { x: [...x] })
    return Object.fromEntries(Object.keys(nodes).map((name, i) => [name, values[i]]))
  }

  test('the value is f(x) to the bit, for whatever numbers', () => {
    fc.assert(fc.property(fc.array(fc.double(), { minLength: 1, maxLength: 8 }), (xs) => {
      for (const f of [round, sign, neg, (x: Tensor) => mul(x, 0.1)] as ((x: Tensor<'f64'>) => Tensor<'f64'>)[]) {
        const { y, expected } = at((x) => ({ y: straightThrough(x, f), expected: f(x) }), xs)
        expect(y).toEqual(expected)
      }
    }), RUNS)
    const special = [-0, 0, -0.2, 0.5, 1.5, Infinity, -Infinity, NaN, 1e308, -5e-324]
    const rounded = [-0, 0, -0, 0, 2, Infinity, -Infinity, NaN, 1e308, -0]
    expect(at((x) => ({ y: straightThrough(x, (v) => round(v)) }), special).y).toEqual(rounded)
    const gate = (x: Tensor<'f64'>): Tensor<'f64'> => cast(greater(x, 0), 'f64')
    expect(at((x) => ({ y: straightThrough(x, gate) }), special).y).toEqual([0, 0, 0, 1, 1, 1, 0, 0, 1, 0])
  })

  test('the derivative is that of x, in both modes', () => {
    const xs = [-1.7, -0.2, 0, 0.4, 3e5]
    const { g, d } = at((x) => {
      const y = straightThrough(x, (v) => round(v))
      return { g: grad(sum(mul(y, mul(x, 3))), x), d: jvp([y], [x], [mul(x, 2)])[0]! }
    }, xs)
    const rounded = [-2, -0, 0, 0, 3e5]
    expect(g).toEqual(xs.map((x, i) => 3 * x + 3 * rounded[i]))
    expect(d).toEqual(xs.map((x) => 2 * x))
    const ends = at((x) => ({ g: grad(sum(straightThrough(x, (v) => sign(v))), x) }), [Infinity, -Infinity, NaN, 2])
    expect(ends.g.map(Math.abs)).toEqual([0, 0, 0, 1])
  })

  test('second derivatives are those of what comes after it', () => {
    const { h } = at((x) => ({ h: hvp(sum(square(straightThrough(x, (v) => round(v)))), [x], [x])[0]! }), [0.3, -1.2])
    expect(h).toEqual([0.6, -2.4])
  })

  test('refuses values of another type than x', () => {
    const b = new Builder()
    const [x, n] = [input(b, 'x', [2]), input(b, 'n', [2], 'i32')]
    const codeOf = (body: () => unknown): string => refusal(body).code
    expect(codeOf(() => straightThrough(x, (v) => sum(v)))).toBe('shape/mismatch')
    expect(codeOf(() => straightThrough(x, (v) => cast(v, 'f32') as never))).toBe('dtype/mismatch')
    expect(codeOf(() => straightThrough(n, (v) => v))).toBe('dtype/unsupported')
    expect(codeOf(() => straightThrough(x, 1 as never))).toBe('operand/invalid')
    expect(codeOf(() => straightThrough(x, (() => 1) as never))).toBe('operand/invalid')
    expect(codeOf(() => straightThrough([1] as never, (v) => v))).toBe('operand/invalid')
  })

  test('compiled: exact on both targets', async () => {
    const edge = [-0, 0.5, -0.4, 1e30, Infinity, -Infinity, NaN, 7.5]
    const f = fn({ x: f32(8) }, ({ x }) => {
      const y = straightThrough(x, (v) => round(v))
      return { y, plain: round(x), g: grad(sum(y), x) }
    })
    for (const target of ['wasm', 'js'] as const) {
      const { y, plain, g } = (await compile({ f }, { target, verify: true }).load()).f({ x: Float32Array.from(edge) })
      expect([...y]).toEqual([...plain])
      expect(Array.from(g, Math.abs)).toEqual([1, 1, 1, 1, 0, 0, 0, 1])
    }
  })

  test('gates: a threshold moves although the step has no slope', () => {
    const b = new Builder()
    const [x, t] = [input(b, 'x', [3]), input(b, 't', [])]
    const open = straightThrough(sub(x, t), (z) => where(greater(z, 0), 1, mul(z, 0)))
    expect(numbersOf([open, grad(sum(open), t)], { x: [1, 2, -3], t: [0.5] })).toEqual([[1, 1, -0], [-3]])
  })
})
