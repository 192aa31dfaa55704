import type { Problem } from '../../../src/passes/checkpoint/problem.ts'
import { replay } from './replay.ts'

type Pair = readonly [task: number, position: number]

/** Every repeat that a plan can have: a task at most once before each first run of a later one. */
function pairsOf({ tasks }: Problem): Pair[] {
  return tasks.flatMap((_, position) =>
    tasks.slice(0, position).flatMap(({ repeatable, until = Infinity, writes }, task): Pair[] =>
      repeatable !== false && until >= position && writes.length ? [[task, position]] : []))
}

const peakOf = (problem: Problem, chosen: readonly Pair[]): number => {
  const order = problem.tasks.flatMap((_, t) => [
    ...chosen.filter(([, at]) => at === t).map(([task]) => task).sort((a, b) => a - b), t,
  ])
  return replay(problem, order).peakBytes
}

/** The least peak of all plans of a small problem. */
export function leastPeak(problem: Problem): number {
  const pairs = pairsOf(problem)
  let least = Infinity
  for (let set = 0; set < 2 ** pairs.length; set++) {
    least = Math.min(least, peakOf(problem, pairs.filter((_, i) => Math.floor(set / 2 ** i) % 2 === 1)))
  }
  return least
}

/** A plan within the budget that costs less than `cost`, if there is one. Where repeats cost something, few have to be tried. */
export function cheaper(problem: Problem, budget: number, cost: number): readonly Pair[] | null {
  const pairs = pairsOf(problem)
  const chosen: Pair[] = []
  const search = (from: number, left: number): boolean => {
    if (peakOf(problem, chosen) <= budget) return true
    for (let i = from; i < pairs.length; i++) {
      const rest = left - problem.tasks[pairs[i][0]].cost
      if (rest <= 0) continue
      chosen.push(pairs[i])
      if (search(i + 1, rest)) return true
      chosen.pop()
    }
    return false
  }
  return cost > 0 && search(0, cost) ? chosen : null
}
