import { checkAxis, checkDtype, checkSameDtype, checkShape, NUMBERS, refuse } from '../checks.ts'
import type { Attrs, Node } from '../graph.ts'
import { apply } from '../lang/tensor.ts'
import type { OpDef } from '../op.ts'
import { sameShape, sizeOf, type Shape } from '../types.ts'
import { inArithmetic, linear, through } from './rules.ts'
import { shapeOfWindows, windowMap } from './windows.ts'

/** Shape of x[..., index, ...]; checks axis and index. */
function gathered(op: string, operands: readonly Node[], attrs: Attrs): Shape {
  const [x, index] = operands
  const axis = checkAxis(op, attrs.axis as number, x.shape.length, operands)
  if (axis !== attrs.axis) refuse('shape/axis', `${op}: the axis is negative`, operands)
  if (index.dtype !== 'i32') refuse('dtype/mismatch', `${op}: the index is ${index.dtype}, not i32`, operands, `cast(index, 'i32')`)
  if (x.shape[axis] === 0 && sizeOf(index.shape) > 0) refuse('shape/invalid', `${op}: axis ${axis} is empty, nothing can be indexed`, operands)
  return checkShape(op, [...x.shape.slice(0, axis), ...index.shape, ...x.shape.slice(axis + 1)], operands)
}

/** Reading and adding at places that the data names, and adding overlapping patches. */
export const INDEXED: readonly OpDef[] = [
  {
    name: 'gather', arity: 2, attrs: ['axis'], cost: 2,
    infer: (operands, attrs) => ({ dtype: operands[0].dtype, shape: gathered('gather', operands, attrs) }),
    tangent: (_, [dx], [, index], { attrs }) => through(dx, (d) => apply('gather', [d, index], attrs)),
    transpose: (b, ct, { operands: [x, index], attrs }, at) =>
      at === 0 ? inArithmetic([b.zeros(x), ct], (zeros, c) => apply('scatterAdd', [zeros, index, c], attrs)) : null,
    lowering: { kind: 'gather' },
  },
  {
    name: 'scatterAdd', arity: 3, attrs: ['axis'],
    infer: (operands, attrs) => {
      const [x, , updates] = operands
      checkDtype('scatterAdd', NUMBERS, [x])
      checkSameDtype('scatterAdd', [x, updates])
      const shape = gathered('scatterAdd', operands, attrs)
      if (!sameShape(shape, updates.shape)) refuse('shape/mismatch', `scatterAdd: updates must be [${shape.join(', ')}]`, operands)
      return { dtype: x.dtype, shape: x.shape }
    },
    tangent: (b, [dx, , du], [x, index, updates], { attrs }) =>
      dx || du ? apply('scatterAdd', [dx ?? b.zeros(x), index, du ?? b.zeros(updates)], attrs) : null,
    transpose: (_, ct, { operands: [, index], attrs }, at) => (at === 0 ? ct : at === 2 ? apply('gather', [ct, index], attrs) : null),
    lowering: { kind: 'scatter', scatter: 'indexed' },
  },
  {
    // The adjoint of window: every patch element is added where it was read.
    name: 'overlapAdd', arity: 1, attrs: ['shape', 'axes', 'size', 'stride', 'dilation'],
    infer: ([x], attrs) => {
      checkDtype('overlapAdd', NUMBERS, [x])
      const shape = checkShape('overlapAdd', attrs.shape as Shape, [x])
      const patches = shapeOfWindows('overlapAdd', shape, attrs, [x])
      if (!sameShape(patches, x.shape)) {
        refuse('shape/mismatch', `overlapAdd into [${shape.join(', ')}]: patches must be [${patches.join(', ')}]`, [x])
      }
      return { dtype: x.dtype, shape }
    },
    ...linear((_, ct, { attrs: { axes, size, stride, dilation } }) => apply('window', [ct], { axes, size, stride, dilation })),
    lowering: { kind: 'scatter', scatter: 'affine', target: (n) => windowMap(n.shape.length, n.attrs) },
  },
]
