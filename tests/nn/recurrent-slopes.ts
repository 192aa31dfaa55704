// Gradients in doubles, by inputs and by the parameters of layers, against central differences. The loss is a weighted sum.
import { expect } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import type { Node } from '../../src/ir/graph.ts'
import { add, mul } from '../../src/ir/lang/pointwise.ts'
import { sum } from '../../src/ir/lang/reduce.ts'
import { sizeOf, type Shape } from '../../src/ir/types.ts'
import type { Layer } from '../../src/nn/index.ts'
import { grad } from '../../src/passes/differentiate/gradient.ts'
import { numbersOf } from '../passes/numbers.ts'

/** Numbers without a pattern in (−1.5, 1.5), the same in each run. */
export const draw = (n: number, seed = 1): number[] => Array.from({ length: n }, (_, i) => 1.5 * Math.sin(seed * 12.9898 + i * i * 78.233 + i))

/** What to differentiate: f64 inputs by shape, tensors made of them, and layers whose parameters count, too. */
export interface Differentiated {
  readonly inputs: Readonly<Record<string, Shape>>
  readonly of: (inputs: Readonly<Record<string, Node<'f64'>>>) => Node | readonly Node[]
  readonly layers?: readonly Layer[]
}

/** Checks every derivative. */
export function expectSlopes({ inputs, of, layers = [] }: Differentiated): void {
  const b = new Builder()
  const nodes = Object.fromEntries(Object.entries(inputs).map(([name, shape]) => [name, b.input(name, { dtype: 'f64', shape }) as Node<'f64'>]))
  const ys = [of(nodes)].flat() as Node[]
  const loss = ys.map((y, i) => sum(mul(y, b.constant(Float64Array.from(draw(sizeOf(y.shape), 8 + i)), y))) as Node).reduce((x, y) => add(x, y))
  const wrt: Record<string, Node> = { ...nodes }
  for (const p of layers.flatMap((l) => l.parameters)) wrt[p.name] = p.of(loss)
  const given = Object.fromEntries(Object.entries(wrt).map(([name, { shape }], i) => [name, draw(sizeOf(shape), 2 + i)]))
  const gradients = numbersOf(grad(loss, Object.values(wrt)), given)
  const h = 1e-5
  Object.keys(wrt).forEach((name, k) => {
    const size = Math.max(1, ...gradients[k].map(Math.abs))
    given[name].forEach((v, i) => {
      const [up, down] = [v + h, v - h].map((moved) => numbersOf([loss], { ...given, [name]: given[name].with(i, moved) })[0][0])
      expect(Math.abs(gradients[k][i] - (up - down) / (2 * h)) / size, `${name}[${i}]`).toBeLessThan(1e-8)
    })
  })
}
