import type { Node } from '../ir/graph.ts'
import { add, cast, where } from '../ir/lang/pointwise.ts'
import type { TransformContext } from '../ir/optimizer.ts'
import type { TensorType } from '../ir/types.ts'

/** A counter's type. */
export const COUNT: TensorType = { dtype: 'i32', shape: [] }

/** How a context differs from the one around it. */
export interface Inner {
  /** Comes before all kinds of slots, so that they do not clash with those of others. */
  readonly prefix?: string
  /** `bool[]`: only where it holds do slots and the step count change. */
  readonly gate?: Node
}

/** The same context for a transform within another one: with longer names, or with states that change only at times. */
export function inner(ctx: TransformContext, { prefix = '', gate }: Inner): TransformContext {
  let step: Node | null = null
  const own: TransformContext['own'] = (kind, type, init) => ctx.own(prefix + kind, type, init)
  const assign: TransformContext['assign'] = (slot, next) => ctx.assign(slot, gate ? where(gate, next, slot) : next)
  return {
    builder: ctx.builder,
    inputs: ctx.inputs,
    // Reading the step declares it: only on demand, and counted once.
    get step(): Node {
      if (!step) {
        const count = own('step', COUNT)
        assign(count, add(count, 1))
        step = cast(count, 'f32')
      }
      return step
    },
    slot: (entry, kind, type, init) => ctx.slot(entry, prefix + kind, type, init),
    own,
    assign,
  }
}
