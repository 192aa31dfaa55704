/** `count` points on two spirals that wind around each other, with a little noise: x is count × 2, y says which spiral. */
export function spirals(count, random) {
  const x = new Float32Array(2 * count)
  const y = new Int32Array(count)
  for (let i = 0; i < count; i++) {
    y[i] = i % 2
    const turn = 0.25 + 3 * random()
    const angle = Math.PI * (turn + y[i])
    const radius = turn / 3.25
    x[2 * i] = radius * Math.cos(angle) + 0.01 * (random() - 0.5)
    x[2 * i + 1] = radius * Math.sin(angle) + 0.01 * (random() - 0.5)
  }
  return { x, y }
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function randomFrom(seed) {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}
