import { InternalError } from '../../ir/errors.ts'
import type { Buffer, Layout } from '../../ir/plan.ts'
import { bytesOf } from '../../ir/types.ts'
import type { Slot } from '../fuse/group.ts'
import type { FusedGraph, FusedKernel } from '../fuse/index.ts'
import { lifetimesOf, liveBytes, roundUp } from '../schedule/liveness.ts'
import { valuesOf } from './layout.ts'
import { pack } from './pack.ts'

/** Buffers with offsets, and which of them each slot lives in. */
export interface Allocation {
  readonly buffers: readonly Buffer[]
  readonly bufferOf: (slot: Slot) => number
  readonly arenaBytes: number
  readonly lowerBound: number
}

/**
 * Gives every slot its bytes: states and constants where the layout of the program has them, everything else in one
 * arena by lifetimes, 16-byte aligned. Slots that take over each other's bytes in place are one buffer.
 */
export function allocate(fused: FusedGraph, order: readonly FusedKernel[], layout: Layout): Allocation {
  const end = Math.max(0, order.length - 1)
  const buffers: Buffer[] = []
  const numbers = new Map<Slot, number>()
  const lifetimes = lifetimesOf(fused, order)
  const lowerBound = liveBytes(lifetimes, order.length).peak
  const intervals = lifetimes.map(({ from, to, bytes }) => ({ from, to, bytes: roundUp(bytes) }))
  const { offsets, total } = pack(intervals)
  lifetimes.forEach(({ slots, bytes, from, to }, i) => {
    const id = buffers.length
    const name = [...new Set(slots.map((s) => s.name).filter((n) => n !== ''))].join('/') || `%${slots[0].node.id}`
    const { dtype, shape } = slots[0].node
    buffers.push({ id, type: { dtype, shape }, region: 'arena', offset: offsets[i], bytes, name, from, to })
    for (const slot of slots) numbers.set(slot, id)
  })
  const used = new Set(order.flatMap((k) => [...k.loads, ...k.stores].map((b) => b.slot)))
  for (const slot of fused.slots) {
    if (!used.has(slot) || numbers.has(slot)) continue
    const id = buffers.length
    const { dtype, shape } = slot.node
    const name = slot.name || `%${slot.node.id}`
    const region = slot.place === 'state' || slot.place === 'outer' ? slot.place : 'constant'
    const bytes = bytesOf(slot.node)
    buffers.push({ id, type: { dtype, shape }, region, offset: offsetIn(layout, slot), bytes, name, from: 0, to: end })
    numbers.set(slot, id)
  }
  const bufferOf = (slot: Slot): number => {
    const id = numbers.get(slot)
    if (id === undefined) throw new InternalError('allocate', `no kernel writes %${slot.node.id} ${slot.name}`)
    return id
  }
  return { buffers, bufferOf, arenaBytes: total, lowerBound }
}

function offsetIn(layout: Layout, slot: Slot): number {
  // The loop's plan says which buffer around it is.
  if (slot.place === 'outer') return 0
  const found =
    slot.place === 'state'
      ? layout.states.get(slot.name)
      : layout.constants.find((c) => valuesOf(c.node) === valuesOf(slot.node))
  if (!found) throw new InternalError('allocate', `the layout has no ${slot.place} ${slot.name || `%${slot.node.id}`}`)
  return found.offset
}
