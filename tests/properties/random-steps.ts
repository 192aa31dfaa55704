// Random training steps in which everything that can go wrong in a memory plan is frequent: states that feed each other,
// results that are reshapes, inputs or states, views of every kind, values with many readers, few shapes.
import fc from 'fast-check'
import { Builder } from '../../src/ir/builder.ts'
import type { Graph, Node } from '../../src/ir/graph.ts'
import {
  add, argmax, broadcastTo, cast, concat, cumsum, einsum, exp, flip, gather, lessEqual, matmul, max, maximum, mul, pad, prod,
  reshape, scan, scatterAdd, slice, sub, sum, tanh, transpose, where, window,
} from '../../src/ir/lang/index.ts'
import { sizeOf } from '../../src/ir/types.ts'
import { graphOf, input, state } from '../passes/plans.ts'

type Choices = readonly number[]

/** A value from one step's numbers and the pool of values so far. */
type Make = (pick: (shape?: readonly number[]) => Node, n: number) => Node

const same = (pick: (shape?: readonly number[]) => Node): [Node, Node] => {
  const x = pick()
  return [x, pick(x.shape)]
}
/** Brings a value to a matrix, so that every step finds an axis. */
const matrix = (x: Node): Node => {
  if (x.shape.length === 2) return x
  return reshape(x, x.shape.length ? [x.shape[0], sizeOf(x.shape) / x.shape[0]] : [1, 1])
}

const MAKES: readonly Make[] = [
  (pick) => tanh(pick()),
  (pick) => exp(mul(pick(), 0.5)),
  (pick) => add(...same(pick)),
  (pick) => sub(...same(pick)),
  (pick) => mul(...same(pick)),
  (pick) => maximum(...same(pick)),
  (pick) => {
    const [x, y] = same(pick)
    return where(lessEqual(x, 0), 0, y)
  },
  (pick, n) => {
    const x = matrix(pick())
    return sub(x, max(x, { axis: n % 2, keepdims: true }))
  },
  (pick) => transpose(matrix(pick())),
  (pick, n) => flip(matrix(pick()), n % 2),
  (pick) => reshape(pick(), [-1]),
  (pick, n) => {
    const x = pick()
    const size = sizeOf(x.shape)
    return size % (n + 2) === 0 ? reshape(x, [n + 2, size / (n + 2)]) : x
  },
  (pick, n) => slice(matrix(pick()), null, { start: 0, step: 1 + (n % 2) }),
  (pick, n) => sum(matrix(pick()), { axis: n % 2 }),
  (pick) => sum(pick()),
  (pick, n) => prod(matrix(pick()), { axis: n % 2 }),
  (pick, n) => broadcastTo(reshape(sum(pick()), [1, 1]), [2, 1 + (n % 3)]),
  (pick) => {
    const x = matrix(pick())
    return add(x, slice(x, { stop: 1 }))
  },
  (pick) => {
    const x = matrix(pick())
    return matmul(x, transpose(x))
  },
  (pick) => {
    const [x, y] = same(() => matrix(pick()))
    return x.shape[0] === y.shape[0] ? einsum('ki,kj->ij', x, y) : x
  },
  (pick) => pad(matrix(pick()), [[1, 0], [0, 1]], 0.5),
  (pick, n) => {
    const [x, y] = [matrix(pick()), tanh(matrix(pick()))]
    return concat([x, x.shape[1 - (n % 2)] === y.shape[1 - (n % 2)] ? y : x], n % 2)
  },
  (pick, n) => cumsum(matrix(pick()), { axis: n % 2 }),
  (pick, n) => {
    const x = matrix(pick())
    return x.shape[n % 2] < 2 ? x : sum(window(x, { axes: [n % 2], size: [2] }), { axis: 2 })
  },
  (pick, n) => {
    const x = matrix(pick())
    return gather(x, argmax(x, { axis: n % 2 }), { axis: n % 2 })
  },
  (pick) => {
    const x = matrix(pick())
    return scatterAdd(pick(x.shape), argmax(x, { axis: 1 }), x)
  },
  (pick) => cast(cast(pick(), 'i32'), 'f32'),
  (pick, n) => {
    const [x, y] = [matrix(pick()), pick()]
    const { carry, out } = scan({ y }, { x }, ({ y }, { x }) => ({ carry: { y: tanh(add(y, sum(x))) }, out: { x: mul(x, 2), y } }), { reverse: n % 2 === 1 })
    return [carry.y, out.x, out.y][n % 3]
  },
  (pick) => {
    // Every slice is both overwritten and read whole.
    const x = matrix(pick())
    return scan({}, { x }, (_, { x: row }) => ({ carry: {}, out: { y: mul(row, sum(x)) } })).out.y
  },
]

const LARGEST = 64

/** A step from numbers: each triple makes one more value out of earlier ones. */
export function stepFrom(program: readonly Choices[], roots: Choices): Graph {
  const b = new Builder()
  const shapes = { p: [2, 3], q: [3, 2], r: [6], s: [2, 3], t: [] }
  const states = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, state(b, name, shape)]))
  const pool: Node[] = [input(b, 'x', [2, 3]), input(b, 'y', [6]), ...Object.values(states)]
  const constant = b.constant(Float32Array.of(3, 1, 4, 1, 5, 9), { dtype: 'f32', shape: [3, 2] })
  pool.push(constant, b.literal(2, { dtype: 'f32', shape: [2, 3] }), b.iota([2, 3], 1, 'f32'))
  for (const [which, first, second, third, n] of program) {
    const seeds = [first, second, third]
    const pick = (shape?: readonly number[]): Node => {
      const seed = seeds.shift() ?? first
      const near = pool.filter((x) => !shape || x.shape.join() === shape.join())
      return near.length ? near[near.length - 1 - (seed % near.length)] : b.literal(0.5, { dtype: 'f32', shape: shape ?? [] })
    }
    const node = MAKES[which % MAKES.length](pick, n)
    if (sizeOf(node.shape) <= LARGEST) pool.push(node)
  }
  const at = (i: number): Node => pool[pool.length - 1 - (i % pool.length)]
  const updates: Record<string, Node> = {}
  Object.entries(states).forEach(([name, leaf], i) => {
    const fits = pool.filter((x) => sizeOf(x.shape) === sizeOf(leaf.shape))
    const value = fits[fits.length - 1 - (roots[i] % fits.length)]
    if (roots[i] % 7) updates[name] = reshape(value, leaf.shape)
  })
  return graphOf(b, { a: at(roots[5]), b: reshape(at(roots[6]), [-1]), c: pool[roots[7] % pool.length] }, updates)
}

const nat = fc.nat({ max: 60 })

/** Random training steps; the generated numbers are what a counterexample shows. */
export const arbitraryStep: fc.Arbitrary<{ readonly program: number[][]; readonly roots: number[] }> = fc.record({
  program: fc.array(fc.array(nat, { minLength: 5, maxLength: 5 }), { minLength: 1, maxLength: 24 }),
  roots: fc.array(nat, { minLength: 8, maxLength: 8 }),
})
