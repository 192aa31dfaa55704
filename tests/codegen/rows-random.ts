// Random functions in which rows are frequent: folds along an axis that come back broadcast, products of matrices side by side,
// views that keep rows apart and views that mix them.
import fc from 'fast-check'
import { Builder } from '../../src/ir/builder.ts'
import type { Graph, Node } from '../../src/ir/graph.ts'
import { add, div, einsum, exp, flip, greater, matmul, max, mul, reshape, slice, sub, sum, tanh, transpose, where } from '../../src/ir/lang/index.ts'
import { graphOf, input } from '../passes/plans.ts'

const SHAPE = [3, 4, 5] as const

type Make = (x: any, y: any, n: number) => any

/** From two values of the shape to one of it, by a number. */
const MAKES: readonly Make[] = [
  (x) => exp(mul(tanh(x), 0.5)),
  (x, y) => add(x, y),
  (x, y) => mul(tanh(x), y),
  (x, _, n) => sub(x, max(x, { axis: n % 3, keepdims: true })),
  (x, _, n) => div(tanh(x), add(exp(tanh(sum(x, { axis: n % 3, keepdims: true }))), 1)),
  (x, y, n) => sub(x, sum(mul(tanh(x), tanh(y)), { axis: [[1, 2], [0, 2], [0, 1]][n % 3], keepdims: true })),
  (x, y) => tanh(matmul(matmul(x, transpose(y, [0, 2, 1])), x)),
  (x, y) => tanh(einsum('abi,abj->abj', x, y)),
  (x, _, n) => flip(x, n % 3),
  (x) => reshape(transpose(reshape(x, [3, 20]), [1, 0]), [3, 4, 5]),
  (x, y) => where(greater(x, y), x, slice(y, { step: 1 })),
  (x, y) => tanh(add(x, sum(matmul(x, transpose(y, [0, 2, 1])), { axis: 2, keepdims: true }))),
]

/** Numbers that {@link rowsFrom} reads. */
export const arbitraryRows: fc.Arbitrary<readonly (readonly number[])[]> =
  fc.array(fc.array(fc.nat(60), { minLength: 4, maxLength: 4 }), { minLength: 2, maxLength: 9 })

/** A function of two tensors, step by step from what is there; the last value and another one are its results. */
export function rowsFrom(program: readonly (readonly number[])[]): Graph {
  const b = new Builder()
  const pool: Node[] = [input(b, 'x', SHAPE), input(b, 'y', SHAPE)]
  for (const [make, i, j, n] of program) {
    // Late values are read more often: chains are what is looked for.
    const pick = (at: number): Node => pool[Math.max(0, pool.length - 1 - (at % (at % 2 ? 2 : 6)))]
    pool.push(MAKES[make % MAKES.length](pick(i), pick(j), n))
  }
  return graphOf(b, { last: pool[pool.length - 1], other: pool[Math.floor(pool.length / 2)] })
}
