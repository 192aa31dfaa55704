import type { Node } from '../../ir/graph.ts'
import { bytesOf } from '../../ir/types.ts'
import type { FusedGraph, FusedKernel } from '../fuse/index.ts'
import { costOf } from '../fuse/kinds.ts'
import { readsBy } from '../fuse/reads.ts'
import type { Cluster } from './choice.ts'
import type { Clusters } from './clusters.ts'
import type { Member } from './join.ts'

/** The work of an element, in additions, that is done again rather than to pass the value through memory. */
const CHEAP = 6
/** A value that is so many times smaller than what is made of it is kept: the statistics of a row. */
const STATISTIC = 8

/** What a cluster makes again for itself instead of reading what an earlier one has made of the same rows. */
export interface Rebuilt {
  readonly members: readonly Member[]
  readonly nodes: ReadonlySet<Node>
}

/**
 * Values between clusters that all readers make again, so that they never are in memory whole: those that cost next to nothing, and
 * those above `bytes` whatever they cost. The same kernels run, so the bits are the same: the probabilities of attention in its
 * adjoint.
 */
export function rebuiltBy(fused: FusedGraph, clusters: Clusters, found: readonly Cluster[], bytes: number): Map<Cluster, Rebuilt> {
  const of = new Map(found.flatMap((c) => c.members.map((m) => [m, c] as const)))
  const result = new Map<Cluster, Rebuilt>()
  for (const { node, readers } of passed(fused, of)) {
    const [from] = found.filter((c) => c.members.some((m) => fused.kernels[m].stores.some((s) => s.node === node)))
    const targets = [...new Set(readers.map((r) => of.get(r)))]
    if (!from) continue
    const made = targets.map((to) => to && rebuilt(node, from, to, { fused, clusters, bytes, known: result.get(to) }))
    if (made.some((m) => !m)) continue
    targets.forEach((to, i) => result.set(to!, made[i]!))
  }
  return result
}

/** Values that clusters make for others, with the positions of who reads them; the latest first: they are made of the earlier ones. */
function passed({ kernels }: FusedGraph, of: ReadonlyMap<number, Cluster>): { node: Node; readers: number[] }[] {
  const readers = new Map<Node, number[]>()
  const found: { node: Node; readers: number[] }[] = []
  for (let i = kernels.length - 1; i >= 0; i--) {
    const cluster = of.get(i)
    for (const { node, slot } of [...kernels[i].stores].reverse()) {
      const others = (readers.get(node) ?? []).filter((r) => of.get(r) !== cluster)
      if (cluster && others.length && !slot.kept) found.push({ node, readers: others })
    }
    for (const { node } of kernels[i].loads) readers.set(node, [...(readers.get(node) ?? []), i])
  }
  return found
}

interface Room {
  readonly fused: FusedGraph
  readonly clusters: Clusters
  readonly bytes: number
  readonly known: Rebuilt | undefined
}

/** `to` with the kernels of `from` that it takes to make the value in it; null if that is not possible or too dear. */
function rebuilt(node: Node, from: Cluster, to: Cluster, { fused: { kernels }, clusters, bytes, known }: Room): Rebuilt | null {
  const nodes = new Set(known?.nodes)
  const loaded = new Set(to.members.flatMap((m) => kernels[m].loads.map((l) => l.node)))
  const whole = bytesOf(node)
  const dear = whole > bytes
  // Which axes of the value the row axes of `to` are: as one reader sees it; all others must agree.
  const seen = to.members.filter((m) => kernels[m].loads.some((l) => l.node === node)).map((m) => rowAxesOf(clusters, m, node, to.axes.get(m)!))
  if (!seen.length || seen.some((axes) => !axes || axes.includes(-1) || String(axes) !== String(seen[0]))) return null
  const made: Member[] = []
  const make = (n: Node, axes: readonly number[]): boolean => {
    if (nodes.has(n)) return true
    const at = from.members.find((m) => kernels[m].stores.some((s) => s.node === n))!
    const kernel = only(kernels[at], n)
    const cost = [...kernel.computed].reduce((sum, c) => sum + costOf(c), 0)
    if (!dear && (kernel.core || cost > CHEAP)) return false
    const { rowAxes, blockAxes } = clusters.rows.accesses(at)
    if (axes.some((a, k) => !rowAxes.has(a) && !(to.points[k] > 1 && blockAxes.has(a)))) return false
    nodes.add(n)
    for (const { node: u, slot } of kernel.loads) {
      const own = from.members.some((m) => kernels[m].stores.some((s) => s.node === u))
      const via = own ? rowAxesOf(clusters, at, u, axes) : null
      const small = bytesOf(u) * STATISTIC <= whole
      if (own && !small && (dear || !loaded.has(u))) {
        if (!via || via.includes(-1) || !make(u, via)) return false
      } else if (!loaded.has(u) && !small && slot.place !== 'input' && slot.place !== 'constant') return false
      else if (!loaded.has(u) && slot.place === 'state') return false
    }
    made.push({ kernel, axes })
    return true
  }
  return make(node, seen[0]!) ? { members: [...(known?.members ?? []), ...made], nodes } : null
}

/** The kernel for one of its values. */
function only(kernel: FusedKernel, node: Node): FusedKernel {
  const stores = kernel.stores.filter((s) => s.node === node)
  if (stores.length === kernel.stores.length) return kernel
  const loaded = new Set(kernel.loads.map((l) => l.node))
  const { aligned, computed } = readsBy(kernel.core, [node], (n) => loaded.has(n))
  return { ...kernel, stores, computed, loads: kernel.loads.filter((l) => aligned.has(l.node)) }
}

/** The axes of a loaded node that the row axes of its reader are; −1 for those that it does not have. */
const rowAxesOf = (clusters: Clusters, reader: number, node: Node, axes: readonly number[]): number[] | null => {
  const via = clusters.rows.via(reader, node)
  return via && axes.map((a) => (a < 0 ? -1 : via.indexOf(a)))
}
