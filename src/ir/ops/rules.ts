import type { Node } from '../graph.ts'
import { add } from '../lang/pointwise.ts'
import { apply } from '../lang/tensor.ts'
import type { Maybe, OpDef } from '../op.ts'

/** The derivative part of a record. */
export type Derivative = Pick<OpDef, 'tangent' | 'transpose' | 'derivative'>

/** x + y where either may be a symbolic zero. */
export const plus = (x: Maybe, y: Maybe): Maybe => (x && y ? add(x, y) : (x ?? y))

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
