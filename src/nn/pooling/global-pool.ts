import { checkOptions, checkTensors } from '../../ir/arguments.ts'
import { checkDtype, FLOATS } from '../../ir/checks.ts'
import { GradcError } from '../../ir/errors.ts'
import { max, mean } from '../../ir/lang/reduce.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { showType, type DType } from '../../ir/types.ts'
import { LEADING, switchOf } from '../convolution/sizes.ts'
import { checkFilled } from './windows.ts'

/** Options of {@link globalAveragePool} and {@link globalMaxPool}. */
export interface GlobalPoolOptions {
  /** Keeps the spatial axes with extent 1, as PyTorch's AdaptiveAvgPool2d(1); default false: [n, c], ready for a linear layer. */
  readonly keepdims?: boolean
}

/** The mean over all spatial axes: [n, c, ...] to [n, c]. Floats. Errors: shape/mismatch, dtype/unsupported, option/invalid. */
export function globalAveragePool<D extends DType>(x: Tensor<D>, options: GlobalPoolOptions = {}): Tensor<D> {
  return mean(x, spatial('globalAveragePool', x, options))
}

/**
 * The largest element over all spatial axes: [n, c, ...] to [n, c]. Floats; gradients split evenly at a tie.
 * Errors: shape/mismatch, dtype/unsupported, option/invalid.
 */
export function globalMaxPool<D extends DType>(x: Tensor<D>, options: GlobalPoolOptions = {}): Tensor<D> {
  return max(x, spatial('globalMaxPool', x, options))
}

function spatial(whose: string, x: Tensor, options: GlobalPoolOptions): { axis: number[]; keepdims: boolean } {
  checkTensors(whose, [x])
  checkOptions(whose, options, ['keepdims'])
  checkDtype(whose, FLOATS, [x])
  if (x.shape.length <= LEADING) {
    throw new GradcError('shape/mismatch', `${whose} takes x [batch, channels, ...spatial axes], got ${showType(x)}`, {
      parties: [{ label: 'x', node: x }],
      hint: 'pool before flatten',
    })
  }
  checkFilled(whose, x)
  return { axis: x.shape.map((_, a) => a).slice(LEADING), keepdims: switchOf(whose, 'keepdims', options.keepdims ?? false) }
}
