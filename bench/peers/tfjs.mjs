// TensorFlow.js on its WebAssembly backend: SIMD, and one thread, as it decides by itself under Node. Driven as its
// documentation shows: optimizer.minimize on a loss that is built each step. What its backend lacks is worked around as a
// user can: see `tfjs-workarounds.mjs`. Its inputs lie in the backend's memory beforehand: only computing is timed.
import { createRequire } from 'node:module'
import { dirname, join, sep } from 'node:path'
import { ADAM, SGD, WORKLOADS, oneHot, valuesOf } from '../values.mjs'
import { registerConvolutionByWeights, transposeBeforeProducts } from './tfjs-workarounds.mjs'

/** Canonical layouts to those of TensorFlow.js: kernels [height, width, in, out], rows of w1 place by place. */
function layoutOf(tf, kind, { name, shape, values }) {
  const tensor = tf.tensor(values, shape)
  if (kind !== 'cnn') return tensor
  if (shape.length === 4) return tf.transpose(tensor, [2, 3, 1, 0])
  return name === 'w1' ? tf.reshape(tf.transpose(tf.reshape(tensor, [64, 49, 128]), [1, 0, 2]), [3136, 128]) : tensor
}

const denseOf = (tf, x, p, i) => tf.add(tf.matMul(x, p[`w${i}`]), p[`b${i}`])

/** The loss of each kind of workload: (tf, spec, parameters, x, y) to a function that builds it. */
const LOSSES = {
  mlp: (tf, { widths, activation, batch }, p, values) => {
    const x = tf.tensor(values.x, [batch, widths[0]])
    const last = widths.length - 1
    const regression = widths[last] === 1
    const y = regression ? tf.tensor(values.y, [batch, 1]) : tf.tensor(oneHot(values.y, 10), [batch, 10])
    return () => {
      let h = x
      for (let i = 1; i < last; i++) h = tf[activation](denseOf(tf, h, p, i))
      const out = denseOf(tf, h, p, last)
      return regression ? tf.losses.meanSquaredError(y, out) : tf.losses.softmaxCrossEntropy(y, out)
    }
  },
  cnn: (tf, { batch }, p, values) => {
    const x = tf.tensor(values.x, [batch, 28, 28, 1])
    const y = tf.tensor(oneHot(values.y, 10), [batch, 10])
    const stage = (h, kernel, bias) => tf.maxPool(tf.relu(tf.add(tf.conv2d(h, kernel, 1, 'same'), bias)), 2, 2, 'valid')
    return () => {
      const h = tf.reshape(stage(stage(x, p.c1, p.cb1), p.c2, p.cb2), [batch, 3136])
      return tf.losses.softmaxCrossEntropy(y, denseOf(tf, tf.relu(denseOf(tf, h, p, 1)), p, 2))
    }
  },
  lstm: (tf, { batch, steps, inputs, hidden }, p, values) => {
    // Steps first, so that each is contiguous; the inputs' product is one for all steps.
    const x = tf.reshape(tf.transpose(tf.tensor(values.x, [batch, steps, inputs]), [1, 0, 2]), [steps * batch, inputs])
    const y = tf.tensor(oneHot(values.y, 10), [batch, 10])
    return () => {
      const from = tf.unstack(tf.reshape(tf.add(tf.matMul(x, p.wx), p.b), [steps, batch, 4 * hidden]))
      let h = tf.zeros([batch, hidden])
      let c = tf.zeros([batch, hidden])
      for (const input of from) {
        const [i, f, g, o] = tf.split(tf.add(input, tf.matMul(h, p.wh)), 4, 1)
        c = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(g)))
        h = tf.mul(tf.sigmoid(o), tf.tanh(c))
      }
      return tf.losses.softmaxCrossEntropy(y, tf.add(tf.matMul(h, p.w), p.bo))
    }
  },
  gpt: (tf, { batch, length, vocabulary, d, heads, layers }, p, values) => {
    const tokens = batch * length
    // Its backend cannot differentiate a gather: the embedding is a product with rows of one 1.
    const x = tf.tensor(oneHot(values.x, vocabulary), [tokens, vocabulary])
    const y = tf.tensor(oneHot(values.y, vocabulary), [tokens, vocabulary])
    const later = Float32Array.from({ length: length ** 2 }, (_, i) => (i % length > i / length ? -1e9 : 0))
    const mask = tf.tensor(later, [1, 1, length, length])
    const norm = (h, gain, bias) => {
      const centred = tf.sub(h, tf.mean(h, -1, true))
      return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), 1e-5))), gain), bias)
    }
    const gelu = (h) => {
      const cubic = tf.mul(Math.sqrt(2 / Math.PI), tf.add(h, tf.mul(0.044715, tf.mul(h, tf.mul(h, h)))))
      return tf.mul(tf.mul(h, 0.5), tf.add(1, tf.tanh(cubic)))
    }
    const headsFirst = (h) => tf.transpose(tf.reshape(h, [batch, length, heads, d / heads]), [0, 2, 1, 3])
    const attention = (h) => {
      const [q, k, v] = tf.split(h, 3, 1).map(headsFirst)
      const weights = tf.softmax(tf.add(tf.mul(tf.matMul(q, k, false, true), (d / heads) ** -0.5), mask))
      return tf.reshape(tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]), [tokens, d])
    }
    return () => {
      let h = tf.reshape(tf.add(tf.reshape(tf.matMul(x, p.wte), [batch, length, d]), p.wpe), [tokens, d])
      for (let l = 0; l < layers; l++) {
        const q = (key) => p[`l${l}.${key}`]
        const dense = (input, weight, bias) => tf.add(tf.matMul(input, q(weight)), q(bias))
        h = tf.add(h, dense(attention(dense(norm(h, q('ln1g'), q('ln1b')), 'wqkv', 'bqkv')), 'wo', 'bo'))
        h = tf.add(h, dense(gelu(dense(norm(h, q('ln2g'), q('ln2b')), 'w1', 'b1')), 'w2', 'b2'))
      }
      return tf.losses.softmaxCrossEntropy(y, tf.matMul(norm(h, p.lnfg, p.lnfb), p.head))
    }
  },
}

