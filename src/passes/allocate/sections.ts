import type { Interval } from './greedy.ts'

/**
 * A program cut at the few positions that matter. Each section is a set of intervals that are in use together and to
 * which none can be added; every interval is in consecutive sections, and two overlap just if they share one.
 */
export interface Sections {
  /** First and last section of each interval; first > last for intervals without bytes, which need no place. */
  readonly first: Int32Array
  readonly last: Int32Array
  /** Bytes in use in each section. */
  readonly live: readonly number[]
  /** In how many sections the intervals are, all together: what it costs to look at all of them once. */
  readonly places: number
}

/** The maximal sets of intervals in use together, in order of positions (the maximal cliques of an interval graph). */
export function sectionsOf(intervals: readonly Interval[]): Sections {
  const first = new Int32Array(intervals.length).fill(0)
  const last = new Int32Array(intervals.length).fill(-1)
  const some = intervals.map((_, i) => i).filter((i) => intervals[i].bytes > 0)
  const starts = [...some].sort((a, b) => intervals[a].from - intervals[b].from || a - b)
  const ends = [...some].sort((a, b) => intervals[a].to - intervals[b].to || a - b)
  const live: number[] = []
  let bytes = 0
  let places = 0
  let next = 0
  // A set is maximal where an end follows a start.
  let grown = false
  for (const i of ends) {
    for (; next < starts.length && intervals[starts[next]].from <= intervals[i].to; next++) {
      bytes += intervals[starts[next]].bytes
      first[starts[next]] = live.length
      grown = true
    }
    if (grown) live.push(bytes)
    grown = false
    bytes -= intervals[i].bytes
    last[i] = live.length - 1
    places += live.length - first[i]
  }
  return { first, last, live, places }
}

/** The intervals of each section. */
export function membersOf({ first, last, live }: Sections): number[][] {
  const members: number[][] = live.map(() => [])
  for (let i = 0; i < first.length; i++) for (let s = first[i]; s <= last[i]; s++) members[s].push(i)
  return members
}

/** Of each interval those that it overlaps. */
export function overlapsOf({ first }: Sections, members: readonly (readonly number[])[]): Int32Array[] {
  const over = Array.from(first, (): number[] => [])
  // Two that overlap meet in the first section of one of them.
  members.forEach((inside, s) => {
    for (const i of inside) {
      if (first[i] !== s) continue
      for (const j of inside) {
        if (j === i || (first[j] === s && j > i)) continue
        over[i].push(j)
        over[j].push(i)
      }
    }
  })
  return over.map((list) => Int32Array.from(list))
}

/** Of each interval those that could change places with it, itself among them. */
export function twinsOf({ first, last }: Sections, intervals: readonly Interval[]): number[][] {
  const alike = new Map<string, number[]>()
  return intervals.map(({ bytes }, i) => {
    const key = `${first[i]} ${last[i]} ${bytes}`
    const twins = alike.get(key) ?? []
    if (!twins.length) alike.set(key, twins)
    twins.push(i)
    return twins
  })
}
