import type { Interval } from './greedy.ts'
import type { Sections } from './sections.ts'

type Key = (i: number) => number

/** Orders of intervals to try, the usually best first. */
export interface Orders {
  /** For placing each in a gap: by size, by area, by how much is in use around it, by length, by start, by end. */
  readonly greedy: readonly (readonly number[])[]
  /** For the search, which must decide early about what is long and where most is in use. */
  readonly search: readonly (readonly number[])[]
}

/** All orders of one problem. Ties keep the order given. */
export function ordersOf(intervals: readonly Interval[], sections: Sections): Orders {
  const { size, length, area, total, spread, start, end } = keysOf(intervals, sections)
  const by = (...keys: readonly Key[]): number[] => sorted(intervals.length, keys)
  return {
    greedy: [by(size, length), by(area), by(total, area), by(length, size), by(start, size), by(end, size)],
    search: [
      by(total, length, area), by(spread, area), by(length, area, total),
      by(total, area, length), by(area, length), by(size, length),
    ],
  }
}

/** An order of the search with its middle key off by up to half, differently for every number. */
export function disturbed(intervals: readonly Interval[], sections: Sections, number: number): number[] {
  const keys = keysOf(intervals, sections)
  const noise = noiseOf(number)
  const blurred = (key: Key): Key => {
    const values = intervals.map((_, i) => key(i) * (1 + noise() / 2))
    return (i) => values[i]
  }
  const main = [keys.area, keys.length, keys.spread, keys.size][number % 4]
  const first = number % 8 < 4 ? [keys.total] : []
  return sorted(intervals.length, [...first, blurred(main)])
}

/** Greater keys go first. */
function keysOf(intervals: readonly Interval[], { first, last, live }: Sections): Record<
  'size' | 'length' | 'area' | 'total' | 'spread' | 'start' | 'end', Key
> {
  const most = intervals.map((_, i) => {
    let n = 0
    for (let s = first[i]; s <= last[i]; s++) n = Math.max(n, live[s])
    return n
  })
  const size: Key = (i) => intervals[i].bytes
  const length: Key = (i) => intervals[i].to - intervals[i].from + 1
  return {
    size, length,
    area: (i) => size(i) * length(i),
    total: (i) => most[i],
    spread: (i) => last[i] - first[i],
    start: (i) => -intervals[i].from,
    end: (i) => intervals[i].to,
  }
}

function sorted(n: number, keys: readonly Key[]): number[] {
  return Array.from({ length: n }, (_, i) => i).sort((a, b) => {
    for (const key of keys) {
      const difference = key(b) - key(a)
      if (difference !== 0) return difference
    }
    return a - b
  })
}

/** Numbers in [0, 1), always the same ones (mulberry32). */
function noiseOf(seed: number): () => number {
  let state = seed * 0x9e3779b9
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let z = Math.imul(state ^ (state >>> 15), state | 1)
    z = (z + Math.imul(z ^ (z >>> 7), z | 61)) ^ z
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32
  }
}
