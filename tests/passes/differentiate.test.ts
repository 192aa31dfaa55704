import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { topological, type Node } from '../../src/ir/graph.ts'
import {
  abs, add, bitcast, cast, exp, floor, greater, maximum, mul, sin, square, stopGradient, sub, tanh, where,
} from '../../src/ir/lang/pointwise.ts'
import { argmax, max, sum } from '../../src/ir/lang/reduce.ts'
import { grad, hvp, jvp, valueAndGrad, vjp } from '../../src/passes/differentiate/gradient.ts'
import { relu } from '../../src/nn/activations.ts'
import { numbersOf, refusal } from './numbers.ts'

const scalar = { dtype: 'f64', shape: [] } as const
const vector = (n: number) => ({ dtype: 'f64', shape: [n] }) as const

describe('reverse mode', () => {
  test('a product of three values', () => {
    const b = new Builder()
    const [x, y, z] = ['x', 'y', 'z'].map((name) => b.input(name, scalar))
    const gradients = grad(mul(mul(x, y), z), [x, y, z])
    expect(numbersOf(gradients, { x: [2], y: [3], z: [5] })).toEqual([[15], [10], [6]])
  })

  test('the uses of one value add up', () => {
    const b = new Builder()
    const x = b.input('x', scalar)
    expect(numbersOf([grad(add(mul(x, x), add(x, x)), x)], { x: [3] })).toEqual([[8]])
  })

  test('a value asked for twice', () => {
    const b = new Builder()
    const x = b.input('x', scalar)
    const [g, h] = grad(square(x), [x, x])
    expect(h).toBe(g)
  })

  test('the loss by itself is 1', () => {
    const b = new Builder()
    const x = b.input('x', scalar)
    expect(numbersOf([grad(x, x)], { x: [7] })).toEqual([[1]])
  })

  test('by a value in the middle and by what it comes from: both total derivatives', () => {
    const b = new Builder()
    const x = b.input('x', scalar)
    const y = square(x)
    expect(numbersOf(grad(mul(y, x), [y, x]), { x: [3] })).toEqual([[3], [27]])
  })

  test('value and gradient', () => {
    const b = new Builder()
    const x = b.input('x', scalar)
    const loss = square(x)
    const { value, gradients } = valueAndGrad(loss, [x])
    expect(value).toBe(loss)
    expect(numbersOf(gradients, { x: [3] })).toEqual([[6]])
  })

  test('vjp of two results, one without a cotangent', () => {
    const b = new Builder()
    const x = b.input('x', vector(2))
    const ct = b.input('ct', vector(2))
    expect(numbersOf([vjp([sin(x), square(x)], [x], [null, ct])[0]!], { x: [3, 4], ct: [1, 10] })).toEqual([[6, 80]])
  })

  test('vjp pairs cotangents with results that have a tangent', () => {
    const b = new Builder()
    const x = b.input('x', vector(2))
    const y = b.input('y', vector(2))
    const [dx] = vjp([square(y), square(x)], [x], [y, b.one(vector(2))])
    expect(numbersOf([dx!], { x: [3, 4], y: [0, 0] })).toEqual([[6, 8]])
    expect(vjp([square(y)], [x], [y])).toEqual([null])
  })

  test('a derivative that is zero everywhere is zeros, not an error', () => {
    const b = new Builder()
    const x = b.input('x', vector(2))
    expect(numbersOf([grad(sum(floor(x)), x)], { x: [1.5, 2] })).toEqual([[0, 0]])
    expect(vjp([floor(x)], [x], [x])).toEqual([null])
  })

  test('through float casts', () => {
    const b = new Builder()
    const x = b.input('x', { dtype: 'f32', shape: [] })
    const g = grad(square(cast(x, 'f64')), x)
    expect(g.dtype).toBe('f32')
    expect(numbersOf([g], { x: [1.5] })).toEqual([[3]])
  })
})

describe('forward mode', () => {
  test('is linear in the tangents, and null without one', () => {
    const b = new Builder()
    const [x, y, dx] = ['x', 'y', 'dx'].map((name) => b.input(name, scalar))
    const [d, none] = jvp([mul(x, y), exp(y)], [x, y], [dx, null])
    expect(numbersOf([d!], { x: [2], y: [3], dx: [10] })).toEqual([[30]])
    expect(none).toBeNull()
  })

  test('an integer result has no tangent', () => {
    const b = new Builder()
    const x = b.input('x', vector(3))
    expect(jvp([argmax(x, { axis: 0 })], [x], [x])).toEqual([null])
  })

  test('a value that depends on another gets the sum', () => {
    const b = new Builder()
    const x = b.input('x', scalar)
    const y = square(x)
    const [d] = jvp([mul(y, 2)], [x, y], [b.one(x), b.one(y)])
    expect(numbersOf([d!], { x: [3] })).toEqual([[14]])
  })
})

