// Single kernels in gradc. Operands are states and results are views of the program's memory: nothing but the kernel runs.
import { add, compile, div, einsum, exp, f32, fn, grad, mul, nn, relu, sqrt, sub, sum, tanh } from '../../dist/src/index.js'
import { ADAM, symmetric } from '../values.mjs'

const FORMS = {
  'AB': { spec: 'ik,kj->ij', a: (m, k) => [m, k], b: (k, n) => [k, n] },
  'AtB': { spec: 'ki,kj->ij', a: (m, k) => [k, m], b: (k, n) => [k, n] },
  'ABt': { spec: 'ik,jk->ij', a: (m, k) => [m, k], b: (k, n) => [n, k] },
}
const MEGA = 2 ** 20
/** Elements of 16 MB. */
const LARGE = 4 * MEGA

/**
 * `operands`: shapes by name. `compute(operands)`: the result, of `size` elements. `at(values, i)`: element i of it in doubles.
 * `work`: what the ceiling is asked for, see there; with `count` its rate is told in elements.
 */
const contraction = (m, n, k, form) => {
  const { spec, a, b } = FORMS[form]
  const strides = { AB: [k, 1, n, 1], AtB: [1, m, n, 1], ABt: [k, 1, 1, k] }[form]
  return {
    operands: { a: a(m, k), b: b(k, n) }, size: m * n,
    compute: (x) => einsum(spec, x.a, x.b),
    at: (x, i) => {
      const [ai, ap, bp, bj] = strides
      let total = 0
      for (let p = 0; p < k; p++) total += x.a[Math.floor(i / n) * ai + p * ap] * x.b[p * bp + (i % n) * bj]
      return total
    },
    work: { flops: 2 * m * n * k },
  }
}

const IMAGE = [32, 64, 14, 14]
const KERNEL = [64, 64, 3, 3]
const convolved = (x, w) => nn.convolve(x, w, { padding: 1 })
/** Σ over the places (y, x) of 14×14 and of (y + dy, x + dx) that lie within, for one pair of channels. */
function placesOf(visit, dy, dx) {
  for (let y = Math.max(0, -dy); y < Math.min(14, 14 - dy); y++) {
    for (let x = Math.max(0, -dx); x < Math.min(14, 14 - dx); x++) visit(y * 14 + x, (y + dy) * 14 + x + dx)
  }
}
const CONVOLUTION = { flops: 2 * 32 * 14 * 14 * 64 * 64 * 9 }

/** Sum of the nine neighbours of place `at` over 64 channels: forwards, or `back`, from the output to the input. */
function neighbours({ a, w }, i, back) {
  const [image, channel, at] = [Math.floor(i / (64 * 196)), Math.floor(i / 196) % 64, i % 196]
  const [y, x] = [Math.floor(at / 14), at % 14]
  let total = 0
  for (let c = 0; c < 64; c++) {
    for (let t = 0; t < 9; t++) {
      const [dy, dx] = [Math.floor(t / 3) - 1, (t % 3) - 1].map((d) => (back ? -d : d))
      if (y + dy < 0 || y + dy > 13 || x + dx < 0 || x + dx > 13) continue
      const weight = back ? (c * 64 + channel) * 9 + t : (channel * 64 + c) * 9 + t
      total += a[(image * 64 + c) * 196 + (y + dy) * 14 + x + dx] * w[weight]
    }
  }
  return total
}

const pointwise = (length, range, compute, reference) => ({
  operands: { a: [length] }, range, size: length, compute: (x) => compute(x.a), at: (x, i) => reference(x.a[i]),
  work: { bytes: 8 * length, count: length === MEGA ? length : undefined },
})

