import { checkOptions } from '../../ir/arguments.ts'
import { checkDtype, checkShape, FLOATS } from '../../ir/checks.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'
import { add, mul, rsqrt, square } from '../../ir/lang/pointwise.ts'
import { mean } from '../../ir/lang/reduce.ts'
import { sameShape, type DType, type Shape } from '../../ir/types.ts'
import { layerOf, type Layer } from '../layer.ts'
import { checkEpsilon, checkFlags, checkFloat } from '../options.ts'
import { affine } from './affine.ts'
import { moments, standardised } from './moments.ts'

/** Options of {@link rmsNorm}. */
export interface RmsNormOptions {
  /** Added to the mean square; default the machine epsilon of the dtype: 2⁻²³ for f32. */
  readonly eps?: number
  /** Whether a `weight` follows, one number an element; default true. */
  readonly elementwiseAffine?: boolean
  /** Element type of the parameters and of x; default `f32`. */
  readonly dtype?: DType
}

/** Options of {@link layerNorm}. */
export interface LayerNormOptions extends RmsNormOptions {
  /** Added to the variance; default 1e-5. */
  readonly eps?: number
  /** Whether a `bias` follows, too, if elementwiseAffine; default true. */
  readonly bias?: boolean
}

/**
 * Layer normalisation (Ba, Kiros & Hinton, 2016) over the last axes, which must have the given extents:
 * y = (x − mean)/√(variance + eps)·weight + bias, with the biased variance. `weight` (ones) and `bias` (zeros) have this shape.
 * Errors: option/invalid, shape/invalid; applied: shape/mismatch, dtype/unsupported, dtype/mismatch.
 */
export function layerNorm(shape: number | Shape, options: LayerNormOptions = {}): Layer {
  checkOptions('layerNorm', options, ['eps', 'elementwiseAffine', 'bias', 'dtype'])
  const { eps = 1e-5, elementwiseAffine = true, bias = true, dtype = 'f32' } = options
  checkFlags('layerNorm', { elementwiseAffine, bias })
  const extents = checkNormal('layerNorm', shape, eps, dtype)
  const scale = affine(extents, { weight: elementwiseAffine, bias: elementwiseAffine && bias }, dtype)
  return layerOf(scale.parameters, (x) => scale.apply(standardised(moments(x, lastAxes('layerNorm', x, extents)), eps)))
}

/**
 * Root mean square normalisation (Zhang & Sennrich, NeurIPS 2019) over the last axes, which must have the given extents:
 * y = x/√(mean(x²) + eps)·weight. `weight` (ones) has this shape.
 * Errors: option/invalid, shape/invalid; applied: shape/mismatch, dtype/unsupported, dtype/mismatch.
 */
export function rmsNorm(shape: number | Shape, options: RmsNormOptions = {}): Layer {
  checkOptions('rmsNorm', options, ['eps', 'elementwiseAffine', 'dtype'])
  const { elementwiseAffine = true, dtype = 'f32' } = options
  const { eps = dtype === 'f64' ? 2 ** -52 : 2 ** -23 } = options
  checkFlags('rmsNorm', { elementwiseAffine })
  const extents = checkNormal('rmsNorm', shape, eps, dtype)
  const scale = affine(extents, { weight: elementwiseAffine, bias: false }, dtype)
  return layerOf(scale.parameters, (x) => {
    const axis = lastAxes('rmsNorm', x, extents)
    return scale.apply(mul(x, rsqrt(add(mean(square(x), { axis, keepdims: true }), eps))))
  })
}

function checkNormal(layer: string, shape: number | Shape, eps: number, dtype: DType): Shape {
  const extents = typeof shape === 'number' ? [shape] : shape
  checkShape(layer, extents)
  if (extents.length === 0 || extents.includes(0)) {
    throw new GradcError('option/invalid', `${layer} over the shape [${extents.join(', ')}] has nothing to normalise over`, {
      hint: `the extents of the last axes: nn.${layer}(64)`,
    })
  }
  checkEpsilon(layer, eps)
  checkFloat(layer, dtype)
  return [...extents]
}

/** The axes at the end of x, if they have the extents. */
function lastAxes(layer: string, x: Node, extents: Shape): number[] {
  checkDtype(layer, FLOATS, [x])
  const rank = x.shape.length
  if (rank < extents.length || !sameShape(x.shape.slice(rank - extents.length), extents)) {
    throw new GradcError('shape/mismatch', `${layer} of [${extents.join(', ')}] was given [${x.shape.join(', ')}]`, {
      parties: [{ label: 'x', node: x }],
      hint: `x must be [..., ${extents.join(', ')}]`,
    })
  }
  return extents.map((_, i) => i - extents.length)
}
