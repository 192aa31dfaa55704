import type { Attrs, Node } from '../../ir/graph.ts'
import { sameShape, type Shape, type TensorType } from '../../ir/types.ts'

/** Applies a primitive in the builder of its first operand. */
export const make = (op: string, operands: readonly Node[], attrs: Attrs = {}): Node =>
  operands[0].builder.make(op, operands, attrs)

/** A splat of the number, of the node's type or another one. */
export const splat = (like: Node, value: number, type: TensorType = like): Node => like.builder.literal(value, type)

/** The same op and attributes on other operands. */
export const again = (root: Node, ...operands: Node[]): Node => make(root.op, operands, root.attrs)

/** `reshape`, or the node itself if that is its shape. */
export const reshaped = (x: Node, shape: Shape): Node => (sameShape(x.shape, shape) ? x : make('reshape', [x], { shape }))

/** `broadcast`, or the node itself if that is its shape. */
export const spread = (x: Node, shape: Shape): Node => (sameShape(x.shape, shape) ? x : make('broadcast', [x], { shape }))

/** `permute`, or the node itself for the identity. Result axis i is axis `perm[i]` of x. */
export const permuted = (x: Node, perm: readonly number[]): Node =>
  perm.every((a, i) => a === i) ? x : make('permute', [x], { perm })

/** A list of integers among the attributes. */
export const listOf = (node: Node, attr: string): readonly number[] => node.attrs[attr] as readonly number[]

/** Without the entries at these positions. */
export const without = <T>(list: readonly T[], positions: readonly number[]): T[] => list.filter((_, i) => !positions.includes(i))

/** Positions of the axes for which the test holds. */
export const axesWhere = (shape: Shape, test: (extent: number, axis: number) => boolean): number[] =>
  shape.flatMap((d, a) => (test(d, a) ? [a] : []))

/** Axes that a broadcast repeats. */
export const repeatedAxes = (broadcast: Node): number[] =>
  axesWhere(broadcast.shape, (d, a) => d !== broadcast.operands[0].shape[a])

/**
 * If the two shapes differ only by axes of extent 1: for each axis of `to` the axis of `from` it comes from, null for one
 * that was inserted. Null if they differ by more.
 */
export function unitAxes(from: Shape, to: Shape): (number | null)[] | null {
  const kept = axesWhere(from, (d) => d !== 1)
  const map: (number | null)[] = []
  let next = 0
  for (const d of to) map.push(d === 1 ? null : (kept[next++] ?? -1))
  return next === kept.length && to.every((d, i) => map[i] === null || from[map[i]] === d) ? map : null
}
