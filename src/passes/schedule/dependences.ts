import type { FusedKernel } from '../fuse/index.ts'
import { stateName } from '../fuse/kinds.ts'
import type { Slot } from '../fuse/group.ts'

/** For each kernel (by position in the list) the kernels that must run before it, and those that must run after it. */
export interface Dependences {
  readonly before: readonly ReadonlySet<number>[]
  readonly after: readonly ReadonlySet<number>[]
}

/**
 * A value is read after the kernel that writes it; the old value of a state is read before the kernel that overwrites it.
 */
export function dependencesOf(kernels: readonly FusedKernel[]): Dependences {
  const writer = new Map<Slot, number>()
  kernels.forEach((k, i) => k.stores.forEach((s) => writer.set(s.slot, i)))
  const before = kernels.map(() => new Set<number>())
  const after = kernels.map(() => new Set<number>())
  kernels.forEach((k, i) => {
    for (const { node, slot } of k.loads) {
      const w = writer.get(slot)
      if (w === undefined || w === i) continue
      const old = slot.place === 'state' && stateName(node) === slot.name
      const [first, second] = old ? [i, w] : [w, i]
      before[second].add(first)
      after[first].add(second)
    }
  })
  return { before, after }
}
