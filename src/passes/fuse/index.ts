import { topological, type Graph, type Node } from '../../ir/graph.ts'
import type { Shape } from '../../ir/types.ts'
import { throughReshapes } from '../../ir/resolve.ts'
import type { Group, Slot } from './group.ts'
import type { FusedRows } from '../rows/join.ts'
import { LIMITS } from './materialise.ts'
import { mergeGroups } from './merge.ts'
import { narrowCuts } from './narrow.ts'
import { Ordering } from './ordering.ts'
import { partition, type Partition } from './partition.ts'
import { readsBy, readsOfGroup, type Reads } from './reads.ts'
import { Slots, targetsOf, type Placed } from './targets.ts'

/** One kernel before it has a position: what it reads and writes, and which of its reads allow in-place stores. */
export interface FusedKernel {
  readonly core: Node | null
  /** The points that stores run over. */
  readonly extents: Shape
  readonly loads: readonly { readonly node: Node; readonly slot: Slot; readonly aligned: boolean }[]
  readonly stores: readonly { readonly node: Node; readonly slot: Slot }[]
  /** What it computes, views and stored values included. */
  readonly computed: ReadonlySet<Node>
  /** Room in the arena while the kernel runs: the memory of a loop's body, or of one row. */
  readonly scratch?: Slot
  /** Several kernels that run together row by row: all but loads and stores is theirs. */
  readonly rows?: FusedRows
}

/** A function as kernels over slots. Kernels stand in one possible order. */
export interface FusedGraph {
  readonly graph: Graph
  readonly kernels: readonly FusedKernel[]
  readonly slots: readonly Slot[]
  readonly inputs: readonly Placed[]
  readonly results: readonly Placed[]
}

export interface FuseOptions {
  /** False: a kernel for every op that computes, for debugging and as the other side of tests. Default true. */
  readonly fuse?: boolean
}

/**
 * Decides which values are stored and groups everything into kernels, by lowering kinds alone: stored values as a fixed
 * point with what expressions demand, then merges of kernels over one iteration space, then thinner cuts between them.
 * Throws GradcError target/unsupported for ops without loops.
 */
export function fuse(graph: Graph, { fuse: merging = true }: FuseOptions = {}): FusedGraph {
  const slots = new Slots(graph)
  const targets = targetsOf(graph, slots)
  const order = topological([...graph.results, ...graph.updates].map((r) => throughReshapes(r.node)))
  const parts = partition(graph, order, slots, targets, merging ? LIMITS : null)
  const ordering = new Ordering(parts.groups)
  if (merging) {
    mergeGroups(parts, ordering, LIMITS)
    narrowCuts(order, parts, ordering, LIMITS)
  }
  return { graph, kernels: finish(ordering.groups, parts), slots: slots.all, inputs: targets.inputs, results: targets.results }
}

/** Drops what nobody reads, and fixes loads and stores. */
function finish(groups: readonly Group[], parts: Partition): FusedKernel[] {
  const read = new Set<Node>()
  const kernels: FusedKernel[] = []
  for (const g of [...groups].reverse()) {
    const nodes = g.nodes.filter((n) => read.has(n) || parts.isTarget(n))
    const stores = nodes.flatMap((node) => parts.slotsOf(node).map((slot) => ({ node, slot })))
    for (const { node, to } of g.copies) stores.push({ node, slot: to })
    if (!stores.length) continue
    const { aligned, computed } = finalReads(g, nodes, parts)
    const from = new Map(g.copies.map((c) => [c.node, c.from]))
    const loads = [...aligned].map(([node, at]) => ({ node, slot: from.get(node) ?? parts.home(node), aligned: at }))
    for (const { node } of loads) read.add(node)
    kernels.push({ core: g.core, extents: g.extents, loads, stores, computed })
  }
  return kernels.reverse()
}

/** What the kernel reads when, as in code generation, exactly what it loads counts as stored. */
function finalReads(g: Group, nodes: readonly Node[], parts: Partition): Reads {
  const wanted = readsOfGroup(g, parts.stored, nodes)
  if (!nodes.length) return wanted
  const { aligned, computed } = readsBy(g.core, nodes, (n) => wanted.aligned.has(n) && !g.nodes.includes(n))
  for (const { node } of g.copies) aligned.set(node, aligned.get(node) ?? true)
  return { aligned, computed }
}
