// The single kernels that are measured: their operands, how much work they are, and what they must give, in doubles. What computes
// them is told by each subject: `workloads/kernels.mjs`, `peers/*-kernels.mjs`, `peers/torch.py`.
import { ADAM, product, symmetric } from './values.mjs'

/** Shapes of the operands, and their strides along i, p and p, j of Σ over p of a[i, p] · b[p, j]. */
const FORMS = {
  AB: (m, n, k) => ({ a: [m, k], b: [k, n], strides: [k, 1, n, 1] }),
  AtB: (m, n, k) => ({ a: [k, m], b: [k, n], strides: [1, m, n, 1] }),
  ABt: (m, n, k) => ({ a: [m, k], b: [n, k], strides: [k, 1, 1, k] }),
}
const MEGA = 2 ** 20
/** Elements of 16 MB. */
const LARGE = 4 * MEGA

function contraction(m, n, k, form) {
  const { a, b, strides: [ai, ap, bp, bj] } = FORMS[form](m, n, k)
  return {
    operands: { a, b }, size: m * n,
    at: (x, i) => {
      let total = 0
      for (let p = 0; p < k; p++) total += x.a[Math.floor(i / n) * ai + p * ap] * x.b[p * bp + (i % n) * bj]
      return total
    },
    work: { flops: 2 * m * n * k },
  }
}

/** Batch, channels and places; a kernel is [out, in, height, width], and one zero stands around each image. */
const IMAGE = [32, 64, 14, 14]
const KERNEL = [64, 64, 3, 3]
const CONVOLUTION = { flops: 2 * 32 * 14 * 14 * 64 * 64 * 9 }

/** Sum of the nine neighbours of a place over 64 channels: forwards, or `back`, from the output to the input. */
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

/** Σ over images and over the places (y, x) of 14×14 whose (y + dy, x + dx) lies within, for one pair of channels. */
function pairs({ a, d }, i) {
  const [out, channel, t] = [Math.floor(i / 576), Math.floor(i / 9) % 64, i % 9]
  const [dy, dx] = [Math.floor(t / 3) - 1, (t % 3) - 1]
  let total = 0
  for (let n = 0; n < 32; n++) {
    for (let y = Math.max(0, -dy); y < Math.min(14, 14 - dy); y++) {
      for (let x = Math.max(0, -dx); x < Math.min(14, 14 - dx); x++) {
        total += d[(n * 64 + out) * 196 + y * 14 + x] * a[(n * 64 + channel) * 196 + (y + dy) * 14 + x + dx]
      }
    }
  }
  return total
}

/** Element i of the weights after Adam's tenth step. */
function stepped({ w, g, m, v }, i) {
  const { lr, beta1, beta2, eps } = ADAM
  const mean = (beta1 * m[i] + (1 - beta1) * g[i]) / (1 - beta1 ** ADAM_STEP)
  const square = (beta2 * v[i] + (1 - beta2) * g[i] ** 2) / (1 - beta2 ** ADAM_STEP)
  return w[i] - (lr * mean) / (Math.sqrt(square) + eps)
}
/** The step that Adam's update is: its constants depend on it. */
export const ADAM_STEP = 10

const pointwise = (length, range, reference) => ({
  operands: { a: [length] }, range, size: length, at: (x, i) => reference(x.a[i]),
  work: { bytes: 8 * length, count: length === MEGA ? length : undefined },
})

/**
 * By name. `operands`: shapes by name, with what a gradient is taken by, though it may not depend on it; their values are uniform in ±`range`, or `least` and up to 1 above it. `at(values, i)`:
 * element i of the result, of `size` elements, in doubles; a subject may be off by `tolerance` of the largest. `work`: what the
 * ceiling is asked for, see there; with `count` its rate is told in elements.
 */
export const KERNELS = {
  ...Object.fromEntries([[256, 256, 256], [512, 512, 512], [1024, 1024, 1024], [63, 127, 65]].flatMap(([m, n, k]) =>
    Object.keys(FORMS).map((form) => [`contract ${m}x${n}x${k} ${form}`, contraction(m, n, k, form)]))),
  'convolve forward': {
    operands: { a: IMAGE, w: KERNEL }, size: product(IMAGE), at: (x, i) => neighbours(x, i, false), work: CONVOLUTION,
  },
  'convolve by-weights': { operands: { a: IMAGE, d: IMAGE, w: KERNEL }, size: product(KERNEL), at: pairs, work: CONVOLUTION },
  'convolve by-input': {
    operands: { a: IMAGE, w: KERNEL, x: IMAGE }, size: product(IMAGE), at: (x, i) => neighbours(x, i, true), work: CONVOLUTION,
  },
  'exp 1M': pointwise(MEGA, 10, Math.exp),
  'tanh 1M': pointwise(MEGA, 4, Math.tanh),
  'relu 16MB': pointwise(LARGE, 1, (x) => Math.max(x, 0)),
  'add 16MB': {
    operands: { a: [LARGE], b: [LARGE] }, size: LARGE, at: ({ a, b }, i) => a[i] + b[i], work: { bytes: 12 * LARGE },
  },
  'adam 16MB': {
    // What squares and their roots are taken of may not be negative. An update is a thousandth of a weight, hence the tolerance.
    operands: { w: [LARGE], g: [LARGE], m: [LARGE], v: [LARGE] }, least: 0.1, size: LARGE, at: stepped, tolerance: 1e-6,
    work: { bytes: 28 * LARGE, footprint: 16 * LARGE },
  },
}

/** What a kernel computes, whatever its size: `contract AtB`, `convolve forward`, `exp`. */
export const operationOf = (name) => name.replace(/ \d\S*/, '')

/** `{ name: { shape, values } }`; each call makes new arrays. `peers/torch.py` has the same again. */
export function operandsOf(name) {
  const { operands, range = 1, least } = KERNELS[name]
  const valuesOf = (seed, shape) => {
    const values = symmetric(seed, product(shape), range)
    return least === undefined ? values : values.map((x) => Math.abs(x) + least)
  }
  return Object.fromEntries(Object.entries(operands).map(([key, shape], i) => [key, { shape, values: valuesOf(i + 1, shape) }]))
}

/** How many elements of a result are looked at, the first and the last among them; odd, so that no tile's edge is always met. */
const SAMPLES = 65
const placesOf = ({ size }) => Array.from({ length: SAMPLES }, (_, i) => Math.floor((i * (size - 1)) / (SAMPLES - 1)))

/** The elements of a result that are looked at. */
export function samplesOf(name, result) {
  const { size } = KERNELS[name]
  if (result.length !== size) throw new Error(`the result has ${result.length} elements, not ${size}`)
  return placesOf(KERNELS[name]).map((i) => result[i])
}

/** A function of such samples: what is wrong with them, in words, null if nothing is. */
export function samplesCheck(name) {
  const kernel = KERNELS[name]
  const operands = Object.fromEntries(Object.entries(operandsOf(name)).map(([key, { values }]) => [key, values]))
  const places = placesOf(kernel)
  const wanted = places.map((i) => kernel.at(operands, i))
  const allowed = (kernel.tolerance ?? 1e-5) * Math.max(...wanted.map(Math.abs))
  return (samples) => {
    // What is not finite comes as null through JSON.
    const wrong = wanted.findIndex((value, i) => typeof samples[i] !== 'number' || !(Math.abs(samples[i] - value) <= allowed))
    return wrong < 0 ? null : `element ${places[wrong]} is ${samples[wrong]}, not ${wanted[wrong]}`
  }
}
