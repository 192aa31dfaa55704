import type { Facts } from './facts.ts'
import type { Repeat } from './peak.ts'

/**
 * Repeats that cut the tasks up to `turn` into segments of about equal cost, keep only what passes from one segment to a
 * later one, and make the rest of a segment again, all at once, before the first task behind the turn that reads of it.
 * Boundaries are drawn where few bytes pass. The last segment stays. After T. Chen et al., "Training Deep Nets with
 * Sublinear Memory Cost" (2016), for graphs that are no chains.
 */
export function segmentRepeats(facts: Facts, turn: number, segments: number): Repeat[] {
  const { count, reads, writes, maker, latest } = facts
  const segment = segmentsOf(facts, turn, segments)
  const last = segment[turn]
  // Of each value: the last segment that reads it before the turn, and the first position that reads it behind.
  const reaches = new Int32Array(maker.length).fill(-1)
  const wanted = new Int32Array(maker.length).fill(count)
  for (let t = 0; t < count; t++) {
    for (const w of reads[t]) {
      if (t <= turn) reaches[w] = Math.max(reaches[w], segment[t])
      else wanted[w] = Math.min(wanted[w], t)
    }
  }
  const stays = (w: number): boolean => {
    const task = maker[w]
    return task < 0 || task > turn || segment[task] === last || reaches[w] > segment[task] || facts.pinned[w] === 1
  }
  const start = new Int32Array(last + 1).fill(count)
  for (let t = 0; t <= turn; t++) {
    for (const w of writes[t]) if (!stays(w)) start[segment[t]] = Math.min(start[segment[t]], wanted[w])
  }
  const again = new Uint8Array(count)
  const needs = new Uint8Array(maker.length)
  for (let t = turn; t >= 0; t--) {
    const position = start[segment[t]]
    if (position === count || latest[t] < position) continue
    if (!writes[t].some((w) => !stays(w) && (wanted[w] < count || needs[w]))) continue
    again[t] = 1
    for (const w of reads[t]) needs[w] = 1
  }
  const found: Repeat[] = []
  for (let t = 0; t <= turn; t++) if (again[t]) found.push({ task: t, position: start[segment[t]] })
  return found
}

/** The segment of each task up to the turn; -1 behind it. Boundaries are near equal shares of cost, where few bytes pass. */
export function segmentsOf({ count, reads, cost, bytes, maker }: Facts, turn: number, segments: number): Int32Array {
  const crossing = new Float64Array(count + 1)
  const lastRead = new Int32Array(maker.length).fill(-1)
  for (let t = 0; t <= turn; t++) for (const w of reads[t]) lastRead[w] = t
  for (let w = 0; w < maker.length; w++) {
    if (maker[w] < 0 || lastRead[w] < 0) continue
    crossing[maker[w]] += bytes[w]
    crossing[lastRead[w]] -= bytes[w]
  }
  const until = new Float64Array(turn + 1)
  for (let t = 0; t <= turn; t++) {
    until[t] = (t ? until[t - 1] : 0) + cost[t]
    if (t) crossing[t] += crossing[t - 1]
  }
  // Where nothing costs anything, every task counts the same.
  if (!(until[turn] > 0)) for (let t = 0; t <= turn; t++) until[t] = t + 1
  const step = until[turn] / segments
  const segment = new Int32Array(count).fill(-1)
  let from = 0
  for (let s = 0; s < segments && from <= turn; s++) {
    const aim = (s + 1) * step
    let end = turn
    let least = Infinity
    for (let t = from; t < turn && s < segments - 1 && until[t] <= aim + step / 2; t++) {
      if (until[t] < aim - step / 2) continue
      // A wider crossing must come a good deal nearer to the aim.
      const badness = (crossing[t] + 1) * (1 + Math.abs(until[t] - aim) / step)
      if (badness >= least) continue
      least = badness
      end = t
    }
    if (s < segments - 1 && least === Infinity) {
      end = from
      while (end < turn && until[end] < aim) end++
    }
    segment.fill(s, from, end + 1)
    from = end + 1
  }
  return segment
}
