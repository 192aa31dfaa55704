// Fixed points and their implicit derivatives: against closed forms, central differences and differentiation of the loop itself.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  add, cast, compile, div, f32, fixedPoint, fn, grad, greater, jvp, matmul, mul, nn, optim, scan, sin, square, stopGradient, sub,
  sum, tanh, where, type Scalar, type Tensor,
} from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import { evaluate } from '../../src/ir/evaluate.ts'
import type { Node } from '../../src/ir/graph.ts'
import { sizeOf, type Shape } from '../../src/ir/types.ts'
import { numbersOf, refusal, type Numbers } from '../passes/numbers.ts'

const any = (x: unknown): any => x
const draw = (n: number, seed: number): number[] =>
  Array.from({ length: n }, (_, i) => Math.sin(seed * 12.9898 + i * i * 78.233 + i))

/** Inputs f64 by shape, with numbers for them. */
function given<K extends string>(shapes: Record<K, Shape>, seed = 1): { x: Record<K, Tensor<'f64'>>; at: Record<K, number[]> } {
  const b = new Builder()
  const entries = Object.entries(shapes) as [K, Shape][]
  const x = entries.map(([name, shape]) => [name, b.input(name, { dtype: 'f64', shape })])
  const at = entries.map(([name, shape], i) => [name, draw(sizeOf(shape), seed + i)])
  return { x: Object.fromEntries(x), at: Object.fromEntries(at) }
}

/** The gradient of a scalar by central differences of fourth order. */
function differences(loss: Node, name: string, at: Numbers): number[] {
  const h = 1e-3
  return at[name].map((v, j) => {
    const [a, b, c, d] = [-2, -1, 1, 2].map((k) => numbersOf([loss], { ...at, [name]: at[name].with(j, v + k * h) })[0][0])
    return (8 * (c - b) - (d - a)) / (12 * h)
  })
}

function expectClose(actual: readonly number[], expected: readonly number[], tolerance = 1e-9): void {
  expect(actual.length).toBe(expected.length)
  const size = Math.max(1, ...expected.map(Math.abs))
  actual.forEach((v, i) => expect(Math.abs(v - expected[i]) / size, `[${i}] ${v}, not ${expected[i]}`).toBeLessThan(tolerance))
}

type Weights = Record<'x' | 'w' | 'u' | 'b', Tensor<any>>

/** z = tanh(z·w/3 + x·u + b): an equilibrium of [rows, n]. */
const layer = (z: Tensor<any>, { x, w, u, b }: Weights): Tensor<any> => tanh(add(add(matmul(z, div(w, 3)), matmul(x, u)), b))
const NAMES = ['x', 'w', 'u', 'b'] as const
const shapesOf = (rows: number, ins: number, n: number): Record<'x' | 'w' | 'u' | 'b' | 'z', Shape> =>
  ({ x: [rows, ins], w: [n, n], u: [ins, n], b: [n], z: [rows, n] })
const MANY = { iterations: 100 }
/** A scalar of z that is not symmetric in its elements. */
const measure = (z: Tensor<any>): Tensor<any> => sum(mul(z, sin(add(z, 1))))

