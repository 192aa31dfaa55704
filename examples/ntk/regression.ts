import { eigen } from './eigen.ts'
import type { Matrix } from './limit.ts'

/** What kernel regression needs to know: `train` points come first among the `n` of the kernel. */
export interface Regression {
  readonly kernel: Matrix
  readonly n: number
  readonly train: number
  /** The net's outputs before training, at all points. */
  readonly first: Float64Array
  /** What the outputs should be, at the training points. */
  readonly target: Float64Array
  readonly rate: number
  readonly steps: number
}

/**
 * The outputs at all points after gradient descent on ½·Σ(f − y)², if the net were its own linearisation: with K over the
 * training points, f(x) = f₀(x) − K(x, ·)·K⁻¹·(1 − (1 − rate·K)^steps)·(f₀ − y). (Lee et al., "Wide neural networks of any
 * depth evolve as linear models under gradient descent", NeurIPS 2019.)
 */
export function predicted({ kernel, n, train, first, target, rate, steps }: Regression): Float64Array {
  const among = new Float64Array(train * train)
  for (let i = 0; i < train; i++) for (let j = 0; j < train; j++) among[i * train + j] = kernel[i * n + j]
  const { values, vectors } = eigen(among, train)
  // In the eigenvectors' basis each error shrinks on its own: a geometric series, sound also where an eigenvalue is 0.
  const moved = new Float64Array(train)
  values.forEach((value, k) => {
    let error = 0
    for (let i = 0; i < train; i++) error += vectors[i * train + k] * (first[i] - target[i])
    const left = (1 - rate * value) ** steps
    const weight = (Math.abs(rate * value) < 1e-12 ? rate * steps : (1 - left) / value) * error
    for (let i = 0; i < train; i++) moved[i] += vectors[i * train + k] * weight
  })
  return first.map((f, x) => moved.reduce((value, m, i) => value - kernel[x * n + i] * m, f))
}
