import { checkOptions, checkTensors } from '../../ir/arguments.ts'
import { checkAxis } from '../../ir/checks.ts'
import { GradcError } from '../../ir/errors.ts'
import { lessEqual, mul, where } from '../../ir/lang/pointwise.ts'
import { reshape } from '../../ir/lang/view.ts'
import type { DType } from '../../ir/types.ts'
import { constant } from '../init.ts'
import { layerOf, type Layer } from '../layer.ts'
import { checkFinite } from '../numbers.ts'
import { checkCount, checkFloat } from '../options.ts'
import { Parameter } from '../parameter.ts'

/** Options of {@link prelu}. */
export interface PreluOptions {
  /** First value of all slopes; default 0.25. */
  readonly init?: number
  /** Axis of the channels, where there are several slopes; default 1. */
  readonly axis?: number
  /** Element type of the slopes and of x: f32 (default) or f64. */
  readonly dtype?: DType
}

/**
 * x above 0, w·x below, with learned slopes `weight` [count]: one for all, or one a channel (He et al., ICCV 2015).
 * The derivative at 0 is w. Errors: option/invalid here; shape/axis, shape/mismatch, dtype/mismatch when applied.
 */
export function prelu(count = 1, options: PreluOptions = {}): Layer {
  checkOptions('prelu', options, ['init', 'axis', 'dtype'])
  const { init = 0.25, axis = 1, dtype = 'f32' } = options
  checkCount('prelu', 'the number of slopes', count, 'nn.prelu() or nn.prelu(channels)')
  checkFinite('prelu', 'init', init)
  checkFloat('prelu', dtype)
  if (!Number.isInteger(axis)) throw new GradcError('option/invalid', `prelu: axis must be an integer, got ${String(axis)}`)
  const weight = new Parameter('weight', [count], constant(init), { dtype })
  return layerOf([['weight', weight]], (x) => {
    checkTensors('prelu', [x])
    const rank = x.shape.length
    const at = count === 1 ? 0 : checkAxis('prelu', axis, rank, [x])
    if (count !== 1 && x.shape[at] !== count) {
      throw new GradcError('shape/mismatch', `prelu has ${count} slopes, axis ${axis} of x has extent ${x.shape[at]}`, {
        parties: [{ label: 'x', node: x }],
        hint: `nn.prelu(${x.shape[at]}), or another axis: nn.prelu(${count}, { axis })`,
      })
    }
    const slopes = reshape(weight.of(x), x.shape.map((_, i) => (i === at ? count : 1)))
    return where(lessEqual(x, 0), mul(slopes, x), x)
  })
}
