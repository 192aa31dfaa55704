import { ChainTable, type Chain, type Span } from './chain.ts'
import type { Facts } from './facts.ts'
import type { Repeat } from './peak.ts'
import { segmentsOf } from './segments.ts'

/** Most blocks that the dynamic programme takes, and units that the bytes are rounded up to. */
const BLOCKS = 96
const UNITS = 192

/**
 * The tasks up to `turn` as a chain of blocks, one task each where there are few enough, and the repeats of the cheapest
 * plans of that chain, one list for every number of units that changes the plan. On plain chains these are the best plans, up to
 * the rounding of bytes; elsewhere they are good places to start from. Budgets up to `range` bytes are planned for.
 */
export function blockRepeats(facts: Facts, turn: number, range: number): Repeat[][] {
  const { count, maker, latest, reads } = facts
  const block = segmentsOf(facts, turn, Math.min(BLOCKS, turn + 1))
  const blocks = block[turn] + 1
  if (blocks < 2) return []
  const shape = shapeOf(facts, block, turn, blocks)
  const unit = Math.max(1, range / UNITS)
  const units = (list: Float64Array): number[] => Array.from(list, (b) => Math.ceil(b / unit))
  const chain: Chain = {
    cost: [...shape.cost], boundary: units(shape.boundary), inner: units(shape.inner), work: units(shape.work),
  }
  const table = new ChainTable(chain, UNITS)
  const found: Repeat[][] = []
  for (let m = 0, last = Infinity; m <= UNITS; m++) {
    if (!(table.cost(m) < last)) continue
    last = table.cost(m)
    found.push(repeatsOf(table.spans(m)))
  }
  return found

  function repeatsOf(spans: readonly Span[]): Repeat[] {
    const list: Repeat[] = []
    const needed = new Int32Array(maker.length).fill(count)
    // Backwards in time: what a later way forward or back reads must have been made by then.
    for (const { from, to } of spans.slice(1)) {
      const position = shape.start[to]
      if (position >= count) continue
      needed.fill(0)
      for (let t = turn; t >= 0; t--) {
        if (block[t] < from || block[t] > to || latest[t] < position) continue
        if (!facts.writes[t].some((w) => needed[w] || shape.wanted[w] >= position)) continue
        list.push({ task: t, position })
        for (const w of reads[t]) needed[w] = 1
      }
    }
    return list
  }
}

interface Shape {
  readonly cost: Float64Array
  readonly boundary: Float64Array
  readonly inner: Float64Array
  readonly work: Float64Array
  /** Position at which the way back through each block begins. */
  readonly start: Int32Array
  /** Last position behind the turn that reads each value; -1 for none. */
  readonly wanted: Int32Array
}

function shapeOf(facts: Facts, block: Int32Array, turn: number, blocks: number): Shape {
  const { count, cost, bytes, maker, reads, out, pinned } = facts
  const size = maker.length
  const reaches = new Int32Array(size).fill(-1)
  const first = new Int32Array(size).fill(count)
  const wanted = new Int32Array(size).fill(-1)
  const last = new Int32Array(size).fill(-1)
  for (let t = 0; t < count; t++) {
    for (const w of reads[t]) {
      last[w] = t
      if (t <= turn) reaches[w] = block[t]
      else {
        first[w] = Math.min(first[w], t)
        wanted[w] = t
      }
    }
  }
  const shape: Shape = {
    cost: new Float64Array(blocks), boundary: new Float64Array(blocks), inner: new Float64Array(blocks),
    work: new Float64Array(blocks), start: new Int32Array(blocks).fill(count), wanted,
  }
  const crossing = new Float64Array(blocks + 1)
  for (let t = 0; t <= turn; t++) shape.cost[block[t]] += cost[t]
  // Bytes behind the turn that are no result of the way forward.
  const fresh = new Float64Array(count + 2)
  for (let w = 0; w < size; w++) {
    if (maker[w] < 0) continue
    if (maker[w] > turn) {
      fresh[maker[w] + 1] += bytes[w]
      fresh[(pinned[w] ? count : Math.max(last[w], maker[w])) + 1] -= bytes[w]
      continue
    }
    const own = block[maker[w]]
    if (wanted[w] >= 0 || reaches[w] > own) shape.inner[own] += bytes[w]
    if (reaches[w] > own) {
      crossing[own] += bytes[w]
      crossing[reaches[w]] -= bytes[w]
    } else if (wanted[w] >= 0) shape.start[own] = Math.min(shape.start[own], first[w])
  }
  let passes = 0
  for (let b = 0; b < blocks; b++) {
    passes += crossing[b]
    shape.boundary[b] = passes
    // What a block is made of may all pass on; then its way back begins where that is read.
    if (shape.start[b] < count) continue
    for (let w = 0; w < size; w++) {
      if (maker[w] >= 0 && block[maker[w]] === b) shape.start[b] = Math.min(shape.start[b], first[w])
    }
  }
  for (let b = blocks - 2; b >= 0; b--) shape.start[b] = Math.max(shape.start[b], Math.min(shape.start[b + 1], count - 1))
  let live = 0
  let b = blocks - 1
  for (let t = 0; t < count; t++) {
    live += fresh[t]
    if (t <= turn) continue
    while (b > 0 && t >= shape.start[b - 1]) b--
    // A value that is made and still live here was counted with `out` and not yet with `live`.
    shape.work[b] = Math.max(shape.work[b], live + out[t])
  }
  return shape
}
