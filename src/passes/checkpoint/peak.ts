import type { Facts } from './facts.ts'
import { above, erase, insert, notBelow } from './sorted.ts'

/** Run a task again just before the first run of the task at a position. */
export interface Repeat {
  readonly task: number
  readonly position: number
}

/**
 * A plan that can be changed: the tasks in order, and before each position repeats of earlier ones, ascending. Every set of
 * repeats is a plan that can run; each change updates the bytes in use at the runs whose surroundings it touches.
 * Runs are named by keys, position * count + task, which are ordered as the runs are.
 */
export class Plan {
  readonly facts: Facts
  readonly budget: number
  /** Sum over all runs of the bytes above the budget. */
  overflow = 0
  /** Number of runs above the budget: the plan fits when there is none. */
  over = 0
  /** Cost of all repeats. */
  extra = 0
  /** Number of repeats. */
  size = 0
  /** Repeats added and removed so far. */
  changes = 0
  /** Runs whose bytes were updated so far: the measure of time spent. */
  work = 0
  /** Bytes in use minus the budget, at the first run of each task. */
  readonly #first: Float64Array
  /** The same at the repeats before each position, and which tasks they run. */
  readonly #excess: number[][] = []
  readonly #repeats: number[][] = []
  readonly #runs: number[][]
  readonly #uses: number[][]

  constructor(facts: Facts, budget: number) {
    const { count, reads, bytes, out, maker, pinned } = facts
    this.facts = facts
    // Whole and finite, so that all sums and differences stay exact.
    this.budget = Math.max(0, Math.min(Math.floor(budget), Number.MAX_SAFE_INTEGER))
    this.#runs = Array.from({ length: count }, (_, t) => [t * count + t])
    this.#uses = Array.from(bytes, () => [])
    for (let t = 0; t < count; t++) {
      this.#repeats.push([])
      this.#excess.push([])
      for (const w of reads[t]) this.#uses[w].push(t * count + t)
    }
    this.#first = Float64Array.from(out, (b) => b - this.budget)
    const delta = new Float64Array(count + 1)
    for (let w = 0; w < bytes.length; w++) {
      if (maker[w] < -1) continue
      const uses = this.#uses[w]
      const to = pinned[w] ? count - 1 : uses.length ? Math.floor(uses[uses.length - 1] / count) : Math.max(maker[w], 0)
      delta[maker[w] + 1] += bytes[w]
      delta[to + 1] -= bytes[w]
    }
    let live = 0
    for (let t = 0; t < count; t++) {
      live += delta[t]
      this.#first[t] += live
      this.#count(this.#first[t], 1)
    }
  }

  /** Does the plan run the task again before the position? */
  has(task: number, position: number): boolean {
    return this.#repeats[position].includes(task)
  }

  /** May it, and does it not yet? */
  allows(task: number, position: number): boolean {
    return task < position && position <= this.facts.latest[task] && !this.has(task, position)
  }

