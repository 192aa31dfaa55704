// How subjects are timed: in bursts, in turns, so that whatever else the machine does meets all of them alike.

/** Training starts anew after so many steps, before the gradients become so small that denormal numbers decide the time. */
const STEPS_BEFORE_RESET = 60

export const median = (values) => {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

/** The losses of the first `count` steps from the first weights. */
export async function firstLosses(subject, count) {
  subject.reset()
  const losses = []
  for (let i = 0; i < count; i++) losses.push(await subject.step())
  return losses
}

/**
 * A burst of at least `atLeast` ms and two steps: median milliseconds of a step, and the mean of the processor's time, of all
 * threads, which a busy machine disturbs less. The first step after going back to the first weights counts in
 * neither: it brings the weights into the cache.
 */
export async function burst(subject, atLeast) {
  const times = []
  let cpu = 0
  const began = performance.now()
  do {
    subject.reset()
    await subject.step()
    const before = process.cpuUsage()
    for (let i = 1; i < STEPS_BEFORE_RESET; i++) {
      const from = performance.now()
      const loss = subject.step()
      if (typeof loss !== 'number') await loss
      const to = performance.now()
      times.push(to - from)
      if (to - began > atLeast && times.length > 1) break
    }
    const { user, system } = process.cpuUsage(before)
    cpu += (user + system) / 1e3
  } while (performance.now() - began < atLeast)
  return { ms: median(times), cpuMs: cpu / times.length, steps: times.length }
}
