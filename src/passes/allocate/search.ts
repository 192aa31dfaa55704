import type { Effort, Interval } from './greedy.ts'
import { membersOf, overlapsOf, twinsOf, type Sections } from './sections.ts'
import { Trail } from './trail.ts'

/** `none` is a proof: no packing of that capacity exists. `stopped`: the effort was spent before either was known. */
export type Outcome = 'found' | 'none' | 'stopped'

/**
 * Searches a packing within a capacity, depth first, as MiniMalloc does (Moffitt, ASPLOS 2023): intervals are placed from the
 * bottom up, each upon one that it overlaps, so that offsets never fall along a branch; what falls apart is solved apart.
 *
 * A branch is binary: the lowest interval that can be placed is placed there, or it lies higher for good. If it lies
 * higher, then only because one that is not placed yet comes beneath it, which raises the least offset that it can have.
 * Each section is held against the capacity as a machine with release times: its intervals are piled up in order of their
 * least offsets.
 */
export class Search {
  /** Of the packing found. */
  readonly offsets: Float64Array
  readonly #sizes: Float64Array
  readonly #sections: Sections
  /** The intervals that overlap each, and those that it could change places with. */
  readonly #over: readonly Int32Array[]
  readonly #twins: readonly number[][]
  /** Where the placed ones leave off, and the least offset that is still possible; the same unless it must lie higher. */
  readonly #top: Float64Array
  readonly #low: Float64Array
  readonly #placed: Uint8Array
  /** Of each section: how many are not placed; how many of those reach into the next one; all, nearly sorted by `low`. */
  readonly #open: Int32Array
  readonly #crossing: Int32Array
  readonly #sorted: readonly Int32Array[]
  readonly #trail = new Trail()
  #capacity = 0
  #effort: Effort = { left: 0 }
  // Sections with an interval whose least offset has changed.
  #from = 0
  #to = -1

  constructor(intervals: readonly Interval[], sections: Sections) {
    const n = intervals.length
    const members = membersOf(sections)
    this.#sections = sections
    this.#sizes = Float64Array.from(intervals, (i) => i.bytes)
    this.offsets = new Float64Array(n)
    this.#top = new Float64Array(n)
    this.#low = new Float64Array(n)
    this.#placed = new Uint8Array(n)
    this.#sorted = members.map((m) => Int32Array.from(m))
    this.#open = Int32Array.from(members, (m) => m.length)
    this.#crossing = Int32Array.from(members, (m, s) => m.filter((i) => sections.last[i] > s).length)
    this.#over = overlapsOf(sections, members)
    this.#twins = twinsOf(sections, intervals)
  }

