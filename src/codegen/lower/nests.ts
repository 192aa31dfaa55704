import { axis, compose, identity, linearise, type Affine, type AffineMap } from '../../ir/affine.ts'
import { GradcError, InternalError } from '../../ir/errors.ts'
import type { Expr, Expressions } from '../../ir/expression.ts'
import type { Node } from '../../ir/graph.ts'
import type { Combine, OpDef } from '../../ir/op.ts'
import { opNamed } from '../../ir/ops/index.ts'
import { contractSpace, coordinatesIn, MustStore, overPoints, reduceSpace, resolve, throughReshapes } from '../../ir/resolve.ts'
import { rowMajor, sizeOf, type Shape } from '../../ir/types.ts'
import type { Nest, Store } from '../nest.ts'
import { neutral } from './neutral.ts'
import { transform } from './transform.ts'

/** A kernel with its buffers turned into byte addresses. */
export interface Placed {
  readonly name: string
  readonly core: Node | null
  /** Byte addresses of the nodes that are in buffers when the kernel runs. */
  readonly loads: ReadonlyMap<Node, number>
  readonly stores: readonly { readonly node: Node; readonly address: number }[]
}

/** The loop nests of one kernel, by the lowering kind of its core. Empty spaces give no nest. */
export function nestsOf(kernel: Placed, x: Expressions): Nest[] {
  try {
    return build(new Room(kernel, x))
  } catch (e) {
    if (!(e instanceof MustStore)) throw e
    throw new InternalError('lower', `kernel ${kernel.name} reads %${e.node.id} (${e.node.op}), which is in no buffer`)
  }
}

/** What the builders of nests share. */
class Room {
  readonly kernel: Placed
  readonly x: Expressions
  readonly #stored: (node: Node) => boolean

  constructor(kernel: Placed, x: Expressions) {
    this.kernel = kernel
    this.x = x
    this.#stored = (node) => kernel.loads.has(node)
  }

