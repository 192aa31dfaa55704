import { checkTensors } from '../ir/arguments.ts'
import { checkDtype, FLOATS } from '../ir/checks.ts'
import { GradcError } from '../ir/errors.ts'
import { greaterEqual, mul, where } from '../ir/lang/pointwise.ts'
import { broadcastTo, type Tensor } from '../ir/lang/tensor.ts'
import type { DType, Shape } from '../ir/types.ts'
import { layerOf, type Layer } from './layer.ts'
import { checkChoice } from './numbers.ts'
import { checkShare } from './options.ts'
import { randomWords } from './random.ts'

/**
 * Dropout (Srivastava et al., JMLR 2014): in training every element is 0 with probability p, else x/(1 − p); in evaluation x.
 * The mask is Philox by key and step, another in every step and for every use, so that the backward pass can make it again
 * instead of keeping it. A dropped element plays no part, be it NaN or infinite, neither in the value nor in the gradient.
 * Any shape; f32 or f64. Errors: option/invalid (p outside 0..1); applied: dtype/unsupported.
 */
export function dropout(p = 0.5): Layer {
  checkShare('dropout', 'p', p)
  return layerOf([], (x) => dropped('dropout', x, p, x.shape))
}

/** As {@link dropout}, but whole channels of [N, C, L] (Tompson et al., CVPR 2015). Errors: shape/mismatch, too. */
export const dropout1d = (p = 0.5): Layer => channelDropout('dropout1d', p, '[N, C, L]', 3)
/** As {@link dropout}, but whole channels of [N, C, H, W] (Tompson et al., CVPR 2015). Errors: shape/mismatch, too. */
export const dropout2d = (p = 0.5): Layer => channelDropout('dropout2d', p, '[N, C, H, W]', 4)

function channelDropout(name: string, p: number, wants: string, rank: number): Layer {
  checkShare(name, 'p', p)
  return layerOf([], (x) => {
    checkTensors(name, [x])
    if (x.shape.length !== rank) {
      throw new GradcError('shape/mismatch', `${name} takes ${wants}, got a tensor of rank ${x.shape.length}`, {
        parties: [{ label: 'x', node: x }],
        hint: 'nn.dropout(p) takes any shape',
      })
    }
    return dropped(name, x, p, x.shape.map((d, i) => (i < 2 ? d : 1)))
  })
}

/**
 * Stochastic depth (Huang et al., ECCV 2016), for the end of a residual branch: in training each example (`row`) or the
 * whole batch at once (`batch`) is 0 with probability p, else x/(1 − p); in evaluation x. Axis 0 is the batch.
 *
 *     nn.residual(nn.sequential(block, nn.stochasticDepth(0.1)))
 *
 * Errors: option/invalid; applied: shape/mismatch (a scalar), dtype/unsupported.
 */
export function stochasticDepth(p: number, mode: 'row' | 'batch' = 'row'): Layer {
  checkShare('stochasticDepth', 'p', p)
  checkChoice('stochasticDepth', 'mode', mode, ['row', 'batch'])
  return layerOf([], (x) => {
    if (x.shape.length === 0) {
      throw new GradcError('shape/mismatch', 'stochasticDepth needs a batch axis, got a scalar', {
        parties: [{ label: 'x', node: x }],
        hint: 'examples are axis 0',
      })
    }
    return dropped('stochasticDepth', x, p, x.shape.map((d, i) => (i === 0 && mode === 'row' ? d : 1)))
  })
}

/** x with a share p of it 0 and the rest divided by 1 − p; one decision for each element of `mask`, which broadcasts to x. */
export function dropped<D extends DType>(name: string, x: Tensor<D>, p: number, mask: Shape): Tensor<D> {
  checkDtype(name, FLOATS, [x])
  if (p === 0 || x.builder.evaluation) return x
  // The nearest of 2³² thresholds. The one that keeps nothing is no u32; the result still depends on x, with derivative 0.
  const threshold = Math.round(p * 2 ** 32)
  if (threshold === 2 ** 32) return where(x.builder.literal(0, { dtype: 'bool', shape: x.shape }), x, 0)
  const keep = greaterEqual(randomWords(x, mask), threshold)
  return where(broadcastTo(keep, x.shape), mul(x, 1 / (1 - p)), 0)
}
