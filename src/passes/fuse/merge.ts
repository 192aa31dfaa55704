import { joins, MustStore } from '../../ir/resolve.ts'
import { sameShape, sizeOf, type Shape } from '../../ir/types.ts'
import type { Group } from './group.ts'
import { stateName } from './kinds.ts'
import type { Limits } from './materialise.ts'
import { Ordering } from './ordering.ts'
import type { Partition } from './partition.ts'
import { readsOfGroup, type Reads } from './reads.ts'

const MAX_VALUES = 16
// How many groups of the same shape a map is compared with.
const NEIGHBOURS = 4

/**
 * Joins kernels of one iteration space: first along values that would otherwise pass through memory (a map into the
 * loops of the reduction, contraction or map that makes its operand), then maps side by side that read one tensor.
 */
export function mergeGroups(parts: Partition, ordering: Ordering, limits: Limits): void {
  const merger = new Merger(parts, ordering, limits)
  for (const g of ordering.groups) if (g.rank >= 0) merger.intoProducers(g)
  merger.sideBySide()
}

class Merger {
  readonly #parts: Partition
  readonly #ordering: Ordering
  readonly #limits: Limits

  constructor(parts: Partition, ordering: Ordering, limits: Limits) {
    this.#parts = parts
    this.#ordering = ordering
    this.#limits = limits
  }

  /** Merges a group with the producers of what it reads at its own points, contractions and reductions first. */
  intoProducers(group: Group): void {
    let g: Group | null = group
    const refused = new Set<Group>()
    while (g) {
      const self: Group = g
      const producers = new Set<Group>()
      for (const [n, aligned] of self.aligned) {
        const p = this.#parts.producer.get(n)
        if (aligned && p && p !== self && !refused.has(p)) producers.add(p)
      }
      const ranked = [...producers].sort((a, b) => Number(b.core !== null) - Number(a.core !== null) || b.rank - a.rank)
      g = null
      for (const p of ranked) {
        g = this.tryMerge(p, self)
        if (g) break
        refused.add(p)
      }
    }
  }

  sideBySide(): void {
    const neighbours = new Map<string, Group[]>()
    for (const g of this.#ordering.groups) {
      if (g.sealed || g.core || g.rank < 0) continue
      const key = g.extents.join()
      const near = neighbours.get(key) ?? []
      neighbours.set(key, near)
      let merged = false
      for (let i = near.length - 1; i >= Math.max(0, near.length - NEIGHBOURS) && !merged; i--) {
        if (!sharesRead(near[i], g)) continue
        const both = this.tryMerge(near[i], g)
        if (both) near[i] = both
        merged = both !== null
      }
      if (!merged) near.push(g)
    }
  }

  /** The merged group, or null if the two have to stay apart. */
  tryMerge(x: Group, y: Group): Group | null {
    if (x.sealed || y.sealed || (x.core && y.core)) return null
    const extents = pointsOfBoth(x, y)
    if (!extents) return null
    if (x.nodes.length + y.nodes.length > MAX_VALUES) return null
    if (!this.#fits(x, y)) return null
    if (!feedsAligned(x, y) || !feedsAligned(y, x) || !keepsStates(x, y) || !keepsStates(y, x)) return null
    const [a, b] = x.rank < y.rank ? [x, y] : [y, x]
    if (!this.#ordering.mergeable(a, b)) return null
    const core = a.core ?? b.core
    const nodes = [...a.nodes, ...b.nodes].sort((m, n) => m.id - n.id)
    const copies = [...a.copies, ...b.copies]
    const reads = this.#readsTogether({ core, nodes, copies })
    if (!reads) return null
    this.#ordering.merge(a, b)
    a.core = core
    a.extents = extents
    a.nodes = nodes
    a.copies = copies
    a.aligned = reads.aligned
    a.computed = reads.computed
    for (const s of b.writes) a.writes.add(s)
    for (const n of b.nodes) this.#parts.producer.set(n, a)
    return a
  }

  /** A first, cheap look at what both would read and compute together. */
  #fits(x: Group, y: Group): boolean {
    const reads = new Set([...x.aligned.keys(), ...y.aligned.keys()])
    for (const n of [...x.nodes, ...y.nodes]) reads.delete(n)
    if (reads.size > this.#limits.reads) return false
    let ops = x.computed.size
    for (const n of y.computed) if (!x.computed.has(n)) ops++
    return ops <= this.#limits.ops
  }

  #readsTogether(both: Pick<Group, 'core' | 'nodes' | 'copies'>): Reads | null {
    try {
      const reads = readsOfGroup(both, this.#parts.stored)
      return reads.aligned.size <= this.#limits.reads && reads.computed.size <= this.#limits.ops ? reads : null
    } catch (e) {
      if (e instanceof MustStore) return null
      throw e
    }
  }
}

/** A map runs over a core's points too if its own axes are joined ones of these: blocks of a convolution and their elements, say. */
function pointsOfBoth(x: Group, y: Group): Shape | null {
  if (sameShape(x.extents, y.extents)) return x.extents
  const [core, map] = x.core ? [x, y] : [y, x]
  return core.core && map.extents.length < core.extents.length && joins(core.extents, map.extents) ? core.extents : null
}

/** Whatever `reader` takes from `maker` is at the point where it is made. */
const feedsAligned = (maker: Group, reader: Group): boolean => maker.nodes.every((n) => reader.aligned.get(n) ?? true)

/** The states that `writer` overwrites are read by `reader` only at the point that is written. */
const keepsStates = (writer: Group, reader: Group): boolean =>
  writer.writes.size === 0 || [...reader.aligned].every(([n, aligned]) => aligned || !writer.writes.has(stateName(n) ?? ''))

/** Both read some tensor of the size of their space: one pass over it serves both. */
function sharesRead(a: Group, b: Group): boolean {
  const points = sizeOf(a.extents)
  for (const n of a.aligned.keys()) if (b.aligned.has(n) && sizeOf(n.shape) === points) return true
  return false
}
