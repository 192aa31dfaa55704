import { bytesOf } from '../../ir/types.ts'
import type { Node } from '../../ir/graph.ts'
import type { Slot } from '../fuse/group.ts'
import type { FusedGraph, FusedKernel } from '../fuse/index.ts'
import { readsBy, type Reads } from '../fuse/reads.ts'
import { stateName } from '../fuse/kinds.ts'
import { joinedFor } from '../rows/join.ts'
import { roundUp } from '../schedule/liveness.ts'
import type { Problem, Task } from './problem.ts'

/** An estimate of a kernel's time, in any unit. */
export type CostOf = (kernel: FusedKernel) => number

/** States the question for a scheduled function: which kernels may run again, and what their values take. */
export function pose(fused: FusedGraph, order: readonly FusedKernel[], costOf: CostOf): Problem {
  const inputs = new Set(fused.inputs.map((i) => i.slot))
  const values = fused.slots.filter((s) => s.place === 'arena' || inputs.has(s))
  const scratch = new Set(order.flatMap((k) => (k.scratch ? [k.scratch] : [])))
  const number = new Map(values.filter((s) => !scratch.has(s)).map((s, i) => [s, i]))
  const list = [...number.keys()]
  // A state may be read again only until the kernel that overwrites it.
  const overwritten = new Map<string, number>()
  order.forEach((k, t) => {
    for (const { slot } of k.stores) if (slot.place === 'state') overwritten.set(slot.name, t)
  })
  const numbers = (slots: readonly Slot[]): number[] => [...new Set(slots)].flatMap((s) => number.get(s) ?? [])
  const tasks = order.map((k, t): Task => {
    const limits = k.loads.flatMap(({ node, slot }) => {
      const at = slot.place === 'state' && stateName(node) === slot.name ? overwritten.get(slot.name) : undefined
      return at === undefined || at === t ? [] : [at]
    })
    return {
      cost: costOf(k),
      reads: numbers(k.loads.map((l) => l.slot)),
      writes: numbers(k.stores.map((s) => s.slot)),
      ...(k.scratch ? { scratch: roundUp(bytesOf(k.scratch.node)) } : {}),
      repeatable: k.stores.every((s) => s.slot.place === 'arena' && !s.slot.kept),
      ...(limits.length ? { until: Math.min(...limits) } : {}),
    }
  })
  const pinned = list.flatMap((s, i) => (s.kept ? [i] : []))
  const initial = list.flatMap((s, i) => (inputs.has(s) ? [i] : []))
  return { tasks, bytes: list.map((s) => roundUp(bytesOf(s.node))), pinned, initial }
}

/**
 * The kernels in the order of the plan. A run that repeats a kernel is the same kernel with slots of its own for what is
 * wanted of it, so its bits are the same; what follows reads those.
 */
export function applied(
  fused: FusedGraph, order: readonly FusedKernel[], plan: readonly number[],
): { readonly fused: FusedGraph; readonly order: readonly FusedKernel[]; readonly repeats: ReadonlyMap<FusedKernel, FusedKernel> } {
  const slots = [...fused.slots]
  const current = new Map<Slot, Slot>()
  const seen = new Set<number>()
  const repeats = new Map<FusedKernel, FusedKernel>()
  const anew = (slot: Slot): Slot => {
    const own: Slot = { ...slot, id: slots.length }
    slots.push(own)
    return own
  }
  const made = plan.flatMap((task, t): FusedKernel[] => {
    const kernel = order[task]
    const again = seen.has(task)
    seen.add(task)
    const loads = kernel.loads.map((l) => ({ ...l, slot: current.get(l.slot) ?? l.slot }))
    const moved = loads.some((l, i) => l.slot !== kernel.loads[i].slot)
    if (!again) {
      const same = moved ? { ...kernel, loads } : kernel
      if (moved) repeats.set(same, kernel)
      return [same]
    }
    const stores = kernel.stores.filter((s) => isWanted(s.slot, plan, t, order))
    if (!stores.length) return []
    const renewed = stores.map((s) => {
      const slot = anew(s.slot)
      current.set(s.slot, slot)
      return { ...s, slot }
    })
    const fewer = kernel.rows ? joinedFor(kernel, new Set(stores.map((s) => s.node))) : null
    if (fewer) {
      const now = new Map(loads.map((l) => [l.node, l.slot]))
      const own = renewed.filter((s) => fewer.stores.some((f) => f.node === s.node))
      const copy: FusedKernel = {
        ...fewer, loads: fewer.loads.map((l) => ({ ...l, slot: now.get(l.node)! })), stores: own, scratch: fewer.scratch && anew(fewer.scratch),
      }
      repeats.set(copy, kernel)
      return [copy]
    }
    const needed = stores.length < kernel.stores.length ? readBy(kernel, stores.map((s) => s.node)) : null
    const reads = needed ? loads.filter((l) => needed.aligned.has(l.node)) : loads
    const copy: FusedKernel = {
      ...kernel, loads: reads, stores: renewed,
      computed: needed?.computed ?? kernel.computed, scratch: kernel.scratch && anew(kernel.scratch),
    }
    repeats.set(copy, kernel)
    return [copy]
  })
  return { fused: { ...fused, kernels: made, slots }, order: made, repeats }
}

/** What a kernel reads for some of its values alone. */
function readBy(kernel: FusedKernel, nodes: readonly Node[]): Reads {
  const loaded = new Set(kernel.loads.map((l) => l.node))
  return readsBy(kernel.core, nodes, (n) => loaded.has(n))
}

/** Does a later run read the slot before it is made once more? */
function isWanted(slot: Slot, plan: readonly number[], t: number, order: readonly FusedKernel[]): boolean {
  for (let i = t + 1; i < plan.length; i++) {
    const kernel = order[plan[i]]
    if (kernel.loads.some((l) => l.slot === slot)) return true
    if (kernel.stores.some((s) => s.slot === slot)) return false
  }
  return false
}