  /** Adds a repeat that the plan allows. */
  add(task: number, position: number): void {
    const { count, reads, writes, out, bytes, pinned } = this.facts
    const key = position * count + task
    const repeats = this.#repeats[position]
    const excess = this.#excess[position]
    let i = 0
    while (i < repeats.length && repeats[i] < task) i++
    // The same bytes live across it as across the run that comes next.
    const next = i < repeats.length ? excess[i] - out[repeats[i]] : this.#first[position] - out[position]
    repeats.splice(i, 0, task)
    excess.splice(i, 0, next + out[task])
    this.#count(next + out[task], 1)
    insert(this.#runs[task], key)
    for (const w of writes[task]) {
      if (!pinned[w] && this.nextUse(w, key) >= 0) this.#shift(this.lastTouch(w, key), key, -bytes[w])
    }
    for (const w of reads[task]) {
      if (!pinned[w] && this.nextUse(w, key) < 0) this.#shift(this.lastTouch(w, key), key, bytes[w])
      insert(this.#uses[w], key)
    }
    this.extra += this.facts.cost[task]
    this.size++
    this.changes++
  }

  /** Takes a repeat out of the plan that has it. */
  remove(task: number, position: number): void {
    const { count, reads, writes, bytes, pinned } = this.facts
    const key = position * count + task
    for (const w of reads[task]) {
      erase(this.#uses[w], key)
      if (!pinned[w] && this.nextUse(w, key) < 0) this.#shift(this.lastTouch(w, key), key, -bytes[w])
    }
    erase(this.#runs[task], key)
    for (const w of writes[task]) {
      if (!pinned[w] && this.nextUse(w, key) >= 0) this.#shift(this.lastTouch(w, key), key, bytes[w])
    }
    const i = this.#repeats[position].indexOf(task)
    this.#count(this.#excess[position][i], -1)
    this.#repeats[position].splice(i, 1)
    this.#excess[position].splice(i, 1)
    this.extra -= this.facts.cost[task]
    this.size--
    this.changes++
  }

  /** Key of the first read of a value after a run, -1 if it is made again before or read no more. */
  nextUse(value: number, key: number): number {
    const uses = this.#uses[value]
    const i = above(uses, key)
    if (i === uses.length) return -1
    const maker = this.facts.maker[value]
    if (maker < 0) return uses[i]
    const runs = this.#runs[maker]
    const j = above(runs, key)
    return j < runs.length && runs[j] < uses[i] ? -1 : uses[i]
  }

  /** Key of the last run before this one that makes or reads the value; -1 where it is there from the start. */
  lastTouch(value: number, key: number): number {
    const uses = this.#uses[value]
    const i = notBelow(uses, key)
    const use = i > 0 ? uses[i - 1] : -1
    const maker = this.facts.maker[value]
    if (maker < 0) return use
    const runs = this.#runs[maker]
    const j = notBelow(runs, key)
    return Math.max(use, j > 0 ? runs[j - 1] : -1)
  }

  /** Keys of the runs that read a value, ascending. */
  usesOf(value: number): readonly number[] {
    return this.#uses[value]
  }

  /** Keys of the runs of a task, ascending. */
  runsOf(task: number): readonly number[] {
    return this.#runs[task]
  }

  /** All repeats in order. */
  repeats(): Repeat[] {
    return this.#repeats.flatMap((list, position) => list.map((task) => ({ task, position })))
  }

  /** Tasks in the order in which they run. */
  order(): number[] {
    return this.#repeats.flatMap((list, position) => [...list, position])
  }

  /** The most bytes in use at any run, and the task that runs then. */
  peak(): { readonly bytes: number; readonly at: number } {
    let most = -Infinity
    let at = 0
    const look = (excess: number, task: number): void => {
      if (excess <= most) return
      most = excess
      at = task
    }
    for (let t = 0; t < this.facts.count; t++) {
      this.#excess[t].forEach((x, i) => look(x, this.#repeats[t][i]))
      look(this.#first[t], t)
    }
    return { bytes: this.facts.count ? most + this.budget : 0, at }
  }

  /** First and last position with a run above the budget; from > to when all fit. */
  crowded(): { readonly from: number; readonly to: number } {
    const { count } = this.facts
    let from = count
    let to = -1
    if (this.over === 0) return { from, to }
    for (let t = 0; t < count; t++) {
      if (this.#first[t] <= 0 && !this.#excess[t].some((x) => x > 0)) continue
      from = Math.min(from, t)
      to = t
    }
    return { from, to }
  }

  #count(excess: number, sign: number): void {
    if (excess <= 0) return
    this.overflow += sign * excess
    this.over += sign
  }

  /** `bytes` more live across the boundaries before the runs after the first key, up to the second. */
  #shift(after: number, through: number, bytes: number): void {
    const { count } = this.facts
    const first = this.#first
    const from = after < 0 ? 0 : Math.floor(after / count)
    const to = Math.floor(through / count)
    let { overflow, over } = this
    for (let t = from; t <= to; t++) {
      const tasks = this.#repeats[t]
      if (tasks.length) {
        const excess = this.#excess[t]
        for (let i = 0; i < tasks.length; i++) {
          const key = t * count + tasks[i]
          if (key <= after || key > through) continue
          const old = excess[i]
          const now = old + bytes
          excess[i] = now
          if (old > 0) { overflow -= old; over-- }
          if (now > 0) { overflow += now; over++ }
        }
      }
      const key = t * count + t
      if (key <= after || key > through) continue
      const old = first[t]
      const now = old + bytes
      first[t] = now
      if (old > 0) { overflow -= old; over-- }
      if (now > 0) { overflow += now; over++ }
    }
    this.overflow = over ? overflow : 0
    this.over = over
    this.work += to - from + 1
  }
}
