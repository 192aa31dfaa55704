import type { FusedGraph, FusedKernel } from '../fuse/index.ts'
import { applied, pose, type CostOf } from './apply.ts'
import type { Schedule } from './problem.ts'
import { least, solve, sqrtPlan } from './solve.ts'

/**
 * What the arena may take: bytes; `min`: as little as a plan can be found for; `sqrt`: keep what passes between about √n segments.
 */
export type ArenaBudget = number | 'min' | 'sqrt'

/** Kernels in order, some of them twice. */
export interface Checkpointed {
  readonly fused: FusedGraph
  readonly order: readonly FusedKernel[]
  /** Each kernel that was made anew or repeated, and the one that it comes from. */
  readonly repeats: ReadonlyMap<FusedKernel, FusedKernel>
  /** Extra work in percent of the work without. */
  readonly recomputePercent: number
}

/** Bytes of the arena that an order takes once every buffer has its place. */
export type Measure = (fused: FusedGraph, order: readonly FusedKernel[]) => number

/** Placing buffers may cost more than what is live; the target is lowered by the difference, so many times. */
const ROUNDS = 8
/** Work of a search that only looks whether a target fits; the last one takes all it may. */
const QUICK = 2000

/**
 * Makes kernels run again instead of keeping what they made, until the arena fits, or as far as that is found to go. The same
 * kernels in another order with repeats: every result is the same to the bit.
 */
export function checkpoint(
  fused: FusedGraph, order: readonly FusedKernel[], budget: ArenaBudget, costOf: CostOf, measure: Measure,
): Checkpointed {
  const problem = pose(fused, order, costOf)
  const total = problem.tasks.reduce((n, t) => n + t.cost, 0)
  const made = (s: Schedule): Checkpointed => ({ ...applied(fused, order, s.order), recomputePercent: total ? (100 * s.extraCost) / total : 0 })
  if (budget === 'sqrt') return made(sqrtPlan(problem))
  if (budget === 'min') return made(least(problem))
  let target = budget
  for (let round = 0; round < ROUNDS && target >= 0; round++) {
    const found = solve(problem, target, { work: QUICK })
    if (!found.feasible) break
    const plan = made(found)
    const over = measure(plan.fused, plan.order) - budget
    if (over <= 0) {
      const better = solve(problem, target)
      const cheaper = better.feasible ? made(better) : plan
      return measure(cheaper.fused, cheaper.order) <= budget ? cheaper : plan
    }
    target = Math.min(found.peakBytes, target) - Math.max(16, over)
  }
  return made(least(problem))
}
