import type { Builder } from '../../ir/builder.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'
import { add, cast, mul, rightShift } from '../../ir/lang/pointwise.ts'
import { showType, type TensorType } from '../../ir/types.ts'

/** Numbers in [0, 1) with 24 random bits, exact in f32 and f64 alike; draws with different `stream` are independent. */
export function unit(b: Builder, type: TensorType, key: Node, stream: number): Node {
  return mul(cast(rightShift(words(b, type, key, stream), 8), type.dtype), 2 ** -24)
}

/** Numbers (k + ½)/2²³, which are never 0 nor 1, exact in f32 and f64 alike. */
export function open(b: Builder, type: TensorType, key: Node, stream: number): Node {
  return mul(add(cast(rightShift(words(b, type, key, stream), 9), type.dtype), 0.5), 2 ** -23)
}

function words(b: Builder, { shape }: TensorType, key: Node, stream: number): Node {
  return b.make('randomBits', [key, b.literal(stream, { dtype: 'u32', shape: [] })], { shape })
}

/** Draws in f32 for the 16-bit storage types; refuses integers. */
export function drawn(type: TensorType, draw: (type: TensorType) => Node): Node {
  switch (type.dtype) {
    case 'f32':
    case 'f64':
      return draw(type)
    case 'f16':
    case 'bf16':
      return cast(draw({ ...type, dtype: 'f32' }), type.dtype)
    default:
      throw new GradcError('dtype/unsupported', `${showType(type)} cannot be drawn from a continuous distribution`, {
        hint: 'integer and boolean states take init.zeros, init.ones or init.constant',
      })
  }
}