describe('higher orders', () => {
  test('four derivatives of sine', () => {
    const b = new Builder()
    const x = b.input('x', scalar)
    const orders = [sin(x)]
    for (let i = 0; i < 4; i++) orders.push(grad(orders[i], x))
    const [values] = [numbersOf(orders, { x: [0.7] }).flat()]
    const expected = [Math.sin(0.7), Math.cos(0.7), -Math.sin(0.7), -Math.cos(0.7), Math.sin(0.7)]
    values.forEach((v, i) => expect(v).toBeCloseTo(expected[i], 14))
  })

  test('Hessian-vector product of x³y', () => {
    const b = new Builder()
    const [x, y, v, w] = ['x', 'y', 'v', 'w'].map((name) => b.input(name, scalar))
    const products = hvp(mul(mul(mul(x, x), x), y), [x, y], [v, w])
    // The Hessian is [[6xy, 3x²], [3x², 0]].
    expect(numbersOf(products as Node[], { x: [2], y: [5], v: [1], w: [10] })).toEqual([[180], [12]])
  })
})

describe('conventions', () => {
  const at = (f: (x: Node) => Node, x: number): number => {
    const b = new Builder()
    const node = b.input('x', scalar)
    return numbersOf([grad(f(node), node)], { x: [x] })[0][0]
  }

  test.each([
    ['relu at 0', relu, 0, 0],
    ['relu at −0', relu, -0, 0],
    ['relu above', relu, 2, 1],
    ['relu below', relu, -2, 0],
    ['relu at NaN', relu, NaN, 1],
    ['abs at 0', abs, 0, 0],
    ['abs below', abs, -3, -1],
    ['maximum at a tie', (x: Node) => maximum(x, 1), 1, 0.5],
    ['maximum at NaN', (x: Node) => maximum(x, 1), NaN, NaN],
  ] as const)('%s', (_, f, x, expected) => {
    expect(at(f, x)).toBe(expected)
  })

  test('max over an axis splits ties evenly', () => {
    const b = new Builder()
    const x = b.input('x', vector(4))
    expect(numbersOf([grad(max(x), x)], { x: [3, 1, 3, 2] })).toEqual([[0.5, 0, 0.5, 0]])
  })
})

describe('errors', () => {
  const b = new Builder()
  const x = b.capture(() => b.input('x', vector(3)))
  const n = b.input('n', { dtype: 'i32', shape: [3] })
  const other = b.input('other', vector(3))

  test('a loss that is no scalar', () => {
    const error = refusal(() => grad(square(x), x))
    expect(error.code).toBe('grad/scalar')
    expect(error.message).toContain('mul f64[3]')
  })

  test('an integer loss', () => {
    expect(refusal(() => grad(sum(n), n)).code).toBe('grad/dtype')
  })

  test('by an integer', () => {
    const error = refusal(() => grad(sum(mul(cast(n, 'f64'), x)), [x, n]))
    expect(error.code).toBe('grad/dtype')
    expect(error.message).toContain('input i32[3] "n"')
    expect(refusal(() => vjp([x], [n], [x])).code).toBe('grad/dtype')
    expect(refusal(() => jvp([x], [n], [x])).code).toBe('grad/dtype')
    expect(refusal(() => vjp([n], [x], [n])).code).toBe('grad/dtype')
  })

  test('of an independent value: names loss and value with their places', () => {
    const error = refusal(() => grad(sum(square(other)), x))
    expect(error.code).toBe('grad/independent')
    expect(error.message).toMatch(/loss sum f64\[\]/)
    expect(error.message).toMatch(/by {2}input f64\[3\] "x" {2}differentiate\.test\.ts:\d+:\d+/)
  })

  test.each([
    ['gt', () => sum(where(greater(x, 0), other, 0))],
    ['cast', () => sum(mul(cast(cast(x, 'i32'), 'f64'), other))],
    ['argmax', () => mul(cast(argmax(x, { axis: 0 }), 'f64'), 2)],
  ])('only through an integer: names %s', (op, loss) => {
    const error = refusal(() => grad(loss(), x))
    expect(error.code).toBe('grad/dtype')
    expect(error.problem).toContain(`only through ${op},`)
  })

  test('only through bits', () => {
    const c = new Builder()
    const y = c.input('y', { dtype: 'f32', shape: [] })
    const loss = bitcast(bitcast(y, 'i32'), 'f32')
    expect(refusal(() => grad(loss, y)).problem).toContain('only through bitcast,')
  })

  test('only through stopGradient', () => {
    const error = refusal(() => grad(sum(mul(stopGradient(square(x)), other)), x))
    expect(error.code).toBe('grad/independent')
    expect(error.problem).toContain('only through stopGradient')
  })

  test('stopGradient beside an integer path is what tells', () => {
    const loss = sum(where(greater(x, 0), stopGradient(x), other))
    expect(refusal(() => grad(loss, x)).code).toBe('grad/independent')
  })

  test('stopGradient beside an open path gives zero for its part', () => {
    expect(numbersOf([grad(sum(mul(x, stopGradient(x))), x)], { x: [1, 2, 3] })).toEqual([[1, 2, 3]])
  })

  test('tangents and cotangents of another type', () => {
    const c = b.input('c', vector(4))
    expect(refusal(() => vjp([x], [x], [c])).code).toBe('shape/mismatch')
    expect(refusal(() => jvp([x], [x], [c])).code).toBe('shape/mismatch')
    expect(refusal(() => jvp([x], [x], [n])).code).toBe('dtype/mismatch')
    expect(refusal(() => jvp([x], [x], [])).code).toBe('option/invalid')
  })

  test('a value of another function', () => {
    const c = new Builder()
    const y = c.input('y', vector(3))
    expect(refusal(() => grad(sum(x), y)).code).toBe('build/foreign')
    expect(refusal(() => vjp([x], [y], [x])).code).toBe('build/foreign')
    expect(refusal(() => jvp([x], [y], [y])).code).toBe('build/foreign')
  })
})

