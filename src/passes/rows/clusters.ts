import type { Node } from '../../ir/graph.ts'
import { bytesOf } from '../../ir/types.ts'
import type { FusedKernel } from '../fuse/index.ts'
import type { Slot } from '../fuse/group.ts'
import { dependencesOf, type Dependences } from '../schedule/dependences.ts'
import { accessesOf, type Accesses } from './accesses.ts'
import { RowChoice, type Cluster, type RowLimits } from './choice.ts'

/** All that rows read has to live until then: more than this (a sum of all steps' gradients) had better come one after the other. */
const MOST_STREAMS = 32
/** Blocks save at least so many times what passes between two clusters, or they are given up: not all that a row touches is there at once. */
const MUCH = 4
/** Kernels that may be looked at to see whether two clusters have others between them. */
const MOST_BETWEEN = 4000

/**
 * Two row axes that have to be the same: of the first and of the second cluster. −1: the kernels of that one run after all steps
 * of the other's.
 */
type Pair = readonly [number, number]

/**
 * Grows clusters along the values that pass between kernels: a reader joins the cluster of a maker where at least one axis is
 * theirs in common, nobody else stands between them, and rows neither are too short nor leave the cache.
 */
export class Clusters {
  readonly kernels: readonly FusedKernel[]
  readonly rows: RowChoice
  readonly #maker = new Map<Slot, number>()
  readonly #accesses: readonly (Accesses | null)[]
  #of: (Cluster | null)[] = []
  /** Kernels that are not worth blocks of a single row. */
  readonly #apart = new Set<number>()
  readonly #order: Dependences

