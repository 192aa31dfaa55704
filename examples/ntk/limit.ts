/** A symmetric matrix, row-major. */
export type Matrix = Float64Array

/**
 * The kernel of the infinitely wide net of network.ts, [n, n], for inputs [n, features]. With Λ(x, y) = x·y + 1, the
 * covariance of the hidden layer: E[φ(u)φ(v)] from the outer weights, and Λ(x, y)·E[φ′(u)φ′(v)] from the inner ones, for φ = erf.
 * (Williams, "Computing with infinite networks", NIPS 1997; Jacot, Gabriel, Hongler, NeurIPS 2018.)
 */
export function limitKernel(x: Float64Array, n: number): Matrix {
  const features = x.length / n
  const covariance = (i: number, j: number): number => {
    let dot = 1
    for (let k = 0; k < features; k++) dot += x[i * features + k] * x[j * features + k]
    return dot
  }
  const kernel = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const [ii, ij, jj] = [covariance(i, i), covariance(i, j), covariance(j, j)]
      const scale = (1 + 2 * ii) * (1 + 2 * jj)
      const outer = (2 / Math.PI) * Math.asin((2 * ij) / Math.sqrt(scale))
      const inner = ij * (4 / Math.PI) / Math.sqrt(scale - 4 * ij * ij)
      kernel[i * n + j] = outer + inner
    }
  }
  return kernel
}
