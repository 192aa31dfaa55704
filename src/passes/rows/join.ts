import type { Builder } from '../../ir/builder.ts'
import type { Node } from '../../ir/graph.ts'
import type { RowAxis, RowLocal, RowPart } from '../../ir/plan.ts'
import { carriedBy, depthOf, rowShape } from '../../ir/rows.ts'
import { bytesOf } from '../../ir/types.ts'
import { pack } from '../allocate/pack.ts'
import type { Slot } from '../fuse/group.ts'
import type { FusedKernel } from '../fuse/index.ts'
import { roundUp } from '../schedule/liveness.ts'
import { accessesOf, axesOfLoad } from './accesses.ts'

/** Kernels that run together row by row. */
export interface FusedRows {
  readonly axes: readonly RowAxis[]
  readonly members: readonly Member[]
  readonly locals: readonly RowLocal[]
  /** For each load the stores that may take over its bytes: no later row, and no later part, reads what they overwrite. */
  readonly replaces: ReadonlyMap<Node, ReadonlySet<Node>>
}

/** A kernel and, for each row axis, the axis that it cuts into steps: see {@link RowPart}. */
export interface Member {
  readonly kernel: FusedKernel
  readonly axes: readonly number[]
}

export const partOf = ({ kernel, axes }: Member): RowPart => ({
  core: kernel.core, loads: kernel.loads.map((l) => l.node), stores: kernel.stores.map((s) => s.node), axes,
})

/**
 * One kernel of several, which stand in order. Of what they make only the `wanted` values reach memory whole; parts that nobody
 * wants are left out; null if that is all of them. `scratch` gives room for so many bytes.
 */
export function joined(
  all: readonly Member[], axes: readonly RowAxis[], wanted: (node: Node) => boolean, scratch: (bytes: number) => Slot,
): FusedKernel | null {
  const members = needed(all.toSorted((a, b) => depthOf(b) - depthOf(a)), wanted)
  if (!members.length) return null
  if (members.length === 1 && members[0].kernel.stores.every((s) => wanted(s.node))) return members[0].kernel
  const maker = new Map(members.flatMap(({ kernel }, i) => kernel.stores.map((s) => [s.node, i] as const)))
  const made = members.flatMap(({ kernel, axes: own }) => kernel.stores.map((s) => ({ ...s, axes: own })))
  const inside = made.filter((s) => !wanted(s.node))
  const lastRead = (node: Node): number => members.findLastIndex(({ kernel }) => kernel.loads.some((l) => l.node === node))
  const bytesInRow = (s: { node: Node; axes: readonly number[] }): number =>
    roundUp(bytesOf({ dtype: s.node.dtype, shape: rowShape(s.node.shape, s.axes, axes) }))
  const { offsets, total } = pack(inside.map((s) => {
    const at = maker.get(s.node)!
    // A sum over steps is there in all of them.
    const from = carriedBy(partOf(members[at])).length ? 0 : at
    return { from, to: Math.max(at, lastRead(s.node)), bytes: bytesInRow(s) }
  }))
  const locals = inside.map(({ node, axes: own }, i): RowLocal => ({ node, offset: offsets[i], axes: own }))
  const loads = new Map(members.flatMap(({ kernel }) => kernel.loads.flatMap((l) => (maker.has(l.node) ? [] : [[l.node, { ...l, aligned: false }] as const]))))
  const stores = made.filter((s) => wanted(s.node)).map(({ node, slot }) => ({ node, slot }))
  const { extents } = members[members.length - 1].kernel
  return {
    core: null, extents, loads: [...loads.values()], stores,
    computed: new Set(members.flatMap(({ kernel }) => [...kernel.computed])),
    ...(total ? { scratch: scratch(total) } : {}),
    rows: { axes, members, locals, replaces: replaceable(members, [...loads.keys()], stores.map((s) => s.node)) },
  }
}

/** The same kernel for some of its values alone: a run that repeats it makes what is wanted of it and no more. */
export function joinedFor(kernel: FusedKernel, nodes: ReadonlySet<Node>): FusedKernel | null {
  const { axes, members } = kernel.rows!
  const { scratch } = kernel
  // What is not wanted whole takes a row of scratch more; else that keeps its size, which is counted already.
  const room = (bytes: number): Slot => (scratch && bytesOf(scratch.node) >= bytes ? scratch : scratchOf(kernel.stores[0].node.builder, bytes))
  return joined(members, axes, (n) => nodes.has(n), room)
}

/** Room for so many bytes of rows. */
export const scratchOf = (builder: Builder, bytes: number, id = -1): Slot =>
  ({ id, place: 'arena', node: builder.literal(0, { dtype: 'bool', shape: [bytes] }), name: 'rows', kept: false })

function needed(members: readonly Member[], wanted: (node: Node) => boolean): Member[] {
  const read = new Set<Node>()
  const kept: Member[] = []
  for (const m of [...members].reverse()) {
    if (!m.kernel.stores.some((s) => wanted(s.node) || read.has(s.node))) continue
    for (const l of m.kernel.loads) read.add(l.node)
    kept.push(m)
  }
  return kept.reverse()
}

function replaceable(members: readonly Member[], loads: readonly Node[], stores: readonly Node[]): FusedRows['replaces'] {
  const found = new Map<Node, Set<Node>>()
  const accesses = members.map(({ kernel }) => accessesOf(kernel)!)
  for (const load of loads) {
    const over = new Set<Node>()
    for (const store of stores) {
      if (bytesOf(load) !== bytesOf(store) || load.dtype !== store.dtype) continue
      const at = members.findIndex(({ kernel }) => kernel.stores.some((s) => s.node === store))
      const rows = members[at].axes
      const fits = members.every(({ kernel, axes }, i) => {
        const own = kernel.loads.find((l) => l.node === load)
        if (!own) return true
        if (i > at || (i === at && !own.aligned)) return false
        const via = axesOfLoad(accesses[i], load, store.shape)
        // What runs after all steps overwrites what they are done with.
        return via !== null && rows.every((axis, k) => axis < 0 || via[axis] === axes[k])
      })
      if (fits) over.add(store)
    }
    found.set(load, over)
  }
  return found
}
