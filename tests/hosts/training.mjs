// What every host runs: ten steps of the module that it was given. Plain JavaScript and nothing of any host.

/** A whole number of 32 bits that looks random: a mix of `i` (Chris Wellons' lowbias32). */
function mix(i) {
  let x = i ^ (i >>> 16)
  x = Math.imul(x, 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

/** FNV-1a over all bytes of the state: weights, statistics, moments, keys. */
function hashed(parts) {
  let hash = 0x811c9dc5
  for (const { buffer, byteOffset, byteLength } of parts) {
    for (const byte of new Uint8Array(buffer, byteOffset, byteLength)) hash = Math.imul(hash ^ byte, 0x01000193)
  }
  return (hash >>> 0).toString(16)
}

/** The inputs of a step. */
function batchOf(manifest, step) {
  const { inputs } = manifest.functions.find((f) => f.name === 'train')
  const [images, labels] = inputs.map((slot) => slot.shape.reduce((n, d) => n * d, 1))
  const x = Float32Array.from({ length: images }, (_, i) => mix(step * images + i) / 2 ** 31 - 1)
  const y = Int32Array.from({ length: labels }, (_, i) => mix(-1 - step * labels - i) % 10)
  return { x, y }
}

/** The same by a model in a worker, whose methods give promises. Both processors take part, or the result is none. */
export async function tenStepsSpawned({ spawn, manifest }) {
  const model = await spawn({ threads: 2 })
  if (model.threads !== 2) throw new Error(`it runs on ${model.threads} threads`)
  const losses = []
  for (let step = 0; step < 10; step++) losses.push((await model.train(batchOf(manifest, step))).loss)
  const file = await model.save()
  const tensors = file.subarray(8 + Number(new DataView(file.buffer).getBigUint64(0, true)))
  model.close()
  return JSON.stringify({ losses, state: hashed([tensors]) })
}

/** Trains ten steps. Gives the losses, so written that they read back to the bit, and a hash of the whole state, as one line. */
export async function tenSteps({ load, manifest }) {
  const model = await load()
  const losses = []
  for (let step = 0; step < 10; step++) losses.push(model.train(batchOf(manifest, step)).loss)
  return JSON.stringify({ losses, state: hashed(manifest.states.map((s) => model.state[s.name])) })
}
