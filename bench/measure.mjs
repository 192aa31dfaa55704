// How peers are timed: in bursts, in turns, so that whatever else the machine does meets all of them alike.

/** A burst lasts at least this long. Its first step is not timed: it brings the peer's weights back into the cache. */
const BURST_MS = 150
const WARM_STEPS = 1

export const median = (values) => {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

/** The losses of the first `count` steps from the first weights. */
export function firstLosses(peer, batches, count) {
  peer.reset()
  return Array.from({ length: count }, (_, i) => peer.step(batches[i % batches.length], i % batches.length))
}

/**
 * Median milliseconds of a step in one burst. Training starts anew every `steps` steps, before the loss, and with it
 * the gradients, become so small that denormal numbers decide the time.
 */
function burst(peer, batches, steps) {
  const times = []
  const began = performance.now()
  do {
    peer.reset()
    for (let i = 0; i < steps; i++) {
      const from = performance.now()
      peer.step(batches[i % batches.length], i % batches.length)
      if (i >= WARM_STEPS) times.push(performance.now() - from)
    }
  } while (performance.now() - began < BURST_MS)
  return median(times)
}

/**
 * Milliseconds of a step by the peer's name: the median over the rounds of each round's median. Every round begins with
 * another peer.
 */
export function measure(peers, batches, { rounds, steps }) {
  const medians = new Map(peers.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < peers.length; turn++) {
      const peer = peers[(round + turn) % peers.length]
      medians.get(peer.name).push(burst(peer, batches, steps))
    }
  }
  return new Map([...medians].map(([name, values]) => [name, median(values)]))
}