describe('fixedPoint', () => {
  test('the square root, by the Babylonian method', () => {
    const { x } = given({ a: [3], z: [3] })
    const at = { a: [2, 9, 0.25], z: [1, 1, 1] }
    // One step of the adjoint is enough: ∂f/∂z is 0 at the root.
    const root = fixedPoint((z, a) => mul(add(z, div(a, z)), 0.5), x.z, x.a, { iterations: 12, adjointIterations: 1 })
    const slope = grad(sum(root), x.a)
    const [y, first, second] = numbersOf([root, slope, grad(sum(slope), x.a)], at)
    expectClose(y, at.a.map(Math.sqrt), 1e-15)
    expectClose(first, at.a.map((a) => 0.5 / Math.sqrt(a)), 1e-15)
    expectClose(second, at.a.map((a) => -0.25 * a ** -1.5), 1e-14)
  })

  test('a linear system, by Richardson iteration', () => {
    const { x } = given({ a: [2, 2], b: [2], z: [2] })
    const at = { a: [3, 1, -1, 2], b: [1, 4], z: [0, 0] }
    const z = fixedPoint((z, { a, b }) => add(z, mul(sub(b, matmul(a, z)), 0.3)), x.z, { a: x.a, b: x.b }, { iterations: 200 })
    const c = numbersOf([z], at)[0]
    // A⁻¹ = [2, −1; 1, 3]/7; with loss Σ cᵢzᵢ: ∂/∂b = A⁻ᵀc and ∂/∂A = −(A⁻ᵀc)·zᵀ.
    expectClose(c, [-2 / 7, 13 / 7], 1e-14)
    const gradients = grad(sum(mul(z, stopGradient(z))), [x.a, x.b])
    const u = [(2 * c[0] + c[1]) / 7, (-c[0] + 3 * c[1]) / 7]
    const [da, db] = numbersOf(gradients, at)
    expectClose(db, u, 1e-13)
    expectClose(da, [-u[0] * c[0], -u[0] * c[1], -u[1] * c[0], -u[1] * c[1]], 1e-13)
  })

  test('an equilibrium layer, like the loop differentiated and like differences', () => {
    const upTo = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max })
    const sizes = fc.record({ rows: upTo(2), ins: upTo(3), n: upTo(3), seed: upTo(99) })
    fc.assert(fc.property(sizes, ({ rows, ins, n, seed }) => {
      const { x, at } = given(shapesOf(rows, ins, n), seed)
      const wrt = NAMES.map((name) => x[name])
      const loss = measure(fixedPoint(layer, x.z as Tensor<any>, x as Weights, MANY))
      const { carry } = scan({ z: x.z as Tensor<any> }, {}, ({ z }) => ({ carry: { z: layer(z, x) } }), { length: 100 })
      const [implicit, through] = [loss, measure(carry.z)].map((l) => numbersOf(grad(l, wrt), at))
      NAMES.forEach((name, i) => {
        expectClose(implicit[i], through[i], 1e-12)
        expectClose(implicit[i], differences(loss, name, at))
      })
    }), { numRuns: 6 })
  })

  test('second derivatives, with weights inside and outside of f', () => {
    const { x, at } = given(shapesOf(1, 2, 2), 5)
    const z = fixedPoint((z, { w, u }) => layer(z, { ...x, w, u }), x.z as Tensor<any>, { w: x.w, u: x.u }, MANY)
    const wrt = NAMES.map((name) => x[name])
    const slopes = grad(measure(z), wrt).map((g) => sum(sin(mul(g, 2)))).reduce((a, b) => add(a, b))
    grad(slopes, wrt).forEach((g, i) => expectClose(numbersOf([g], at)[0], differences(slopes, NAMES[i], at)))
  })

  test('a record of values that lean on each other', () => {
    const { x, at } = given({ p: [2], q: [3], k: [2, 3] }, 3)
    const step = ({ p, q }: any, k: any): any =>
      ({ q: tanh(add(mul(matmul(p, k), 0.5), 0.3)), p: sin(add(mul(matmul(k, q), 0.3), 1)) })
    const z = fixedPoint(step, { p: x.p as any, q: x.q as any }, x.k, MANY)
    expect([z.p.shape, z.q.shape]).toEqual([[2], [3]])
    const loss = add(measure(z.p), sum(mul(z.q, x.q)))
    const [k, p, q] = numbersOf(grad(loss, [x.k, x.p, x.q]), at)
    expectClose(k, differences(loss, 'k', at))
    // Where the iteration starts has no influence; q is used outside as well.
    expect(p).toEqual([0, 0])
    expect(q).toEqual(numbersOf([z.q], at)[0])
  })

  test('f may read numbers that have no derivative, and inputs that only choose', () => {
    const { x, at } = given({ a: [4], m: [4], z: [4] }, 2)
    const mask = greater(x.m, 0)
    const rank = cast(cast(x.m, 'i32'), 'f64')
    const z = fixedPoint((z) => where(mask, mul(tanh(add(z, x.a)), 0.5), add(mul(z, 0.25), add(rank, x.a))), x.z, {}, MANY)
    expectClose(numbersOf([grad(sum(z), x.a)], at)[0], differences(sum(z), 'a', at))
  })

  test('of a scalar, as its type says', async () => {
    const f = fn({ a: f32() }, ({ a }) => {
      const z: Scalar<'f32'> = fixedPoint((z, a) => mul(add(z, div(a, z)), 0.5), a, a, { iterations: 10 })
      return { z, d: grad(z, a) as Scalar<'f32'> }
    })
    const { z, d } = (await compile({ f }).load()).f({ a: 16 })
    expect([z, d]).toEqual([4, 0.125])
  })

  test('in the body of a loop', () => {
    const { x, at } = given({ s: [3, 2], w: [2, 2], z: [2] }, 4)
    const { out } = scan({ z: x.z as Tensor<any> }, { s: x.s as Tensor<any> }, ({ z }, { s }) => {
      const next = fixedPoint((z) => tanh(add(matmul(x.w, mul(z, 0.3)), s)), z, {}, { iterations: 60 })
      return { carry: { z: next }, out: { z: next } }
    })
    const loss = measure(out.z)
    const [w, s] = numbersOf(grad(loss, [x.w, x.s]), at)
    expectClose(w, differences(loss, 'w', at))
    expectClose(s, differences(loss, 's', at))
  })
})

