// What people write by hand: Float32Array loops in the cache-friendly i-k-j order, and the same with the outer of the
// inner two loops unrolled four times, which is what someone ends up with after a look at the profiler.
import { ADAM, CLASSES, HIDDEN, INPUTS, firstWeights } from './values.mjs'

/** c[m, n] = a[m, k] · b[k, n] */
function product(a, b, c, m, k, n) {
  c.fill(0)
  for (let i = 0; i < m; i++) {
    const row = i * n
    for (let p = 0; p < k; p++) {
      const x = a[i * k + p]
      const from = p * n
      for (let j = 0; j < n; j++) c[row + j] += x * b[from + j]
    }
  }
}

/** c[k, n] = a[m, k]ᵀ · b[m, n]: the gradient of the weights. */
function weightGradient(a, b, c, m, k, n) {
  c.fill(0)
  for (let i = 0; i < m; i++) {
    const from = i * n
    for (let p = 0; p < k; p++) {
      const x = a[i * k + p]
      const row = p * n
      for (let j = 0; j < n; j++) c[row + j] += x * b[from + j]
    }
  }
}

/** c[m, k] = a[m, n] · b[k, n]ᵀ: the gradient of the input. */
function inputGradient(a, b, c, m, n, k) {
  for (let i = 0; i < m; i++) {
    const row = i * n
    for (let p = 0; p < k; p++) {
      const from = p * n
      let sum = 0
      for (let j = 0; j < n; j++) sum += a[row + j] * b[from + j]
      c[i * k + p] = sum
    }
  }
}

/** {@link product}, four terms of the sum at a time; k is a multiple of 4. */
function productUnrolled(a, b, c, m, k, n) {
  c.fill(0)
  for (let i = 0; i < m; i++) {
    const row = i * n
    for (let p = 0; p < k; p += 4) {
      const at = i * k + p
      const x0 = a[at], x1 = a[at + 1], x2 = a[at + 2], x3 = a[at + 3]
      const r0 = p * n, r1 = r0 + n, r2 = r1 + n, r3 = r2 + n
      for (let j = 0; j < n; j++) c[row + j] += x0 * b[r0 + j] + x1 * b[r1 + j] + x2 * b[r2 + j] + x3 * b[r3 + j]
    }
  }
}

/** {@link weightGradient}, four samples at a time; what is left of the batch goes one by one. */
function weightGradientUnrolled(a, b, c, m, k, n) {
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

/** {@link inputGradient}, four results at a time; k is a multiple of 4. */
function inputGradientUnrolled(a, b, c, m, n, k) {
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

const PLAIN = { product, weightGradient, inputGradient }
const UNROLLED = { product: productUnrolled, weightGradient: weightGradientUnrolled, inputGradient: inputGradientUnrolled }

function addBias(z, bias, relu) {
  const n = bias.length
  for (let i = 0; i < z.length; i += n) {
    for (let j = 0; j < n; j++) {
      const v = z[i + j] + bias[j]
      z[i + j] = relu && !(v > 0) ? 0 : v
    }
  }
}

function biasGradient(dz, db) {
  db.fill(0)
  for (let i = 0; i < dz.length; i += db.length) for (let j = 0; j < db.length; j++) db[j] += dz[i + j]
}

/** Mean cross-entropy of softmax(logits) against `y`; `d` gets its gradient by the logits. */
function crossEntropy(logits, y, d) {
  const batch = y.length
  let loss = 0
  for (let i = 0; i < batch; i++) {
    const row = i * CLASSES
    let top = -Infinity
    for (let j = 0; j < CLASSES; j++) top = Math.max(top, logits[row + j])
    let sum = 0
    for (let j = 0; j < CLASSES; j++) {
      const e = Math.exp(logits[row + j] - top)
      d[row + j] = e
      sum += e
    }
    loss -= logits[row + y[i]] - top - Math.log(sum)
    for (let j = 0; j < CLASSES; j++) d[row + j] /= sum * batch
    d[row + y[i]] -= 1 / batch
  }
  return loss / batch
}

function adam({ w, g, m, v }, lr, scale) {
  const { beta1, beta2, eps } = ADAM
  for (let i = 0; i < w.length; i++) {
    m[i] = beta1 * m[i] + (1 - beta1) * g[i]
    v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i]
    w[i] -= (lr * m[i]) / (Math.sqrt(v[i] * scale) + eps)
  }
}

/** A peer of the bench: see `run.mjs`. */
export function hand(batch, unrolled) {
  const { product, weightGradient, inputGradient } = unrolled ? UNROLLED : PLAIN
  const zeros = (length) => new Float32Array(length)
  const first = firstWeights()
  const parameter = ({ length }) => ({ w: zeros(length), g: zeros(length), m: zeros(length), v: zeros(length) })
  const parameters = Object.fromEntries(Object.entries(first).map(([name, values]) => [name, parameter(values)]))
  const { w1, b1, w2, b2 } = parameters
  const hidden = zeros(batch * HIDDEN), dHidden = zeros(batch * HIDDEN)
  const logits = zeros(batch * CLASSES), dLogits = zeros(batch * CLASSES)
  let t = 0

  const reset = () => {
    t = 0
    for (const [name, { w, m, v }] of Object.entries(parameters)) {
      w.set(first[name])
      m.fill(0)
      v.fill(0)
    }
  }

  const step = ({ x, y }) => {
    product(x, w1.w, hidden, batch, INPUTS, HIDDEN)
    addBias(hidden, b1.w, true)
    product(hidden, w2.w, logits, batch, HIDDEN, CLASSES)
    addBias(logits, b2.w, false)
    const loss = crossEntropy(logits, y, dLogits)

    weightGradient(hidden, dLogits, w2.g, batch, HIDDEN, CLASSES)
    biasGradient(dLogits, b2.g)
    inputGradient(dLogits, w2.w, dHidden, batch, CLASSES, HIDDEN)
    for (let i = 0; i < dHidden.length; i++) if (!(hidden[i] > 0)) dHidden[i] = 0
    weightGradient(x, dHidden, w1.g, batch, INPUTS, HIDDEN)
    biasGradient(dHidden, b1.g)

    t++
    const lr = ADAM.lr / (1 - ADAM.beta1 ** t)
    const scale = 1 / (1 - ADAM.beta2 ** t)
    for (const p of [w1, b1, w2, b2]) adam(p, lr, scale)
    return loss
  }
  return { name: unrolled ? 'hand-unrolled' : 'hand', step, reset }
}
