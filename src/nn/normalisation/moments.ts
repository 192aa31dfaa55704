import type { Tensor } from '../../ir/lang/tensor.ts'
import { add, mul, rsqrt, square, sub } from '../../ir/lang/pointwise.ts'
import { mean } from '../../ir/lang/reduce.ts'
import type { DType } from '../../ir/types.ts'

/** Mean and variance along axes, which are kept with extent 1. */
export interface Moments<D extends DType> {
  readonly mean: Tensor<D>
  /** Biased: divided by the number of elements. */
  readonly variance: Tensor<D>
  /** x − mean, of the shape of x. */
  readonly centred: Tensor<D>
}

/**
 * Mean and biased variance in two passes: the mean, then the mean of the squared differences. E[x²] − E[x]² would cancel
 * where the mean is large (Chan, Golub & LeVeque, 1983). x is f32 or f64.
 */
export function moments<D extends DType>(x: Tensor<D>, axis: readonly number[]): Moments<D> {
  const centre = mean(x, { axis, keepdims: true })
  const centred = sub(x, centre)
  return { mean: centre, variance: mean(square(centred), { axis, keepdims: true }), centred }
}

type Spread<D extends DType> = Pick<Moments<D>, 'centred' | 'variance'>

/** (x − mean) / √(variance + eps), of the shape of x. */
export function standardised<D extends DType>({ centred, variance }: Spread<D>, eps: number): Tensor<D> {
  return mul(centred, rsqrt(add(variance, eps)))
}
