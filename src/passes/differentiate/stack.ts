import type { Node } from '../../ir/graph.ts'
import { bytesOf, sameType, type Shape } from '../../ir/types.ts'

/**
 * Kept values of one shape that together are as large as one that is gone after the step, to be kept as one: what is kept of all
 * steps then fits where the slices were that the loop forth read, and cotangents fit where it was when the loop back has read it. A
 * factor of a product is wanted by itself.
 */
export function stacksOf(kept: readonly Node[], gone: readonly Node[], factors: ReadonlySet<Node>): Node[][] {
  const alone = kept.filter((n) => !factors.has(n) && n.shape.length)
  const stacks: Node[][] = []
  for (const old of gone) {
    const same = alone.findIndex((n) => n.dtype === old.dtype && bytesOf(n) === bytesOf(old))
    if (same >= 0) {
      alone.splice(same, 1)
      continue
    }
    for (const first of alone) {
      const like = alone.filter((n) => sameType(n, first)).slice(0, bytesOf(old) / bytesOf(first))
      if (first.dtype !== old.dtype || like.length * bytesOf(first) !== bytesOf(old) || !bytesOf(old)) continue
      stacks.push(like)
      for (const n of like) alone.splice(alone.indexOf(n), 1)
      break
    }
  }
  return stacks
}

/** Values of one shape as one, behind each other along their first axis. */
export const stack = (nodes: readonly Node[]): Node => nodes[0].builder.make('concat', nodes, { axis: 0 })

/** One of them again, each of this shape. */
export function layer(stack: Node, shape: Shape, at: number): Node {
  const start = shape.map((n, axis) => (axis ? 0 : at * n))
  return stack.builder.make('slice', [stack], { start, size: shape, step: shape.map(() => 1) })
}
