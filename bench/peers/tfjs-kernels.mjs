// Single kernels in TensorFlow.js on its WebAssembly backend. Operands lie in the backend's memory in the layouts that it wants; each
// result is memory that it takes anew, as it always does, and that is freed in the same step.
import { ADAM_STEP, operandsOf, operationOf } from '../kernels.mjs'
import { ADAM } from '../values.mjs'
import { startTfjs } from './tfjs.mjs'

/** [batch, channels, height, width] and [out, in, height, width] to its own layouts, and back. */
const IMAGES = { to: [0, 2, 3, 1], back: [0, 3, 1, 2] }
const KERNELS = { to: [2, 3, 1, 0], back: [3, 2, 0, 1] }

/** By operation: `compute(tf, operands)`; of convolutions also the layouts of operands and result. */
const OPERATIONS = {
  'contract AB': { compute: (tf, { a, b }) => tf.matMul(a, b) },
  'contract AtB': { compute: (tf, { a, b }) => tf.matMul(a, b, true, false) },
  'contract ABt': { compute: (tf, { a, b }) => tf.matMul(a, b, false, true) },
  'convolve forward': {
    layouts: { a: IMAGES, w: KERNELS, result: IMAGES }, compute: (tf, { a, w }) => tf.conv2d(a, w, 1, 'same'),
  },
  // What its gradient functions call; they would run the convolution forwards as well.
  'convolve by-weights': {
    layouts: { a: IMAGES, d: IMAGES, w: KERNELS, result: KERNELS },
    compute: (tf, { a, d, w }) => {
      const attrs = { strides: [1, 1], pad: 'same', dataFormat: 'NHWC', filterShape: w.shape }
      return tf.engine().runKernel('Conv2DBackpropFilter', { x: a, dy: d }, attrs)
    },
  },
  'convolve by-input': {
    layouts: { a: IMAGES, w: KERNELS, x: IMAGES, result: IMAGES },
    compute: (tf, { a, w, x }) => tf.conv2dTranspose(a, w, x.shape, 1, 'same'),
  },
  exp: { compute: (tf, { a }) => tf.exp(a) },
  tanh: { compute: (tf, { a }) => tf.tanh(a) },
  relu: { compute: (tf, { a }) => tf.relu(a) },
  add: { compute: (tf, { a, b }) => tf.add(a, b) },
}

/** Its own optimiser, told that it has taken so many steps before with these moments. */
async function adam(tf, { w, g, m, v }) {
  const { lr, beta1, beta2, eps } = ADAM
  const weights = tf.variable(w, true, 'w')
  const optimizer = tf.train.adam(lr, beta1, beta2, eps)
  await optimizer.setWeights([{ name: 'iter', tensor: tf.scalar(ADAM_STEP - 1, 'int32') }, { name: 'w/m', tensor: m }, { name: 'w/v', tensor: v }])
  const step = () => (optimizer.applyGradients([{ name: 'w', tensor: g }]), 0)
  step()
  return { step, reset() {}, first: weights.dataSync() }
}

/** A subject: see `worker.mjs`. `transpose`: whether transposed products are worked around. */
export async function tfjsKernel(name, { transpose }) {
  const tf = await startTfjs({ transpose })
  const { layouts = {}, compute } = OPERATIONS[operationOf(name)] ?? {}
  const laidOut = (key, tensor, way) => (layouts[key] ? tf.transpose(tensor, layouts[key][way]) : tensor)
  const tensors = Object.entries(operandsOf(name)).map(([key, { shape, values }]) => [key, laidOut(key, tf.tensor(values, shape), 'to')])
  const operands = Object.fromEntries(tensors)
  if (!compute) return adam(tf, operands)
  const first = tf.tidy(() => laidOut('result', compute(tf, operands), 'back').dataSync())
  const step = () => {
    tf.dispose(compute(tf, operands))
    return 0
  }
  return { step, reset() {}, first }
}
