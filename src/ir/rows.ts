import { linearise, throughReshape, type Affine } from './affine.ts'
import type { RowAxis, RowLocal } from './plan.ts'
import { rowMajor, sizeOf, type Shape } from './types.ts'

/**
 * For each axis of a row-major tensor the axis of the iteration space that is its coordinate in this access, or −1. Null if the
 * element index does not come apart into coordinates.
 */
export function axesRead(index: Affine, shape: Shape, extents: Shape): number[] | null {
  const coordinates = throughReshape([index], [sizeOf(shape)], shape, extents)
  return coordinates && coordinates.map(({ offset, coefficients }, i) => {
    const moving = coefficients.flatMap((c, j) => (c !== 0 && extents[j] > 1 ? [j] : []))
    const [j] = moving
    return offset === 0 && moving.length === 1 && coefficients[j] === 1 && extents[j] === shape[i] ? j : -1
  })
}

/** The shape of what one row holds of a value. */
export const rowShape = (shape: Shape, axes: RowLocal['axes'], rows: readonly RowAxis[]): Shape =>
  shape.map((n, i) => (axes.includes(i) ? rows[axes.indexOf(i)].points : n))

/**
 * The index into what a row holds of a local value, from that into the whole value, if coordinates of row axes are counted from
 * the row's first point. Null if the access is not known to stay within its row.
 */
export function indexInRow(
  index: Affine, { node: { shape }, axes }: Pick<RowLocal, 'node' | 'axes'>, rows: readonly RowAxis[], partAxes: readonly number[], extents: Shape,
): Affine | null {
  const read = axesRead(index, shape, extents)
  if (!read || axes.some((a, k) => read[a] !== partAxes[k])) return null
  const coordinates = throughReshape([index], [sizeOf(shape)], shape, extents)
  return coordinates && linearise(coordinates, rowMajor(rowShape(shape, axes, rows)), extents.length)
}
