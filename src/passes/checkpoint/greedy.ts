import { Heap } from './heap.ts'
import { bestMove, positionFor, type Taste } from './moves.ts'
import type { Plan } from './peak.ts'

/** How a greedy run chooses, and when it gives up. */
export interface Greed extends Taste {
  /** Most repeats in the plan. */
  readonly repeats: number
  /** Most work, in the units of `plan.work`. */
  readonly work: number
}

/** Beyond so many tasks a move need not be the very best. */
const MANY = 500

/** Adds repeats, the one that is worth most at a time, until the plan fits. Returns whether it does. */
export function greedy(plan: Plan, taste: Greed): boolean {
  const { repeats, work } = taste
  // Where thousands of moves are worth about the same, the first of them will do: looking at all again would take forever.
  const slack = plan.facts.count > MANY ? 0.05 : 0
  const { count, reads, writes, bytes } = plan.facts
  const end = plan.work + work
  while (plan.over > 0) {
    const heap = new Heap()
    const waiting = new Set<number>()
    // Whatever ends before the first crowded run or begins after the last cannot help.
    const { from, to } = plan.crowded()
    const offer = (value: number): void => {
      for (const use of plan.usesOf(value)) {
        const position = positionFor(plan, value, use)
        if (position < from || plan.lastTouch(value, use) >= (to + 1) * count) continue
        const entry = position * count + plan.facts.maker[value]
        if (waiting.has(entry)) continue
        waiting.add(entry)
        heap.push(Infinity, entry)
      }
    }
    for (let w = 0; w < bytes.length; w++) offer(w)
    let added = false
    while (plan.over > 0 && heap.size && plan.size < repeats && plan.work < end) {
      const entry = heap.pop()
      waiting.delete(entry)
      const position = Math.floor(entry / count)
      const move = bestMove(plan, entry % count, position, taste)
      if (!move) continue
      if (move.score < heap.top() - slack) {
        waiting.add(entry)
        heap.push(move.score, entry)
        continue
      }
      for (const task of move.tasks) plan.add(task, position)
      added = true
      for (const task of move.tasks) {
        for (const w of reads[task]) offer(w)
        for (const w of writes[task]) offer(w)
      }
    }
    if (!added) break
  }
  return plan.over === 0
}

/** Takes out repeats that a plan which fits can do without, dear ones first. */
export function prune(plan: Plan): void {
  const { cost, count, writes } = plan.facts
  // Nothing is lost with repeats that nobody reads of; taken first, they do not hold on to others.
  for (const { task, position } of plan.repeats().reverse()) {
    if (writes[task].every((w) => plan.nextUse(w, position * count + task) < 0)) plan.remove(task, position)
  }
  for (let again = true; again;) {
    again = false
    const list = plan.repeats().sort((a, b) => cost[b.task] - cost[a.task] || b.position - a.position || b.task - a.task)
    for (const { task, position } of list) {
      plan.remove(task, position)
      if (plan.over > 0) plan.add(task, position)
      else again = true
    }
  }
}
