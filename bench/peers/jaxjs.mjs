// jax-js on its WebAssembly backend: one thread under Node, everything in one jit. It counts references: each use of an array but
// the last is `.ref`, and a function consumes its arguments. Its convolution falls to scalar loops, so the CNN takes shifted
// slices and a product, as its users do.
import { ADAM, SGD, WORKLOADS, oneHot, valuesOf } from '../values.mjs'

/** The patches of 3×3 places, stride 1, one zero around: [n, c, height, width] to [n, c·9, height·width]. */
export function patchesOf(np, x) {
  const [n, c, height, width] = x.shape
  const padded = np.pad(x, [[0, 0], [0, 0], [1, 1], [1, 1]])
  const parts = []
  for (let i = 0; i < 9; i++) {
    const [a, b] = [Math.floor(i / 3), i % 3]
    parts.push((i < 8 ? padded.ref : padded).slice([], [], [a, a + height], [b, b + width]))
  }
  return np.stack(parts, 2).reshape([n, c * 9, height * width])
}

/** Convolution of those: [n, c, height, width] and [o, c, 3, 3] to [n, o, height, width]. */
export function convolved(np, x, w) {
  const [n, c, height, width] = x.shape
  const o = w.shape[0]
  // A batch of one matrix: its product of a matrix with a batch puts the axes in another order than NumPy.
  return np.matmul(w.reshape([1, o, c * 9]), patchesOf(np, x)).reshape([n, o, height, width])
}

/** Weights and moments after a step of Adam; `c1` and `c2` are 1 ÷ (1 − β^t). */
export function adamUpdate(np, p, m, v, g, c1, c2) {
  const { lr, beta1, beta2, eps } = ADAM
  const mean = m.mul(beta1).add(g.ref.mul(1 - beta1))
  const square = v.mul(beta2).add(np.square(g).mul(1 - beta2))
  return [p.sub(mean.ref.mul(c1).mul(lr).div(np.sqrt(square.ref.mul(c2)).add(eps))), mean, square]
}

/** The loss of each kind of workload: (jax, spec) to (parameters, x, y) => scalar. */
const LOSSES = {
  mlp: ({ numpy: np, nn }, { widths, activation }) => (p, x, y) => {
    const last = widths.length - 1
    const act = activation === 'tanh' ? np.tanh : nn[activation]
    let h = x
    for (let i = 1; i < last; i++) h = act(np.matmul(h, p[`w${i}`]).add(p[`b${i}`]))
    const out = np.matmul(h, p[`w${last}`]).add(p[`b${last}`])
    return widths[last] === 1 ? np.square(out.sub(y)).mean() : crossEntropy(nn, out, y)
  },
  cnn: ({ numpy: np, nn }, { batch }) => (p, x, y) => {
    const stage = (h, w, b) => {
      const a = nn.relu(convolved(np, h, w).add(b.reshape([1, b.shape[0], 1, 1])))
      const [n, c, height, width] = a.shape
      return np.max(a.reshape([n, c, height / 2, 2, width / 2, 2]), [3, 5])
    }
    const h = stage(stage(x, p.c1, p.cb1), p.c2, p.cb2).reshape([batch, 3136])
    return crossEntropy(nn, np.matmul(nn.relu(np.matmul(h, p.w1).add(p.b1)), p.w2).add(p.b2), y)
  },
  lstm: ({ numpy: np, nn }, { batch, steps, inputs, hidden }) => (p, x, y) => {
    const from = np.matmul(x.reshape([steps * batch, inputs]), p.wx).add(p.b).reshape([steps, batch, 4 * hidden])
    let h = np.zeros([batch, hidden])
    let c = np.zeros([batch, hidden])
    for (let t = 0; t < steps; t++) {
      const more = t < steps - 1
      const [i, f, g, o] = np.split((more ? from.ref : from).slice(t).add(np.matmul(h, more ? p.wh.ref : p.wh)), 4, 1)
      c = nn.sigmoid(f).mul(c).add(nn.sigmoid(i).mul(np.tanh(g)))
      h = nn.sigmoid(o).mul(np.tanh(more ? c.ref : c))
    }
    return crossEntropy(nn, np.matmul(h, p.w).add(p.bo), y)
  },
  gpt: ({ numpy: np, nn }, { batch, length, d, heads, layers }) => (p, x, y) => {
    const tokens = batch * length
    const norm = (h, gain, bias) => {
      const centred = h.ref.sub(h.mean(-1, { keepdims: true }))
      const variance = np.square(centred.ref).mean(-1, { keepdims: true })
      return centred.div(np.sqrt(variance.add(1e-5))).mul(gain).add(bias)
    }
    let h = np.matmul(x, p.wte).reshape([batch, length, d]).add(p.wpe).reshape([tokens, d])
    for (let l = 0; l < layers; l++) {
      const q = (key) => p[`l${l}.${key}`]
      const dense = (input, weight, bias) => np.matmul(input, q(weight)).add(q(bias))
      const inner = dense(norm(h.ref, q('ln1g'), q('ln1b')), 'wqkv', 'bqkv').reshape([batch, length, 3 * heads, d / heads])
      const attended = nn.dotProductAttention(...np.split(inner, 3, 2), { isCausal: true }).reshape([tokens, d])
      h = h.add(dense(attended, 'wo', 'bo'))
      h = h.add(dense(nn.gelu(dense(norm(h.ref, q('ln2g'), q('ln2b')), 'w1', 'b1')), 'w2', 'b2'))
    }
    return crossEntropy(nn, np.matmul(norm(h, p.lnfg, p.lnfb), p.head), y)
  },
}

