import { axis, compose, constant, identity, linearise, throughReshape, type AffineMap } from './affine.ts'
import type { Expr, Expressions } from './expression.ts'
import type { Node } from './graph.ts'
import { opNamed } from './ops/index.ts'
import { labelsOf } from './spec.ts'
import { rowMajor, sameShape, sizeOf, type Shape } from './types.ts'

/** Where a kernel stands: what is in buffers, what its core is, and the extents of its iteration space. */
export interface Frame {
  readonly expressions: Expressions
  /** Extents of the iteration space that coordinates are affine forms over. */
  readonly extents: Shape
  /** Is this node's value in a buffer when the kernel runs? Leaves with storage always are. */
  readonly stored: (node: Node) => boolean
  /** The kernel's core, read as `core` at exactly its own coordinates; null in a map or inside the core itself. */
  readonly core: Node | null
}

/** Thrown by {@link resolve}: `node` cannot be computed in place and must be in a buffer first. */
export class MustStore extends Error {
  readonly node: Node
  /** It could be computed over points that count its axes, too, one by one. */
  readonly split: Shape | null
  constructor(node: Node, split: Shape | null = null) {
    super(`node %${node.id} (${node.op}) must be stored`)
    this.node = node
    this.split = split
  }
}

/**
 * Resolves a map that makes values of this shape: over its axes, or over finer ones with the same elements in the same order
 * where a reshape below joins axes that something else tells apart (windows that touch). `attempt` gets the extents and the coordinates of
 * `shape` over them, and throws MustStore for what cannot be computed.
 */
export function overPoints<T>(shape: Shape, attempt: (extents: Shape, at: AffineMap) => T): T {
  let extents = shape
  for (;;) {
    try {
      return attempt(extents, coordinatesIn(shape, extents))
    } catch (e) {
      const finer = e instanceof MustStore && e.split ? refinement(extents, e.split) : null
      if (!finer || finer.length <= extents.length) throw e
      extents = finer
    }
  }
}

/** Are these axes those of a finer shape, neighbours joined? */
export const joins = (finer: Shape, shape: Shape): boolean => refinement(finer, shape)?.length === finer.length

/** The coordinates of each point in a shape whose axes are those of the points, neighbours joined. */
export const coordinatesIn = (shape: Shape, extents: Shape): AffineMap =>
  sameShape(shape, extents) ? identity(extents.length) : throughReshape(identity(extents.length), extents, shape, extents)!

/** The coarsest shape of which both are joined axes; null if there is none. */
function refinement(a: Shape, b: Shape): Shape | null {
  const ends = (s: Shape): number[] => s.map((_, i) => sizeOf(s.slice(i)))
  if (sizeOf(a) !== sizeOf(b) || sizeOf(a) === 0) return null
  const all = [...new Set([...ends(a), ...ends(b), 1])].sort((x, y) => y - x)
  const extents = all.slice(0, -1).map((n, i) => n / all[i + 1])
  return extents.every(Number.isInteger) ? extents : null
}

/**
 * The expression for element `at` (one affine form for each axis of `node`) of `node`: views compose into the
 * coordinates, pointwise ops are computed in place, stored nodes are loaded. Throws MustStore for what does not compose.
 */
export function resolve(frame: Frame, node: Node, at: AffineMap): Expr {
  const memo = new Map<string, Expr>()
  const visit = (n: Node, c: AffineMap): Expr => {
    const key = `${n.id}:${c.map((a) => `${a.offset},${a.coefficients.join()}`).join(';')}`
    let e = memo.get(key)
    if (!e) memo.set(key, (e = resolveOnce(frame, n, c, visit)))
    return e
  }
  return visit(node, at)
}

