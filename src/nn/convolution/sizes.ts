import { showValue } from '../../ir/arguments.ts'
import { GradcError, type Party } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'
import { showType } from '../../ir/types.ts'

/** One number for all spatial axes, or a list of one number each. */
export type Sizes = number | readonly number[]

/** Batch and channels stand before the spatial axes: [n, c, ...]. */
export const LEADING = 2

/** The sizes as one integer a spatial axis, none below `least`. Errors: option/invalid. */
export function sizesOf(whose: string, name: string, value: unknown, rank: number, least: number): readonly number[] {
  // A copy: it has no holes, and nobody else can change it.
  const list: readonly unknown[] = Array.isArray(value) ? [...value] : new Array<unknown>(rank).fill(value)
  const fits = list.length === rank && list.every((v) => Number.isSafeInteger(v) && (v as number) >= least)
  if (fits) return list as readonly number[]
  const shown = Array.isArray(value) ? `[${value.map(showValue).join(', ')}]` : showValue(value)
  throw new GradcError('option/invalid', `${whose}: ${name} cannot be ${shown}`, {
    hint: `an integer ≥ ${least}${rank > 1 ? `, or a list of ${rank}, one a spatial axis` : ' (also as a list of one)'}`,
  })
}

/** A single integer ≥ `least`. Errors: option/invalid. */
export function countOf(whose: string, name: string, value: unknown, least = 1): number {
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number
  throw new GradcError('option/invalid', `${whose}: ${name} cannot be ${showValue(value)}`, { hint: `an integer ≥ ${least}` })
}

/** True or false. Errors: option/invalid. */
export function switchOf(whose: string, name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw new GradcError('option/invalid', `${whose}: ${name} cannot be ${showValue(value)}`, { hint: 'true or false' })
}

/** The spatial axes of [n, c, ...]. */
export const spatialAxes = (rank: number): readonly number[] => Array.from({ length: rank }, (_, i) => i + LEADING)

/** x must be [n, c, ...] with `rank` spatial axes: else shape/mismatch. */
export function checkImages(whose: string, x: Node, rank: number, parties: readonly Party[] = []): void {
  if (x.shape.length === rank + LEADING) return
  const axes = ['length', 'height, width', 'depth, height, width'][rank - 1]
  throw new GradcError('shape/mismatch', `${whose} takes x [batch, channels, ${axes}], got ${showType(x)}`, {
    parties: [{ label: 'x', node: x }, ...parties],
    hint: x.shape.length === rank + 1 ? 'a batch of one: expandDims(x, 0)' : 'reshape(x, [batch, channels, ...])',
  })
}

/** How far a window reaches along its axis. */
export const reachOf = (size: number, dilation: number): number => (size - 1) * dilation + 1

/** A window must fit into each padded spatial axis: else shape/mismatch. */
export function checkReach(
  whose: string, x: Node, reach: readonly number[], margins: readonly (readonly number[])[], parties: readonly Party[] = [],
): void {
  reach.forEach((r, i) => {
    const at = i + LEADING
    const [low, high] = margins[i]
    const extent = x.shape[at] + low + high
    if (r <= extent) return
    const padded = low + high > 0 ? ` (${x.shape[at]} with padding ${low} and ${high})` : ''
    throw new GradcError('shape/mismatch', `${whose}: a window that reaches over ${r} does not fit into ${extent}${padded}`, {
      parties: [{ label: 'x', node: x, mark: { axis: at, text: `must be at least ${r - low - high}` } }, ...parties],
      hint: 'take a smaller kernel or dilation, or more padding',
    })
  })
}
