// Gradients of whatever is composed, in doubles, against central differences.
import { expect } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import type { Node } from '../../src/ir/graph.ts'
import { constant } from '../../src/ir/lang/leaf.ts'
import { mul } from '../../src/ir/lang/pointwise.ts'
import { sum } from '../../src/ir/lang/reduce.ts'
import { reshape } from '../../src/ir/lang/view.ts'
import { sizeOf, type Shape } from '../../src/ir/types.ts'
import { grad } from '../../src/passes/differentiate/gradient.ts'
import { stabiliseNodes } from '../../src/passes/simplify.ts'
import { numbersOf } from '../passes/numbers.ts'

/** Values of one operand; i32 for whole labels. */
export interface Given {
  readonly shape: Shape
  readonly values: readonly number[]
  readonly dtype?: 'f64' | 'i32'
}
export const given = (values: readonly number[], ...shape: number[]): Given =>
  ({ values, shape: shape.length ? shape : [values.length] })
export const labelled = (values: readonly number[], ...shape: number[]): Given => ({ ...given(values, ...shape), dtype: 'i32' })

/** Numbers without a pattern, the same in each run, from −size to size. */
export const numbers = (n: number, seed: number, size = 2): number[] =>
  Array.from({ length: n }, (_, i) => (((Math.sin(seed * 12.9898 + i * 78.233) * 43758.5453) % 1) * size))

interface Slopes {
  readonly value: number[]
  readonly gradients: number[][]
}

/** Value and gradients by all float operands of Σ weight·f, in doubles; as the graph stands, or as users get it: stabilised. */
export function slopesOf(f: (...xs: any[]) => Node, operands: readonly Given[], stable = false): Slopes {
  const { xs, y, loss, named } = declared(f, operands)
  const wrt = xs.filter((x) => x.dtype === 'f64')
  const gradients = grad(loss, wrt, stable ? { stabilise: stabiliseNodes } : {})
  const [value, ...rest] = numbersOf([y, ...gradients], named)
  return { value, gradients: rest }
}

/** The value alone, of what need not have gradients. */
export function valueOf(f: (...xs: any[]) => Node, operands: readonly Given[]): number[] {
  const { y, named } = declared(f, operands)
  return numbersOf([y], named)[0]
}

function declared(f: (...xs: any[]) => Node, operands: readonly Given[]) {
  const b = new Builder()
  const xs = operands.map((o, i) => b.input(`x${i}`, { dtype: o.dtype ?? 'f64', shape: o.shape }))
  const y = f(...xs)
  const n = sizeOf(y.shape)
  const weights = Float64Array.from({ length: n }, (_, i) => 1 + ((i * 0.37) % 1))
  const loss = y.shape.length ? sum(mul(reshape(y, [n]), constant(y, weights))) : y
  return { xs, y, loss, named: Object.fromEntries(operands.map((o, i) => [`x${i}`, o.values])) }
}

/** Holds all gradients, stabilised and not, against differences of fourth order. Stay away from kinks by more than 1e-3. */
export function expectSlopes(f: (...xs: any[]) => Node, operands: readonly Given[]): void {
  const { loss, named } = declared(f, operands)
  const at = (values: typeof named): number => numbersOf([loss], values)[0][0]
  const floats = operands.flatMap((o, i) => (o.dtype === 'i32' ? [] : [i]))
  const h = 2 ** -11
  const floor = Math.max(1e-3, 1e-2 * Math.abs(at(named)))
  for (const stable of [false, true]) {
    const { gradients } = slopesOf(f, operands, stable)
    floats.forEach((operand, g) => {
      operands[operand].values.forEach((x, i) => {
        const moved = (k: number): number => at({ ...named, [`x${operand}`]: operands[operand].values.with(i, x + k * h) })
        const slope = (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * h)
        const error = Math.abs(gradients[g][i] - slope) / Math.max(floor, Math.abs(slope))
        expect(error, `x${operand}[${i}]: gradient ${gradients[g][i]}, differences ${slope}`).toBeLessThan(1e-6)
      })
    })
  }
}
