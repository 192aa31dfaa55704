import type { Node } from '../../ir/graph.ts'
import { bytesOf } from '../../ir/types.ts'
import type { Slot } from '../fuse/group.ts'
import type { FusedGraph, FusedKernel } from '../fuse/index.ts'
import { dependencesOf } from '../schedule/dependences.ts'
import { schedule } from '../schedule/index.ts'
import { lifetimesOf, liveBytes, roundUp } from '../schedule/liveness.ts'
import type { Cluster, RowLimits } from './choice.ts'
import { Clusters } from './clusters.ts'
import { joined, scratchOf } from './join.ts'
import { rebuiltBy, type Rebuilt } from './rebuild.ts'

/** Sets of clusters that are tried, each with one less, until the peak is no higher for them. */
const ROUNDS = 8

/**
 * Makes kernels that pass values between them row by row one kernel over rows: what one row makes is still in cache when the
 * row's next part reads it, and what nobody else reads never takes more memory than one row of it. By affine accesses alone:
 * softmax, layer norm, cross-entropy and attention with their adjoints are all the same to it. The parts are the same kernels, so
 * every bit stays what it was. Kernels stay apart where together they would need more memory than one after the other.
 */
export function groupRows(fused: FusedGraph, limits: RowLimits): FusedGraph {
  const clusters = new Clusters(fused.kernels, limits)
  let { found } = clusters
  const most = found.length ? peakOf(fused).peak : 0
  for (let round = 0; found.length && round < ROUNDS; round++) {
    const { made, of } = grouped(fused, clusters, found, limits.rebuildBytes)
    const idle = found.filter((c) => clusters.rows.isBlocksOnly(c) && keepsLargest(of.get(c)))
    if (idle.length) {
      clusters.separate(idle)
      ;({ found } = clusters)
      continue
    }
    const { peak, order, at } = peakOf(made)
    if (peak <= most + Math.max(...order.map((k) => (k.rows && k.scratch ? roundUp(bytesOf(k.scratch.node)) : 0)))) return made
    const distance = (c: Cluster): number => (of.has(c) ? Math.abs(order.indexOf(of.get(c)!) - at) : Infinity)
    const worst = found.reduce((a, b) => (distance(b) < distance(a) ? b : a))
    found = found.filter((c) => c !== worst)
  }
  return fused
}

/** Is the largest value of a row kernel in memory whole? Then blocks save nothing. */
function keepsLargest(kernel: FusedKernel | undefined): boolean {
  const most = (nodes: readonly Node[]): number => Math.max(0, ...nodes.map(bytesOf))
  return kernel !== undefined && most(kernel.stores.map((s) => s.node)) >= most(kernel.rows?.locals.map((l) => l.node) ?? [])
}

/** Most live bytes in the order that the function gets, and where. */
function peakOf(fused: FusedGraph): { peak: number; order: readonly FusedKernel[]; at: number } {
  const order = schedule(fused)
  const live = liveBytes(lifetimesOf(fused, order), order.length)
  return { peak: live.peak, order, at: live.at.indexOf(live.peak) }
}

/** The function with these clusters as one kernel each. */
function grouped(fused: FusedGraph, clusters: Clusters, found: readonly Cluster[], bytes: number): { made: FusedGraph; of: Map<Cluster, FusedKernel> } {
  const slots = [...fused.slots]
  const inside = new Map<number, Cluster>(found.flatMap((c) => c.members.map((m) => [m, c] as const)))
  const of = new Map<Cluster, FusedKernel>()
  const rebuilt = rebuiltBy(fused, clusters, found, bytes)
  const outside = readOutside(fused, inside, rebuilt)
  const scratch = (bytes: number): Slot => {
    const slot = scratchOf(fused.graph.builder, bytes, slots.length)
    slots.push(slot)
    return slot
  }
  const kernels = fused.kernels.flatMap((k, i): FusedKernel[] => {
    const cluster = inside.get(i)
    if (!cluster) return [k]
    if (cluster.members[cluster.members.length - 1] !== i) return []
    const again = rebuilt.get(cluster)
    const own = cluster.members.map((m) => ({ kernel: fused.kernels[m], axes: cluster.axes.get(m)! }))
    const axes = own[0].axes.map((a, k) => ({ steps: clusters.rows.accesses(cluster.members[0]).extents[a] / cluster.points[k], points: cluster.points[k] }))
    const made = joined([...(again?.members ?? []), ...own], axes, (n) => outside.has(n) && !again?.nodes.has(n), scratch)
    if (!made) return []
    of.set(cluster, made)
    return [made]
  })
  return { made: { ...fused, kernels: inOrder(kernels), slots }, of }
}

/** What a kernel of another cluster, or the caller, reads of what the clusters make. */
function readOutside({ kernels }: FusedGraph, of: ReadonlyMap<number, Cluster>, rebuilt: ReadonlyMap<Cluster, Rebuilt>): Set<Node> {
  const maker = new Map(kernels.flatMap((k, i) => k.stores.map((s) => [s.slot, i] as const)))
  const outside = new Set<Node>()
  kernels.forEach((k, i) => {
    for (const { node, slot } of k.stores) if (slot.kept) outside.add(node)
    const cluster = of.get(i)
    const again = cluster && rebuilt.get(cluster)
    for (const { node, slot } of k.loads) {
      const m = maker.get(slot)
      if (m !== undefined && of.get(m) !== cluster && !again?.nodes.has(node)) outside.add(node)
    }
  })
  for (const { members, nodes } of rebuilt.values()) {
    for (const { kernel } of members) for (const { node } of kernel.loads) if (!nodes.has(node)) outside.add(node)
  }
  return outside
}

/** Kernels in an order in which they can run, as near to the given one as that allows. */
function inOrder(kernels: readonly FusedKernel[]): FusedKernel[] {
  const { before } = dependencesOf(kernels)
  const order: FusedKernel[] = []
  const placed = new Set<number>()
  kernels.forEach((_, first) => {
    const stack = [first]
    while (stack.length) {
      const i = stack[stack.length - 1]
      const missing = placed.has(i) ? undefined : [...before[i]].find((j) => !placed.has(j))
      if (missing !== undefined) {
        stack.push(missing)
        continue
      }
      stack.pop()
      if (placed.has(i)) continue
      placed.add(i)
      order.push(kernels[i])
    }
  })
  return order
}
