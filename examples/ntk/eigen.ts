import type { Matrix } from './limit.ts'

/** A = V·diag(values)·Vᵀ: column k of `vectors` (row-major, [n, n]) belongs to `values[k]`. */
export interface Eigen {
  readonly values: Float64Array
  readonly vectors: Float64Array
}

/** Rounds after which nothing is left off the diagonal, for any matrix of doubles. */
const SWEEPS = 60

/** Eigenvalues and orthonormal eigenvectors of a symmetric matrix [n, n], by Jacobi's rotations (Golub & Van Loan, 8.5). */
export function eigen(matrix: Matrix, n: number): Eigen {
  const a = matrix.slice()
  const vectors = new Float64Array(n * n)
  for (let i = 0; i < n; i++) vectors[i * n + i] = 1
  const rotate = (m: Float64Array, i: number, j: number, cos: number, sin: number): void => {
    const [x, y] = [m[i], m[j]]
    m[i] = cos * x - sin * y
    m[j] = sin * x + cos * y
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let turned = false
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const off = a[p * n + q]
        if (Math.abs(off) <= 1e-17 * Math.sqrt(Math.abs(a[p * n + p] * a[q * n + q])) || off === 0) continue
        turned = true
        const theta = (a[q * n + q] - a[p * n + p]) / (2 * off)
        const tan = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1))
        const cos = 1 / Math.hypot(tan, 1)
        const sin = tan * cos
        for (let k = 0; k < n; k++) rotate(a, k * n + p, k * n + q, cos, sin)
        for (let k = 0; k < n; k++) rotate(a, p * n + k, q * n + k, cos, sin)
        for (let k = 0; k < n; k++) rotate(vectors, k * n + p, k * n + q, cos, sin)
      }
    }
    if (!turned) break
  }
  return { values: Float64Array.from({ length: n }, (_, i) => a[i * n + i]), vectors }
}
