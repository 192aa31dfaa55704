import fc from 'fast-check'
import type { Interval } from '../../src/passes/allocate/greedy.ts'

export const interval = (from: number, to: number, bytes: number): Interval => ({ from, to, bytes })

/** The most bytes in use at one position. */
export function bound(intervals: readonly Interval[]): number {
  const at = (t: number): number => intervals.reduce((n, i) => (i.from <= t && t <= i.to ? n + i.bytes : n), 0)
  return Math.max(0, ...intervals.map((i) => at(i.from)))
}

/** How many pairs are in use together and share bytes. */
export function overlapping(intervals: readonly Interval[], offsets: readonly number[]): number {
  let found = 0
  intervals.forEach((a, i) => intervals.slice(0, i).forEach((b, j) => {
    const together = a.from <= b.to && b.from <= a.to
    if (together && a.bytes && b.bytes && offsets[i] < offsets[j] + b.bytes && offsets[j] < offsets[i] + a.bytes) found++
  }))
  return found
}

/** Up to so many random intervals, some of no bytes. */
export const intervalsFrom = (most: number): fc.Arbitrary<Interval[]> =>
  fc.array(
    fc.tuple(fc.nat(30), fc.nat(8), fc.nat(20)).map(([from, length, n]) => interval(from, from + length, n * 16)),
    { maxLength: most },
  )

/** Intervals that fill `positions` × `bytes` without a gap: the rectangle cut up at random, so that a perfect packing exists. */
export function cutUp(random: () => number, count: number, positions: number, bytes: number): Interval[] {
  const pieces = [{ from: 0, to: positions, low: 0, high: bytes }]
  const area = (p: (typeof pieces)[number]): number => (p.to - p.from) * (p.high - p.low)
  while (pieces.length < count) {
    // Large pieces are cut more often.
    const at = Math.floor(random() * pieces.length)
    const other = Math.floor(random() * pieces.length)
    const k = area(pieces[at]) > area(pieces[other]) ? at : other
    const p = pieces[k]
    const share = 0.1 + 0.8 * random()
    if (random() < 0.5) {
      const middle = p.from + Math.round((p.to - p.from) * share)
      if (middle > p.from && middle < p.to) pieces.splice(k, 1, { ...p, to: middle }, { ...p, from: middle })
    } else {
      const middle = p.low + Math.round((p.high - p.low) * share)
      if (middle > p.low && middle < p.high) pieces.splice(k, 1, { ...p, high: middle }, { ...p, low: middle })
    }
  }
  return pieces
    .map((p) => ({ key: random(), piece: interval(p.from, p.to - 1, p.high - p.low) }))
    .sort((a, b) => a.key - b.key)
    .map(({ piece }) => piece)
}

/** Intervals with as many bytes in use nearly everywhere, so that the bound cannot always be reached. */
export function crowded(random: () => number, most: number): Interval[] {
  const int = (n: number): number => Math.floor(random() * n)
  const [positions, capacity] = [6 + int(6), 4 + int(5)]
  const used = new Array<number>(positions).fill(0)
  const intervals: Interval[] = []
  for (let k = 0; k < 60 && intervals.length < most; k++) {
    const from = int(positions)
    const to = Math.min(positions - 1, from + int(positions * 0.6))
    const room = capacity - Math.max(...used.slice(from, to + 1))
    if (room < 1) continue
    const bytes = 1 + int(Math.min(room, 4))
    for (let t = from; t <= to; t++) used[t] += bytes
    intervals.push(interval(from, to, bytes))
  }
  return intervals
}

/** Whether a packing exists, by trying every offset of one interval after the other. */
export function fitsAtAll(intervals: readonly Interval[], capacity: number): boolean {
  const order = [...intervals].sort((a, b) => a.from - b.from || b.bytes - a.bytes)
  const offsets: number[] = []
  const place = (k: number): boolean => {
    if (k === order.length) return true
    for (let low = 0; low + order[k].bytes <= capacity; low++) {
      const taken = offsets.some((at, j) => {
        const together = order[j].from <= order[k].to && order[k].from <= order[j].to
        return together && low < at + order[j].bytes && at < low + order[k].bytes
      })
      if (taken) continue
      offsets.push(low)
      if (place(k + 1)) return true
      offsets.pop()
    }
    return false
  }
  return place(0)
}