describe('compiled', () => {
  const step = (iterations: number) => fn({ x: f32(2, 3), w: f32(4, 4), u: f32(3, 4), b: f32(4) }, ({ x, w, u, b }) => {
    const z = fixedPoint(layer, mul(b, 0) as Tensor<any>, { x: sum(x, { axis: 0 }), w, u, b } as Weights, { iterations })
    const loss = measure(z)
    const [dw, dx] = grad(loss, [w, x])
    return { z, loss, dw, dx }
  })

  test('both targets give the same bits, near the evaluator', async () => {
    const f = step(40)
    const numbers = Object.entries(f.inputs).map(([name, s], i) => [name, Float32Array.from(draw(sizeOf(s.shape), i + 1))])
    const inputs = Object.fromEntries(numbers)
    const [js, wasm] = await Promise.all((['js', 'wasm'] as const).map(async (target) => {
      const results = (await compile({ f }, { target, verify: true }).load()).f(inputs)
      const lists = Object.entries(results).map(([name, v]) => [name, typeof v === 'number' ? [v] : [...v as Float32Array]])
      return Object.fromEntries(lists) as Record<string, number[]>
    }))
    expect(wasm).toEqual(js)
    const exact = evaluate(f.graph, { inputs }, { precision: 'f64' }).results
    for (const name of Object.keys(exact)) expectClose(js[name], [...exact[name]], 1e-5)
  })

  test('memory depends on no number of iterations', () => {
    const arena = (iterations: number): number => compile({ f: step(iterations) }).memory.arenaBytes
    expect(arena(2000)).toBe(arena(3))
  })

  test('the weights of a layer inside are trained, with one dropout mask for all steps', async () => {
    const cell = nn.linear(4, 4)
    const train = fn({ x: f32(8, 4), y: f32(8, 4) }, ({ x, y }) => {
      const drop = nn.dropout(0.25)
      const z = fixedPoint((z, x) => mul(tanh(add(drop(cell(z)), x)), 0.6), mul(x, 0), x, { iterations: 25 })
      return { loss: sum(square(sub(z, y))) as any }
    }).minimize('loss', optim.adam({ lr: 0.03 }))
    const inputs = { x: Float32Array.from(draw(32, 1)), y: Float32Array.from(draw(32, 2), (v) => 0.5 * v) }
    const [js, wasm] = await Promise.all((['js', 'wasm'] as const).map(async (target) => {
      const model = await compile({ train }, { target, seed: 2 }).load()
      return Array.from({ length: 60 }, () => model.train(inputs).loss as unknown as number)
    }))
    expect(wasm).toEqual(js)
    const mean = (from: number): number => js.slice(from, from + 10).reduce((a, b) => a + b) / 10
    expect(mean(50)).toBeLessThan(0.8 * mean(0))
  })
})

