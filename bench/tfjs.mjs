// TensorFlow.js on its WebAssembly backend, at its defaults: SIMD where there is SIMD, threads where it turns them on
// by itself (not under Node). Driven as its documentation shows: optimizer.minimize on a loss that is built each step.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, sep } from 'node:path'
import { ADAM, CLASSES, HIDDEN, INPUTS, batchesOf, firstWeights } from './values.mjs'

/** Whether `npm ci --prefix bench` has been run. */
export const installed = () => existsSync(new URL('node_modules/@tensorflow/tfjs-backend-wasm/package.json', import.meta.url))

/** Loads TensorFlow.js and starts its backend. Returns a maker of peers: see `run.mjs`. */
export async function startTfjs() {
  const require = createRequire(import.meta.url)
  const tf = require('@tensorflow/tfjs')
  const { setWasmPaths } = require('@tensorflow/tfjs-backend-wasm')
  setWasmPaths(join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'dist') + sep)
  if (!(await tf.setBackend('wasm'))) throw new Error('the WebAssembly backend of TensorFlow.js does not start')
  await tf.ready()
  return (batch) => peer(tf, batch)
}

function peer(tf, batch) {
  const shapes = { w1: [INPUTS, HIDDEN], b1: [HIDDEN], w2: [HIDDEN, CLASSES], b2: [CLASSES] }
  const first = Object.entries(firstWeights()).map(([name, values]) => [name, tf.tensor(values, shapes[name])])
  const parameters = Object.fromEntries(first.map(([name, values]) => [name, tf.variable(values)]))
  const { w1, b1, w2, b2 } = parameters
  // Batches lie in the backend's memory beforehand: only computing is timed.
  const batches = batchesOf(batch).map(({ x, y }) => ({
    x: tf.tensor(x, [batch, INPUTS]),
    y: tf.tidy(() => tf.oneHot(tf.tensor1d(y, 'int32'), CLASSES).toFloat()),
  }))
  const newOptimizer = () => tf.train.adam(ADAM.lr, ADAM.beta1, ADAM.beta2, ADAM.eps)
  let optimizer = newOptimizer()

  const reset = () => {
    for (const [name, values] of first) parameters[name].assign(values)
    optimizer.dispose()
    optimizer = newOptimizer()
  }

  const step = (_, index) => {
    const { x, y } = batches[index]
    return tf.tidy(() => {
      const loss = () => {
        const hidden = tf.relu(tf.add(tf.matMul(x, w1), b1))
        return tf.losses.softmaxCrossEntropy(y, tf.add(tf.matMul(hidden, w2), b2)).asScalar()
      }
      return optimizer.minimize(loss, true, [w1, b1, w2, b2]).dataSync()[0]
    })
  }

  const dispose = () => {
    optimizer.dispose()
    tf.dispose([first.map(([, t]) => t), Object.values(parameters), batches])
  }
  return { name: 'tfjs-wasm', step, reset, dispose }
}
