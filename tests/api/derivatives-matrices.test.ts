// Jacobians and Hessians in doubles, against central differences and against each other.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  add, argmax, cast, custom, floor, grad, hessian, hvp, jacobian, matmul, mean, mul, scan, sin, square, stopGradient, sum, tanh,
  transpose, type Tensor,
} from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import { topological, type Node } from '../../src/ir/graph.ts'
import { sizeOf } from '../../src/ir/types.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'
import { differences, draw, expectClose, given, network, shapesOf, sizes } from './differences.ts'

const RUNS = { numRuns: 25 }

describe('jacobian', () => {
  test('agrees with differences in both modes, for several values, of any shapes', () => {
    fc.assert(fc.property(sizes, (s) => {
      const { x, at } = given(shapesOf(s), s.seed)
      const y = network(x)
      const names = ['x', 'a', 'b'] as const
      const wrt = names.map((n) => x[n])
      const [forward, reverse, chosen] = [{ mode: 'forward' }, { mode: 'reverse' }, {}].map((o) => jacobian(y, wrt, o as object))
      names.forEach((name, i) => {
        const expected = differences(y, name, at).flat()
        for (const list of [forward, reverse, chosen]) {
          expect(list[i].shape).toEqual([...y.shape, ...x[name].shape])
          expectClose(numbersOf([list[i]], at)[0], expected)
        }
      })
    }), RUNS)
  })

  test('the mode follows the shapes', () => {
    const wide = given({ x: [5], w: [5, 2] })
    const steps = (y: Node): number[] => topological([y]).filter((n) => n.op === 'scan').map((n) => n.attrs.length as number)
    expect(steps(jacobian(matmul(sin(wide.x.x), wide.x.w), wide.x.x))).toEqual([2])
    expect(steps(jacobian(matmul(sin(wide.x.x), wide.x.w), wide.x.x, { mode: 'forward' }))).toEqual([5])
    const tall = given({ x: [2], w: [2, 5] })
    expect(steps(jacobian(matmul(sin(tall.x.x), tall.x.w), tall.x.x))).toEqual([2])
    expect(steps(jacobian(matmul(sin(tall.x.x), tall.x.w), tall.x.x, { mode: 'reverse' }))).toEqual([5])
  })

  test('graphs do not grow with the dimension', () => {
    const nodes = (n: number): number => {
      const { x } = given({ x: [n] })
      const outside = topological([jacobian(mul(sin(x.x), sum(x.x)), x.x)])
      const bodies = outside.flatMap((y) => y.regions).map((r) => topological(r.results.map((z) => z.node)))
      return [outside, ...bodies].reduce((t, nodes) => t + nodes.length, 0)
    }
    expect(nodes(300)).toBe(nodes(3))
  })

  test('scalars, empty tensors and zeros', () => {
    const { x, at } = given({ x: [3], s: [], none: [0] })
    const one = jacobian(mul(x.s, x.s), x.s)
    expect(one.shape).toEqual([])
    expect(numbersOf([one], at)[0][0]).toBeCloseTo(2 * at.s[0], 14)
    expect(numbersOf([jacobian(sum(square(x.x)), x.x)], at)[0]).toEqual(at.x.map((v) => 2 * v))
    expect(jacobian(sin(x.none), x.none).shape).toEqual([0, 0])
    expect(numbersOf([jacobian(sin(x.none), x.none)], at)[0]).toEqual([])
    expect(jacobian(add(x.x, sum(x.none)), x.none).shape).toEqual([3, 0])
    for (const mode of ['forward', 'reverse'] as const) {
      expect(numbersOf([jacobian(floor(x.x), x.x, { mode })], at)[0], mode).toEqual(new Array(9).fill(0))
    }
  })

  test('of a value that another one depends on: the total derivative, in both modes', () => {
    const { x, at } = given({ x: [2] })
    const z = square(x.x)
    const y = mul(z, x.x)
    for (const mode of ['forward', 'reverse'] as const) {
      const [byX, byZ] = numbersOf(jacobian(y, [x.x, z], { mode }), at)
      expectClose(byX, [3 * at.x[0] ** 2, 0, 0, 3 * at.x[1] ** 2])
      expectClose(byZ, [at.x[0], 0, 0, at.x[1]])
    }
  })

  test('has the element type of the value', () => {
    const b = new Builder()
    const x = b.input('x', { dtype: 'f32', shape: [2] })
    const y = sin(cast(x, 'f64'))
    for (const mode of ['forward', 'reverse'] as const) expect(jacobian(y, x, { mode }).dtype).toBe('f32')
  })

  test('goes through loops, and backwards through a custom adjoint', () => {
    const { x, at } = given({ h: [2], w: [2, 2] })
    const { carry } = scan({ h: x.h }, {}, ({ h }) => ({ carry: { h: tanh(matmul(h, x.w)) } }), { length: 3 })
    for (const mode of ['forward', 'reverse'] as const) {
      expectClose(numbersOf([jacobian(carry.h, x.w, { mode })], at)[0], differences(carry.h, 'w', at).flat())
    }
    const squared = (h: Tensor<'f64'>): Tensor<'f64'> =>
      custom([h], ([h]) => square(h), ([h], _, ct) => [mul(mul(2, h), ct)]) as Tensor<'f64'>
    const y = squared(x.h)
    expectClose(numbersOf([jacobian(y, x.h)], at)[0], [2 * at.h[0], 0, 0, 2 * at.h[1]])
    expectClose(numbersOf([hessian(sum(y), x.h)], at)[0], [2, 0, 0, 2])
    const twice = scan({ h: x.h }, {}, ({ h }) => ({ carry: { h: squared(h) } }), { length: 2 }).carry.h
    expectClose(numbersOf([jacobian(twice, x.h)], at)[0], [4 * at.h[0] ** 3, 0, 0, 4 * at.h[1] ** 3])
    for (const z of [y, twice]) expect(refusal(() => jacobian(z, x.h, { mode: 'forward' })).code).toBe('grad/forward')
  })

  test('can be differentiated: Σ J² has the gradient of its differences', () => {
    const { x, at } = given(shapesOf({ rows: 1, ins: 2, hidden: 3, outs: 2 }))
    const y = network(x)
    for (const mode of ['forward', 'reverse'] as const) {
      const loss = sum(square(jacobian(y, x.x, { mode })))
      expectClose(numbersOf([grad(loss, x.a)], at)[0], differences(loss, 'a', at).flat())
    }
  })

  test('refuses what it cannot differentiate, and says so', () => {
    const { x, b } = given({ x: [3], other: [2] })
    const n = b.input('n', { dtype: 'i32', shape: [3] })
    const codeOf = (body: () => unknown): string => refusal(body).code
    expect(codeOf(() => jacobian(cast(n, 'f64'), n as never))).toBe('grad/dtype')
    expect(codeOf(() => jacobian(argmax(x.x), x.x))).toBe('grad/dtype')
    expect(codeOf(() => jacobian(cast(argmax(x.x), 'f64'), x.x))).toBe('grad/dtype')
    expect(codeOf(() => jacobian(x.x, x.other))).toBe('grad/independent')
    expect(refusal(() => jacobian(stopGradient(x.x), x.x)).problem).toContain('only through stopGradient')
    expect(codeOf(() => jacobian(x.x, x.x, { mode: 'backward' as never }))).toBe('option/invalid')
    expect(codeOf(() => jacobian(x.x, x.x, { modes: 'reverse' } as never))).toBe('option/invalid')
    expect(codeOf(() => jacobian(3 as never, x.x))).toBe('operand/invalid')
    expect(codeOf(() => jacobian(x.x, null as never))).toBe('operand/invalid')
    expect(codeOf(() => jacobian(x.x, given({ y: [3] }).x.y))).toBe('build/foreign')
    expect(codeOf(() => hessian(x.x, x.x))).toBe('grad/scalar')
    expect(codeOf(() => hessian(sum(x.x), x.other))).toBe('grad/independent')
  })
})

