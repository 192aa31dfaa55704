import { identity, type Affine, type AffineMap } from '../../ir/affine.ts'
import { Expressions, inOrder, type Expr } from '../../ir/expression.ts'
import type { Node } from '../../ir/graph.ts'
import { isHalf } from '../../ir/half.ts'
import { scanSpec } from '../../ir/ops/region.ts'
import { contractSpace, coordinatesIn, MustStore, overPoints, reduceSpace, resolve, throughReshapes, type Frame } from '../../ir/resolve.ts'
import { rowMajor, type Shape } from '../../ir/types.ts'
import type { Group } from './group.ts'
import { isComputedLeaf, isLoop, isView, isWidening, loweringOf } from './kinds.ts'

/** What a kernel reads and computes. */
export interface Reads {
  /**
   * Loaded nodes. True: at each point the kernel reads only the element whose index its stores write at that point, and
   * before they write it; such a buffer may be overwritten in place.
   */
  readonly aligned: Map<Node, boolean>
  /** Nodes that are evaluated in place, views included. */
  readonly computed: Set<Node>
}

/**
 * What a kernel with this core (null: a map) reads to make these results, all of one shape, when `stored` is in buffers
 * except for the kernel's `own` values. Literals and iotas are computed even if they are stored, unless the kernel
 * cannot do without the buffer. Throws MustStore for what cannot be computed in it.
 */
export function readsOf(
  core: Node | null, results: readonly Node[], stored: ReadonlySet<Node>, own: readonly Node[] = results,
): Reads {
  const loadable = new Set<Node>()
  for (;;) {
    try {
      const loaded = (n: Node, whole: boolean): boolean => stored.has(n) && (whole || !isComputedLeaf(n) || loadable.has(n))
      return readsBy(core, results, (n, whole) => !own.includes(n) && loaded(n, whole))
    } catch (e) {
      const leaf = e instanceof MustStore ? throughReshapes(e.node) : null
      if (!leaf || !isComputedLeaf(leaf) || !stored.has(leaf) || loadable.has(leaf)) throw e
      loadable.add(leaf)
    }
  }
}

/** What a group reads for these of its values, and for its copies. */
export function readsOfGroup(
  g: Pick<Group, 'core' | 'nodes' | 'copies'>, stored: ReadonlySet<Node>, results: readonly Node[] = g.nodes,
): Reads {
  const reads: Reads = results.length ? readsOf(g.core, results, stored, g.nodes) : { aligned: new Map(), computed: new Set() }
  for (const { node } of g.copies) reads.aligned.set(node, reads.aligned.get(node) ?? true)
  return reads
}

/** As {@link readsOf}, with a free choice of what is loaded; `whole`: a contraction asks, which takes only buffers. */
export function readsBy(core: Node | null, results: readonly Node[], stored: (n: Node, whole: boolean) => boolean): Reads {
  if (core && isLoop(core)) return readsOfLoop(core, results, stored)
  const aligned = new Map<Node, boolean>()
  const computed = new Set<Node>()
  const expressions = new Expressions()
  const frame = (extents: Shape, readable: Node | null, whole = false): Frame => ({
    expressions,
    extents,
    core: readable,
    stored: (n) => {
      const is = n !== core && stored(n, whole)
      if (!is) computed.add(n)
      return is
    },
  })
  const note = (root: Expr, at: (e: Expr & { kind: 'load' }) => boolean): void => {
    for (const e of inOrder([root])) {
      if (e.kind === 'load') aligned.set(e.node, (aligned.get(e.node) ?? true) && at(e))
      if (e.kind === 'gather') aligned.set(e.node, false)
    }
  }
  if (core) {
    for (const { node, extents: space, at, whole, base } of operandReads(core)) {
      const e = resolve(frame(space, null, whole), node, at)
      if (whole && !isFactor(e)) throw new MustStore(operandBuffer(node))
      note(e, (load) => base && e === load && isPoint(load.index, space))
    }
  }
  const finish = (extents: Shape, coordinates: (node: Node) => AffineMap): void => {
    const roots = results.map((node) => resolve(frame(extents, core), node, coordinates(node)))
    for (const e of roots) note(e, (load) => isPoint(load.index, extents))
  }
  if (core) finish(core.shape, (node) => coordinatesIn(node.shape, core.shape))
  else overPoints(results[0].shape, (extents, at) => finish(extents, () => at))
  return { aligned, computed }
}

/** A loop takes its operands as they lie in memory, and copies what it changes. */
function readsOfLoop(core: Node, results: readonly Node[], stored: (n: Node, whole: boolean) => boolean): Reads {
  const aligned = new Map<Node, boolean>()
  const { carries, scanned } = scanSpec(core.attrs)
  for (const [at, operand] of core.operands.entries()) {
    const base = throughReshapes(operand)
    if (!stored(base, true)) throw new MustStore(base)
    // Carries are read before the first step, slices before the outputs of their step: what comes last may take their place.
    aligned.set(base, (aligned.get(base) ?? true) && at < carries + scanned)
  }
  return { aligned, computed: new Set(results) }
}

interface OperandRead {
  readonly node: Node
  readonly extents: Shape
  readonly at: ReturnType<typeof identity>
  /** Must be a plain load, or the widening of one. */
  readonly whole: boolean
  /** The result begins as this operand, element by element. */
  readonly base: boolean
}

/** The operands that a core reads, each with its own iteration space and coordinates. */
export function operandReads(core: Node): OperandRead[] {
  const lowering = loweringOf(core)
  const plain = (node: Node, base = false): OperandRead =>
    ({ node, extents: node.shape, at: identity(node.shape.length), whole: false, base })
  switch (lowering.kind) {
    case 'reduce': {
      const { extents, operand } = reduceSpace(core)
      return [{ node: core.operands[0], extents, at: operand, whole: false, base: false }]
    }
    case 'contract': {
      const { extents, operands } = contractSpace(core)
      return core.operands.map((node, i) => ({ node, extents, at: operands[i], whole: true, base: false }))
    }
    case 'scatter': {
      if (lowering.scatter === 'affine') return [plain(core.operands[0])]
      const [base, index, updates] = core.operands
      const axis = core.attrs.axis as number
      const at = identity(updates.shape.length).slice(axis, axis + index.shape.length)
      return [plain(base, true), plain(updates), { ...plain(index), extents: updates.shape, at }]
    }
    default:
      return core.operands.map((node) => plain(node))
  }
}

/** Does a contraction take this as it is: an element of a buffer, or an f16 or bf16 of one made f32? */
function isFactor(e: Expr): boolean {
  if (e.kind === 'load') return true
  if (e.kind !== 'scalar' || e.op !== 'cast' || e.dtype !== 'f32') return false
  return e.args[0].kind === 'load' && isHalf(e.args[0].dtype)
}

/** The node that must be in a buffer for a contraction to read `node`: below views and a widening, which it does itself. */
export function operandBuffer(node: Node, stored: (n: Node) => boolean = () => false): Node {
  const n = throughViews(node, stored)
  return !stored(n) && isWidening(n) ? throughViews(n.operands[0], stored) : n
}

/** The first node below views that only rename coordinates, or the first one that is stored. */
export function throughViews(node: Node, stored: (n: Node) => boolean = () => false): Node {
  let n = node
  while (isView(n) && !stored(n)) n = n.operands[0]
  return n
}

/** Is this the row-major index of the point itself? Axes of extent 1 have only coordinate 0. */
function isPoint(index: Affine, extents: Shape): boolean {
  const strides = rowMajor(extents)
  return index.offset === 0 && index.coefficients.every((c, i) => extents[i] <= 1 || c === strides[i])
}
