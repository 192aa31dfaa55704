// What every host runs: ten steps of the module that it was given. Plain JavaScript and nothing of any host.

/** A whole number of 32 bits that looks random: a mix of `i` (Chris Wellons' lowbias32). */
function mix(i) {
  let x = i ^ (i >>> 16)
  x = Math.imul(x, 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

/** FNV-1a over all bytes of the state: weights, statistics, moments, keys. */
function hashOf(state, names) {
  let hash = 0x811c9dc5
  for (const name of names) {
    const { buffer, byteOffset, byteLength } = state[name]
    for (const byte of new Uint8Array(buffer, byteOffset, byteLength)) hash = Math.imul(hash ^ byte, 0x01000193)
  }
  return (hash >>> 0).toString(16)
}

/** Trains ten steps. Gives the losses, so written that they read back to the bit, and a hash of the whole state, as one line. */
export async function tenSteps({ load, manifest }) {
  const model = await load()
  const { inputs } = manifest.functions.find((f) => f.name === 'train')
  const [images, labels] = inputs.map((slot) => slot.shape.reduce((n, d) => n * d, 1))
  const x = new Float32Array(images)
  const y = new Int32Array(labels)
  const losses = []
  for (let step = 0; step < 10; step++) {
    for (let i = 0; i < images; i++) x[i] = mix(step * images + i) / 2 ** 31 - 1
    for (let i = 0; i < labels; i++) y[i] = mix(-1 - step * labels - i) % 10
    losses.push(model.train({ x, y }).loss)
  }
  return JSON.stringify({
    losses,
    state: hashOf(
      model.state,
      manifest.states.map((s) => s.name),
    ),
  })
}
