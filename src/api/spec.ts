import { showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import type { DType, Shape, TensorType } from '../ir/types.ts'

/** The type of an input: element type and static shape. */
export interface Spec<D extends DType = DType, S extends Shape = Shape> extends TensorType {
  readonly dtype: D
  readonly shape: S
}

const MAX_ELEMENTS = 2 ** 30

function spec<D extends DType, S extends Shape>(dtype: D, shape: S): Spec<D, S> {
  let elements = 1
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0) {
      const whole = 'extents are whole numbers from 0 up; all shapes are static'
      throw new GradcError('shape/invalid', `${dtype}(${shape.map(showValue).join(', ')}): ${showValue(extent)} is not an extent`, {
        hint: Array.isArray(extent) ? `write ${dtype}(2, 3), without brackets` : whole,
      })
    }
    elements *= extent
  }
  if (elements > MAX_ELEMENTS) {
    throw new GradcError(
      'shape/invalid',
      `${dtype}(${shape.join(', ')}) has more than 2^30 elements`,
      { hint: 'a program lives in one 32-bit memory' },
    )
  }
  return { dtype, shape }
}

/** An f32 input of this shape; `f32()` is a scalar, given as a number. */
export const f32 = <const S extends Shape>(...shape: S): Spec<'f32', S> => spec('f32', shape)
/** An f64 input of this shape, for checks and science. */
export const f64 = <const S extends Shape>(...shape: S): Spec<'f64', S> => spec('f64', shape)
/** An i32 input of this shape, such as class indices. */
export const i32 = <const S extends Shape>(...shape: S): Spec<'i32', S> => spec('i32', shape)
/** A u32 input of this shape, such as a random key. */
export const u32 = <const S extends Shape>(...shape: S): Spec<'u32', S> => spec('u32', shape)
/** A boolean input of this shape, given as a Uint8Array in which all but 0 is true. */
export const bool = <const S extends Shape>(...shape: S): Spec<'bool', S> => spec('bool', shape)
/**
 * An f16 input (IEEE 754 binary16) of this shape, given as a Uint16Array of its bits; a scalar also as a number. f16 is kept,
 * moved and cast, not computed with: `cast(x, 'f32')`.
 */
export const f16 = <const S extends Shape>(...shape: S): Spec<'f16', S> => spec('f16', shape)
/**
 * A bf16 input (the upper half of an f32) of this shape, given as a Uint16Array of its bits; a scalar also as a number. bf16 is
 * kept, moved and cast, not computed with: `cast(x, 'f32')`.
 */
export const bf16 = <const S extends Shape>(...shape: S): Spec<'bf16', S> => spec('bf16', shape)