  /** Tries the capacity; among intervals that can be placed equally low, the earlier in `order` goes first. */
  run(order: readonly number[], capacity: number, effort: Effort): Outcome {
    const { first, last, live } = this.#sections
    this.#capacity = capacity
    this.#effort = effort
    this.#undo(0)
    this.#low.fill(0)
    this.#top.fill(0)
    this.#from = 0
    this.#to = live.length - 1
    if (!this.#fits()) return 'none'
    const found = this.#solveParts(0, live.length - 1, order.filter((i) => first[i] <= last[i]))
    return found ? 'found' : this.#effort.left > 0 ? 'none' : 'stopped'
  }

  /** Solves what lies between sections that nothing open reaches across, the smallest first. */
  #solveParts(from: number, to: number, open: readonly number[]): boolean {
    const { first, last } = this.#sections
    const parts: { from: number; to: number; open: readonly number[] }[] = []
    for (let s = from, start = from; s <= to; s++) {
      if (s < to && this.#crossing[s] > 0) continue
      if (this.#open[s] > 0) parts.push({ from: start, to: s, open })
      start = s + 1
    }
    if (parts.length > 1) {
      for (const part of parts) part.open = open.filter((i) => first[i] >= part.from && last[i] <= part.to)
      parts.sort((a, b) => a.open.length - b.open.length)
    }
    return parts.every((part) => this.#solve(part.from, part.to, part.open))
  }

  /** Places all of `open`, which lie in these sections, or leaves all as it was. */
  #solve(from: number, to: number, open: readonly number[]): boolean {
    const start = this.#trail.length
    const { first, last } = this.#sections
    for (;;) {
      if ((this.#effort.left -= open.length) <= 0) break
      const i = this.#lowest(open)
      if (i < 0) break
      const offset = this.#low[i]
      const mark = this.#trail.length
      const alone = this.#place(i, offset)
      if (this.#raise(open) && this.#fits()) {
        const rest = open.filter((j) => j !== i)
        const whole = !this.#parted(first[i], last[i])
        if (whole ? this.#solve(from, to, rest) : this.#solveParts(from, to, rest)) return true
      }
      this.#undo(mark)
      // What has nothing upon it is in nobody's way.
      if (alone || this.#effort.left <= 0) break
      this.#from = this.#sorted.length
      this.#to = -1
      if (!this.#lift(i, offset) || !this.#raise(open) || !this.#fits()) break
    }
    this.#undo(start)
    return false
  }

  /** The one with the lowest place; none if a lower place would be left for good, into which another fits. */
  #lowest(open: readonly number[]): number {
    const [top, low, sizes] = [this.#top, this.#low, this.#sizes]
    let found = -1
    let at = Infinity
    let roof = Infinity
    for (let k = 0; k < open.length; k++) {
      const i = open[k]
      if (top[i] + sizes[i] < roof) roof = top[i] + sizes[i]
      if (top[i] === low[i] && low[i] < at) {
        at = low[i]
        found = i
      }
    }
    return at < roof ? found : -1
  }

  /** Puts an interval in its place; whether all that overlap it are placed. */
  #place(i: number, offset: number): boolean {
    const { first, last } = this.#sections
    this.offsets[i] = offset
    this.#placed[i] = 1
    this.#trail.add(2 * this.#sizes.length + i, 0)
    let alone = true
    for (let s = first[i]; s <= last[i]; s++) {
      if (--this.#open[s] > 0) alone = false
      if (s < last[i]) this.#crossing[s]--
    }
    this.#from = first[i]
    this.#to = last[i]
    const end = offset + this.#sizes[i]
    const over = this.#over[i]
    this.#effort.left -= over.length
    for (let k = 0; k < over.length; k++) {
      const j = over[k]
      if (this.#placed[j] || this.#top[j] >= end) continue
      this.#trail.add(this.#sizes.length + j, this.#top[j])
      this.#top[j] = end
      if (this.#low[j] < end) this.#setLow(j, end)
    }
    return alone
  }

  /** An interval, and with it those that could change places with it, will not lie at `offset` but higher. */
  #lift(i: number, offset: number): boolean {
    for (const j of this.#twins[i]) {
      if (this.#placed[j] || this.#low[j] !== offset || this.#top[j] !== offset) continue
      const least = this.#leastAbove(j)
      if (least === Infinity) return false
      this.#setLow(j, least)
    }
    return true
  }

  /** Raises the least offsets of all that must lie higher than where the placed ones leave off. */
  #raise(open: readonly number[]): boolean {
    for (let k = 0; k < open.length; k++) {
      const i = open[k]
      if (this.#placed[i] || this.#top[i] === this.#low[i]) continue
      const least = this.#leastAbove(i)
      if (least === Infinity) return false
      if (least > this.#low[i]) this.#setLow(i, least)
    }
    return true
  }

  /** The lowest end of those that can come beneath an interval and keep it from its present place. */
  #leastAbove(i: number): number {
    const over = this.#over[i]
    const [low, sizes, placed] = [this.#low, this.#sizes, this.#placed]
    const roof = this.#top[i] + sizes[i]
    let least = Infinity
    this.#effort.left -= over.length
    for (let k = 0; k < over.length; k++) {
      const j = over[k]
      if (placed[j] || low[j] >= roof) continue
      if (low[j] + sizes[j] < least) least = low[j] + sizes[j]
    }
    return least
  }

  /** Whether the changed sections, piled up, stay within the capacity. */
  #fits(): boolean {
    const [low, sizes, placed] = [this.#low, this.#sizes, this.#placed]
    for (let s = this.#from; s <= this.#to; s++) {
      if (this.#open[s] === 0) continue
      const list = this.#sorted[s]
      this.#effort.left -= list.length
      for (let k = 1; k < list.length; k++) {
        const i = list[k]
        let h = k - 1
        for (; h >= 0 && low[list[h]] > low[i]; h--) list[h + 1] = list[h]
        list[h + 1] = i
      }
      let end = 0
      for (let k = 0; k < list.length; k++) {
        const i = list[k]
        if (placed[i]) continue
        if (low[i] > end) end = low[i]
        end += sizes[i]
      }
      if (end > this.#capacity) return false
    }
    return true
  }

  /** Whether nothing open is in, or reaches across, one of the sections. */
  #parted(from: number, to: number): boolean {
    for (let s = from; s <= to; s++) if (this.#open[s] === 0 || (s < to && this.#crossing[s] === 0)) return true
    return false
  }

  #setLow(i: number, to: number): void {
    const { first, last } = this.#sections
    this.#trail.add(i, this.#low[i])
    this.#low[i] = to
    if (first[i] < this.#from) this.#from = first[i]
    if (last[i] > this.#to) this.#to = last[i]
  }

  #undo(length: number): void {
    this.#trail.undo(length, this.#restore)
  }

  readonly #restore = (what: number, before: number): void => {
    const n = this.#sizes.length
    if (what < n) this.#low[what] = before
    else if (what < 2 * n) this.#top[what - n] = before
    else this.#unplace(what - 2 * n)
  }

  #unplace(i: number): void {
    const { first, last } = this.#sections
    this.#placed[i] = 0
    for (let s = first[i]; s <= last[i]; s++) {
      this.#open[s]++
      if (s < last[i]) this.#crossing[s]++
    }
  }
}