describe('graphs', () => {
  test('10,000 ops deep, with work linear in the depth', () => {
    const made = (depth: number): number => {
      const b = new Builder()
      const x = b.input('x', scalar)
      let y: Node = x
      for (let i = 0; i < depth; i++) y = tanh(y)
      const before = b.size
      const g = grad(y, x)
      expect(topological([g]).length).toBeGreaterThan(depth)
      return b.size - before
    }
    expect(made(10_000) / made(1000)).toBeLessThan(10.1)
  })

  test('a deep chain has the right gradient', () => {
    const b = new Builder()
    const x = b.input('x', scalar)
    let y: Node = x
    for (let i = 0; i < 10_000; i++) y = add(y, x)
    expect(numbersOf([grad(y, x)], { x: [1] })).toEqual([[10_001]])
  })

  test('50 diamonds do not become 2⁵⁰ paths', () => {
    const b = new Builder()
    const x = b.input('x', scalar)
    let y: Node = x
    for (let i = 0; i < 50; i++) y = add(mul(y, 0.5), sub(y, 0.25))
    const before = b.size
    const g = grad(y, x)
    expect(b.size - before).toBeLessThan(50 * 10)
    expect(numbersOf([g], { x: [1] })[0][0]).toBe(1.5 ** 50)
  })

  test('of second order, 1,000 deep', () => {
    const b = new Builder()
    const x = b.input('x', scalar)
    let y: Node = x
    for (let i = 0; i < 1000; i++) y = sin(y)
    const before = b.size
    grad(grad(y, x), x)
    expect(b.size - before).toBeLessThan(1000 * 40)
  })

  test('frozen layers cost nothing: only nodes between value and loss get a derivative', () => {
    const work = (depth: number): number => {
      const b = new Builder()
      let y: Node = b.input('x', scalar)
      for (let i = 0; i < depth; i++) y = tanh(y)
      const w = b.input('w', scalar)
      const loss = square(mul(y, w))
      const before = b.size
      grad(loss, w)
      return b.size - before
    }
    expect(work(100)).toBe(work(1))
  })

  test('placeholders do not escape, and are no inputs of the function', () => {
    const b = new Builder()
    const x = b.input('x', scalar)
    const g = grad(sin(mul(x, tanh(x))), x)
    const h = grad(g, x)
    const names = topological([g, h]).flatMap((n) => (n.op === 'input' ? [n.attrs.name] : []))
    expect(names).toEqual(['x'])
    expect(b.inputs.map((i) => i.name)).toEqual(['x'])
  })

  test('new nodes carry the site of what they derive from', () => {
    const b = new Builder()
    const { x, loss } = b.capture(() => {
      const x = b.input('x', scalar)
      return { x, loss: exp(sin(x)) }
    })
    const known = new Set(topological([loss]))
    const sites = new Set(topological([loss]).map((n) => n.source?.site()?.line))
    for (const n of topological([grad(loss, x)])) {
      if (!known.has(n)) expect(sites, n.op).toContain(n.source?.site()?.line)
    }
  })

  test('the stable form is differentiated, the values stay opaque', () => {
    const b = new Builder()
    const x = b.input('x', scalar)
    const y = square(x)
    const loss = sin(y)
    const { value, gradients } = valueAndGrad(loss, [y], {
      stabilise: (roots, opaque) => {
        expect(roots).toEqual([loss])
        expect([...opaque]).toEqual([y])
        return new Map([[loss, mul(y, 3)]])
      },
    })
    expect(value.op).toBe('mul')
    expect(numbersOf(gradients, { x: [2] })).toEqual([[3]])
  })
})
