import { greedy, type Effort, type Interval, type Packing } from './greedy.ts'
import { disturbed, ordersOf } from './orders.ts'
import { Search } from './search.ts'
import { sectionsOf, type Sections } from './sections.ts'

/** What a program is compiled with, if the greedy orders leave gaps: at most some tenths of a second, less for few intervals. */
const COMPILE_EFFORT = 30_000_000
const COMPILE_EFFORT_EACH = 50_000

/** Beyond these the search is not tried: it would not come down to a leaf. */
const MOST_INTERVALS = 3_000
const MOST_PLACES = 2_000_000

/** What the first turns may look at for each interval of each section: twice the way down. Doubled in each round. */
const TURN = 200
/** Disturbed orders in each round, besides the given ones. */
const DISTURBED = 2

/** How packing into a capacity went, and where everything lies if it was found. */
export type PackedInto =
  | { readonly outcome: 'found'; readonly packing: Packing }
  | { readonly outcome: 'none' | 'stopped'; readonly lowerBound: number }

/**
 * Packs intervals into one address range so that those in use together do not overlap, in as few bytes as it finds: a
 * portfolio of greedy orders, each with first fit and best fit, and if none comes down to the lower bound, a search for what
 * is lower. Deterministic: `effort` counts what is looked at, some hundred million a second.
 */
export function pack(intervals: readonly Interval[], effort: number = compileEffort(intervals.length)): Packing {
  const sections = sectionsOf(intervals)
  const bound = boundOf(sections)
  let best = portfolio(intervals, sections, bound, { left: 4 * effort })
  if (best.total <= bound || !searchable(sections)) return best
  const turns = new Turns(intervals, sections)
  // Down to the bound at once, which usually succeeds; then half-way to it, each time with half of the effort that is left.
  let low = bound
  let left = effort
  for (let goal = bound; goal < best.total && left > 1; goal = Math.floor((low + best.total) / 2)) {
    const share = { left: Math.ceil(left / 2) }
    left -= share.left
    const found = turns.search([goal], share)
    left += Math.max(0, share.left)
    if (typeof found === 'string') low = goal + 1
    else best = found
  }
  return best
}

/**
 * Packs intervals into a capacity. `none` is a proof that they do not fit; `stopped` says that the effort was spent. The lower
 * bound is searched for too: with less room there is less to try.
 */
export function packInto(intervals: readonly Interval[], capacity: number, effort: number): PackedInto {
  const sections = sectionsOf(intervals)
  const lowerBound = boundOf(sections)
  if (lowerBound > capacity) return { outcome: 'none', lowerBound }
  const packing = portfolio(intervals, sections, capacity, { left: effort / 16 })
  if (packing.total <= capacity) return { outcome: 'found', packing }
  if (!searchable(sections)) return { outcome: 'stopped', lowerBound }
  const goals = lowerBound < capacity ? [capacity, lowerBound] : [capacity]
  const found = new Turns(intervals, sections).search(goals, { left: effort })
  return typeof found === 'string' ? { outcome: found, lowerBound } : { outcome: 'found', packing: found }
}

/** The least total of the greedy orders; stops at `goal`, and after the first order when the effort is spent. */
function portfolio(intervals: readonly Interval[], sections: Sections, goal: number, effort: Effort): Packing {
  let best: Packing = { offsets: [], total: Infinity }
  for (const order of ordersOf(intervals, sections).greedy) {
    for (const fit of ['first', 'best'] as const) {
      const packing = greedy(intervals, order, fit, effort)
      if (packing.total < best.total) best = packing
      if (best.total <= goal || effort.left <= 0) return best
    }
  }
  return best
}

/** Searches in turns: every order for a while, then every one for twice as long. */
class Turns {
  readonly #intervals: readonly Interval[]
  readonly #sections: Sections
  readonly #search: Search

  constructor(intervals: readonly Interval[], sections: Sections) {
    this.#intervals = intervals
    this.#sections = sections
    this.#search = new Search(intervals, sections)
  }

  /** A packing within one of the capacities, of which the first is the largest. */
  search(capacities: readonly number[], effort: Effort): Packing | 'none' | 'stopped' {
    const [intervals, sections] = [this.#intervals, this.#sections]
    const given = ordersOf(intervals, sections).search
    const open = new Set(capacities)
    for (let round = 0; ; round++) {
      const others = Array.from({ length: DISTURBED }, (_, k) => disturbed(intervals, sections, round * DISTURBED + k))
      for (const order of [...given, ...others]) {
        for (const capacity of open) {
          const turn = { left: Math.min(effort.left, TURN * 2 ** round * sections.places) }
          effort.left -= turn.left
          const outcome = this.#search.run(order, capacity, turn)
          if (outcome === 'found') return packingOf(intervals, this.#search.offsets)
          if (outcome === 'none' && capacity === capacities[0]) return 'none'
          if (outcome === 'none') open.delete(capacity)
          effort.left += turn.left
          if (effort.left <= 0) return 'stopped'
        }
      }
    }
  }
}

function packingOf(intervals: readonly Interval[], offsets: Float64Array): Packing {
  const total = intervals.reduce((n, { bytes }, i) => (bytes ? Math.max(n, offsets[i] + bytes) : n), 0)
  return { offsets: intervals.map(({ bytes }, i) => (bytes ? offsets[i] : 0)), total }
}

const boundOf = ({ live }: Sections): number => live.reduce((most, bytes) => Math.max(most, bytes), 0)

const searchable = ({ first, places }: Sections): boolean => first.length <= MOST_INTERVALS && places <= MOST_PLACES

const compileEffort = (intervals: number): number => Math.min(COMPILE_EFFORT, COMPILE_EFFORT_EACH * intervals)
