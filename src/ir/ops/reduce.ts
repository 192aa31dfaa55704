import { checkAxis, checkDtype, NUMBERS, refuse } from '../checks.ts'
import type { Attrs, Node } from '../graph.ts'
import { add, cast, div, equal, mul } from '../lang/pointwise.ts'
import { sum } from '../lang/reduce.ts'
import { apply, broadcastTo } from '../lang/tensor.ts'
import { flip, reshape, slice, concat } from '../lang/view.ts'
import type { Combine, OpDef } from '../op.ts'
import { linear, NONE, through, type Derivative } from './rules.ts'

const axesOf = (node: { readonly attrs: Attrs }): readonly number[] => node.attrs.axes as readonly number[]

/** y with the reduced axes back as extents of 1, spread over x's shape. */
const spread = (y: Node, x: Node, axes: readonly number[]): Node =>
  broadcastTo(reshape(y, x.shape.map((d, i) => (axes.includes(i) ? 1 : d))), x.shape)

const reduction = (name: string, combine: Combine, derivative: Derivative): OpDef => ({
  name, arity: 1, attrs: ['axes'], ...derivative,
  infer: ([x], attrs) => {
    checkDtype(name, NUMBERS, [x])
    const axes = axesOf({ attrs })
    const position = combine === 'argmax' || combine === 'argmin'
    axes.forEach((a, i) => {
      checkAxis(name, a, x.shape.length, [x])
      if (a < 0 || (i > 0 && axes[i - 1] >= a)) refuse('shape/axis', `${name}: axes [${axes.join(', ')}] are not ascending`, [x])
    })
    if (position && axes.length !== 1) refuse('shape/axis', `${name} takes exactly one axis`, [x])
    const empty = axes.some((a) => x.shape[a] === 0)
    if (empty && combine !== 'sum' && combine !== 'prod') refuse('shape/invalid', `${name} over an axis of extent 0 has no value`, [x])
    return { dtype: position ? 'i32' : x.dtype, shape: x.shape.filter((_, i) => !axes.includes(i)) }
  },
  lowering: { kind: 'reduce', combine },
})

/** Elements that equal the extremum share its tangent evenly; a NaN equals nothing, so that 0/0 gives NaN. */
const extremum: Derivative = {
  tangent: (_, [d], [x], y) => through(d, (t) => {
    const axes = axesOf(y)
    const hits = cast(equal(x, spread(y, x, axes)), x.dtype)
    return div(sum(mul(t, hits), { axis: axes }), sum(hits, { axis: axes }))
  }),
}

/**
 * The tangent of a product by halving: pairs (x, dx) multiply as (a·b, da·b + a·db) until one is left. No division, so
 * it is exact at zeros and at every order.
 */
const product: Derivative = {
  tangent: (_, [d], [x], y) => through(d, (t) => {
    const axes = axesOf(y)
    const kept = x.shape.map((_, i) => i).filter((i) => !axes.includes(i))
    // One last axis that holds everything to be multiplied.
    const size = axes.reduce((s, a) => s * x.shape[a], 1)
    const rows = (n: Node): Node => reshape(apply('permute', [n], { perm: [...kept, ...axes] }), [...y.shape, size])
    let [value, tangent] = [rows(x), rows(t)]
    for (let n = value.shape.at(-1)!; n !== 1; n = value.shape.at(-1)!) {
      if (n === 0) return null
      const whole = y.shape.map(() => null)
      const half = n >> 1
      const part = (v: Node, start: number, stop: number): Node => slice(v, ...whole, { start, stop })
      const [a, z] = [part(value, 0, half), part(value, half, 2 * half)]
      const [da, dz] = [part(tangent, 0, half), part(tangent, half, 2 * half)]
      const [next, dnext] = [mul(a, z), add(mul(da, z), mul(a, dz))]
      const odd = n % 2 === 1
      value = odd ? concat([next, part(value, n - 1, n)], y.shape.length) : next
      tangent = odd ? concat([dnext, part(tangent, n - 1, n)], y.shape.length) : dnext
    }
    return reshape(tangent, y.shape)
  }),
}

/** Folds over axes. */
export const REDUCTIONS: readonly OpDef[] = [
  reduction('sum', 'sum', linear((_, ct, node) => spread(ct, node.operands[0], axesOf(node)))),
  reduction('reduceMax', 'max', extremum),
  reduction('reduceMin', 'min', extremum),
  reduction('prod', 'prod', product),
  reduction('argmax', 'argmax', NONE),
  reduction('argmin', 'argmin', NONE),
  {
    name: 'cumsum', arity: 1, attrs: ['axis'],
    infer: ([x], attrs) => {
      checkDtype('cumsum', NUMBERS, [x])
      if (checkAxis('cumsum', attrs.axis as number, x.shape.length, [x]) !== attrs.axis) refuse('shape/axis', 'cumsum: the axis is negative', [x])
      return { dtype: x.dtype, shape: x.shape }
    },
    // The transpose sums from the other end.
    ...linear((_, ct, { attrs }) => {
      const axis = attrs.axis as number
      return flip(apply('cumsum', [flip(ct, axis)], { axis }), axis)
    }),
    lowering: { kind: 'cumulate' },
  },
]