describe('refusals', () => {
  const good = { iterations: 5 }
  const half = (z: any): any => mul(z, 0.5)
  const cases: [string, (x: any) => unknown, string, RegExp][] = [
    ['no options', ({ z }) => fixedPoint(half, z, {}, any(undefined)), 'option/invalid', /options of fixedPoint/],
    ['no iterations', ({ z }) => fixedPoint(half, z, {}, any({})), 'option/invalid', /iterations cannot be undefined/],
    ['none at all', ({ z }) => fixedPoint(half, z, {}, { iterations: 0 }), 'option/invalid', /iterations cannot be 0/],
    ['half an iteration', ({ z }) => fixedPoint(half, z, {}, { iterations: 5, adjointIterations: 0.5 }), 'option/invalid', /adjointIterations/],
    ['an unknown option', ({ z }) => fixedPoint(half, z, {}, any({ ...good, tolerance: 1 })), 'option/invalid', /"tolerance"/],
    ['a step that is no function', ({ z }) => fixedPoint(any(z), z, {}, good), 'option/invalid', /step of fixedPoint/],
    ['z0 that is no tensor', () => fixedPoint(half, any([1]), {}, good), 'option/invalid', /z0 cannot be an array/],
    ['z0 of nothing', () => fixedPoint(half, {} as any, {}, good), 'option/invalid', /z0/],
    ['a number in z0', ({ z }) => fixedPoint(half, { z, y: any(1) }, {}, good), 'operand/invalid', /z0/],
    ['params that are missing', ({ z }) => fixedPoint(half, z, any(undefined), good), 'option/invalid', /params cannot be undefined/],
    ['a number in params', ({ z }) => fixedPoint(half, z, { w: any(1) }, good), 'operand/invalid', /params/],
    ['integers', ({ z }) => fixedPoint(half, cast(z, 'i32'), {}, good), 'dtype/unsupported', /i32/],
    ['two dtypes', ({ z }) => fixedPoint((t: any) => t, { z, y: cast(z, 'f64') }, {}, good), 'dtype/mismatch', /f32 and f64/],
    ['a step that gives nothing', ({ z }) => fixedPoint(any(() => undefined), z, {}, good), 'result/invalid', /gave undefined/],
    ['a step that gives a record for a tensor', ({ z }) => fixedPoint(any((z: any) => ({ y: z })), z, {}, good), 'result/invalid', /\{ y \}/],
    ['a step that gives a tensor for a record', ({ z }) => fixedPoint(any(({ z }: any) => z), { z }, {}, good), 'result/invalid', /a tensor/],
    ['a step that forgets one', ({ z }) => fixedPoint(any(({ z }: any) => ({ z })), { z, y: z }, {}, good), 'result/invalid', /\{ z \}/],
    ['a step that gives a number', ({ z }) => fixedPoint(any(() => ({ z: 1 })), { z }, {}, good), 'operand/invalid', /step of fixedPoint/],
    ['another shape', ({ z }) => fixedPoint(any((z: any) => sum(z)), z, {}, good), 'shape/mismatch', /begins as f32\[2, 4\] and is f32\[\]/],
    ['another dtype', ({ z }) => fixedPoint(any((z: any) => cast(z, 'f64')), z, {}, good), 'dtype/mismatch', /f64\[2, 4\] after a step/],
    ['running statistics inside', ({ z }) => fixedPoint(any(nn.batchNorm1d(4)), z, {}, good), 'build/foreign', /inside/],
    ['forward mode', ({ z, w }) => jvp([fixedPoint((z: any) => tanh(mul(z, w)), z, {}, good)], [w], [w]), 'grad/forward', /adjoint/],
  ]
  test.each(cases)('%s', (_, body, code, problem) => {
    const error = refusal(() => fn({ z: f32(2, 4), w: f32(2, 4) }, (x) => (body(x), {}) as any))
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(problem)])
  })
})