function resolveOnce(frame: Frame, node: Node, at: AffineMap, visit: (n: Node, c: AffineMap) => Expr): Expr {
  const x = frame.expressions
  const rank = frame.extents.length
  // Coordinates of another shape: a store over finer points than its own.
  if (at.length !== node.shape.length) throw new MustStore(node)
  if (node === frame.core) {
    if (sameShape(node.shape, frame.extents) && isIdentity(at, frame.extents)) return x.core(node.dtype)
    throw new MustStore(node)
  }
  if (frame.stored(node)) return x.load(node, linearise(at, rowMajor(node.shape), rank))
  const lowering = opNamed(node.op).lowering
  switch (lowering.kind) {
    case 'leaf': {
      if (lowering.leaf === 'literal') return x.lit(node.attrs.value as number, node.dtype)
      if (lowering.leaf === 'iota') return x.position(at[node.attrs.axis as number], node.dtype)
      throw new MustStore(node)
    }
    case 'pointwise':
      return lowering.scalar(x.arith, node.operands.map((o) => visit(o, at)), node.attrs)
    case 'view': {
      if (lowering.view === 'place') throw new MustStore(node)
      const [from] = node.operands
      if (lowering.view === 'affine') return visit(from, compose(lowering.source(node), at, rank))
      const inner = throughReshape(at, node.shape, from.shape, frame.extents)
      if (inner) return visit(from, inner)
      const base = throughReshapes(from)
      if (base !== frame.core && frame.stored(base)) return x.load(base, linearise(at, rowMajor(node.shape), rank))
      throw new MustStore(base, from.shape)
    }
    case 'gather': {
      const [table, index] = node.operands
      const base = throughReshapes(table)
      if (!frame.stored(table) && !(sameStorage(base, table) && frame.stored(base) && base !== frame.core)) throw new MustStore(table)
      const a = node.attrs.axis as number
      const strides = rowMajor(table.shape)
      const outer = at.slice(0, a)
      const inner = at.slice(a + index.shape.length)
      const rest = linearise([...outer, ...inner], [...strides.slice(0, a), ...strides.slice(a + 1)], rank)
      const position = visit(index, at.slice(a, a + index.shape.length))
      return x.gather(frame.stored(table) ? table : base, rest, strides[a], table.shape[a], position)
    }
    case 'random': {
      const [key, stream] = node.operands
      const word = (i: number): Expr => visit(key, [constant(i, rank)])
      return x.random(word(0), word(1), visit(stream, []), linearise(at, rowMajor(node.shape), rank))
    }
    default:
      throw new MustStore(node)
  }
}

/** The node below a chain of reshapes: the same elements in the same order. */
export function throughReshapes(node: Node): Node {
  let n = node
  for (;;) {
    const lowering = opNamed(n.op).lowering
    if (lowering.kind !== 'view' || lowering.view !== 'reshape') return n
    n = n.operands[0]
  }
}

const sameStorage = (a: Node, b: Node): boolean => sizeOf(a.shape) === sizeOf(b.shape) && a.dtype === b.dtype

/** Axes of extent 1 have only coordinate 0, whatever the form says. */
function isIdentity(at: AffineMap, extents: Shape): boolean {
  return at.every((a, i) => a.offset === 0 && a.coefficients.every((c, j) => extents[j] <= 1 || c === (i === j ? 1 : 0)))
}

/** The iteration space of a contraction: result axes first, then the contracted ones; and each operand's coordinates. */
export function contractSpace(node: Node): { extents: number[]; free: number; operands: [AffineMap, AffineMap] } {
  const { x, y, out } = labelsOf(node.attrs.spec as string)!
  const extent = new Map<string, number>()
  ;[x, y].forEach((l, i) => [...l].forEach((c, j) => extent.set(c, node.operands[i].shape[j])))
  const axes = [...out, ...[...extent.keys()].filter((c) => !out.includes(c))]
  const map = (l: string): AffineMap => [...l].map((c) => axis(axes.indexOf(c), axes.length))
  return { extents: axes.map((c) => extent.get(c)!), free: out.length, operands: [map(x), map(y)] }
}

/** The iteration space of a reduction: kept axes first, then the reduced ones; and the operand's coordinates. */
export function reduceSpace(node: Node): { extents: number[]; free: number; operand: AffineMap } {
  const { shape } = node.operands[0]
  const reduced = node.attrs.axes as readonly number[]
  const kept = shape.map((_, i) => i).filter((i) => !reduced.includes(i))
  const axes = [...kept, ...reduced]
  const operand = shape.map((_, i) => axis(axes.indexOf(i), axes.length))
  return { extents: axes.map((i) => shape[i]), free: kept.length, operand }
}
