import { InternalError } from '../../ir/errors.ts'
import { restore } from './anneal.ts'
import { prune } from './greedy.ts'
import { Plan } from './peak.ts'
import type { Infeasible, Problem, Schedule, Solve, SolveOptions } from './problem.ts'
import { Search } from './search.ts'
import { sqrtStart } from './starts.ts'

/**
 * The cheapest plan that is found whose peak is within `budget` bytes. Greedy runs of several tastes and plans of segments
 * are pruned, and the cheapest of them annealed. Where nothing fits, the least peak that is found; under that budget, and
 * any above, there is always a plan.
 */
export const solve: Solve = (problem: Problem, budget: number, options: SolveOptions = {}): Schedule | Infeasible => {
  if (Number.isNaN(budget)) throw new InternalError('checkpoint', 'the budget is no number')
  const search = new Search(problem, options)
  const plain = new Plan(search.facts, budget)
  if (plain.over === 0) return scheduleOf(plain)
  const found = budget < search.floor.bytes ? null : search.under(budget)
  if (found) {
    search.improve(found)
    return scheduleOf(found)
  }
  const least = search.least()
  const { bytes, at } = least.peak()
  // Other tasks may come to the same peak, because they are let to.
  if (bytes > budget) return { feasible: false, leastBytes: bytes, at: bytes === search.floor.bytes ? search.floor.at : at }
  const plan = new Plan(search.facts, budget)
  restore(plan, least.repeats())
  prune(plan)
  search.improve(plan)
  return scheduleOf(plan)
}

/** The plan of the least peak that is found, made as cheap as is found at that peak. */
export function least(problem: Problem, options: SolveOptions = {}): Schedule {
  const search = new Search(problem, options)
  const plan = search.least()
  search.improve(plan)
  return scheduleOf(plan)
}

/**
 * The plan of about sqrt(n) segments: what passes between segments is kept and the rest made again, segment by segment, so
 * that memory grows with the root of the depth and each task runs at most twice. Where that saves nothing, the plain order.
 */
export function sqrtPlan(problem: Problem): Schedule {
  const { facts } = new Search(problem, {})
  const plain = new Plan(facts, Infinity)
  const start = sqrtStart(facts)
  if (!start || start.peakBytes >= plain.peak().bytes) return scheduleOf(plain)
  const plan = new Plan(facts, start.peakBytes)
  restore(plan, start.repeats)
  prune(plan)
  return scheduleOf(plan)
}

function scheduleOf(plan: Plan): Schedule {
  return { feasible: true, order: plan.order(), peakBytes: plan.peak().bytes, extraCost: plan.extra }
}
