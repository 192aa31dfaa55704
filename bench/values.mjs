// Weights and data that every peer starts from, bit for bit: hashes of their index, so that no peer needs a file.
// `peers/torch.py` has the same hash again.

export const product = (shape) => shape.reduce((n, d) => n * d, 1)

/** A mix of 32 bits in which every bit of `x` reaches every bit of the result (Wellons' "lowbias32"). */
function mix(x) {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

/** Element i of stream `seed`, in [0, 1). */
const unit = (seed, i) => mix((i + Math.imul(seed, 0x9e3779b9)) | 0) / 2 ** 32

/** Uniform in ±bound. */
export const symmetric = (seed, length, bound) => Float32Array.from({ length }, (_, i) => (unit(seed, i) * 2 - 1) * bound)
/** Uniform in [0, 1). */
export const positive = (seed, length) => Float32Array.from({ length }, (_, i) => unit(seed, i))
/** Uniform among 0 … classes − 1. */
export const labels = (seed, length, classes) => Int32Array.from({ length }, (_, i) => Math.floor(unit(seed, i) * classes))
/** Rows of 0 with one 1 at the label. */
export function oneHot(y, classes) {
  const rows = new Float32Array(y.length * classes)
  y.forEach((label, i) => (rows[i * classes + label] = 1))
  return rows
}

/** Adam's constants, the same for all (Kingma and Ba, 2015, with bias correction); the rate of SGD. */
export const ADAM = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 }
export const SGD = { lr: 0.1 }

/** Parameters are [name, shape, bound of the first values]; bound 0 is all zeros, 'one' all ones. Dense weights are [in, out]. */
const dense = (i, inputs, outputs) => [[`w${i}`, [inputs, outputs], inputs ** -0.5], [`b${i}`, [outputs], 0]]

const mlp = (batch, widths, activation, optimizer) => ({
  kind: 'mlp', batch, widths, activation, optimizer,
  parameters: widths.slice(1).flatMap((width, i) => dense(i + 1, widths[i], width)),
  input: { shape: [batch, widths[0]], bound: widths.at(-1) === 1 ? 'symmetric' : 'positive' },
  // Two operations a weight and sample: forwards, by the weights, and by the input except for the first layer.
  flops: 2 * batch * widths.slice(1).reduce((sum, width, i) => sum + (i ? 3 : 2) * widths[i] * width, 0),
})

const CNN = {
  kind: 'cnn', batch: 32, optimizer: 'adam',
  // Kernels are [out, in, height, width]; the rows of w1 are channel by channel, then by place.
  parameters: [
    ['c1', [32, 1, 3, 3], 1 / 3], ['cb1', [32], 0], ['c2', [64, 32, 3, 3], 288 ** -0.5], ['cb2', [64], 0],
    ...dense(1, 3136, 128), ...dense(2, 128, 10),
  ],
  input: { shape: [32, 1, 28, 28], bound: 'positive' },
  flops: 2 * 32 * (2 * 28 * 28 * 32 * 9 + 3 * (14 * 14 * 64 * 288 + 3136 * 128 + 1280)),
}

const LSTM = {
  kind: 'lstm', batch: 16, steps: 32, inputs: 32, hidden: 128, optimizer: 'adam',
  // Gates in the order i, f, g, o, with one bias for both products.
  parameters: [
    ['wx', [32, 512], 128 ** -0.5], ['wh', [128, 512], 128 ** -0.5], ['b', [512], 0],
    ['w', [128, 10], 128 ** -0.5], ['bo', [10], 0],
  ],
  input: { shape: [16, 32, 32], bound: 'positive' },
  flops: 2 * 16 * (32 * (2 * 32 * 512 + 3 * 128 * 512) + 3 * 1280),
}

function gpt() {
  const [batch, length, vocabulary, d, heads, layers] = [8, 64, 65, 128, 4, 4]
  const weight = (name, inputs, outputs) => [name, [inputs, outputs], inputs ** -0.5]
  const norm = (prefix, i) => [[`${prefix}ln${i}g`, [d], 'one'], [`${prefix}ln${i}b`, [d], 0]]
  const block = (l) => [
    ...norm(`l${l}.`, 1), weight(`l${l}.wqkv`, d, 3 * d), [`l${l}.bqkv`, [3 * d], 0],
    weight(`l${l}.wo`, d, d), [`l${l}.bo`, [d], 0],
    ...norm(`l${l}.`, 2), weight(`l${l}.w1`, d, 4 * d), [`l${l}.b1`, [4 * d], 0],
    weight(`l${l}.w2`, 4 * d, d), [`l${l}.b2`, [d], 0],
  ]
  const tokens = batch * length
  return {
    kind: 'gpt', batch, length, vocabulary, d, heads, layers, optimizer: 'adam',
    parameters: [
      ['wte', [vocabulary, d], 0.1], ['wpe', [length, d], 0.1],
      ...Array.from({ length: layers }, (_, l) => block(l)).flat(), ...norm('', 'f'), weight('head', d, vocabulary),
    ],
    input: { shape: [batch, length] },
    flops: 6 * tokens * (layers * (12 * d * d + 2 * length * d) + d * vocabulary),
  }
}

/** The training steps, by name. Each is one batch, stepped on over and over. */
export const WORKLOADS = {
  TINY: mlp(16, [2, 16, 16, 1], 'tanh', 'sgd'),
  'MLP-S': mlp(32, [784, 256, 10], 'sigmoid', 'sgd'),
  'MLP-A': mlp(128, [784, 512, 512, 10], 'relu', 'adam'),
  'MLP-M1': mlp(1, [784, 128, 10], 'relu', 'adam'),
  'MLP-M64': mlp(64, [784, 128, 10], 'relu', 'adam'),
  'MLP-M256': mlp(256, [784, 128, 10], 'relu', 'adam'),
  CNN,
  LSTM,
  GPT: gpt(),
}

/** `{ parameters: [{ name, shape, values }], x, y }` of a workload; each call makes new arrays. */
export function valuesOf(name) {
  const { kind, batch, parameters, input, vocabulary, widths } = WORKLOADS[name]
  const first = ([parameter, shape, bound], i) => {
    const length = product(shape)
    const constant = () => new Float32Array(length).fill(bound === 'one' ? 1 : 0)
    const values = typeof bound === 'number' && bound ? symmetric(1000 + i, length, bound) : constant()
    return { name: parameter, shape, values }
  }
  const size = product(input.shape)
  const regression = kind === 'mlp' && widths.at(-1) === 1
  const x = kind === 'gpt' ? labels(1, size, vocabulary) : input.bound === 'symmetric' ? symmetric(1, size, 1) : positive(1, size)
  const y = kind === 'gpt' ? labels(2, size, vocabulary) : regression ? symmetric(2, batch, 1) : labels(2, batch, 10)
  return { parameters: parameters.map(first), x, y }
}
