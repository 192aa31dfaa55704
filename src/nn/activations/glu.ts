import { checkOptions } from '../../ir/arguments.ts'
import { checkAxis, checkDtype, FLOATS, refuse } from '../../ir/checks.ts'
import { mul, sigmoid } from '../../ir/lang/pointwise.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { slice, type Range } from '../../ir/lang/view.ts'
import type { DType } from '../../ir/types.ts'
import type { AxisOptions } from './softmax.ts'

/**
 * Gated linear unit a·σ(b), where a and b are the first and the second half of x along an axis, which is halved
 * (Dauphin et al., ICML 2017). Floats. Errors: shape/axis, shape/mismatch (an odd extent), option/invalid, dtype/unsupported.
 */
export function glu<D extends DType>(x: Tensor<D>, options: AxisOptions = {}): Tensor<D> {
  checkOptions('glu', options, ['axis'])
  checkDtype('glu', FLOATS, [x])
  const axis = checkAxis('glu', options.axis ?? -1, x.shape.length, [x])
  const extent = x.shape[axis]
  if (extent % 2) refuse('shape/mismatch', `glu: axis ${axis} has the odd extent ${extent}`, [x], 'half are values, half gates')
  const whole = x.shape.slice(0, axis).map(() => null)
  const half = (range: Range): Tensor => slice(x as Tensor, ...whole, range)
  return mul(half({ stop: extent / 2 }), sigmoid(half({ start: extent / 2 }))) as Tensor<D>
}
