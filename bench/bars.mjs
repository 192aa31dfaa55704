// What gradc sets out to reach, by case, and against whom: `ratio` at most (`clock`: by the clock alone), or
// `share` of the ceiling or `rate` at least.

const torch = (most) => ({ peer: 'torch-debian', ratio: most })
const products = (share) => ({ peer: 'ceiling', share })
/** Two threads take the time of two processors. */
const THREADS = { subject: 'gradc-threads', peer: 'gradc', clock: 0.58 }
/** Every training step has these beside its own. */
const STEPS = [{ peer: 'jax-js', ratio: 0.5 }, { peer: 'tfjs-wasm', ratio: 0.1 }]

const BARS = [
  [/^TINY$/, [{ peer: 'hand-unrolled', ratio: 1 }, { peer: 'hand-blocked', ratio: 1 }, torch(0.1), ...STEPS]],
  // Hand-written JavaScript adds up in doubles, as relaxed arithmetic does: the bar is for the same work.
  [/^MLP-S$/, [torch(0.9), ...STEPS, { subject: 'gradc-js-relaxed', peer: 'hand-blocked', ratio: 1 }]],
  [/^MLP-A$/, [torch(1.25), ...STEPS, THREADS]],
  [/^CNN$/, [torch(0.75), ...STEPS, THREADS]],
  [/^LSTM$/, [torch(0.65), ...STEPS]],
  [/^GPT$/, [torch(1.15), ...STEPS, THREADS]],
  [/^contract (256|512)x/, [products(0.9)]],
  [/^contract 1024x/, [products(0.8)]],
  [/^contract 63x/, [products(0.6)]],
  [/^convolve /, [products(0.7)]],
  [/^(exp|tanh) 1M$/, [{ peer: 'ceiling', rate: 0.6 }]],
  [/ 16MB$/, [{ peer: 'ceiling', share: 0.8 }]],
]

/** `{ kind, value }` of the bar of a line; null where there is none. */
export function barOf(name, subject, peer) {
  const bars = BARS.filter(([cases]) => cases.test(name)).flatMap(([, all]) => all)
  const bar = bars.find((b) => (b.subject ?? 'gradc') === subject && b.peer === peer)
  if (!bar) return null
  const kind = ['ratio', 'clock', 'share', 'rate'].find((k) => k in bar)
  return { kind, value: bar[kind] }
}

/** Is the bar of a line reached, by the clock and by the processor's time? Either alone can be luck on a busy machine. */
export function reached({ kind, value }, { ratio, cpuRatio, share, rate }) {
  if (kind === 'clock') return ratio <= value
  if (kind === 'ratio') return Math.max(ratio, cpuRatio) <= value
  return kind === 'share' ? Math.min(share, 1 / cpuRatio) >= value : rate >= value
}
