import type { Node } from '../../ir/graph.ts'
import { bytesOf } from '../../ir/types.ts'
import type { FusedKernel } from '../fuse/index.ts'
import { loweringOf } from '../fuse/kinds.ts'
import { axesOfLoad, type Accesses } from './accesses.ts'

/** What is worth running row by row. */
export interface RowLimits {
  /** Least points of a row; shorter ones are mostly loop overhead. */
  readonly shortest: number
  /** Most bytes that a row touches: they must stay in a cache near the core. Contractions use each of them often enough anyway. */
  readonly rowBytes: number
  /** Where those touch more, blocks of a further axis are rows if they can be. */
  readonly blockBytes: number
  /** Least points of such a block: the other operand is read and packed again for each. */
  readonly leastBlock: number
  /** Kernels whose tensors take no more together find them in the first cache as it is. */
  readonly smallBytes: number
  /** Values above this that pass between row kernels are made again rather than kept, whatever that costs. */
  readonly rebuildBytes: number
}

/** Blocks are rows by themselves where a value is so many times larger than all that it is made of: the scores of attention. */
const OUTGROWS = 4

export const ROW_LIMITS: RowLimits = {
  shortest: 16, rowBytes: 128 * 1024, blockBytes: 2 * 1024 * 1024, leastBlock: 64, smallBytes: 16 * 1024, rebuildBytes: 8 * 1024 * 1024,
}

/** Kernels that can run together row by row, and for each of them which of its axes the row axes are. */
export interface Cluster {
  /** Positions of the kernels, in order. */
  readonly members: readonly number[]
  /** For each member its axis for every row axis; −1: it runs after all steps of that. */
  readonly axes: ReadonlyMap<number, readonly number[]>
  /** Once the row axes are chosen: how many points of each a row takes. */
  readonly points: readonly number[]
}

/** Which of the axes that its kernels have in common a cluster runs over. */
export class RowChoice {
  readonly #kernels: readonly FusedKernel[]
  readonly #accesses: readonly (Accesses | null)[]
  readonly #limits: RowLimits
  readonly #via = new Map<number, Map<Node, number[] | null>>()

  constructor(kernels: readonly FusedKernel[], accesses: readonly (Accesses | null)[], limits: RowLimits) {
    this.#kernels = kernels
    this.#accesses = accesses
    this.#limits = limits
  }

  accesses(i: number): Accesses {
    return this.#accesses[i]!
  }

