import { identity, type Affine } from '../../ir/affine.ts'
import { Expressions, inOrder } from '../../ir/expression.ts'
import type { Node } from '../../ir/graph.ts'
import { labelsOf } from '../../ir/spec.ts'
import { contractSpace, MustStore, reduceSpace, resolve } from '../../ir/resolve.ts'
import { axesRead, termOrder } from '../../ir/rows.ts'
import { sizeOf, type Shape } from '../../ir/types.ts'
import type { FusedKernel } from '../fuse/index.ts'
import { loweringOf } from '../fuse/kinds.ts'
import { operandReads } from '../fuse/reads.ts'

/** One way in which a kernel reads a node, over a space that begins with the axes of its stores. */
export interface Read {
  readonly index: Affine
  readonly extents: Shape
}

/** How a kernel that can be part of a row kernel touches memory. */
export interface Accesses {
  /** The points of its stores. */
  readonly free: Shape
  /** Extents of all axes, those of the stores first, and how many points that makes. */
  readonly extents: Shape
  readonly points: number
  /** Of each load every way in which it is read; null: at an element that only the run can tell. */
  readonly reads: ReadonlyMap<Node, readonly Read[] | null>
  /** Axes of the stores that rows may run over, */
  readonly rowAxes: ReadonlySet<number>
  /** and those that only blocks of many points may: what does not move along them is read again for each. */
  readonly blockAxes: ReadonlySet<number>
  /** The axis that it sums over outermost, if its sum can go on from one block of that to the next: see {@link RowPart.axes}. */
  readonly sumAxes: ReadonlySet<number>
  /** The axis of the whole space along which what it reads most of is contiguous; −1 for none. */
  readonly contiguous: number
}

/** Asked for the same kernels by everything that looks at rows. */
const known = new WeakMap<FusedKernel, Accesses | null>()

/** Null for kernels that stay by themselves: loops, copies, scatters, whatever changes a state. */
export function accessesOf(kernel: FusedKernel): Accesses | null {
  let accesses = known.get(kernel)
  if (accesses === undefined) known.set(kernel, (accesses = found(kernel)))
  return accesses
}

function found(kernel: FusedKernel): Accesses | null {
  const { core, stores } = kernel
  const loaded = new Set(kernel.loads.map((l) => l.node))
  if (stores.some(({ node, slot }) => slot.place !== 'arena' || loaded.has(node))) return null
  const kind = core && loweringOf(core).kind
  if (kind !== null && kind !== 'reduce' && kind !== 'contract') return null
  const free = core?.shape ?? stores[0].node.shape
  const space = core ? (kind === 'reduce' ? reduceSpace(core) : contractSpace(core)).extents : free
  const points = sizeOf(space)
  if (points === 0) return null

  const expressions = new Expressions()
  const reads = new Map<Node, Read[] | null>()
  let largest: (Read & { readonly size: number }) | null = null
  const note = (node: Node, extents: Shape, at: ReturnType<typeof identity>, readable: Node | null): void => {
    const frame = { expressions, extents, core: readable, stored: (n: Node) => n !== core && loaded.has(n) }
    for (const e of inOrder([resolve(frame, node, at)])) {
      if (e.kind !== 'gather' && e.kind !== 'load') continue
      const size = sizeOf(extents.filter((_, i) => e.index.coefficients[i] !== 0))
      if (!largest || size > largest.size) largest = { index: e.index, extents, size }
      if (e.kind === 'gather') reads.set(e.node, null)
      else if (reads.get(e.node) !== null) reads.set(e.node, [...(reads.get(e.node) ?? []), { index: e.index, extents }])
    }
  }
  if (core) for (const { node, extents, at } of operandReads(core)) note(node, extents, at, null)
  try {
    for (const { node } of stores) note(node, free, identity(free.length), core)
  } catch (e) {
    // A map over finer points than its stores have (see overPoints).
    if (e instanceof MustStore) return null
    throw e
  }

  const last = free.findLastIndex((n) => n > 1)
  const rowAxes = new Set([...free.keys()].filter((i) => free[i] > 1))
  const blockAxes = new Set<number>()
  // A row of a contraction must not read all of an operand: only axes that both have.
  if (kind === 'contract') {
    const { x, y, out } = labelsOf(core!.attrs.spec as string)!
    for (const i of rowAxes) {
      if (x.includes(out[i]) && y.includes(out[i])) continue
      rowAxes.delete(i)
      if (i !== last) blockAxes.add(i)
    }
  }
  const sumAxes = new Set(kind === 'contract' ? carriable(kernel, space, reads) : [])
  return { free, extents: space, points, reads, rowAxes, blockAxes, sumAxes, contiguous: kind === 'contract' ? last : contiguousAxis(largest, last) }
}

/** The outermost reduced axis of a contraction whose sum is stored as it is: in memory it has the bits that it has in registers. */
function carriable({ core, stores }: FusedKernel, space: Shape, reads: Accesses['reads']): number[] {
  const { length } = core!.shape
  if (stores.length > 1 || stores[0].node !== core || core.dtype !== 'f32' || sizeOf(core.shape) === 1) return []
  const forms = [...reads.values()].flatMap((ways) => ways!.map((r) => r.index))
  const reduced = [...space.keys()].filter((i) => i >= length && space[i] > 1)
  return termOrder(forms, reduced).slice(0, 1)
}

function contiguousAxis(largest: Read | null, last: number): number {
  const found = largest ? largest.index.coefficients.findIndex((c, i) => largest.extents[i] > 1 && Math.abs(c) === 1) : -1
  return found < 0 ? last : found
}

/**
 * For each axis of a loaded node the axis of the kernel that is its coordinate wherever it is read, or −1; null: none.
 * `shape`: the same elements under another shape.
 */
export function axesOfLoad({ reads }: Accesses, node: Node, shape: Shape = node.shape): number[] | null {
  const ways = reads.get(node)
  if (!ways) return null
  let all: number[] | null = null
  for (const { index, extents } of ways) {
    const axes = axesRead(index, shape, extents)
    if (!axes) return null
    all = axes.map((j, i) => (!all || all[i] === j ? j : -1))
  }
  return all
}
