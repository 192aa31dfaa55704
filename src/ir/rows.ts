import { linearise, throughReshape, type Affine } from './affine.ts'
import type { RowAxis, RowLocal, RowPart } from './plan.ts'
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

/** The reduced axes of a contraction in the order in which it adds its terms: those with the largest steps outermost. */
export function termOrder(forms: readonly Affine[], reduced: readonly number[]): number[] {
  const step = (i: number): number => forms.reduce((s, f) => s + Math.abs(f.coefficients[i]), 0)
  return reduced.toSorted((a, b) => step(b) - step(a))
}

/** The row axes along which a part's sum goes on from step to step. */
export const carriedBy = ({ stores: [{ shape }], axes }: Pick<RowPart, 'stores' | 'axes'>): number[] =>
  [...axes.keys()].filter((k) => axes[k] >= shape.length)

/** How many row axes a part runs inside of: once all steps of the others have run. */
export const depthOf = ({ axes }: Pick<RowPart, 'axes'>): number => (axes.includes(-1) ? axes.indexOf(-1) : axes.length)

/** The shape of what one row holds of a value: all of it along axes that it is summed over. */
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
  if (!read || axes.some((a, k) => a >= 0 && a < shape.length && read[a] !== partAxes[k])) return null
  const coordinates = throughReshape([index], [sizeOf(shape)], shape, extents)
  return coordinates && linearise(coordinates, rowMajor(rowShape(shape, axes, rows)), extents.length)
}
