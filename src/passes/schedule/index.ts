import { InternalError } from '../../ir/errors.ts'
import type { Slot } from '../fuse/group.ts'
import type { FusedGraph, FusedKernel } from '../fuse/index.ts'
import { dependencesOf, type Dependences } from './dependences.ts'
import { lifetimesOf, liveBytes, roundUp } from './liveness.ts'
import { bytesOf } from '../../ir/types.ts'

// Kernels that may run next are compared up to this number, in program order: the pass stays almost linear.
const MAX_READY = 64

/**
 * Kernels in an order that keeps the live bytes low: the least peak of the program's own order, a greedy order from
 * the front and one from the back. Deterministic, and never worse than the program's own order.
 */
export function schedule(fused: FusedGraph): readonly FusedKernel[] {
  const dependences = dependencesOf(fused.kernels)
  const sizes = slotSizes(fused)
  const orders = [fused.kernels, forwards(fused, dependences, sizes), backwards(fused, dependences, sizes)]
  let best = orders[0]
  let [least, leastSum] = [Infinity, Infinity]
  for (const order of orders) {
    const { peak, at } = liveBytes(lifetimesOf(fused, order), order.length)
    const sum = at.reduce((s, b) => s + b, 0)
    if (peak < least || (peak === least && sum < leastSum)) [best, least, leastSum] = [order, peak, sum]
  }
  return best
}

/** Arena bytes of each slot; what is in use all the time anyway counts nothing. */
function slotSizes(fused: FusedGraph): (slot: Slot) => number {
  const inputs = new Set(fused.inputs.map((i) => i.slot))
  return (slot) => (slot.place === 'arena' || inputs.has(slot) ? roundUp(bytesOf(slot.node)) : 0)
}

/** List scheduling: of the kernels whose operands are there, the one after which most bytes are free. */
function forwards(fused: FusedGraph, dependences: Dependences, size: (s: Slot) => number): FusedKernel[] {
  const { kernels } = fused
  const readers = new Map<Slot, number>()
  for (const k of kernels) for (const slot of slotsRead(k)) readers.set(slot, (readers.get(slot) ?? 0) + 1)
  const gain = (i: number): number => {
    let bytes = 0
    for (const slot of slotsRead(kernels[i])) if (readers.get(slot) === 1 && !slot.kept) bytes += size(slot)
    for (const { slot } of kernels[i].stores) if (readers.has(slot) || slot.kept) bytes -= size(slot)
    return bytes
  }
  const take = (i: number): void => {
    for (const slot of slotsRead(kernels[i])) readers.set(slot, readers.get(slot)! - 1)
  }
  return greedy(kernels, dependences.before, dependences.after, gain, take, 1)
}

/** The same from the end: of the kernels whose readers are all placed, the one before which fewest bytes are needed. */
function backwards(fused: FusedGraph, dependences: Dependences, size: (s: Slot) => number): FusedKernel[] {
  const { kernels } = fused
  const live = new Set<Slot>(fused.slots.filter((s) => s.kept))
  const gain = (i: number): number => {
    let bytes = 0
    for (const { slot } of kernels[i].stores) if (live.has(slot)) bytes += size(slot)
    for (const slot of slotsRead(kernels[i])) if (!live.has(slot)) bytes -= size(slot)
    return bytes
  }
  const take = (i: number): void => {
    for (const { slot } of kernels[i].stores) live.delete(slot)
    for (const slot of slotsRead(kernels[i])) live.add(slot)
  }
  return greedy(kernels, dependences.after, dependences.before, gain, take, -1).reverse()
}

const slotsRead = (k: FusedKernel): Slot[] => [...new Set(k.loads.map((l) => l.slot))]

/** Takes ready kernels by greatest gain; ties go by program order (`direction` 1) or its reverse (-1). */
function greedy(
  kernels: readonly FusedKernel[], waits: Dependences['before'], wakes: Dependences['after'],
  gain: (i: number) => number, take: (i: number) => void, direction: 1 | -1,
): FusedKernel[] {
  const missing = waits.map((w) => w.size)
  const ready: number[] = []
  const wake = (i: number): void => {
    let at = ready.length
    while (at > 0 && (ready[at - 1] - i) * direction > 0) at--
    ready.splice(at, 0, i)
  }
  for (let i = 0; i < kernels.length; i++) if (!missing[i]) wake(i)
  const order: FusedKernel[] = []
  while (ready.length) {
    let best = 0
    let most = -Infinity
    for (let r = 0; r < Math.min(ready.length, MAX_READY); r++) {
      const g = gain(ready[r])
      if (g > most) [best, most] = [r, g]
    }
    const [i] = ready.splice(best, 1)
    take(i)
    order.push(kernels[i])
    for (const j of wakes[i]) if (--missing[j] === 0) wake(j)
  }
  if (order.length !== kernels.length) throw new InternalError('schedule', 'kernels wait for each other')
  return order
}
