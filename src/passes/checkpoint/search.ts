import { anneal, restore } from './anneal.ts'
import { factsOf, floorOf, type Facts } from './facts.ts'
import { greedy, prune } from './greedy.ts'
import { Plan, type Repeat } from './peak.ts'
import type { Problem, SolveOptions } from './problem.ts'
import { startsOf, type Start } from './starts.ts'

/** Exponents of the overflow that greedy runs try: from "cheapest first" to "whatever helps most". */
const ALPHAS = [1, 0.5, 2]
/** Changes of annealing for each task of the problem, unless the caller says how many. */
const CHANGES_PER_TASK = 4000
/** Work in updated runs, so that graphs of thousands of tasks end: of one greedy run, and of annealing. */
const GREEDY_WORK = 1.5e9
const ANNEAL_WORK = 8e8
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

  /** The cheapest plan under the budget that greedy runs find, pruned; null if none. `reached` hears of every peak seen. */
  under(budget: number, reached: (plan: Plan) => void = () => {}): Plan | null {
    let best: Plan | null = null
    const attempt = (from: readonly Repeat[], alpha: number): void => {
      const plan = new Plan(this.facts, budget)
      restore(plan, from)
      const fits = greedy(plan, { alpha, repeats: this.#most(), work: GREEDY_WORK / ALPHAS.length })
      if (fits) prune(plan)
      reached(plan)
      if (fits && (!best || plan.extra < best.extra)) best = plan
    }
    for (const alpha of ALPHAS) attempt([], alpha)
    this.#starts ??= startsOf(this.facts)
    for (const start of this.#starts) if (start.peakBytes <= budget) attempt(start.repeats, 1)
    if (best) return best
    const nearest = [...this.#starts].sort((a, b) => a.peakBytes - b.peakBytes).slice(0, 2)
    for (const start of nearest) attempt(start.repeats, 1)
    return best
  }

  /** Makes a plan that fits cheaper. */
  improve(plan: Plan): void {
    const { seed = 0, work = CHANGES_PER_TASK * this.facts.count } = this.#options
    // Several short runs that start from the best so far find more than a long one.
    const rounds = 3
    for (let i = 0; i < rounds; i++) {
      anneal(plan, { seed: seed * rounds + i, changes: work / rounds, work: ANNEAL_WORK / rounds, repeats: this.#most() })
    }
  }

  /** The plan of the least peak that is found by halving between what no plan can do without and the plain peak. */
  least(): Plan {
    let best = new Plan(this.facts, Infinity)
    let high = best.peak().bytes
    const reached = (plan: Plan): void => {
      const { bytes } = plan.peak()
      if (bytes >= high) return
      high = bytes
      best = plan
    }
    let low = this.floor.bytes
    for (let budget = low; high > low && high - low > NEARNESS * high; budget = Math.floor((low + high) / 2)) {
      if (!this.under(budget, reached)) low = Math.max(low, budget)
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
    return Math.max(6 * count, Math.min(3000, (count * count) / 2))
  }
}
