import { anneal, restore } from './anneal.ts'
import { factsOf, floorOf, type Facts } from './facts.ts'
import { greedy, prune } from './greedy.ts'
import { Plan, type Repeat } from './peak.ts'
import type { Problem, SolveOptions } from './problem.ts'
import { startsOf, type Start } from './starts.ts'

/** Exponents of the overflow that greedy runs try: from "cheapest first" to "whatever helps most". */
const ALPHAS = [1, 0.5, 2]
/** Changes of annealing for each task of the problem, unless the caller says how many. */
const CHANGES_PER_TASK = 12_000
const MOST_CHANGES = 1e6
/** Work in updated runs, so that graphs of thousands of tasks end: of one greedy run, of all for one budget, of annealing, ... */
const GREEDY_WORK = 1.2e9
const UNDER_WORK = 2.5e9
const ANNEAL_WORK = 3e8
const LEAST_WORK = 4e8
/** Runs of annealing. */
const ROUNDS = 4
/** How many plans of segments and blocks a search goes on from. */
const STARTS = 6
/** Budgets of the search for the least peak come this near to each other. */
const NEARNESS = 1e-3

/** Everything that searches on one problem share. */
export class Search {
  readonly facts: Facts
  readonly floor: { readonly bytes: number; readonly at: number }
  readonly #options: SolveOptions
  #starts: readonly Start[] | null = null

  constructor(problem: Problem, options: SolveOptions) {
    this.facts = factsOf(problem)
    this.floor = floorOf(this.facts)
    this.#options = options
  }

  /** The cheapest plan under the budget that greedy runs find, pruned; null if none. */
  under(budget: number): Plan | null {
    let best: Plan | null = null
    let left = UNDER_WORK
    const attempt = (from: readonly Repeat[], alpha: number): void => {
      const plan = this.#attempt(budget, from, alpha, Math.min(left, GREEDY_WORK))
      left = Math.max(0, left - plan.work)
      if (plan.over === 0 && (!best || plan.extra < best.extra)) best = plan
    }
    // What is usually best comes first: on thousands of tasks there is no work left for all.
    attempt([], ALPHAS[0])
    for (const start of this.#promising(budget)) attempt(start.repeats, ALPHAS[0])
    for (const alpha of ALPHAS.slice(1)) attempt([], alpha)
    return best
  }

  #attempt(budget: number, from: readonly Repeat[], alpha: number, work: number): Plan {
    const plan = new Plan(this.facts, budget)
    restore(plan, from)
    if (greedy(plan, { alpha, repeats: this.#most(), work })) prune(plan)
    return plan
  }

  /** The cheapest starts that fit, and those that miss the budget by least. */
  #promising(budget: number): readonly Start[] {
    this.#starts ??= startsOf(this.facts)
    const starts = this.#starts
    const fitting = starts.filter((s) => s.peakBytes <= budget).sort((a, b) => a.extra - b.extra)
    const others = starts.filter((s) => s.peakBytes > budget).sort((a, b) => a.peakBytes - b.peakBytes)
    return [...fitting.slice(0, STARTS), ...others.slice(0, STARTS / 2)]
  }

  /** Makes a plan that fits cheaper. */
  improve(plan: Plan): void {
    const { seed = 0, work = Math.min(CHANGES_PER_TASK * this.facts.count, MOST_CHANGES) } = this.#options
    // Several short runs that start from the best so far find more than a long one.
    for (let i = 0, idle = 0; i < ROUNDS && idle < 2; i++) {
      const before = plan.extra
      anneal(plan, { seed: seed * ROUNDS + i, changes: work / ROUNDS, work: ANNEAL_WORK / ROUNDS, repeats: this.#most() })
      idle = plan.extra < before ? 0 : idle + 1
    }
  }

  /** The plan of the least peak that is found by halving between what no plan can do without and the plain peak. */
  least(): Plan {
    let best = new Plan(this.facts, Infinity)
    let high = best.peak().bytes
    const consider = (plan: Plan): void => {
      const { bytes } = plan.peak()
      if (bytes >= high) return
      high = bytes
      best = plan
    }
    let low = this.floor.bytes
    let work = LEAST_WORK
    for (let budget = low; work > 0 && high > low && high - low > NEARNESS * high; budget = Math.floor((low + high) / 2)) {
      const near = this.#promising(budget).slice(-STARTS / 2).map((s) => s.repeats)
      for (const from of [best.repeats(), ...near, []]) {
        const plan = this.#attempt(budget, from, 1, LEAST_WORK / 16)
        work -= plan.work
        consider(plan)
        if (plan.over === 0) break
      }
      if (high > budget) low = Math.max(low, budget + 1)
    }
    return this.#at(best, high)
  }

  /** The same repeats, measured against another budget. */
  #at(plan: Plan, budget: number): Plan {
    const copy = new Plan(this.facts, budget)
    restore(copy, plan.repeats())
    prune(copy)
    return copy
  }

  /** Most repeats of a plan: nobody wants to compute everything over and over. */
  #most(): number {
    const { count } = this.facts
    return Math.max(3 * count, Math.min(3000, (count * count) / 2))
  }
}
