import { checkTensors, showValue } from '../ir/arguments.ts'
import { checkAxis, checkShape } from '../ir/checks.ts'
import { GradcError } from '../ir/errors.ts'
import type { Tensor } from '../ir/lang/tensor.ts'
import { reshape } from '../ir/lang/view.ts'
import { showType, sizeOf, type DType, type Shape } from '../ir/types.ts'

/** A layer without parameters that only reads its operand otherwise. */
export type Reshaping = <D extends DType>(x: Tensor<D>) => Tensor<D>

/**
 * Axes `startAxis` to `endAxis` (both included; negative from the end) as one, by default all but the first:
 * [n, c, h, w] to [n, c·h·w].
 * Errors: option/invalid here; shape/axis when applied.
 */
export function flatten(startAxis = 1, endAxis = -1): Reshaping {
  for (const axis of [startAxis, endAxis]) checkInteger('flatten', axis)
  return <D extends DType>(x: Tensor<D>): Tensor<D> => {
    checkTensors('flatten', [x])
    const [first, last] = [startAxis, endAxis].map((a) => checkAxis('flatten', a, x.shape.length, [x]))
    if (first > last) {
      throw new GradcError('shape/axis', `flatten from axis ${first} to axis ${last}`, {
        parties: [{ label: 'x', node: x }],
        hint: 'startAxis must not come after endAxis',
      })
    }
    return reshape(x, [...x.shape.slice(0, first), sizeOf(x.shape.slice(first, last + 1)), ...x.shape.slice(last + 1)])
  }
}

/**
 * One axis as several, in row-major order; one extent may be −1 and is computed: `unflatten(1, [3, 8, -1])`.
 * Errors: option/invalid, shape/invalid here; shape/axis, shape/mismatch when applied.
 */
export function unflatten(axis: number, shape: Shape): Reshaping {
  checkInteger('unflatten', axis)
  const open = Array.isArray(shape) ? shape.indexOf(-1) : -1
  const known = open < 0 ? shape : shape.filter((_, i) => i !== open)
  if (open >= 0 && known.includes(-1)) {
    throw new GradcError('shape/invalid', `unflatten: [${shape.join(', ')}] has more than one -1`, {
      hint: 'one extent can be computed',
    })
  }
  checkShape('unflatten', known)
  const extents = [...shape]
  const size = sizeOf(known)
  return <D extends DType>(x: Tensor<D>): Tensor<D> => {
    checkTensors('unflatten', [x])
    const at = checkAxis('unflatten', axis, x.shape.length, [x])
    if (open < 0 ? size !== x.shape[at] : size === 0 || x.shape[at] % size !== 0) {
      throw new GradcError('shape/mismatch', `unflatten: axis ${at} of ${showType(x)} cannot become [${extents.join(', ')}]`, {
        parties: [{ label: 'x', node: x, mark: { axis: at, text: `must be ${open < 0 ? '' : 'a multiple of '}${size}` } }],
        hint: 'the extents must multiply to that of the axis; one may be -1',
      })
    }
    const parts = extents.map((d) => (d === -1 ? x.shape[at] / size : d))
    return reshape(x, [...x.shape.slice(0, at), ...parts, ...x.shape.slice(at + 1)])
  }
}

function checkInteger(whose: string, axis: unknown): void {
  if (Number.isInteger(axis)) return
  throw new GradcError('option/invalid', `${whose}: ${showValue(axis)} is no axis`, {
    hint: `nn.${whose} is called with axes, and what it gives with x`,
  })
}
