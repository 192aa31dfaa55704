// Single kernels in gradc. Operands are states and results are views of the program's memory: nothing but the kernel runs.
import { add, compile, div, einsum, exp, f32, fn, grad, mul, nn, relu, sqrt, sub, sum, tanh } from '../../dist/src/index.js'
import { ADAM_STEP, operandsOf, operationOf } from '../kernels.mjs'
import { ADAM } from '../values.mjs'

const convolved = (x, w) => nn.convolve(x, w, { padding: 1 })
/** By operation: the result of the operands. */
const COMPUTE = {
  'contract AB': ({ a, b }) => einsum('ik,kj->ij', a, b),
  'contract AtB': ({ a, b }) => einsum('ki,kj->ij', a, b),
  'contract ABt': ({ a, b }) => einsum('ik,jk->ij', a, b),
  'convolve forward': ({ a, w }) => convolved(a, w),
  'convolve by-weights': ({ a, d, w }) => grad(sum(mul(convolved(a, w), d)), w),
  'convolve by-input': ({ a, w, x }) => grad(sum(mul(convolved(x, w), a)), x),
  exp: ({ a }) => exp(a),
  tanh: ({ a }) => tanh(a),
  relu: ({ a }) => relu(a),
  add: ({ a, b }) => add(a, b),
}

/** Adam's update of a gradient that lies in memory, and nothing else: three states get new values. */
function updateByAdam({ w, g, m, v }, builder) {
  const { lr, beta1, beta2, eps } = ADAM
  const mean = add(mul(m, beta1), mul(g, 1 - beta1))
  const square = add(mul(v, beta2), mul(mul(g, g), 1 - beta2))
  const [first, second] = [1 - beta1 ** ADAM_STEP, 1 - beta2 ** ADAM_STEP]
  builder.update(m, mean)
  builder.update(v, square)
  builder.update(w, sub(w, div(mul(mean, lr / first), add(mul(sqrt(square), second ** -0.5), eps))))
}

/** A subject: see `worker.mjs`. `options` are compile's. */
export async function kernel(name, options) {
  const operands = operandsOf(name)
  const compute = COMPUTE[operationOf(name)]
  const stateOf = ([key, { shape }]) => [key, new nn.Parameter(key, shape, nn.init.zeros, { trainable: !compute })]
  const states = Object.entries(operands).map(stateOf)
  const run = fn({ tick: f32() }, ({ tick }) => {
    const values = Object.fromEntries(states.map(([key, state]) => [key, state.of(tick)]))
    if (compute) return { result: compute(values) }
    updateByAdam(values, tick.builder)
    return { result: add(tick, 1) }
  })
  const program = compile({ run }, { name: 'kernel', ...options })
  const model = await program.load()
  for (const [key, { values }] of Object.entries(operands)) model.state[key]?.set(values)
  const tick = { tick: 0 }
  const { result } = model.run(tick)
  const first = compute ? result : model.state.w
  return { step: () => (model.run(tick), 0), reset() {}, first, compileMs: program.compiled.compileMs, program }
}
