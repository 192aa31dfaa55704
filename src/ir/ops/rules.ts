import type { Node } from '../graph.ts'
import { isHalf } from '../half.ts'
import { add, cast } from '../lang/pointwise.ts'
import { apply } from '../lang/tensor.ts'
import type { Maybe, OpDef } from '../op.ts'

/** The derivative part of a record. */
export type Derivative = Pick<OpDef, 'tangent' | 'transpose' | 'derivative'>

/** What `rule` computes of values of one type: f16 and bf16 are widened for it, and what comes of it is rounded again. */
export function inArithmetic(values: readonly Node[], rule: (...values: Node[]) => Node): Node {
  const { dtype } = values[0]
  return isHalf(dtype) ? cast(rule(...values.map((x) => cast(x, 'f32'))), dtype) : rule(...values)
}

/** x + y where either may be a symbolic zero. */
export const plus = (x: Maybe, y: Maybe): Maybe => (x && y ? inArithmetic([x, y], (a, b) => add(a, b)) : (x ?? y))

/** `rule(d)` unless d is a symbolic zero, which it then stays. */
export const through = (d: Maybe, rule: (d: Node) => Maybe): Maybe => (d ? rule(d) : null)

/** Linear in its one operand: the tangent is the op itself, applied to the tangent. */
export const linear = (transpose: NonNullable<OpDef['transpose']>): Derivative => ({
  tangent: (_, [d], __, y) => through(d, (t) => apply(y.op, [t], y.attrs)),
  transpose,
})

/** No derivative flows through: integer results, positions, bits. */
export const NONE: Derivative = { derivative: 'none' }
/** Constant almost everywhere: the derivative is zero where it exists. */
export const FLAT: Derivative = { tangent: () => null }
