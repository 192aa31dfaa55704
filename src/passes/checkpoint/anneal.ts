import { greedy, prune } from './greedy.ts'
import type { Plan, Repeat } from './peak.ts'

/** How long to anneal, and from which random numbers. */
export interface Annealing {
  readonly seed: number
  /** Changes of the plan that may be tried. */
  readonly changes: number
  /** Most work, in the units of `plan.work`. */
  readonly work: number
  /** Most repeats in the plan. */
  readonly repeats: number
  /** Stops at this extra cost. */
  readonly enough?: number
}

/**
 * Makes a plan that fits cheaper: takes some repeats that stand near each other out, repairs the plan greedily by a random
 * taste, prunes it, and keeps it if it is cheaper or, less and less often, a little dearer. Ends at the cheapest plan seen.
 */
export function anneal(plan: Plan, { seed, changes, work, repeats, enough = 0 }: Annealing): void {
  const random = randomFrom(seed)
  const { count, total } = plan.facts
  const [firstChange, firstWork] = [plan.changes, plan.work]
  const progress = (): number => Math.max((plan.changes - firstChange) / changes, (plan.work - firstWork) / work)
  let best = plan.repeats()
  let bestCost = plan.extra
  let current = best
  let cost = plan.extra
  const bias = new Float64Array(count)
  const spread = Math.max(cost, total * 1e-4)
  for (let done = progress(); done < 1 && bestCost > enough && current.length; done = progress()) {
    const heat = spread * 0.03 * (1 - done) ** 2
    const chosen = neighbours(current, random, count)
    for (const { task, position } of chosen) plan.remove(task, position)
    const strength = random() * 1.5
    for (let t = 0; t < count; t++) bias[t] = (random() - 0.5) * strength
    // Without a ban the same ones come back.
    for (const { task } of chosen) if (random() < 0.5) bias[task] = -Infinity
    const fits = greedy(plan, { alpha: 0.4 + 1.8 * random(), bias, repeats, work: work / 20 })
    if (fits) prune(plan)
    if (fits && plan.extra < cost + heat * -Math.log(random() + 1e-12)) {
      current = plan.repeats()
      cost = plan.extra
    } else restore(plan, current)
    if (cost >= bestCost) continue
    best = current
    bestCost = cost
  }
  restore(plan, best)
}

/** Makes the plan repeat these and nothing else. */
export function restore(plan: Plan, wanted: readonly Repeat[]): void {
  const { count } = plan.facts
  const keys = new Set(wanted.map((r) => r.position * count + r.task))
  for (const { task, position } of plan.repeats()) if (!keys.delete(position * count + task)) plan.remove(task, position)
  for (const key of keys) plan.add(key % count, Math.floor(key / count))
}

/** A few repeats of one neighbourhood: of near positions or of near tasks. */
function neighbours(list: readonly Repeat[], random: () => number, count: number): Repeat[] {
  const centre = list[Math.floor(random() * list.length)]
  const wide = random() < 0.3
  const size = 1 + Math.floor(random() ** 2 * Math.min(list.length, wide ? 12 : 5))
  const byTask = random() < 0.5
  const distance = (r: Repeat): number =>
    (byTask ? Math.abs(r.task - centre.task) : Math.abs(r.position - centre.position)) + random() * (wide ? count / 4 : 3)
  return list
    .map((r) => ({ r, far: r === centre ? -1 : distance(r) }))
    .sort((a, b) => a.far - b.far)
    .slice(0, size)
    .map(({ r }) => r)
}

/** Numbers in [0, 1), the same for the same seed: mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296
  }
}
