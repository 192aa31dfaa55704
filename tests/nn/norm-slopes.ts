// Gradients of layers in doubles, by their inputs and all parameters, against central differences.
import { expect } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import type { Node } from '../../src/ir/graph.ts'
import { mul } from '../../src/ir/lang/pointwise.ts'
import { sum } from '../../src/ir/lang/reduce.ts'
import { sizeOf, type Shape } from '../../src/ir/types.ts'
import type { Layer } from '../../src/nn/index.ts'
import { grad } from '../../src/passes/differentiate/gradient.ts'
import { numbersOf } from '../passes/numbers.ts'

/** Numbers without a pattern in (−1.5, 1.5), the same in each run. */
export const draw = (n: number, seed = 1): number[] =>
  Array.from({ length: n }, (_, i) => 1.5 * Math.sin(seed * 12.9898 + i * i * 78.233 + i))

/** What to differentiate: float inputs by shape, a function of them, and layers whose parameters count, too. */
export interface Differentiated {
  readonly inputs: Readonly<Record<string, Shape>>
  readonly of: (inputs: Readonly<Record<string, Node<'f64'>>>) => Node
  readonly layers?: readonly Layer[]
  readonly seed?: number
}

/** Checks every derivative of a weighted sum of the result; gives the gradients by name. */
export function expectSlopes({ inputs, of, layers = [], seed = 1 }: Differentiated): Record<string, number[]> {
  const b = new Builder()
  const declared = ([name, shape]: [string, Shape]) => [name, b.input(name, { dtype: 'f64', shape }) as Node<'f64'>] as const
  const nodes = Object.fromEntries(Object.entries(inputs).map(declared))
  const y = of(nodes)
  const loss = sum(mul(y, b.input('weights', y)))
  const wrt: Record<string, Node> = { ...nodes }
  const given: Record<string, number[]> = { weights: draw(sizeOf(y.shape), seed + 7) }
  for (const p of layers.flatMap((l) => l.parameters)) {
    // Variances are positive, counts are zero.
    const first = (v: number): number => (p.trainable ? v : p.type.dtype === 'i32' ? 0 : 1 + v * v)
    given[p.name] = draw(sizeOf(p.type.shape), seed + p.name.length).map(first)
    if (p.trainable) wrt[p.name] = p.of(loss)
  }
  for (const name of Object.keys(inputs)) given[name] = draw(sizeOf(inputs[name]), seed + name.charCodeAt(0))
  const names = Object.keys(wrt)
  const gradients = numbersOf(grad(loss, Object.values(wrt)), given)
  const at = (values: Record<string, number[]>): number => numbersOf([loss], values)[0][0]
  const h = 1e-5
  names.forEach((name, k) => {
    const size = Math.max(1, ...gradients[k].map(Math.abs))
    given[name].forEach((v, i) => {
      const [up, down] = [v + h, v - h].map((moved) => at({ ...given, [name]: given[name].with(i, moved) }))
      expect(Math.abs(gradients[k][i] - (up - down) / (2 * h)) / size, `${name}[${i}]`).toBeLessThan(1e-8)
    })
  })
  return Object.fromEntries(names.map((name, k) => [name, gradients[k]]))
}
