import { checkFunction, checkTensors } from '../arguments.ts'
import { checkSameDtype, checkSameShape, refuse } from '../checks.ts'
import type { DType } from '../types.ts'
import { where } from './pointwise.ts'
import { broadcastTo, type Scalar, type Tensor } from './tensor.ts'

/**
 * One of two values of one type, by a bool scalar. Both branches are computed in every step, and the derivative flows into
 * the chosen one alone; to choose element by element take `where`. Errors: operand/invalid, dtype/mismatch, shape/mismatch.
 */
export function cond<D extends DType>(condition: Scalar<'bool'>, then: () => Tensor<D>, otherwise: () => Tensor<D>): Tensor<D> {
  checkTensors('cond', [condition])
  for (const branch of [then, otherwise]) checkFunction('a branch of cond', branch, 'cond(greater(x, 0), () => x, () => y); where(...) takes values')
  const [x, y] = [then(), otherwise()]
  checkTensors('cond', [x, y])
  if (condition.dtype !== 'bool' || condition.shape.length) {
    refuse('dtype/mismatch', 'cond takes a bool scalar as its condition', [condition], 'compare numbers: greater(x, 0); where(...) chooses elements')
  }
  checkSameDtype('cond', [x, y])
  checkSameShape('cond', [x, y])
  return where(broadcastTo(condition, x.shape), x, y) as Tensor<D>
}
