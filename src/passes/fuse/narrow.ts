import { usersOf, type Node } from '../../ir/graph.ts'
import { MustStore } from '../../ir/resolve.ts'
import { bytesOf, sameShape } from '../../ir/types.ts'
import { precede, type Group } from './group.ts'
import { isStorage, loweringOf, stateName } from './kinds.ts'
import type { Limits } from './materialise.ts'
import type { Ordering } from './ordering.ts'
import type { Partition } from './partition.ts'
import { readsOfGroup, type Reads } from './reads.ts'

// How many nodes are looked at on the way from a value to where everything meets again.
const MAX_NODES = 32
// What a value must shrink by to be worth a second store beside it.
const THIN = 4

/**
 * Moves the cuts between kernels along elementwise ops to where they are thinnest. If all that other kernels want of a stored value
 * passes through one op computed from it (an activation's slope, of its argument), that op is stored instead, if it takes no more
 * bytes; and if that is so for the last reader alone and the op is thin (the mask of a relu, wanted again by the backward
 * pass), both are stored, and the value dies early.
 */
export function narrowCuts(order: readonly Node[], parts: Partition, ordering: Ordering, limits: Limits): void {
  new Narrowing(order, parts, ordering.groups, limits).run()
}

class Narrowing {
  readonly #users: ReadonlyMap<Node, readonly Node[]>
  readonly #parts: Partition
  readonly #groups: readonly Group[]
  readonly #limits: Limits
  readonly #evaluated = new Map<Node, Set<Group>>()
  readonly #readers = new Map<Node, Group[]>()

  constructor(order: readonly Node[], parts: Partition, groups: readonly Group[], limits: Limits) {
    this.#users = usersOf(order)
    this.#parts = parts
    this.#groups = groups
    this.#limits = limits
    for (const g of groups) {
      for (const n of g.computed) {
        const among = this.#evaluated.get(n)
        if (among) among.add(g)
        else this.#evaluated.set(n, new Set([g]))
      }
      for (const n of g.aligned.keys()) this.#readers.set(n, [...(this.#readers.get(n) ?? []), g])
    }
  }

  run(): void {
    for (const maker of this.#groups) {
      // A value that takes another one's place is looked at in its turn: its last reader may want less still.
      if (!maker.sealed) for (let i = 0; i < maker.nodes.length; i++) this.#narrow(maker.nodes[i], maker)
    }
  }

  #narrow(value: Node, maker: Group): void {
    const outside = this.#readers.get(value)
    if (!outside?.length || outside.some((g) => g.copies.some((c) => c.node === value))) return
    // A result or state stays where it is, whoever reads it.
    if (this.#parts.isTarget(value)) return
    if (this.#throats(value, maker, new Set(outside)).some((n) => this.#move(value, n, maker, outside))) return
    if (outside.length < 2) return
    const last = outside.reduce((a, b) => (b.rank > a.rank ? b : a))
    const [thin] = this.#throats(value, maker, new Set([last]))
    if (thin && THIN * bytesOf(thin) <= bytesOf(value)) this.#move(value, thin, maker, [last])
  }

  /**
   * The nodes no larger than `value` through each of which everything passes that these kernels compute from it: the smallest first, of
   * equals the last. The walk ends at what the maker of `value` could not compute. One as large as `value` on a mere chain up to there
   * would only move work about, so several ways must have met before it.
   */
  #throats(value: Node, maker: Group, among: ReadonlySet<Group>): Node[] {
    let found: Node[] = []
    const chain = new Set<Node>()
    const open = new Set(this.#usersIn(value, among))
    for (let i = 0; i < MAX_NODES && open.size; i++) {
      const first = [...open].reduce((a, b) => (b.id < a.id ? b : a))
      if (this.#parts.stored.has(first) || loweringOf(first).kind !== 'pointwise' || !sameShape(first.shape, value.shape)) break
      if (first.operands.some((o) => this.#isElsewhere(o, maker))) {
        found = found.filter((n) => !chain.has(n) || bytesOf(n) < bytesOf(value))
        break
      }
      if (open.size === 1 && bytesOf(first) <= bytesOf(value)) found.unshift(first)
      if (open.size === 1 && chain.size === i) chain.add(first)
      open.delete(first)
      for (const u of this.#usersIn(first, among)) open.add(u)
    }
    return found.sort((a, b) => bytesOf(a) - bytesOf(b))
  }

  /** What these kernels compute of `node`. */
  #usersIn(node: Node, among: ReadonlySet<Group>): Node[] {
    return [...new Set(this.#users.get(node))].filter((u) => {
      const p = this.#parts.producer.get(u)
      return p ? among.has(p) : [...(this.#evaluated.get(u) ?? [])].some((g) => among.has(g))
    })
  }

  /** Is it stored by a kernel that this one does not read? */
  #isElsewhere(node: Node, maker: Group): boolean {
    const p = this.#parts.producer.get(node)
    return p !== undefined && p !== maker && !maker.aligned.has(node)
  }

  /** Stores `thinner` where `value` is made, for these readers; false, and nothing changed, if that does not work out. */
  #move(value: Node, thinner: Node, maker: Group, readers: readonly Group[]): boolean {
    const { stored, producer } = this.#parts
    stored.add(thinner)
    const changed = this.#readsAfter(thinner, maker, readers)
    const made = changed?.get(maker)
    const works =
      made !== undefined &&
      made.aligned.size <= this.#limits.reads &&
      made.computed.size <= this.#limits.ops &&
      [...made.aligned].every(([n, at]) => (maker.aligned.has(n) ? at || !maker.aligned.get(n) : this.#isFree(n, readers))) &&
      readers.every((g) => !changed!.get(g)!.aligned.has(value))
    if (!works) {
      stored.delete(thinner)
      return false
    }
    maker.nodes.push(thinner)
    producer.set(thinner, maker)
    for (const [g, reads] of changed!) {
      g.aligned = reads.aligned
      g.computed = reads.computed
      precede(maker, g)
    }
    this.#readers.set(thinner, [...readers])
    this.#readers.set(value, this.#readers.get(value)!.filter((g) => !readers.includes(g)))
    return true
  }

  #readsAfter(thinner: Node, maker: Group, readers: readonly Group[]): Map<Group, Reads> | null {
    const { stored } = this.#parts
    try {
      const { core, nodes, copies } = maker
      const changed = new Map<Group, Reads>([[maker, readsOfGroup({ core, nodes: [...nodes, thinner], copies }, stored)]])
      for (const g of readers) changed.set(g, readsOfGroup(g, stored))
      return changed
    } catch (e) {
      if (e instanceof MustStore) return null
      throw e
    }
  }

  /**
   * Can be read by the maker too without new waiting: what is there from the start, and is either never overwritten or
   * read by one of the readers as well, for which whoever overwrites it waits.
   */
  #isFree(n: Node, readers: readonly Group[]): boolean {
    return isStorage(n) && (!this.#parts.updated.has(stateName(n) ?? '') || readers.some((g) => g.aligned.has(n)))
  }
}
