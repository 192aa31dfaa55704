// Says whether a schedule holds, straight from the definition, in the slowest way there is. Shares no code with the planner.
import type { Problem } from '../../../src/passes/checkpoint/problem.ts'

/** What a schedule comes to. */
export interface Replayed {
  readonly peakBytes: number
  readonly extraCost: number
}

/**
 * Runs the tasks of a schedule on paper. @throws Error when an operand is not there, a task is missing, out of order, or run
 * again although it must not be
 */
export function replay(problem: Problem, order: readonly number[]): Replayed {
  const { tasks, bytes, pinned = [], initial = [] } = problem
  const seen: number[] = []
  let extraCost = 0
  order.forEach((task, t) => {
    if (!tasks[task]) throw new Error(`run ${t}: no task ${task}`)
    if (!order.slice(0, t).includes(task)) {
      if (task !== seen.length) throw new Error(`run ${t}: task ${task} is run first where ${seen.length} should be`)
      seen.push(task)
    } else {
      const { until, repeatable, cost } = tasks[task]
      if (repeatable === false) throw new Error(`run ${t}: task ${task} must not be repeated`)
      if (until !== undefined && order.slice(0, t).includes(until)) throw new Error(`run ${t}: task ${task} comes after ${until}`)
      extraCost += cost
    }
    for (const value of tasks[task].reads) {
      const there = initial.includes(value) || order.slice(0, t).some((earlier) => tasks[earlier].writes.includes(value))
      if (!there) throw new Error(`run ${t}: task ${task} reads value ${value}, which is not there`)
    }
  })
  if (seen.length !== tasks.length) throw new Error(`task ${seen.length} is never run`)
  const peakBytes = order.reduce((most, _, t) => Math.max(most, bytesAt(t)), 0)
  return { peakBytes, extraCost }

  function bytesAt(t: number): number {
    const { reads, writes, scratch = 0 } = tasks[order[t]]
    let sum = scratch
    for (const value of writes) sum += bytes[value]
    bytes.forEach((size, value) => {
      if (isLive(value, t)) sum += size
      else if (reads.includes(value)) throw new Error(`run ${t}: value ${value} is read and not live`)
    })
    return sum
  }

  /** Is a value that was made before run t still wanted at t or later? */
  function isLive(value: number, t: number): boolean {
    const makes = (run: number): boolean => tasks[run].writes.includes(value)
    const made = initial.includes(value) || order.slice(0, t).some(makes)
    if (!made) return false
    if (pinned.includes(value)) return true
    for (let i = t; i < order.length; i++) {
      if (tasks[order[i]].reads.includes(value)) return true
      if (makes(order[i])) return false
    }
    // Nobody reads it any more. What the caller wrote and nobody reads is in the way of the first run only.
    return initial.includes(value) && t === 0 && !tasks.some((task) => task.reads.includes(value))
  }
}
