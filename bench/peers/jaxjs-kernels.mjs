// Single kernels in jax-js on its WebAssembly backend, each one `jit`; its convolutions are those of the training step. Each result is
// memory that it takes anew, as it always does, and that is freed in the same step.
import { ADAM_STEP, operandsOf, operationOf } from '../kernels.mjs'
import { ADAM } from '../values.mjs'
import { adamUpdate, convolved, patchesOf, startJaxjs } from './jaxjs.mjs'

/** By operation: (jax) to a function of the operands, which it consumes, in the order of kernels.mjs. */
const OPERATIONS = {
  'contract AB': ({ numpy: np }) => (a, b) => np.matmul(a, b),
  'contract AtB': ({ numpy: np }) => (a, b) => np.matmul(np.matrixTranspose(a), b),
  'contract ABt': ({ numpy: np }) => (a, b) => np.matmul(a, np.matrixTranspose(b)),
  'convolve forward': ({ numpy: np }) => (a, w) => convolved(np, a, w),
  // A product an image, then their sum: by its own gradient it takes eight times as long, as in the training step.
  'convolve by-weights': ({ numpy: np }) => (a, d, w) => {
    const [[n, o, height, width], shape] = [d.shape, w.shape]
    w.dispose()
    return np.matmul(d.reshape([n, o, height * width]), np.matrixTranspose(patchesOf(np, a))).sum(0).reshape(shape)
  },
  'convolve by-input': ({ numpy: np, grad }) => (a, w, x) => grad((image) => convolved(np, image, w).mul(a).sum())(x),
  exp: ({ numpy: np }) => np.exp,
  tanh: ({ numpy: np }) => np.tanh,
  relu: ({ nn }) => nn.relu,
  add: ({ numpy: np }) => np.add,
}

/** Weights and moments become those that it gives, as in training. */
async function adam(jax, { w, g, m, v }) {
  const { beta1, beta2 } = ADAM
  const scalar = (value) => jax.numpy.array([value]).reshape([])
  const factors = [1 / (1 - beta1 ** ADAM_STEP), 1 / (1 - beta2 ** ADAM_STEP)].map(scalar)
  const update = jax.jit((...x) => adamUpdate(jax.numpy, ...x))
  let state = [w, m, v]
  const step = async () => {
    state = update(...state, g.ref, ...factors.map((factor) => factor.ref))
    await jax.blockUntilReady(state)
    return 0
  }
  await step()
  return { step, reset() {}, first: state[0].ref.dataSync() }
}

/** A subject: see `worker.mjs`. */
export async function jaxjsKernel(name) {
  const jax = await startJaxjs()
  const operands = Object.fromEntries(Object.entries(operandsOf(name)).map(([key, { shape, values }]) => [key, jax.numpy.array(values).reshape(shape)]))
  const operation = OPERATIONS[operationOf(name)]
  if (!operation) return adam(jax, operands)
  const run = jax.jit(operation(jax))
  const call = () => run(...Object.values(operands).map((array) => array.ref))
  const step = async () => {
    const result = await call().blockUntilReady()
    result.dispose()
    return 0
  }
  return { step, reset() {}, first: call().dataSync() }
}
