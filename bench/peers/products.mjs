// The three products of a dense layer as people write them by hand: row-major Float32Arrays, and f64 sums where a sum stays in a
// variable. Twice: with four terms or results of the inner loop at a time, and with 4×4 results in variables.

/** c[m, n] = a[m, k] · b[k, n], four terms of the sum at a time. */
function product(a, b, c, m, k, n) {
  c.fill(0)
  for (let i = 0; i < m; i++) {
    const row = i * n
    let p = 0
    for (; p + 4 <= k; p += 4) {
      const at = i * k + p
      const x0 = a[at], x1 = a[at + 1], x2 = a[at + 2], x3 = a[at + 3]
      const r0 = p * n, r1 = r0 + n, r2 = r1 + n, r3 = r2 + n
      for (let j = 0; j < n; j++) c[row + j] += x0 * b[r0 + j] + x1 * b[r1 + j] + x2 * b[r2 + j] + x3 * b[r3 + j]
    }
    for (; p < k; p++) {
      const x = a[i * k + p]
      for (let j = 0; j < n; j++) c[row + j] += x * b[p * n + j]
    }
  }
}

/** c[k, n] = a[m, k]ᵀ · b[m, n], the gradient of the weights, four samples at a time. */
function byWeights(a, b, c, m, k, n) {
  c.fill(0)
  let i = 0
  for (; i + 4 <= m; i += 4) {
    const r0 = i * n, r1 = r0 + n, r2 = r1 + n, r3 = r2 + n
    const a0 = i * k, a1 = a0 + k, a2 = a1 + k, a3 = a2 + k
    for (let p = 0; p < k; p++) {
      const x0 = a[a0 + p], x1 = a[a1 + p], x2 = a[a2 + p], x3 = a[a3 + p]
      const row = p * n
      for (let j = 0; j < n; j++) c[row + j] += x0 * b[r0 + j] + x1 * b[r1 + j] + x2 * b[r2 + j] + x3 * b[r3 + j]
    }
  }
  for (; i < m; i++) {
    for (let p = 0; p < k; p++) {
      const x = a[i * k + p]
      for (let j = 0; j < n; j++) c[p * n + j] += x * b[i * n + j]
    }
  }
}

/** c[m, k] = a[m, n] · b[k, n]ᵀ, the gradient of the input, four results at a time; k is a multiple of 4. */
function byInput(a, b, c, m, n, k) {
  for (let i = 0; i < m; i++) {
    const row = i * n
    for (let p = 0; p < k; p += 4) {
      const r0 = p * n, r1 = r0 + n, r2 = r1 + n, r3 = r2 + n
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0
      for (let j = 0; j < n; j++) {
        const x = a[row + j]
        s0 += x * b[r0 + j]
        s1 += x * b[r1 + j]
        s2 += x * b[r2 + j]
        s3 += x * b[r3 + j]
      }
      const to = i * k + p
      c[to] = s0
      c[to + 1] = s1
      c[to + 2] = s2
      c[to + 3] = s3
    }
  }
}

/**
 * c[i, j] = Σ over p of a[i·ai + p·ap] · b[p·bp + j·bj] for m × n results and k terms: all three products are this with other
 * strides. Sixteen results at a time stay in variables; what is left at the edges goes one by one.
 */
function blocked(a, ai, ap, b, bp, bj, c, m, k, n) {
  const m4 = m & ~3, n4 = n & ~3
  for (let i = 0; i < m4; i += 4) {
    for (let j = 0; j < n4; j += 4) {
      let c00 = 0, c01 = 0, c02 = 0, c03 = 0, c10 = 0, c11 = 0, c12 = 0, c13 = 0
      let c20 = 0, c21 = 0, c22 = 0, c23 = 0, c30 = 0, c31 = 0, c32 = 0, c33 = 0
      let x = i * ai, y = j * bj
      for (let p = 0; p < k; p++) {
        const a0 = a[x], a1 = a[x + ai], a2 = a[x + 2 * ai], a3 = a[x + 3 * ai]
        const b0 = b[y], b1 = b[y + bj], b2 = b[y + 2 * bj], b3 = b[y + 3 * bj]
        c00 += a0 * b0
        c01 += a0 * b1
        c02 += a0 * b2
        c03 += a0 * b3
        c10 += a1 * b0
        c11 += a1 * b1
        c12 += a1 * b2
        c13 += a1 * b3
        c20 += a2 * b0
        c21 += a2 * b1
        c22 += a2 * b2
        c23 += a2 * b3
        c30 += a3 * b0
        c31 += a3 * b1
        c32 += a3 * b2
        c33 += a3 * b3
        x += ap
        y += bp
      }
      const r0 = i * n + j, r1 = r0 + n, r2 = r1 + n, r3 = r2 + n
      c[r0] = c00
      c[r0 + 1] = c01
      c[r0 + 2] = c02
      c[r0 + 3] = c03
      c[r1] = c10
      c[r1 + 1] = c11
      c[r1 + 2] = c12
      c[r1 + 3] = c13
      c[r2] = c20
      c[r2 + 1] = c21
      c[r2 + 2] = c22
      c[r2 + 3] = c23
      c[r3] = c30
      c[r3 + 1] = c31
      c[r3 + 2] = c32
      c[r3 + 3] = c33
    }
  }
  for (let i = 0; i < m; i++) {
    for (let j = i < m4 ? n4 : 0; j < n; j++) {
      let sum = 0
      for (let p = 0; p < k; p++) sum += a[i * ai + p * ap] * b[p * bp + j * bj]
      c[i * n + j] = sum
    }
  }
}

/** `product(a, b, c, m, k, n)`, `byWeights(a, dc, db, m, k, n)`, `byInput(dc, b, da, m, n, k)` in either style. */
export const PRODUCTS = {
  unrolled: { product, byWeights, byInput },
  blocked: {
    product: (a, b, c, m, k, n) => blocked(a, k, 1, b, n, 1, c, m, k, n),
    byWeights: (a, b, c, m, k, n) => blocked(a, 1, k, b, n, 1, c, k, m, n),
    byInput: (a, b, c, m, n, k) => blocked(a, n, 1, b, 1, n, c, m, n, k),
  },
}
