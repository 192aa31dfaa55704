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

/** Which of the gaps that are wide enough is taken: the lowest, or the tightest. */
export type Fit = 'first' | 'best'

/** How much may still be looked at; counted, not timed, so that every machine finds the same. */
export interface Effort {
  left: number
}

/** Places intervals one after the other in the given order, each in a gap between those that are in use with it. */
export function greedy(intervals: readonly Interval[], order: readonly number[], fit: Fit, effort: Effort): Packing {
  const offsets = new Array<number>(intervals.length).fill(0)
  const placed = new Placed(intervals)
  let total = 0
  for (const i of order) {
    const { bytes } = intervals[i]
    if (!bytes) continue
    effort.left -= placed.count
    offsets[i] = placed.gapFor(i, fit)
    placed.add(i, offsets[i])
    total = Math.max(total, offsets[i] + bytes)
  }
  return { offsets, total }
}

/** Placed intervals by their offsets. To go through all of them costs less than to find and sort those that matter. */
class Placed {
  count = 0
  readonly #from: Float64Array
  readonly #to: Float64Array
  readonly #bytes: Float64Array
  readonly #offsets: Float64Array
  readonly #sorted: Int32Array

  constructor(intervals: readonly Interval[]) {
    this.#from = Float64Array.from(intervals, (i) => i.from)
    this.#to = Float64Array.from(intervals, (i) => i.to)
    this.#bytes = Float64Array.from(intervals, (i) => i.bytes)
    this.#offsets = new Float64Array(intervals.length)
    this.#sorted = new Int32Array(intervals.length)
  }

  /** The lowest gap that is wide enough, or the tightest one; behind everything if there is none. */
  gapFor(i: number, fit: Fit): number {
    const [from, to, sizes, offsets, sorted] = [this.#from, this.#to, this.#bytes, this.#offsets, this.#sorted]
    const [begin, last, bytes] = [from[i], to[i], sizes[i]]
    let end = 0
    let found = -1
    let slack = Infinity
    for (let k = 0; k < this.count; k++) {
      const j = sorted[k]
      if (from[j] > last || to[j] < begin) continue
      const room = offsets[j] - end
      if (room >= bytes && room - bytes < slack) {
        found = end
        slack = room - bytes
        if (fit === 'first') break
      }
      if (offsets[j] + sizes[j] > end) end = offsets[j] + sizes[j]
    }
    return found >= 0 ? found : end
  }

  add(i: number, offset: number): void {
    this.#offsets[i] = offset
    let [low, high] = [0, this.count]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#offsets[this.#sorted[middle]] <= offset) low = middle + 1
      else high = middle
    }
    this.#sorted.copyWithin(low + 1, low, this.count++)
    this.#sorted[low] = i
  }
}