  constructor(kernels: readonly FusedKernel[], limits: RowLimits) {
    this.kernels = kernels
    this.#order = dependencesOf(kernels)
    kernels.forEach((k, i) => k.stores.forEach((s) => this.#maker.set(s.slot, i)))
    const touches = kernels.map((_, i) => this.#order.before[i].size > 0 || this.#order.after[i].size > 0)
    this.#accesses = kernels.map((k, i) => (touches[i] ? accessesOf(k) : null))
    this.rows = new RowChoice(kernels, this.#accesses, limits)
    this.#grow()
  }

  /** Forms all clusters; anew, until those that are blocks of a single row are worth it. */
  #grow(): void {
    this.#of = this.#accesses.map((a, i) => a && { members: [i], axes: new Map([[i, [...a.rowAxes, ...a.blockAxes, ...a.sumAxes]]]), points: [] })
    this.kernels.forEach((_, i) => this.#join(i))
    this.#joinReaders()
    this.separate(this.#large.filter((c) => this.rows.isBlocksOnly(c) && !this.rows.outgrows(c)))
  }

  /** Forms all clusters without these, which are blocks of a single row. */
  separate(clusters: readonly Cluster[]): void {
    if (!clusters.length) return
    for (const m of clusters.flatMap((c) => c.members)) this.#apart.add(m)
    this.#grow()
  }

  /** The clusters of more than one kernel. */
  get #large(): Cluster[] {
    return [...new Set(this.#of)].filter((c): c is Cluster => c !== null && c.members.length > 1)
  }

  /** The clusters of more than one kernel that are worth it, their row axes chosen. */
  get found(): Cluster[] {
    return this.#large.map((c) => this.rows.chosen(c)).filter((c) => c !== null)
  }

  /** Brings a kernel together with the makers of what it reads, those of the largest values first. */
  #join(i: number): void {
    if (!this.#of[i]) return
    const loads = this.kernels[i].loads.filter((l) => this.#maker.has(l.slot)).sort((a, b) => bytesOf(b.node) - bytesOf(a.node))
    for (const { slot } of loads) {
      const [own, other] = [this.#of[i]!, this.#of[this.#maker.get(slot)!]]
      const both = other && own !== other ? this.#united(other, own) : null
      if (both) for (const m of both.members) this.#of[m] = both
    }
  }

  /** Tensors that the kernels read of others. */
  #streams({ members, axes }: Cluster): number {
    const loads = members.flatMap((m) => this.kernels[m].loads.map((l) => l.slot))
    return new Set(loads.filter((slot) => !axes.has(this.#maker.get(slot) ?? -1))).size
  }

  /** Brings those together that read the same rows of what another cluster has made: one of them can make it again for all. */
  #joinReaders(): void {
    const readers = new Map<Node, number[]>()
    this.kernels.forEach((k, i) => {
      for (const { node, slot } of k.loads) {
        const maker = this.#of[this.#maker.get(slot) ?? -1]
        if (maker && maker.members.length > 1 && this.#of[i] && this.#of[i] !== maker) readers.set(node, [...(readers.get(node) ?? []), i])
      }
    })
    for (const [node, of] of readers) {
      for (const i of of.slice(1)) {
        const [a, b] = [this.#of[of[0]]!, this.#of[i]!]
        const both = a === b ? null : this.#united(a, b, node)
        if (both) for (const m of both.members) this.#of[m] = both
      }
    }
  }

  /** `shared`: a value that both read, if none passes between them. */
  #united(a: Cluster, b: Cluster, shared: Node | null = null): Cluster | null {
    const pairs = shared ? this.#pairsBy(shared, a, b) : this.#pairs(a, b)
    if (!pairs?.length) return null
    const axes = new Map<number, number[]>()
    for (const m of a.members) axes.set(m, pairs.map(([k]) => a.axes.get(m)![k] ?? -1))
    for (const m of b.members) axes.set(m, pairs.map(([, l]) => b.axes.get(m)![l] ?? -1))
    const both = { members: [...a.members, ...b.members].sort((x, y) => x - y), axes, points: [] }
    if (this.#streams(both) > MOST_STREAMS || !this.rows.narrowed(both) || this.#isParted(both.members)) return null
    const bytes = this.#bytesBetween(a, b)
    if (this.rows.isBlocksOnly(both) && (!this.rows.isLarge(shared ? bytesOf(shared) : bytes) || both.members.some((m) => this.#apart.has(m)))) return null
    return this.#losesBlocks(a, b, both, bytes) ? null : both
  }

  /** Would rows have to be whole where they were blocks, which takes much more memory than the `bytes` that pass between the two? */
  #losesBlocks(a: Cluster, b: Cluster, both: Cluster, bytes: number): boolean {
    if (this.rows.savedBytes(both)) return false
    const saved = Math.max(this.rows.savedBytes(a), this.rows.savedBytes(b))
    return saved > MUCH * bytes
  }

  /** Bytes of the values that one of them makes and the other one reads. */
  #bytesBetween(a: Cluster, b: Cluster): number {
    const nodes = [[a, b], [b, a]].flatMap(([from, to]) =>
      to.members.flatMap((q) => this.kernels[q].loads.filter((l) => from.axes.has(this.#maker.get(l.slot) ?? -1)).map((l) => l.node)))
    return [...new Set(nodes)].reduce((n, node) => n + bytesOf(node), 0)
  }

  /** The row axes that two clusters have in common by a value that both read. */
  #pairsBy(node: Node, a: Cluster, b: Cluster): Pair[] | null {
    const direct = this.#pairs(a, b)
    const reads = (c: Cluster): (readonly number[])[] => c.members.flatMap((m) => {
      if (!this.kernels[m].loads.some((l) => l.node === node)) return []
      const via = this.rows.via(m, node)
      return [c.axes.get(m)!.map((axis) => (axis < 0 ? -1 : via?.indexOf(axis) ?? -1))]
    })
    let common: Pair[] = reads(a)[0].flatMap((i, k): Pair[] => reads(b)[0].flatMap((j, l): Pair[] => (i >= 0 && i === j ? [[k, l]] : [])))
    common = common.filter(([k, l]) => [...reads(a).map((r) => r[k]), ...reads(b).map((r) => r[l])].every((i) => i === reads(a)[0][k]))
    return direct ? common.filter(([k, l]) => direct.some((f) => f[0] === k && f[1] === l)) : this.#passes(a, b) ? null : common
  }

  /** Does a value pass between them? */
  #passes(a: Cluster, b: Cluster): boolean {
    return [[a, b], [b, a]].some(([from, to]) =>
      to.members.some((q) => this.kernels[q].loads.some((l) => from.axes.has(this.#maker.get(l.slot) ?? -1))))
  }

  /** The row axes that all values between two clusters have in common. */
  #pairs(a: Cluster, b: Cluster): Pair[] | null {
    let common: Pair[] | null = null
    for (const [from, to] of [[a, b], [b, a]]) {
      for (const q of to.members) {
        for (const { node, slot } of this.kernels[q].loads) {
          const p = this.#maker.get(slot)
          if (p === undefined || !from.axes.has(p)) continue
          const via = this.rows.via(q, node)
          if (!via) return null
          const found = from.axes.get(p)!.flatMap((axis, k): Pair[] => {
            const complete = axis >= 0 && axis < node.shape.length
            const l = complete && via[axis] >= 0 ? to.axes.get(q)!.indexOf(via[axis]) : -1
            return complete && l < 0 ? [] : [from === a ? [k, l] : [l, k]]
          })
          common = common ? common.filter(([k, l]) => found.some((f) => f[0] === k && f[1] === l)) : found
        }
      }
    }
    return common
  }

  /** Does a kernel outside have to run between two of these? True also if that takes long to find out. */
  #isParted(members: readonly number[]): boolean {
    const inside = new Set(members)
    const last = members[members.length - 1]
    const seen = new Set<number>()
    const stack: number[] = []
    const visit = (i: number): void => {
      const of = this.#of[i]?.members ?? [i]
      // What begins behind them all does not come back.
      if (of[0] > last) return
      for (const m of of) {
        if (seen.has(m) || inside.has(m)) continue
        seen.add(m)
        stack.push(m)
      }
    }
    for (const m of members) for (const j of this.#order.after[m]) visit(j)
    while (stack.length) {
      if (seen.size > MOST_BETWEEN) return true
      for (const j of this.#order.after[stack.pop()!]) {
        if (inside.has(j)) return true
        visit(j)
      }
    }
    return false
  }
}
