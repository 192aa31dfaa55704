// Weights and batches that every peer starts from, bit for bit: hashes of their index, so that no peer needs a file.

/** The network of every case: 784 inputs, 128 hidden units with relu, 10 classes. */
export const INPUTS = 784
export const HIDDEN = 128
export const CLASSES = 10
/** Adam's constants, the same for all (Kingma and Ba, 2015, with bias correction). */
export const ADAM = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 }
/** So many different batches are stepped through in turn. */
export const BATCHES = 8

/** A mix of 32 bits in which every bit of `x` reaches every bit of the result (Wellons' "lowbias32"). */
function mix(x) {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

/** Element i of stream `seed`, in [0, 1). */
const unit = (seed, i) => mix((i + Math.imul(seed, 0x9e3779b9)) | 0) / 2 ** 32

const uniform = (seed, length, low, high) => Float32Array.from({ length }, (_, i) => low + unit(seed, i) * (high - low))

/** First weights as `w[in][out]`, row-major, within ±1/√in; biases are zero. Each call makes new arrays. */
export function firstWeights() {
  const dense = (seed, inputs, outputs) => uniform(seed, inputs * outputs, -1 / Math.sqrt(inputs), 1 / Math.sqrt(inputs))
  return {
    w1: dense(1001, INPUTS, HIDDEN), b1: new Float32Array(HIDDEN),
    w2: dense(1002, HIDDEN, CLASSES), b2: new Float32Array(CLASSES),
  }
}

/** {@link BATCHES} batches: `x` in [0, 1) of batch × 784, `y` class indices. */
export function batchesOf(batch) {
  return Array.from({ length: BATCHES }, (_, k) => ({
    x: uniform(2 * k + 1, batch * INPUTS, 0, 1),
    y: Int32Array.from({ length: batch }, (_, i) => Math.floor(unit(2 * k + 2, i) * CLASSES)),
  }))
}