/** The single kernels, by name: see {@link contraction}. */
export const KERNELS = {
  ...Object.fromEntries([[256, 256, 256], [512, 512, 512], [1024, 1024, 1024], [63, 127, 65]].flatMap(([m, n, k]) =>
    Object.keys(FORMS).map((form) => [`contract ${m}x${n}x${k} ${form}`, contraction(m, n, k, form)]))),
  'convolve forward': {
    operands: { a: IMAGE, w: KERNEL }, size: 32 * 64 * 196, compute: ({ a, w }) => convolved(a, w),
    at: (x, i) => neighbours(x, i, false), work: CONVOLUTION,
  },
  'convolve by-weights': {
    operands: { a: IMAGE, d: IMAGE, w: KERNEL }, size: 64 * 64 * 9,
    compute: ({ a, d, w }) => grad(sum(mul(convolved(a, w), d)), w),
    at: ({ a, d }, i) => {
      const [o, c, t] = [Math.floor(i / 576), Math.floor(i / 9) % 64, i % 9]
      let total = 0
      for (let n = 0; n < 32; n++) {
        const visit = (out, place) => (total += d[(n * 64 + o) * 196 + out] * a[(n * 64 + c) * 196 + place])
        placesOf(visit, Math.floor(t / 3) - 1, (t % 3) - 1)
      }
      return total
    },
    work: CONVOLUTION,
  },
  'convolve by-input': {
    operands: { x: IMAGE, a: IMAGE, w: KERNEL }, size: 32 * 64 * 196,
    compute: ({ x, a, w }) => grad(sum(mul(convolved(x, w), a)), x), at: (x, i) => neighbours(x, i, true), work: CONVOLUTION,
  },
  'exp 1M': pointwise(MEGA, 10, exp, Math.exp),
  'tanh 1M': pointwise(MEGA, 4, tanh, Math.tanh),
  'relu 16MB': pointwise(LARGE, 1, relu, (x) => Math.max(x, 0)),
  'add 16MB': {
    operands: { a: [LARGE], b: [LARGE] }, size: LARGE, compute: ({ a, b }) => add(a, b), at: ({ a, b }, i) => a[i] + b[i],
    work: { bytes: 12 * LARGE },
  },
  'adam 16MB': {
    operands: { w: [LARGE], g: [LARGE], m: [LARGE], v: [LARGE] }, size: 0, adam: true,
    work: { bytes: 28 * LARGE, footprint: 16 * LARGE },
  },
}

/** Adam's update of its tenth step, of a gradient that lies in memory, and nothing else: three states get new values. */
function updateByAdam({ w, g, m, v }, builder) {
  const { lr, beta1, beta2, eps } = ADAM
  const mean = add(mul(m, beta1), mul(g, 1 - beta1))
  const square = add(mul(v, beta2), mul(mul(g, g), 1 - beta2))
  const direction = div(mul(mean, lr / (1 - beta1 ** 10)), add(mul(sqrt(square), (1 - beta2 ** 10) ** -0.5), eps))
  builder.update(m, mean)
  builder.update(v, square)
  builder.update(w, sub(w, direction))
}

/** A subject: see `worker.mjs`. Throws where a sample of the result is not what doubles give. `options` are compile's. */
export async function kernel(name, options) {
  const { operands, range = 1, size, compute, at, adam } = KERNELS[name]
  const stateOf = (key, shape) => new nn.Parameter(key, shape, nn.init.zeros, { trainable: Boolean(adam) })
  const states = Object.entries(operands).map(([key, shape]) => [key, stateOf(key, shape)])
  const run = fn({ tick: f32() }, ({ tick }) => {
    const values = Object.fromEntries(states.map(([key, state]) => [key, state.of(tick)]))
    if (!adam) return { result: compute(values) }
    updateByAdam(values, tick.builder)
    return { result: add(tick, 1) }
  })
  const program = compile({ run }, { name: 'kernel', ...options })
  const model = await program.load()
  Object.keys(operands).forEach((key, i) => {
    const length = model.state[key].length
    // What squares and their roots are taken of may not be negative.
    model.state[key].set(symmetric(i + 1, length, range).map((x) => (adam ? Math.abs(x) + 0.1 : x)))
  })
  const tick = { tick: 0 }
  const before = adam && Object.fromEntries(Object.keys(operands).map((key) => [key, model.state[key].slice(0, 1000)]))
  const { result } = model.run(tick)
  if (adam) checkAdam(before, model.state)
  else checkSample(result, size, (i) => at(model.state, i))
  return { step: () => (model.run(tick), 0), reset() {}, compileMs: program.compiled.compileMs, program }
}

function checkSample(result, size, expected) {
  if (result.length !== size) throw new Error(`the result has ${result.length} elements, not ${size}`)
  const places = [0, 1, 2, 3, 4, 5, 6].map((i) => Math.floor((i * (size - 1)) / 6))
  const wanted = places.map(expected)
  const largest = Math.max(...wanted.map(Math.abs))
  places.forEach((i, k) => {
    if (!(Math.abs(result[i] - wanted[k]) <= 1e-5 * largest)) throw new Error(`element ${i} is ${result[i]}, not ${wanted[k]}`)
  })
}

function checkAdam({ w, g, m, v }, state) {
  const { lr, beta1, beta2, eps } = ADAM
  for (let i = 0; i < w.length; i++) {
    const mean = beta1 * m[i] + (1 - beta1) * g[i]
    const square = beta2 * v[i] + (1 - beta2) * g[i] ** 2
    const next = w[i] - ((lr / (1 - beta1 ** 10)) * mean) / (Math.sqrt(square / (1 - beta2 ** 10)) + eps)
    if (!(Math.abs(state.w[i] - next) <= 1e-5 * Math.abs(next))) throw new Error(`weight ${i} is ${state.w[i]}, not ${next}`)
  }
}