  /** `node` at these coordinates of a space with these extents; `core` is readable where given. */
  at(node: Node, coordinates: AffineMap, extents: Shape, core: Node | null = null): Expr {
    return resolve({ expressions: this.x, extents, stored: this.#stored, core }, node, coordinates)
  }

  /** Stores of the whole iteration space, element for element: at these coordinates, or at those of the points under each shape. */
  epilogue(extents: Shape, core: Node | null, at: AffineMap | null = null): Store[] {
    const index = linearise(identity(extents.length), rowMajor(extents), extents.length)
    return this.kernel.stores.map(({ node, address }) => {
      if (sizeOf(node.shape) !== sizeOf(extents)) {
        throw new InternalError('lower', `kernel ${this.kernel.name} stores ${node.shape.join('×')} over ${extents.join('×')}`)
      }
      return plain(address, index, this.at(node, at ?? coordinatesIn(node.shape, extents), extents, core))
    })
  }

  /** Writes of the kernel's core, the same value to each of its stores. */
  writes(value: Expr, index: Affine, indirect: Store['indirect'] = null, accumulate = false): Store[] {
    return this.kernel.stores.map(({ node, address }) => {
      if (node !== this.kernel.core) throw new InternalError('lower', `kernel ${this.kernel.name} takes no epilogue`)
      return { address, dtype: value.dtype, index, indirect, value, accumulate }
    })
  }
}

const plain = (address: number, index: Affine, value: Expr): Store => ({
  address,
  dtype: value.dtype,
  index,
  indirect: null,
  value,
  accumulate: false,
})

const map = (free: Shape, stores: readonly Store[]): Nest[] =>
  sizeOf(free) === 0 || stores.length === 0 ? [] : [{ free, reduced: [], combine: null, value: null, running: false, stores }]

function build(room: Room): Nest[] {
  const { core, stores } = room.kernel
  if (!core) {
    if (!stores.length) return []
    return overPoints(stores[0].node.shape, (extents, at) => map(extents, room.epilogue(extents, null, at)))
  }
  const { lowering } = opNamed(core.op)
  switch (lowering.kind) {
    case 'reduce':
      return reduce(room, core, lowering.combine)
    case 'contract':
      return contract(room, core)
    case 'cumulate':
      return cumulate(room, core)
    case 'scatter':
      return lowering.scatter === 'indexed' ? scatterIndexed(room, core) : scatterAffine(room, core, lowering.target)
    case 'view':
      if (lowering.view === 'place') return place(room, core, lowering)
      break
    case 'opaque':
      throw new GradcError('target/unsupported', `${core.op} has no loops yet`, { parties: [{ label: 'x', node: core }] })
    default:
  }
  throw new InternalError('lower', `kernel ${room.kernel.name} cannot have ${core.op} as its core`)
}

function reduce(room: Room, core: Node, combine: Combine): Nest[] {
  const { extents, free, operand } = reduceSpace(core)
  return fold(room, core, combine, extents, free, () => room.at(core.operands[0], operand, extents))
}

function contract(room: Room, core: Node): Nest[] {
  const { extents, free, operands } = contractSpace(core)
  const [a, b] = core.operands
  const product = (): Expr => room.x.arith.mul(room.at(a, operands[0], extents), room.at(b, operands[1], extents))
  return fold(room, core, 'sum', extents, free, product)
}

/** A fold over the axes from `free` on. A fold of nothing is its neutral element, and no loop. */
function fold(room: Room, core: Node, combine: Combine, extents: Shape, free: number, value: () => Expr): Nest[] {
  const outer = extents.slice(0, free)
  if (sizeOf(outer) === 0) return []
  const stores = room.epilogue(outer, core)
  if (sizeOf(extents) === 0) {
    const nothing = room.x.lit(neutral(combine, core.dtype), core.dtype)
    const replaced = transform(room.x, (e) => (e.kind === 'core' ? nothing : null))
    return map(outer, stores.map((s) => ({ ...s, value: replaced(s.value) })))
  }
  const nest = { free: outer, combine, running: false, stores }
  if (free < extents.length) return [{ ...nest, reduced: extents.slice(free), value: value() }]
  // A fold over no axis at all runs once: its neutral element still takes part (0 + −0 is +0).
  const once = transform(room.x, () => null, (a) => ({ ...a, coefficients: [...a.coefficients, 0] }))
  return [{ ...nest, reduced: [1], value: once(value()) }]
}

function cumulate(room: Room, core: Node): Nest[] {
  const { shape } = core
  if (sizeOf(shape) === 0) return []
  const along = core.attrs.axis as number
  const order = [...shape.keys()].filter((i) => i !== along)
  order.push(along)
  const extents = order.map((i) => shape[i])
  const coordinates = shape.map((_, i) => identity(shape.length)[order.indexOf(i)])
  const value = room.at(core.operands[0], coordinates, extents)
  const index = linearise(coordinates, rowMajor(shape), shape.length)
  const stores = room.writes(room.x.core(core.dtype), index)
  return [{ free: extents.slice(0, -1), reduced: extents.slice(-1), combine: 'sum', value, running: true, stores }]
}

type Place = Extract<OpDef['lowering'], { view: 'place' }>

function place(room: Room, core: Node, lowering: Place): Nest[] {
  const strides = rowMajor(core.shape)
  const covered = core.operands.reduce((n, o) => n + sizeOf(o.shape), 0) === sizeOf(core.shape)
  const nests = covered ? [] : everywhere(room, core, room.x.lit(lowering.fill(core), core.dtype))
  core.operands.forEach((operand, i) => {
    if (sizeOf(operand.shape) === 0) return
    const rank = operand.shape.length
    const value = room.at(operand, identity(rank), operand.shape)
    nests.push(...map(operand.shape, room.writes(value, linearise(lowering.target(core, i), strides, rank))))
  })
  return nests
}

/** One value at every element of the core. */
function everywhere(room: Room, core: Node, value: Expr): Nest[] {
  const rank = core.shape.length
  return map(core.shape, room.writes(value, linearise(identity(rank), rowMajor(core.shape), rank)))
}

function scatterIndexed(room: Room, core: Node): Nest[] {
  const [base, index, updates] = core.operands
  if (sizeOf(core.shape) === 0) return []
  const { kernel } = room
  const from = kernel.loads.get(base) ?? kernel.loads.get(throughReshapes(base))
  const copied = kernel.stores.filter((s) => s.address !== from)
  const rank = base.shape.length
  const all = linearise(identity(rank), rowMajor(base.shape), rank)
  const copies = copied.map((s) => plain(s.address, all, room.at(base, identity(rank), base.shape)))
  const nests = map(base.shape, copies)
  if (sizeOf(updates.shape) === 0) return nests
  const along = core.attrs.axis as number
  const strides = rowMajor(core.shape)
  const space = identity(updates.shape.length)
  const inside = along + index.shape.length
  const rest = linearise(
    [...space.slice(0, along), ...space.slice(inside)],
    [...strides.slice(0, along), ...strides.slice(along + 1)],
    space.length,
  )
  const at = room.at(index, space.slice(along, inside), updates.shape)
  const indirect = { at, stride: strides[along], limit: core.shape[along] }
  return [...nests, ...map(updates.shape, room.writes(room.at(updates, space, updates.shape), rest, indirect, true))]
}

function scatterAffine(room: Room, core: Node, target: (node: Node) => AffineMap): Nest[] {
  const [operand] = core.operands
  const rank = operand.shape.length
  const nests = everywhere(room, core, room.x.lit(0, core.dtype))
  if (sizeOf(core.shape) === 0 || sizeOf(operand.shape) === 0) return nests
  const over = (extents: Shape, at: AffineMap): Nest[] => {
    const index = linearise(compose(target(core), at, rank), rowMajor(core.shape), rank)
    return map(extents, room.writes(room.at(operand, at, extents), index, null, true))
  }
  const { extents, at } = positionsInside(operand.shape, target(core))
  try {
    return [...nests, ...over(extents, at)]
  } catch (e) {
    if (!(e instanceof MustStore)) throw e
    return [...nests, ...over(operand.shape, identity(rank))]
  }
}

/**
 * The points of overlapping patches with the positions as inner loops, along which elements lie side by side, and the elements of a
 * patch around them, from the last to the first. What meets in one element then still comes in the order of positions, as it does
 * if each patch is added as a whole.
 */
function positionsInside(shape: Shape, target: AffineMap): { extents: Shape; at: AffineMap } {
  const rank = shape.length
  const pairs = target.map(({ coefficients }) => [...coefficients.keys()].filter((a) => coefficients[a] !== 0)).filter((axes) => axes.length > 1)
  const plain = { extents: shape, at: identity(rank) }
  // Without a second axis nothing overlaps; with a third one, or downwards, the order would be another.
  const simple = target.every(({ coefficients }) => coefficients.every((c) => c >= 0)) && pairs.every((axes) => axes.length === 2)
  if (!pairs.length || !simple || new Set(pairs.flat()).size < 2 * pairs.length) return plain
  const inPatch = pairs.map(([, k]) => k)
  const before = Math.min(...pairs.map(([position]) => position))
  const others = [...shape.keys()].filter((a) => !inPatch.includes(a))
  const order = [...others.filter((a) => a < before), ...inPatch, ...others.filter((a) => a >= before)]
  const at = shape.map((n, a) => {
    const i = order.indexOf(a)
    return inPatch.includes(a) ? axis(i, rank, -1, n - 1) : axis(i, rank)
  })
  return { extents: order.map((a) => shape[a]), at }
}
