import type { Affine } from '../../ir/affine.ts'
import type { Expressions } from '../../ir/expression.ts'
import { termOrder } from '../../ir/rows.ts'
import type { Shape } from '../../ir/types.ts'
import type { Nest } from '../nest.ts'
import { isContraction } from '../order.ts'
import { formsOf, transform } from './transform.ts'

/** Of a nest that runs row by row: how many of its axes are row axes, and the nest as it is without them. */
export interface Whole {
  readonly rows: number
  readonly nest: Nest
}

/**
 * The same nest over fewer axes: axes of extent 1 are dropped, and neighbours through which every access steps alike
 * (coefficient[i] = coefficient[i+1] · extent[i+1]) become one. A map over contiguous tensors becomes one flat loop.
 * The order of points does not change, but that of a contraction's terms may. A fold keeps one reduced axis, be its extent 1.
 * Row axes stay, and terms are added in the order of the whole nest: rows do not change a bit.
 */
export function simplifyNest(given: Nest, x: Expressions, whole: Whole = { rows: 0, nest: given }): Nest {
  const sorted = isContraction(given)
  const nest = sorted ? byStride(given, x, whole.nest) : given
  const model = whole.nest === given ? nest : sorted ? byStride(whole.nest, x, whole.nest) : whole.nest
  const { rows } = whole
  const free = nest.free.length
  const extents = [...nest.free, ...nest.reduced]
  const inner = innerForms(nest)
  const outer = formsOf(nest.stores.flatMap((s) => (s.indirect ? [s.value, s.indirect.at] : [s.value])))
  if (!nest.running) outer.push(...nest.stores.map((s) => s.index))

  const freeAxes = [...range(0, rows).map((i) => ({ last: i, extent: extents[i] })), ...merge(range(rows, free), extents, [...inner, ...outer])]
  const before = model.free.length
  const reducedAxes = merge(range(before, before + nest.reduced.length), [...model.free, ...model.reduced], innerForms(model), [...model.free, ...nest.reduced])
    .map((a) => ({ ...a, last: a.last - before + free }))
  if (!reducedAxes.length && nest.reduced.length) reducedAxes.push({ last: extents.length - 1, extent: 1 })

  const over = (axes: readonly Axis[]): ((a: Affine) => Affine) => (a) => ({
    offset: a.offset,
    coefficients: axes.map(({ last, extent }) => (extent === 1 ? 0 : a.coefficients[last])),
  })
  const overFree = over(freeAxes)
  const overAll = over([...freeAxes, ...reducedAxes])
  const storeExpr = transform(x, () => null, overFree)
  const valueExpr = transform(x, () => null, overAll)
  return {
    ...nest,
    free: freeAxes.map((a) => a.extent),
    reduced: reducedAxes.map((a) => a.extent),
    value: nest.value && valueExpr(nest.value),
    stores: nest.stores.map((s) => ({
      ...s,
      index: (nest.running ? overAll : overFree)(s.index),
      value: storeExpr(s.value),
      indirect: s.indirect && { ...s.indirect, at: storeExpr(s.indirect.at) },
    })),
  }
}

const innerForms = (nest: Nest): Affine[] =>
  [...formsOf(nest.value ? [nest.value] : []), ...(nest.running ? nest.stores.map((s) => s.index) : [])]

/**
 * A contraction's reduced axes in the order of its terms (of the whole nest), the largest steps outermost: a window's taps and channels, contiguous in
 * memory, can then become one axis.
 */
function byStride(nest: Nest, x: Expressions, whole: Nest): Nest {
  const [free, before] = [nest.free.length, whole.free.length]
  const order = termOrder(formsOf([whole.value!]), range(before, before + nest.reduced.length)).map((i) => i - before)
  const all = [...range(0, free), ...order.map((i) => free + i)]
  const moved = transform(x, () => null, (f) => ({ ...f, coefficients: all.map((i) => f.coefficients[i]) }))
  return { ...nest, reduced: order.map((i) => nest.reduced[i]), value: moved(nest.value!) }
}

/** A new axis: its extent, and the fastest of the old axes that it stands for. */
interface Axis {
  readonly last: number
  readonly extent: number
}

/** `points`: what the new axes' extents are made of, where only some points of an axis are in the nest. */
function merge(axes: readonly number[], extents: Shape, forms: readonly Affine[], points = extents): Axis[] {
  const merged: Axis[] = []
  for (const i of axes) {
    if (extents[i] === 1) continue
    const before = merged.at(-1)
    const steps = ({ coefficients: c }: Affine): boolean => c[before!.last] === c[i] * extents[i]
    if (before && forms.every(steps)) merged[merged.length - 1] = { last: i, extent: before.extent * points[i] }
    else merged.push({ last: i, extent: points[i] })
  }
  return merged
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)
