import type { Node } from '../../ir/graph.ts'
import { contractSpace } from '../../ir/resolve.ts'
import { bytesOf, sizeOf } from '../../ir/types.ts'
import type { Plan } from '../../ir/plan.ts'
import type { FusedKernel } from '../fuse/index.ts'
import { costOf, isLoop, loweringOf } from '../fuse/kinds.ts'

/** Multiplications and additions of a contraction run about so many at a time, elementwise operations and bytes so many. */
const PRODUCTS = 12
const OPERATIONS = 2
const BYTES = 8

/** An estimate of a kernel's time in cycles, to weigh what is done again; for comparison only. `body`: a loop's step. */
export function kernelCost({ core, extents, computed, loads, stores, rows }: Omit<FusedKernel, 'scratch'>, body: Plan | null): number {
  const moved = [...loads, ...stores].reduce((n, { node }) => n + bytesOf(node), 0)
  if (rows) {
    const parts = rows.members.reduce((n, { kernel: k }) => n + cyclesOf(k.core, [], [...k.computed], sizeOf(k.extents)), 0)
    return 64 + moved / BYTES + parts
  }
  if (core && isLoop(core)) {
    const length = core.attrs.length as number
    const step = body?.kernels.reduce((n, k) => n + cyclesOf(k.core, k.stores.map((s) => s.node), []) + 32, 0) ?? 0
    return 64 + moved / BYTES + length * step
  }
  return 64 + moved / BYTES + cyclesOf(core, [], [...computed], sizeOf(extents))
}

function cyclesOf(core: Node | null, stored: readonly Node[], computed: readonly Node[], points = 0): number {
  const elementwise = computed.reduce((n, node) => n + points * costOf(node), 0) + stored.reduce((n, node) => n + 4 * sizeOf(node.shape), 0)
  if (!core) return elementwise / OPERATIONS
  const { kind } = loweringOf(core)
  if (kind === 'contract') return (2 * sizeOf(contractSpace(core).extents)) / PRODUCTS + elementwise / OPERATIONS
  const read = core.operands.reduce((n, o) => n + sizeOf(o.shape), 0)
  return (read + elementwise) / OPERATIONS
}
