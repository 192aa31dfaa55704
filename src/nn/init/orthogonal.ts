import { checkOptions } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Init, Node } from '../../ir/graph.ts'
import { contract } from '../../ir/lang/contract.ts'
import { div, maximum, mul, sqrt, square, sub } from '../../ir/lang/pointwise.ts'
import { sum } from '../../ir/lang/reduce.ts'
import { reshape, transpose } from '../../ir/lang/view.ts'
import { sizeOf } from '../../ir/types.ts'
import { checkFinite } from '../numbers.ts'
import { normal } from './distributions.ts'
import { drawn } from './draw.ts'

/** Options of {@link orthogonal}. */
export interface OrthogonalOptions {
  /** Factor of the matrix; default 1. */
  readonly gain?: number
}

/**
 * gain times a random matrix with orthonormal rows, or columns if there are more rows (Saxe et al., ICLR 2014); of a weight
 * [out, in, ...window], the rows are its outputs. It is the orthogonal factor of the polar decomposition of a normal matrix,
 * which is distributed evenly over all such matrices, as that of PyTorch is. W·Wᵀ is gain²·I to about 1e-6 in f32.
 * Errors: option/invalid, shape/mismatch (a bias), dtype/unsupported.
 */
export function orthogonal(options: OrthogonalOptions = {}): Init {
  checkOptions('orthogonal', options, ['gain'])
  const { gain = 1 } = options
  checkFinite('orthogonal', 'gain', gain)
  return (b, type, key) => {
    const { shape } = type
    if (shape.length < 2) {
      throw new GradcError('shape/mismatch', `orthogonal needs a weight [out, in, ...window], got [${shape.join(', ')}]`, {
        hint: 'biases take init.zeros, init.uniform or init.normal',
      })
    }
    const [rows, columns] = [shape[0], sizeOf(shape.slice(1))]
    if (rows === 0 || columns === 0) return b.zeros(type)
    const [low, high] = [Math.min(rows, columns), Math.max(rows, columns)]
    return drawn(type, (t) => {
      const wide = polar(normal()(b, { dtype: t.dtype, shape: [low, high] }, key))
      return reshape(mul(rows > columns ? transpose(wide) : wide, gain), shape)
    })
  }
}

/**
 * The nearest matrix with orthonormal rows to x [n, m], n ≤ m, by scaled Newton-Schulz iterations (Higham, "Functions of
 * matrices", 2008; scaling: Chen & Chow, 2014): y ← ρ·y·(3 − ρ²·yᵀy)/2 moves all singular values towards 1.
 */
function polar(x: Node): Node {
  const [n, m] = x.shape
  // Σσ⁴ = ‖x·xᵀ‖² bounds the largest singular value from above.
  const largest = sqrt(sqrt(sum(square(gram(x)))))
  const scaled = div(x, maximum(largest, 1e-30))
  return scales(n, m, x.dtype === 'f64').reduce((y, scale) => {
    const z = scale === 1 ? y : mul(y, scale)
    return sub(mul(z, 1.5), mul(contract('ij,jk->ik', gram(z), z), 0.5))
  }, scaled)
}

const gram = (x: Node): Node => contract('ik,jk->ij', x, x)

/**
 * The ρ of each iteration: the best for singular values in [l, 1], where l bounds those of a normal matrix from below but for
 * one matrix in a million (Rudelson & Vershynin, 2009); of f32, rounding lifts them above 1e-8 anyway. Eight or nine iterations
 * for [n, 2n], up to 24 (f64: 30) for a square.
 */
function scales(n: number, m: number, double: boolean): number[] {
  const expected = (n * m * (n + m + 1)) ** 0.25
  const likely = (1e-6 ** (1 / (m - n + 1)) * (Math.sqrt(m) - Math.sqrt(n - 1))) / expected / 4
  const steps: number[] = []
  for (let l = Math.max(likely, double ? 1e-10 : 1e-8); 1 - l > 1e-3;) {
    // A smaller floor would send values near 1 so close to 0 that rounding decided on them.
    const floor = Math.max(l, 0.05)
    const scale = Math.sqrt(3 / (1 + floor + floor * floor))
    steps.push(scale)
    l = 0.5 * scale * l * (3 - scale * scale * l * l)
  }
  // What is left of the error is squared by each.
  return [...steps, ...(double ? [1, 1, 1] : [1, 1])]
}
