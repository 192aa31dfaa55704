import { InternalError } from '../../ir/errors.ts'
import type { Problem } from './problem.ts'

/** What never changes while plans for one problem are tried, in the form in which the inner loops want it. */
export interface Facts {
  readonly count: number
  readonly cost: Float64Array
  /** Bytes that a run of each task takes besides what lives across it: its scratch and what it writes. */
  readonly out: Float64Array
  readonly reads: readonly (readonly number[])[]
  readonly writes: readonly (readonly number[])[]
  readonly bytes: Float64Array
  /** The task that makes each value; -1 for those that are there from the start. */
  readonly maker: Int32Array
  /** 1 for values that stay until the end once they are made. */
  readonly pinned: Uint8Array
  /** Last position before which each task may run again; -1 for never. */
  readonly latest: Int32Array
  /** Cost of all tasks, each once. */
  readonly total: number
}

/** Reads a problem. @throws InternalError if it is none: a value with two makers or none, a read before the value is made */
export function factsOf(problem: Problem): Facts {
  const { tasks } = problem
  const count = tasks.length
  const maker = new Int32Array(problem.bytes.length).fill(-2)
  for (const w of problem.initial ?? []) maker[w] = -1
  const broken = (t: number, w: number, how: string): InternalError =>
    new InternalError('checkpoint', `task ${t} ${how} value ${w} of ${problem.bytes.length}`)
  tasks.forEach((task, t) => {
    for (const w of task.reads) if (!(maker[w] >= -1)) throw broken(t, w, 'reads, before it is made,')
    for (const w of task.writes) {
      if (maker[w] !== -2) throw broken(t, w, 'makes, although it is there,')
      maker[w] = t
    }
  })
  const pinned = new Uint8Array(problem.bytes.length)
  for (const w of problem.pinned ?? []) pinned[w] = 1
  const until = (t: number): number => Math.min(tasks[t].until ?? count - 1, count - 1)
  return {
    count,
    cost: Float64Array.from(tasks, (t) => t.cost),
    out: Float64Array.from(tasks, (t) => t.writes.reduce((sum, w) => sum + problem.bytes[w], t.scratch ?? 0)),
    reads: tasks.map((t) => [...new Set(t.reads)]),
    writes: tasks.map((t) => t.writes),
    bytes: Float64Array.from(problem.bytes),
    maker,
    pinned,
    latest: Int32Array.from(tasks, (t, i) => (t.repeatable === false || !t.writes.length ? -1 : until(i))),
    total: tasks.reduce((sum, t) => sum + t.cost, 0),
  }
}

/** Bytes that no plan can do without, and the task that needs them: what it touches, and what nobody can make again later. */
export function floorOf(facts: Facts): { readonly bytes: number; readonly at: number } {
  const { count, maker, pinned, reads, bytes, out, latest } = facts
  const last = new Int32Array(bytes.length).fill(-1)
  for (let t = 0; t < count; t++) for (const w of reads[t]) last[w] = t
  const begins: number[][] = Array.from({ length: count + 1 }, () => [])
  const ends: number[][] = Array.from({ length: count + 1 }, () => [])
  const fixed = new Uint8Array(bytes.length)
  for (let w = 0; w < bytes.length; w++) {
    if (maker[w] < -1 || (maker[w] >= 0 && latest[maker[w]] >= 0 && !pinned[w])) continue
    fixed[w] = 1
    begins[maker[w] + 1].push(w)
    ends[pinned[w] ? count : Math.max(last[w], 0)].push(w)
  }
  let live = 0
  let least = { bytes: 0, at: 0 }
  for (let t = 0; t < count; t++) {
    for (const w of begins[t]) live += bytes[w]
    let here = live + out[t]
    for (const w of reads[t]) if (!fixed[w]) here += bytes[w]
    if (here > least.bytes) least = { bytes: here, at: t }
    for (const w of ends[t]) live -= bytes[w]
  }
  return least
}