describe('hessian', () => {
  test('agrees with differences of gradients, block by block, and with its products', () => {
    fc.assert(fc.property(sizes, (s) => {
      const { x, at, b } = given(shapesOf(s), s.seed)
      const loss = mean(square(network(x)))
      const wrt = [x.a, x.b]
      const blocks = hessian(loss, wrt)
      const gradients = grad(loss, wrt)
      const names = ['a', 'b']
      gradients.forEach((g, i) => names.forEach((name, j) => {
        expect(blocks[i][j].shape).toEqual([...wrt[i].shape, ...wrt[j].shape])
        expectClose(numbersOf([blocks[i][j]], at)[0], differences(g, name, at).flat())
      }))
      const v = b.input('v', x.a)
      const withV = { ...at, v: draw(sizeOf(x.a.shape), 5) }
      const [alone, product] = numbersOf([hessian(loss, x.a), hvp(loss, [x.a], [v])[0]!], withV)
      const n = withV.v.length
      expectClose(product, withV.v.map((_, i) => withV.v.reduce((t, w, j) => t + alone[i * n + j] * w, 0)))
      alone.forEach((h, at_) => expect(h).toBeCloseTo(alone[(at_ % n) * n + Math.floor(at_ / n)], 12))
    }), RUNS)
  })

  test('of a linear loss is zero', () => {
    const { x, at } = given({ x: [2] })
    expect(numbersOf([hessian(sum(x.x), x.x)], at)[0]).toEqual([0, 0, 0, 0])
  })

  test('of a quadratic form is Q + Qᵀ', () => {
    const { x, at } = given({ x: [3], q: [3, 3] })
    const [h, expected] = numbersOf([hessian(sum(mul(x.x, matmul(x.q, x.x))), x.x), add(x.q, transpose(x.q))], at)
    expectClose(h, expected)
  })
})
