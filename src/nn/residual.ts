import { checkOptions } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import { add } from '../ir/lang/pointwise.ts'
import type { Tensor } from '../ir/lang/tensor.ts'
import { sameShape, showType } from '../ir/types.ts'
import { layerOf, type Child, type Layer } from './layer.ts'
import { Parameter } from './parameter.ts'

/** Options of {@link residual}. */
export interface ResidualOptions {
  /** What the other branch does, where the shape changes: a 1 × 1 convolution, for example. Default: nothing. */
  readonly shortcut?: (x: Tensor) => Tensor
}

/**
 * y = shortcut(x) + layer(x) (He et al., CVPR 2016), of one shape: nothing is broadcast. Parameters are named `layer.…` and
 * `shortcut.…`. Errors: option/invalid; applied: shape/mismatch, dtype/mismatch.
 */
export function residual(layer: (x: Tensor) => Tensor, options: ResidualOptions = {}): Layer {
  checkOptions('residual', options, ['shortcut'])
  const { shortcut } = options
  const children: [string, Child][] = [['layer', layer]]
  if (shortcut !== undefined) children.push(['shortcut', shortcut])
  const bare = children.find(([, child]) => (child as unknown) instanceof Parameter)
  if (bare) throw new GradcError('option/invalid', `the ${bare[0]} of residual is a parameter, which cannot be applied`)
  return layerOf(children, (x) => {
    const straight = shortcut ? shortcut(x) : x
    const y = layer(x)
    if (!sameShape(straight.shape, y.shape)) {
      throw new GradcError('shape/mismatch', `residual: the branches give ${showType(straight)} and ${showType(y)}`, {
        parties: [{ label: shortcut ? 'shortcut' : 'x', node: straight }, { label: 'y', node: y }],
        hint: 'give a shortcut that brings x to the shape of the layer\'s result: nn.residual(layer, { shortcut })',
      })
    }
    return add(straight, y)
  })
}
