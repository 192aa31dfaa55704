import { checkFunction, checkTensors } from '../arguments.ts'
import { Builder } from '../builder.ts'
import { loop } from '../loop.ts'
import { outline } from '../region.ts'
import type { DType } from '../types.ts'
import type { Tensor } from './tensor.ts'
import { reshape } from './view.ts'

/**
 * y = body(x), of which reverse mode keeps x alone: what the body computes from x is computed again on the way back (Griewank
 * and Walther, 2000; PyTorch's `torch.utils.checkpoint`). Weights and other tensors of the function may be used inside; a layer
 * is such a body: `checkpoint(block, x)`. The same values, to the bit. A memory budget decides this by itself; use it to say where.
 * Errors: option/invalid, operand/invalid, build/foreign.
 */
export function checkpoint<D extends DType, E extends DType>(body: (x: Tensor<D>) => Tensor<E>, x: Tensor<D>): Tensor<E> {
  checkFunction('the body of checkpoint', body, 'checkpoint((x) => block(x), x)')
  checkTensors('checkpoint', [x])
  const b = x.builder
  const slot = b.make('input', [], { name: `\u0000checkpoint:${b.size}`, dtype: x.dtype, shape: x.shape }) as Tensor<D>
  const y = body(slot)
  checkTensors('checkpoint (the result of its body)', [y])
  const { region, captured } = outline('checkpoint', () => new Builder(), [{ name: 'x0', node: slot }], [{ name: 'y0', node: y }])
  const once = reshape(x, [1, ...x.shape])
  const [made] = loop(b, { body: region, carries: [], scanned: [once], captured, length: 1, reverse: false }, true)
  return reshape(made, y.shape) as Tensor<E>
}
