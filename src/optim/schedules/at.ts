import type { Node } from '../../ir/graph.ts'
import { sub } from '../../ir/lang/pointwise.ts'
import type { Hyper, HyperContext } from '../../ir/optimizer.ts'
import { scalarOf } from '../hyper.ts'

/**
 * A hyper-parameter as a scalar of the step: an f32 expression of the number of updates made before (0 in the first). It goes
 * wherever a {@link Hyper} goes. Fed to an optimiser inside `accumulate`, it counts updates, not calls.
 */
export type Schedule = (at: HyperContext) => Node

/** A number in the schedule's arithmetic. */
export const number = (at: HyperContext, value: number): Node => at.step.builder.literal(value, { dtype: 'f32', shape: [] })

/** The same context, `by` steps ago. */
export const since = (at: HyperContext, by: number): HyperContext =>
  ({ inputs: at.inputs, step: by === 0 ? at.step : sub(at.step, by) })

/** A number or another schedule's value. Errors: option/invalid. */
export const valueAt = (whose: string, option: string, hyper: Hyper, at: HyperContext): Node =>
  typeof hyper === 'number' ? number(at, hyper) : scalarOf(whose, option, hyper, at)
