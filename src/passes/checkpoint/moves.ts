import type { Plan } from './peak.ts'

/** Repeats of these tasks, all before one position. */
export interface Move {
  readonly tasks: readonly number[]
  readonly score: number
}

/** What makes one move better than another: overflow^alpha / cost, times a weight of the task. */
export interface Taste {
  readonly alpha: number
  /** Logarithm of the weight of each task; all 0 if it is left out. */
  readonly bias?: Float64Array
  /** Most tasks in one move. */
  readonly depth?: number
}

/** Most tasks that one move repeats. */
const DEPTH = 48

/**
 * Where a repeat of the value's maker could end its stay before a use: the position, or -1 where none is between the last
 * touch and the use. As late as possible; a maker that reads a state which is overwritten before goes no later than that.
 */
export function positionFor(plan: Plan, value: number, use: number): number {
  const { count, maker, pinned, latest } = plan.facts
  const task = maker[value]
  if (task < 0 || pinned[value] || latest[task] < 0) return -1
  const position = Math.min(Math.floor(use / count), latest[task])
  const key = position * count + task
  return task < position && plan.lastTouch(value, use) < key && !plan.has(task, position) ? position : -1
}

/** What the best repetition of a task before a position is worth, together with as many of its ancestors as pay. */
export function bestMove(plan: Plan, task: number, position: number, taste: Taste): Move | null {
  if (!plan.allows(task, position)) return null
  const { alpha, depth = DEPTH } = taste
  const { overflow, extra, facts } = plan
  const scale = facts.total / facts.count || 1
  let best: Move | null = null
  let length = 0
  const tasks = [task]
  for (let i = 0; i < tasks.length; i++) {
    plan.add(tasks[i], position)
    const gain = overflow - plan.overflow
    if (gain > 0) {
      const score = alpha * Math.log(gain) - Math.log((plan.extra - extra) / scale + 1e-9) + (taste.bias ? taste.bias[task] : 0)
      if (!best || score > best.score + 1e-12) {
        best = { tasks, score }
        length = i + 1
      }
    }
    if (tasks.length >= depth) continue
    for (const maker of absentees(plan, tasks[i], position)) if (!tasks.includes(maker)) tasks.push(maker)
    // Nearest first: each further one takes over the operands of those before it.
    if (i + 2 < tasks.length) sortTail(tasks, i + 1)
  }
  for (let i = tasks.length - 1; i >= 0; i--) plan.remove(tasks[i], position)
  return best && { tasks: tasks.slice(0, length), score: best.score }
}

/** Makers of operands that nothing but this repeat keeps until its position, and that can run again there. */
function absentees(plan: Plan, task: number, position: number): number[] {
  const { count, reads, maker } = plan.facts
  const key = position * count + task
  const found: number[] = []
  for (const value of reads[task]) {
    if (maker[value] < 0 || plan.nextUse(value, key) >= 0) continue
    if (positionFor(plan, value, key) === position) found.push(maker[value])
  }
  return found
}

function sortTail(tasks: number[], from: number): void {
  const tail = tasks.splice(from).sort((a, b) => b - a)
  tasks.push(...tail)
}
