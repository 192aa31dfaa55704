import type { Node } from '../../ir/graph.ts'
import { bytesOf } from '../../ir/types.ts'
import type { FusedGraph, FusedKernel } from '../fuse/index.ts'
import type { Slot } from '../fuse/group.ts'

/** Offsets are multiples of this, so live bytes are counted in these units too. */
export const ALIGNMENT = 16

export const roundUp = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT

/** Slots that share one piece of the arena, one after the other, and when it is in use. */
export interface Lifetime {
  readonly slots: Slot[]
  /** In bytes, as the values need it. */
  readonly bytes: number
  /** First and last kernel position. */
  readonly from: number
  to: number
}

/**
 * When each piece of the arena is in use under an order of kernels. A store takes over the bytes of an operand that is
 * read for the last time there, if it has the same element type and size and the kernel reads it only at the element
 * that it writes. Inputs live from the start (the caller has written them), what the caller reads until the end.
 */
export function lifetimesOf(fused: FusedGraph, order: readonly FusedKernel[]): Lifetime[] {
  const end = Math.max(0, order.length - 1)
  const last = new Map<Slot, number>()
  order.forEach((k, t) => k.loads.forEach((l) => last.set(l.slot, t)))
  for (const slot of fused.slots) if (slot.kept) last.set(slot, end)
  const lifetimes: Lifetime[] = []
  const place = new Map<Slot, Lifetime>()
  const begin = (slot: Slot, from: number): void => {
    const life = { slots: [slot], bytes: bytesOf(slot.node), from, to: last.get(slot) ?? from }
    lifetimes.push(life)
    place.set(slot, life)
  }
  for (const { slot } of fused.inputs) if (!place.has(slot)) begin(slot, 0)
  order.forEach((kernel, t) => {
    const free = dyingOperands(kernel, t, place)
    if (kernel.scratch) begin(kernel.scratch, t)
    for (const { node, slot } of kernel.stores) {
      if (slot.place !== 'arena' || place.has(slot)) continue
      const at = free.findIndex(({ life, mayTake }) =>
        life.bytes === bytesOf(slot.node) && life.slots[0].node.dtype === slot.node.dtype && mayTake(node))
      if (at < 0) {
        begin(slot, t)
        continue
      }
      const [{ life }] = free.splice(at, 1)
      life.slots.push(slot)
      life.to = last.get(slot) ?? t
      place.set(slot, life)
    }
  })
  return lifetimes
}

/** A piece that nobody reads any more, and whether a store may take it over. */
interface Dying {
  readonly life: Lifetime
  readonly mayTake: (store: Node) => boolean
}

function dyingOperands({ loads, rows }: FusedKernel, t: number, place: ReadonlyMap<Slot, Lifetime>): Dying[] {
  const read = new Map<Lifetime, FusedKernel['loads'][number][]>()
  for (const load of loads) {
    const life = place.get(load.slot)
    if (life && life.bytes > 0) read.set(life, [...(read.get(life) ?? []), load])
  }
  return [...read].flatMap(([life, of]) => {
    if (life.to !== t || of.some((l) => l.slot.kept || (!rows && !l.aligned))) return []
    return [{ life, mayTake: (store: Node) => !rows || of.every((l) => rows.replaces.get(l.node)!.has(store)) }]
  })
}

/** Bytes in use at each position, and the most. */
export function liveBytes(lifetimes: readonly Lifetime[], positions: number): { at: number[]; peak: number } {
  const change = new Array<number>(positions + 2).fill(0)
  for (const { bytes, from, to } of lifetimes) {
    change[from] += roundUp(bytes)
    change[to + 1] -= roundUp(bytes)
  }
  const at: number[] = []
  let live = 0
  for (let t = 0; t < Math.max(1, positions); t++) at.push((live += change[t]))
  return { at, peak: Math.max(0, ...at) }
}
