// The same steps on TensorFlow.js, its core, gradients and WebAssembly back end alone: the smallest that trains.
// It runs as a bundle only: Node cannot import the core's parts.
import {
  add,
  cast,
  conv2d,
  losses,
  matMul,
  maxPool,
  oneHot,
  randomUniform,
  ready,
  registerKernel,
  relu,
  reshape,
  setBackend,
  tensor,
  tensor1d,
  tidy,
  train,
  transpose,
  variable,
} from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js'
import '@tensorflow/tfjs-core/dist/register_all_gradients.js'
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm'

/** Starts the back end; `wasmFolder` holds its .wasm files. Gives a function that takes one step and returns its loss. */
async function start(wasmFolder, { x, y }, shapes, forward) {
  setWasmPaths(wasmFolder)
  if (!(await setBackend('wasm'))) throw new Error('the WebAssembly backend of TensorFlow.js does not start')
  await ready()
  const images = tensor(x, [y.length, 784])
  const classes = tidy(() => cast(oneHot(tensor1d(y, 'int32'), 10), 'float32'))
  const weights = shapes.map((shape) => variable(tidy(() => randomUniform(shape, -0.05, 0.05))))
  const optimizer = train.adam(1e-3, 0.9, 0.999, 1e-8)
  return () =>
    tidy(
      () => optimizer.minimize(() => losses.softmaxCrossEntropy(classes, forward(images, weights)), true, weights).dataSync()[0],
    )
}

/** @see start */
export const mlp = (wasmFolder, batch) =>
  start(wasmFolder, batch, [[784, 128], [128], [128, 10], [10]], (x, [w1, b1, w2, b2]) =>
    add(matMul(relu(add(matMul(x, w1), b1)), w2), b2),
  )

/** @see start */
export function cnn(wasmFolder, batch) {
  // The back end has no gradient by the filter: the user's workaround is to write it as a convolution of transposed operands.
  registerKernel({
    kernelName: 'Conv2DBackpropFilter',
    backendName: 'wasm',
    kernelFunc: ({ inputs: { x, dy } }) =>
      tidy(() => {
        const filter = conv2d(transpose(x, [3, 1, 2, 0]), transpose(dy, [1, 2, 0, 3]), 1, [
          [0, 0],
          [1, 1],
          [1, 1],
          [0, 0],
        ])
        return transpose(filter, [1, 2, 0, 3])
      }),
  })
  const block = (h, w, b) => maxPool(relu(add(conv2d(h, w, 1, 'same'), b)), 2, 2, 'valid')
  const shapes = [[3, 3, 1, 32], [32], [3, 3, 32, 64], [64], [3136, 128], [128], [128, 10], [10]]
  return start(wasmFolder, batch, shapes, (x, [c1, d1, c2, d2, w1, b1, w2, b2]) => {
    const h = reshape(block(block(reshape(x, [-1, 28, 28, 1]), c1, d1), c2, d2), [-1, 3136])
    return add(matMul(relu(add(matMul(h, w1), b1)), w2), b2)
  })
}
