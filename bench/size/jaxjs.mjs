// The same steps on jax-js with its WebAssembly back end, the whole step under jit.
import { defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from '@jax-js/jax'

/** Gives a function that takes one step and resolves to its loss. Every use of an array but the last takes a reference. */
async function start({ x, y }, shapes, forward) {
  await init('wasm')
  defaultDevice('wasm')
  const one = new Float32Array(y.length * 10)
  y.forEach((label, i) => (one[10 * i + label] = 1))
  const images = np.array(x).reshape([y.length, 784])
  const classes = np.array(one).reshape([y.length, 10])
  const keys = Object.keys(shapes)
  const filled = (fill) =>
    Object.fromEntries(
      keys.map((k) => [
        k,
        np.array(Float32Array.from({ length: shapes[k].reduce((n, d) => n * d, 1) }, fill)).reshape(shapes[k]),
      ]),
    )
  let [weights, first, second, t] = [filled(() => 0.1 * Math.random() - 0.05), filled(() => 0), filled(() => 0), 0]
  const lossOf = (P, a, b) => nn.logSoftmax(forward(P, a), -1).mul(b).sum(-1).mean().mul(-1)
  const update = jit((P, M, V, c1, c2, a, b) => {
    const [loss, G] = valueAndGrad(lossOf)(tree.ref(P), a, b)
    const [Q, M2, V2] = [{}, {}, {}]
    keys.forEach((k, i) => {
      const last = i === keys.length - 1
      const m = M[k].mul(0.9).add(G[k].ref.mul(0.1))
      const v = V[k].mul(0.999).add(np.square(G[k]).mul(0.001))
      M2[k] = m.ref
      V2[k] = v.ref
      Q[k] = P[k].sub(
        m
          .mul(last ? c1 : c1.ref)
          .mul(1e-3)
          .div(np.sqrt(v.mul(last ? c2 : c2.ref)).add(1e-8)),
      )
    })
    return [loss, Q, M2, V2]
  })
  return async () => {
    t++
    const [c1, c2] = [0.9, 0.999].map((b) => np.array([1 / (1 - b ** t)]).reshape([]))
    const [loss, ...state] = update(weights, first, second, c1, c2, images.ref, classes.ref)
    ;[weights, first, second] = state
    return (await loss.data())[0]
  }
}

/** @see start */
export const mlp = (_, batch) =>
  start(batch, { w1: [784, 128], b1: [128], w2: [128, 10], b2: [10] }, (P, x) =>
    np.matmul(nn.relu(np.matmul(x, P.w1).add(P.b1)), P.w2).add(P.b2),
  )

/** @see start */
export function cnn(_, batch) {
  // Its own convolution takes seconds a step; shifted slices and a product are the user's workaround.
  const conv = (x, w) => {
    const [n, c, h, width] = x.shape
    const padded = np.pad(x, [
      [0, 0],
      [0, 0],
      [1, 1],
      [1, 1],
    ])
    const parts = []
    for (let a = 0; a < 3; a++) for (let b = 0; b < 3; b++) parts.push(padded.ref.slice([], [], [a, a + h], [b, b + width]))
    padded.dispose()
    const outputs = w.shape[0]
    return np
      .matmul(w.reshape([1, outputs, c * 9]), np.stack(parts, 2).reshape([n, c * 9, h * width]))
      .reshape([n, outputs, h, width])
  }
  const block = (h, w, b, channels) => {
    const r = nn.relu(conv(h, w).add(b.reshape([1, channels, 1, 1])))
    const [n, c, height, width] = r.shape
    return np.max(r.reshape([n, c, height / 2, 2, width / 2, 2]), [3, 5])
  }
  const shapes = {
    c1: [32, 1, 3, 3],
    d1: [32],
    c2: [64, 32, 3, 3],
    d2: [64],
    w1: [3136, 128],
    b1: [128],
    w2: [128, 10],
    b2: [10],
  }
  return start(batch, shapes, (P, x) => {
    const n = x.shape[0]
    const h = block(block(x.reshape([n, 1, 28, 28]), P.c1, P.d1, 32), P.c2, P.d2, 64).reshape([n, 3136])
    return np.matmul(nn.relu(np.matmul(h, P.w1).add(P.b1)), P.w2).add(P.b2)
  })
}
