// Derivatives in doubles against central differences, for tests of the public derivative verbs.
import fc from 'fast-check'
import { expect } from 'vitest'
import { matmul, tanh, type Tensor } from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { Node } from '../../src/ir/graph.ts'
import { sizeOf, type Shape } from '../../src/ir/types.ts'
import { numbersOf, type Numbers } from '../passes/numbers.ts'

/** Numbers without a pattern in (−1, 1). */
export const draw = (n: number, seed: number): number[] =>
  Array.from({ length: n }, (_, i) => Math.sin(seed * 12.9898 + i * i * 78.233 + i))

/** Inputs f64 by shape, with numbers for them. */
export function given<K extends string>(
  shapes: Record<K, Shape>, seed = 1,
): { x: Record<K, Tensor<'f64'>>; at: Record<K, number[]>; b: Builder } {
  const b = new Builder()
  const entries = Object.entries(shapes) as [K, Shape][]
  const inputs = entries.map(([name, shape]) => [name, b.input(name, { dtype: 'f64', shape })])
  const x = Object.fromEntries(inputs) as Record<K, Tensor<'f64'>>
  const at = Object.fromEntries(entries.map(([name, shape], i) => [name, draw(sizeOf(shape), seed + i)])) as Record<K, number[]>
  return { x, at, b }
}

/** The Jacobian by central differences of fourth order: rows are elements of y, columns elements of the input. */
export function differences(y: Node, name: string, at: Numbers): number[][] {
  const h = 1e-3
  const columns = at[name].map((v, j) => {
    const [a, b, c, d] = [-2, -1, 1, 2].map((k) => numbersOf([y], { ...at, [name]: at[name].with(j, v + k * h) })[0])
    return a.map((_, i) => (8 * (c[i] - b[i]) - (d[i] - a[i])) / (12 * h))
  })
  return Array.from({ length: sizeOf(y.shape) }, (_, i) => columns.map((c) => c[i]))
}

export function expectClose(actual: readonly number[], expected: readonly number[], tolerance = 1e-9): void {
  expect(actual.length).toBe(expected.length)
  const size = Math.max(1, ...expected.map(Math.abs))
  actual.forEach((v, i) => expect(Math.abs(v - expected[i]) / size, `[${i}] ${v}, not ${expected[i]}`).toBeLessThan(tolerance))
}

/** A result [rows, outs] with curvature of its own: tanh(x·a)·b. */
export const network = ({ x, a, b }: Record<'x' | 'a' | 'b', Tensor<'f64'>>): Tensor<'f64'> => matmul(tanh(matmul(x, a)), b)

/** Extents of a {@link network}, and a seed for its numbers. */
export interface Sizes {
  readonly rows: number
  readonly ins: number
  readonly hidden: number
  readonly outs: number
  readonly seed: number
}

const upTo = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max })
export const sizes: fc.Arbitrary<Sizes> =
  fc.record({ rows: upTo(3), ins: upTo(3), hidden: upTo(4), outs: upTo(3), seed: upTo(99) })

export const shapesOf = ({ rows, ins, hidden, outs }: Omit<Sizes, 'seed'>): Record<'x' | 'a' | 'b', Shape> =>
  ({ x: [rows, ins], a: [ins, hidden], b: [hidden, outs] })
