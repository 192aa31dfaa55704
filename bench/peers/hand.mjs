// What people write by hand for one network: Float32Arrays made once, loops over them, no library.
import { ADAM, SGD, WORKLOADS, valuesOf } from '../values.mjs'
import { PRODUCTS } from './products.mjs'

/** a[i, j] = f(a[i, j] + bias[j]). A loop a kind: one loop that is given f would call it for each element. */
const ACTIVATE = {
  none: (a, bias) => {
    const n = bias.length
    for (let i = 0; i < a.length; i += n) for (let j = 0; j < n; j++) a[i + j] += bias[j]
  },
  relu: (a, bias) => {
    const n = bias.length
    for (let i = 0; i < a.length; i += n) {
      for (let j = 0; j < n; j++) {
        const z = a[i + j] + bias[j]
        a[i + j] = z > 0 ? z : 0
      }
    }
  },
  sigmoid: (a, bias) => {
    const n = bias.length
    for (let i = 0; i < a.length; i += n) for (let j = 0; j < n; j++) a[i + j] = 1 / (1 + Math.exp(-a[i + j] - bias[j]))
  },
  tanh: (a, bias) => {
    const n = bias.length
    for (let i = 0; i < a.length; i += n) for (let j = 0; j < n; j++) a[i + j] = Math.tanh(a[i + j] + bias[j])
  },
}
/** d[i] *= f′, by the activation's value. */
const DIFFERENTIATE = {
  relu: (d, a) => {
    for (let i = 0; i < d.length; i++) if (!(a[i] > 0)) d[i] = 0
  },
  sigmoid: (d, a) => {
    for (let i = 0; i < d.length; i++) d[i] *= a[i] * (1 - a[i])
  },
  tanh: (d, a) => {
    for (let i = 0; i < d.length; i++) d[i] *= 1 - a[i] * a[i]
  },
}

function columnSums(d, sums) {
  sums.fill(0)
  for (let i = 0; i < d.length; i += sums.length) for (let j = 0; j < sums.length; j++) sums[j] += d[i + j]
}

/** Mean squared error; `d` gets its gradient. */
function squares(out, y, d) {
  let loss = 0
  for (let i = 0; i < out.length; i++) {
    const e = out[i] - y[i]
    loss += e * e
    d[i] = (2 * e) / out.length
  }
  return loss / out.length
}

/** Mean cross-entropy of softmax(logits) against `y`; `d` gets its gradient by the logits. */
function crossEntropy(logits, y, d) {
  const batch = y.length
  const classes = logits.length / batch
  let loss = 0
  for (let i = 0; i < batch; i++) {
    const row = i * classes
    let top = -Infinity
    for (let j = 0; j < classes; j++) top = Math.max(top, logits[row + j])
    let sum = 0
    for (let j = 0; j < classes; j++) {
      const e = Math.exp(logits[row + j] - top)
      d[row + j] = e
      sum += e
    }
    loss -= logits[row + y[i]] - top - Math.log(sum)
    for (let j = 0; j < classes; j++) d[row + j] /= sum * batch
    d[row + y[i]] -= 1 / batch
  }
  return loss / batch
}

function sgd({ w, g }) {
  for (let i = 0; i < w.length; i++) w[i] -= SGD.lr * g[i]
}

function adam({ w, g, m, v }, t) {
  const { beta1, beta2, eps } = ADAM
  const rate = ADAM.lr / (1 - beta1 ** t)
  const scale = 1 / (1 - beta2 ** t)
  for (let i = 0; i < w.length; i++) {
    m[i] = beta1 * m[i] + (1 - beta1) * g[i]
    v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i]
    w[i] -= (rate * m[i]) / (Math.sqrt(v[i] * scale) + eps)
  }
}

/** A subject: see `worker.mjs`. `style`: of the products. */
export function hand(workload, style) {
  const { kind, batch, widths, activation, optimizer } = WORKLOADS[workload]
  if (kind !== 'mlp') throw new Error(`${workload} is not written by hand`)
  const { product, byWeights, byInput } = PRODUCTS[style]
  const { parameters, x, y } = valuesOf(workload)
  const zeros = (length) => new Float32Array(length)
  const trained = parameters.map(({ values: { length: n } }) => ({ w: zeros(n), g: zeros(n), m: zeros(n), v: zeros(n) }))
  const layers = widths.slice(1).map((width, l) => ({
    inputs: widths[l], width, weight: trained[2 * l], bias: trained[2 * l + 1], a: zeros(batch * width), d: zeros(batch * width),
  }))
  const last = layers.at(-1)
  const [hidden, output, slope] = [ACTIVATE[activation], ACTIVATE.none, DIFFERENTIATE[activation]]
  const lossOf = last.width === 1 ? squares : crossEntropy
  const update = optimizer === 'sgd' ? sgd : adam
  let t = 0

  const reset = () => {
    t = 0
    trained.forEach(({ w, m, v }, i) => {
      w.set(parameters[i].values)
      m.fill(0)
      v.fill(0)
    })
  }
  const step = () => {
    layers.forEach((layer, l) => {
      const { inputs, width, weight, bias, a } = layer
      product(l ? layers[l - 1].a : x, weight.w, a, batch, inputs, width)
      if (layer === last) output(a, bias.w)
      else hidden(a, bias.w)
    })
    const loss = lossOf(last.a, y, last.d)
    for (let l = layers.length - 1; l >= 0; l--) {
      const { inputs, width, weight, bias, d } = layers[l]
      byWeights(l ? layers[l - 1].a : x, d, weight.g, batch, inputs, width)
      columnSums(d, bias.g)
      if (!l) continue
      byInput(d, weight.w, layers[l - 1].d, batch, width, inputs)
      slope(layers[l - 1].d, layers[l - 1].a)
    }
    t++
    for (const p of trained) update(p, t)
    return loss
  }
  return { step, reset }
}