/** TensorFlow.js, ready. `transpose`: whether transposed products are worked around as well. */
export async function startTfjs({ transpose }) {
  const require = createRequire(import.meta.url)
  const tf = require('@tensorflow/tfjs')
  const { setWasmPaths } = require('@tensorflow/tfjs-backend-wasm')
  setWasmPaths(join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'dist') + sep)
  if (!(await tf.setBackend('wasm'))) throw new Error('the WebAssembly backend of TensorFlow.js does not start')
  await tf.ready()
  registerConvolutionByWeights(tf)
  if (transpose) transposeBeforeProducts(tf)
  return tf
}

/** A subject: see `worker.mjs`. `options` are those of {@link startTfjs}. */
export async function tfjs(workload, options) {
  const tf = await startTfjs(options)
  const spec = WORKLOADS[workload]
  const values = valuesOf(workload)
  const first = values.parameters.map((p) => [p.name, layoutOf(tf, spec.kind, p)])
  const parameters = Object.fromEntries(first.map(([name, tensor]) => [name, tf.variable(tensor)]))
  const variables = Object.values(parameters)
  const loss = LOSSES[spec.kind](tf, spec, parameters, values)
  const { lr, beta1, beta2, eps } = ADAM
  const newOptimizer = () => (spec.optimizer === 'sgd' ? tf.train.sgd(SGD.lr) : tf.train.adam(lr, beta1, beta2, eps))
  let optimizer = newOptimizer()

  const reset = () => {
    for (const [name, tensor] of first) parameters[name].assign(tensor)
    optimizer.dispose()
    optimizer = newOptimizer()
  }
  const step = () => tf.tidy(() => optimizer.minimize(() => loss().asScalar(), true, variables).dataSync()[0])
  return { step, reset }
}
