import { constant } from '../../ir/lang/leaf.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import type { DType, Shape } from '../../ir/types.ts'

/** Known numbers as a constant of x's dtype, which is f32 or f64. */
export function tableOf<D extends DType>(x: Tensor<D>, numbers: readonly number[], shape: Shape): Tensor<D> {
  const table: Tensor = constant(x, (x.dtype === 'f64' ? Float64Array : Float32Array).from(numbers), shape)
  return table as Tensor<D>
}
