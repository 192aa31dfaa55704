/** A piece of memory in use from position `from` to `to`, both included. */
export interface Interval {
  readonly from: number
  readonly to: number
  /** A multiple of the alignment; 0 takes no room. */
  readonly bytes: number
}

/** An offset for each interval, and where the last one ends. */
export interface Packing {
  readonly offsets: readonly number[]
  readonly total: number
}

type Compare = (a: Interval, b: Interval) => number
type Fit = 'first' | 'best'

const length = (i: Interval): number => i.to - i.from + 1

// Greedy orders, the usually best first; ties keep the given order.
const ORDERS: readonly Compare[] = [
  (a, b) => b.bytes - a.bytes || length(b) - length(a),
  (a, b) => b.bytes * length(b) - a.bytes * length(a),
  (a, b) => length(b) - length(a) || b.bytes - a.bytes,
  (a, b) => a.from - b.from || b.bytes - a.bytes,
  (a, b) => b.to - a.to || b.bytes - a.bytes,
]

/**
 * Packs intervals into one address range so that those in use together do not overlap: a portfolio of greedy orders,
 * each with first fit and best fit, of which the least total is taken. Stops at `lowerBound`, which nothing can beat.
 */
export function pack(intervals: readonly Interval[], lowerBound: number): Packing {
  let best: Packing | null = null
  for (const compare of ORDERS) {
    for (const fit of ['first', 'best'] as const) {
      const packing = greedy(intervals, compare, fit)
      if (!best || packing.total < best.total) best = packing
      if (best.total <= lowerBound) return best
    }
  }
  return best ?? { offsets: [], total: 0 }
}

function greedy(intervals: readonly Interval[], compare: Compare, fit: Fit): Packing {
  const offsets = new Array<number>(intervals.length).fill(0)
  const order = intervals.map((_, i) => i).filter((i) => intervals[i].bytes > 0)
  order.sort((a, b) => compare(intervals[a], intervals[b]) || a - b)
  const placed = new Placed(intervals)
  let total = 0
  for (const i of order) {
    const { bytes } = intervals[i]
    offsets[i] = gapFor(bytes, placed.inUseWith(i), intervals, offsets, fit)
    total = Math.max(total, offsets[i] + bytes)
    placed.add(i)
  }
  return { offsets, total }
}

/** The lowest gap that is wide enough, or the tightest one; behind everything if there is none. */
function gapFor(
  bytes: number, neighbours: number[], intervals: readonly Interval[], offsets: readonly number[], fit: Fit,
): number {
  neighbours.sort((a, b) => offsets[a] - offsets[b])
  let end = 0
  let found = -1
  let slack = Infinity
  for (const n of neighbours) {
    const room = offsets[n] - end
    if (room >= bytes && room - bytes < slack) {
      found = end
      slack = room - bytes
      if (fit === 'first') break
    }
    end = Math.max(end, offsets[n] + intervals[n].bytes)
  }
  return found >= 0 ? found : end
}

/** Placed intervals by blocks of positions, so that asking for neighbours does not look at the whole program. */
class Placed {
  readonly #intervals: readonly Interval[]
  readonly #blocks = new Map<number, number[]>()
  readonly #width: number

  constructor(intervals: readonly Interval[]) {
    this.#intervals = intervals
    const end = intervals.reduce((n, i) => Math.max(n, i.to), 0)
    this.#width = Math.max(1, Math.ceil(end / Math.max(1, Math.sqrt(intervals.length))))
  }

  #blocksOf(i: number): [number, number] {
    const { from, to } = this.#intervals[i]
    return [Math.floor(from / this.#width), Math.floor(to / this.#width)]
  }

  add(i: number): void {
    const [low, high] = this.#blocksOf(i)
    for (let b = low; b <= high; b++) {
      const block = this.#blocks.get(b)
      if (block) block.push(i)
      else this.#blocks.set(b, [i])
    }
  }

  inUseWith(i: number): number[] {
    const { from, to } = this.#intervals[i]
    const [low, high] = this.#blocksOf(i)
    const found = new Set<number>()
    for (let b = low; b <= high; b++) {
      for (const j of this.#blocks.get(b) ?? []) {
        const other = this.#intervals[j]
        if (other.from <= to && from <= other.to) found.add(j)
      }
    }
    return [...found]
  }
}