const crossEntropy = (nn, logits, y) => nn.logSoftmax(logits, -1).mul(y).sum(-1).mean().mul(-1)

/** x and y of a workload as it wants them: rows of one 1 for classes and tokens, the LSTM's steps first. */
function inputsOf({ kind, batch, widths, steps, inputs, length, vocabulary }, { x, y }, array) {
  if (kind === 'gpt') {
    const rows = [batch * length, vocabulary]
    return { x: array(oneHot(x, vocabulary), rows), y: array(oneHot(y, vocabulary), rows) }
  }
  if (kind === 'mlp' && widths.at(-1) === 1) return { x: array(x, [batch, widths[0]]), y: array(y, [batch, 1]) }
  const classes = array(oneHot(y, 10), [batch, 10])
  if (kind === 'lstm') return { x: array(x, [batch, steps, inputs]).transpose([1, 0, 2]), y: classes }
  return { x: array(x, kind === 'cnn' ? [batch, 1, 28, 28] : [batch, widths[0]]), y: classes }
}

/** jax-js, ready. */
export async function startJaxjs() {
  const jax = await import('@jax-js/jax')
  jax.defaultDevice('wasm')
  return jax
}

/** A subject: see `worker.mjs`. */
export async function jaxjs(workload) {
  const jax = await startJaxjs()
  const { numpy: np, jit, valueAndGrad, tree } = jax
  const array = (values, shape) => np.array(values).reshape(shape)
  const spec = WORKLOADS[workload]
  const values = valuesOf(workload)
  const { x, y } = inputsOf(spec, values, array)
  const names = values.parameters.map(({ name }) => name)
  const differentiated = valueAndGrad(LOSSES[spec.kind](jax, spec))
  const make = (of) => Object.fromEntries(values.parameters.map((p) => [p.name, of(p)]))
  const first = () => make((p) => array(p.values, p.shape))

  if (spec.optimizer === 'sgd') {
    const update = jit((p, a, b) => {
      const [loss, g] = differentiated(tree.ref(p), a, b)
      return [loss, Object.fromEntries(names.map((k) => [k, p[k].sub(g[k].mul(SGD.lr))]))]
    })
    let p = null
    const reset = () => {
      if (p) tree.dispose(p)
      p = first()
    }
    const step = () => {
      const [loss, next] = update(p, x.ref, y.ref)
      p = next
      return loss.dataSync()[0]
    }
    return { step, reset }
  }

  const update = jit((p, m, v, c1, c2, a, b) => {
    const [loss, g] = differentiated(tree.ref(p), a, b)
    const [p1, m1, v1] = [{}, {}, {}]
    names.forEach((k, i) => {
      const more = i < names.length - 1
      const factors = more ? [c1.ref, c2.ref] : [c1, c2];
      [p1[k], m1[k], v1[k]] = adamUpdate(np, p[k], m[k], v[k], g[k], ...factors)
    })
    return [loss, p1, m1, v1]
  })
  const zeros = () => make((p) => np.zeros(p.shape))
  let state = null
  let t = 0
  const reset = () => {
    if (state) tree.dispose(state)
    state = [first(), zeros(), zeros()]
    t = 0
  }
  const step = () => {
    t++
    const scalar = (value) => np.array([value]).reshape([])
    const [loss, ...next] = update(...state, scalar(1 / (1 - ADAM.beta1 ** t)), scalar(1 / (1 - ADAM.beta2 ** t)), x.ref, y.ref)
    state = next
    return loss.dataSync()[0]
  }
  return { step, reset }
}