  /** For each axis of a loaded node the axis of the member that it is, or −1. */
  via(i: number, node: Node): readonly number[] | null {
    let known = this.#via.get(i)
    if (!known) this.#via.set(i, (known = new Map()))
    if (!known.has(node)) known.set(node, axesOfLoad(this.#accesses[i]!, node))
    return known.get(node)!
  }

  /** The cluster with its row axes, if it is worth it. */
  chosen(cluster: Cluster): Cluster | null {
    const plain = this.narrowed(cluster)
    const made = plain && this.#blocked(cluster, plain)
    return made && this.#isWorth(made) ? made : null
  }

  /** The cluster with the row axes that leave rows of some length, contiguous in memory; null if none do. */
  narrowed(cluster: Cluster): Cluster | null {
    const { members } = cluster
    const largest = members.reduce((a, b) => (this.accesses(b).points > this.accesses(a).points ? b : a))
    let axes = cluster.axes
    const of = (m: number): readonly number[] => axes.get(m)!
    const drop = (k: number): void => {
      axes = new Map([...axes].map(([m, list]) => [m, list.filter((_, i) => i !== k)]))
    }
    for (const m of members) for (const a of of(m).filter((i) => this.#inBlocks(m, i))) drop(of(m).indexOf(a))
    const count = (): number => of(largest).reduce((n, a) => n * this.accesses(largest).free[a], 1)
    while (of(largest).length && this.accesses(largest).points / count() < this.#limits.shortest) drop(of(largest).indexOf(Math.max(...of(largest))))
    for (const m of members) {
      const k = of(m).indexOf(this.accesses(m).contiguous)
      if (k >= 0 && this.accesses(m).points / count() >= this.#limits.shortest) drop(k)
    }
    if (count() < 2) return this.#withoutRows(cluster)
    // The outermost axis of the largest kernel goes outermost.
    const order = [...of(largest).keys()].sort((k, l) => of(largest)[k] - of(largest)[l])
    const sorted = { members, axes: new Map([...axes].map(([m, list]) => [m, order.map((k) => list[k])])), points: order.map(() => 1) }
    const contracts = members.some((m) => this.#contracts(m))
    return contracts || this.#rowBytes(sorted) <= this.#limits.rowBytes ? sorted : null
  }

  /** The cluster as a single row, if that has blocks. */
  #withoutRows(cluster: Cluster): Cluster | null {
    const whole = { ...cluster, axes: new Map(cluster.members.map((m) => [m, []])), points: [] }
    return this.#blocked(cluster, whole) === whole ? null : whole
  }

  /** Has it rows only as blocks of a single one? */
  isBlocksOnly(cluster: Cluster): boolean {
    return this.narrowed(cluster)?.points.length === 0
  }

  /** Does it make a value so much larger than all that it reads that blocks of a single row are worth it? */
  outgrows({ members }: Cluster): boolean {
    const made = new Set(members.flatMap((m) => this.#kernels[m].stores.map((s) => s.node)))
    const read = new Set(members.flatMap((m) => this.#kernels[m].loads.map((l) => l.node)).filter((n) => !made.has(n)))
    return Math.max(...[...made].map(bytesOf)) >= OUTGROWS * [...read].reduce((n, node) => n + bytesOf(node), 0)
  }

  /** Are they so many that blocks of a single row may be formed for what passes between two kernels? */
  isLarge(bytes: number): boolean {
    return bytes > this.#limits.blockBytes
  }

  /** By how many bytes a row gets smaller for blocks; 0 where there are none. */
  savedBytes(cluster: Cluster): number {
    const plain = this.narrowed(cluster)
    const blocked = plain && this.#blocked(cluster, plain)
    return blocked && blocked !== plain ? this.#rowBytes(plain) - this.#rowBytes(blocked) : 0
  }

  /** The narrowed cluster; where its rows leave the cache, over blocks of one more axis, which is innermost. */
  #blocked(cluster: Cluster, plain: Cluster): Cluster {
    if (this.#rowBytes(plain) <= this.#limits.blockBytes) return plain
    const [first] = cluster.members
    for (const [k, axis] of cluster.axes.get(first)!.entries()) {
      if (cluster.members.every((m) => !this.#inBlocks(m, cluster.axes.get(m)![k]))) continue
      const extent = this.accesses(first).extents[axis]
      const axes = new Map([...plain.axes].map(([m, list]) => [m, [...list, cluster.axes.get(m)![k]]]))
      let least: Cluster | null = null
      for (let points = extent >> 1; points >= this.#limits.leastBlock; points--) {
        if (extent % points) continue
        least = { members: plain.members, axes, points: [...plain.points, points] }
        if (this.#rowBytes(least) <= this.#limits.blockBytes) break
      }
      if (least) return least
    }
    return plain
  }

  /** May rows run over this axis of the member only in blocks? */
  #inBlocks(m: number, axis: number): boolean {
    const { blockAxes, sumAxes } = this.accesses(m)
    return blockAxes.has(axis) || sumAxes.has(axis)
  }

  #contracts(m: number): boolean {
    const { core } = this.#kernels[m]
    return core !== null && loweringOf(core).kind === 'contract'
  }

  /** Bytes that one row touches. */
  #rowBytes({ members, axes, points }: Cluster): number {
    const bytes = new Map<Node, number>()
    for (const m of members) {
      const { free, extents } = this.accesses(m)
      const rows = axes.get(m)!.reduce((n, a, k) => (a >= 0 && a < free.length ? (n * free[a]) / points[k] : n), 1)
      for (const { node } of this.#kernels[m].stores) bytes.set(node, bytesOf(node) / rows)
      for (const { node } of this.#kernels[m].loads) {
        if (bytes.has(node)) continue
        const via = this.via(m, node)
        bytes.set(node, bytesOf(node) / axes.get(m)!.reduce((n, a, k) => (a >= 0 && via?.includes(a) ? (n * extents[a]) / points[k] : n), 1))
      }
    }
    return [...bytes.values()].reduce((a, b) => a + b, 0)
  }

  #isWorth({ members }: Cluster): boolean {
    const nodes = new Set(members.flatMap((m) => [...this.#kernels[m].stores, ...this.#kernels[m].loads].map((b) => b.node)))
    return [...nodes].reduce((n, node) => n + bytesOf(node), 0) > this.#limits.smallBytes
  }
}
