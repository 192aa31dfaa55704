import type { Node } from '../ir/graph.ts'
import { add, expm1, mul, neg } from '../ir/lang/pointwise.ts'
import type { TransformContext } from '../ir/optimizer.ts'

/** Moves a slot's running mean towards x: b·mean + (1 − b)·x; gives the new mean. */
export function moving(ctx: TransformContext, mean: Node, x: Node, b: number): Node {
  const next = add(mul(mean, b), mul(x, 1 - b))
  ctx.assign(mean, next)
  return next
}

/** 1 − bᵗ as −expm1(t·ln b): in f32, 1 − 0.999¹ taken literally would have lost half its digits. */
export const correction = (b: number, t: Node): Node => (b === 0 ? t.builder.one(t) : neg(expm1(mul(t, Math.log(b)))))
