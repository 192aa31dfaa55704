import { checkTensors, showValue } from '../arguments.ts'
import { checkAxis, checkShape, refuse } from '../checks.ts'
import { DTYPES, sizeOf, type ArrayOf, type DType, type Shape } from '../types.ts'
import type { Tensor } from './tensor.ts'

/** What {@link constant} takes, by the array's kind; a Uint8Array of 0 and 1 is bool. */
export type ConstantArray = ArrayOf['f32' | 'f64' | 'i32' | 'u32' | 'bool']
type DTypeOf<A> = { [D in 'f32' | 'f64' | 'i32' | 'u32' | 'bool']: A extends ArrayOf[D] ? D : never }['f32' | 'f64' | 'i32' | 'u32' | 'bool']

/**
 * Values known when the program is compiled, in row-major order; they become part of it (a table of positions, fixed
 * filters). `like` is any tensor of the function; the shape is a vector if none is given. The array is copied.
 * Errors: operand/invalid, dtype/unsupported (another kind of array), attr/invalid (a bool above 1), shape/invalid, shape/mismatch.
 */
export function constant<const A extends ConstantArray>(like: Tensor, values: A, shape?: Shape): Tensor<DTypeOf<A>> {
  checkTensors('constant', [like])
  const dtype = (['f32', 'f64', 'i32', 'u32', 'bool'] as const).find((d) => values instanceof DTYPES[d].array)
  if (!dtype) {
    const hint = 'give a Float32Array, Float64Array, Int32Array, Uint32Array or Uint8Array'
    refuse('dtype/unsupported', `constant was given ${showValue(values)}`, [like], hint)
  }
  if (dtype === 'bool' && values.some((v: number) => v > 1)) {
    refuse('attr/invalid', 'constant: a Uint8Array holds bools, which are 0 or 1', [like], 'numbers of bytes go into an Int32Array')
  }
  const extents = checkShape('constant', shape ?? [values.length], [like])
  if (sizeOf(extents) !== values.length) {
    refuse('shape/mismatch', `constant: ${values.length} values do not fit into [${extents.join(', ')}]`, [like])
  }
  return like.builder.constant(values, { dtype, shape: extents }) as Tensor<DTypeOf<A>>
}

/** Position along `axis` (negative from the end) of every element of a tensor of `like`'s shape. Errors: shape/axis. */
export function iota<D extends DType = 'i32'>(like: Tensor, axis: number, dtype: D = 'i32' as D): Tensor<D> {
  checkTensors('iota', [like])
  return like.builder.iota(checkShape('iota', like.shape), checkAxis('iota', axis, like.shape.length, [like]), dtype) as Tensor<D>
}
