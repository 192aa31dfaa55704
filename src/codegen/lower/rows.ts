import type { Affine } from '../../ir/affine.ts'
import { InternalError } from '../../ir/errors.ts'
import type { Expr, Expressions } from '../../ir/expression.ts'
import type { RowLocal, RowPart, RowsPlan } from '../../ir/plan.ts'
import { carriedBy, depthOf, indexInRow, termOrder } from '../../ir/rows.ts'
import type { Shape } from '../../ir/types.ts'
import type { Nest, Store } from '../nest.ts'
import { isContraction } from '../order.ts'
import { formsOf, transform } from './transform.ts'

/**
 * The nests of one part with the steps of the row axes as leading free axes. What is local is read and written in its scratch,
 * the same bytes at every step; a sum over rows goes on from step to step.
 */
export function nestsInRows(nests: readonly Nest[], part: RowPart, plan: RowsPlan, x: Expressions): Nest[] {
  const locals = new Map(plan.locals.map((l) => [l.node, l]))
  const carried = carriedBy(part)
  const depth = depthOf(part)
  return nests.map((nest) => {
    if (carried.length) checkCarried(nest, carried.map((k) => part.axes[k]))
    const all = [...nest.free, ...nest.reduced]
    const steps = (c: readonly number[]): number[] => part.axes.map((a, k) => (c[a] ?? 0) * plan.axes[k].points)
    const anywhere = ({ offset, coefficients: c }: Affine): Affine => ({ offset, coefficients: [...steps(c), ...c] })
    const inRow = (index: Affine, local: RowLocal): Affine => {
      const own = indexInRow(index, local, plan.axes, part.axes, all.slice(0, index.coefficients.length))
      if (!own) throw new InternalError('lower', `%${local.node.id} of a row is read outside of it`)
      return { offset: own.offset, coefficients: [...part.axes.map(() => 0), ...own.coefficients] }
    }
    const visit: (e: Expr) => Expr = transform(x, (e) => {
      const local = e.kind === 'load' ? locals.get(e.node) : undefined
      return local && e.kind === 'load' ? x.load(e.node, inRow(e.index, local)) : null
    }, anywhere)
    const store = (s: Store, i: number): Store => {
      const local = locals.get(part.stores[i])
      return { ...s, index: local ? inRow(s.index, local) : anywhere(s.index), value: visit(s.value), indirect: null }
    }
    const inside = all.map((n, i) => (part.axes.includes(i) ? plan.axes[part.axes.indexOf(i)].points : n))
    return {
      ...nest,
      free: [...plan.axes.map((a, k) => (k < depth ? a.steps : 1)), ...inside.slice(0, nest.free.length)],
      reduced: inside.slice(nest.free.length),
      ...(carried.length ? { carried } : {}),
      ...(depth < plan.axes.length ? { after: depth } : {}),
      value: nest.value && visit(nest.value),
      stores: nest.stores.map(store),
    }
  })
}

/** Sums go on with the same bits only in the order of their terms: over the outermost axis, and as they are in memory. */
function checkCarried(nest: Nest, [axis, ...others]: readonly number[]): void {
  const reduced = [...nest.reduced.keys()].filter((i) => nest.reduced[i] > 1).map((i) => nest.free.length + i)
  const [store] = nest.stores
  const bare = nest.stores.length === 1 && store.value.kind === 'core' && store.dtype === 'f32' && !store.accumulate
  if (others.length || !bare || !isContraction(nest) || termOrder(formsOf([nest.value!]), reduced)[0] !== axis) {
    throw new InternalError('lower', `a sum over ${nest.reduced.join('×')} cannot go on from row to row`)
  }
}

/** Row axes through which every access of every nest steps alike become one: the loops around the parts get fewer. */
export function mergeRows(nests: readonly Nest[], rows: Shape, x: Expressions): { nests: readonly Nest[]; rows: Shape } {
  const forms = nests.flatMap((n) => [
    ...formsOf([...(n.value ? [n.value] : []), ...n.stores.map((s) => s.value)]), ...n.stores.map((s) => s.index),
  ])
  const inner = rows.findLastIndex((n, i) => i > 0 && forms.every(({ coefficients: c }) => c[i - 1] === c[i] * n))
  if (inner < 0) return { nests, rows }
  const drop = <T>(list: readonly T[]): T[] => list.filter((_, i) => i !== inner - 1)
  const form = ({ offset, coefficients }: Affine): Affine => ({ offset, coefficients: drop(coefficients) })
  const visit = transform(x, () => null, form)
  const whole = (free: Shape): Shape => drop(free.map((n, i) => (i === inner ? n * free[i - 1] : n)))
  const merged = nests.map((n): Nest => ({
    ...n,
    ...(n.carried && { carried: [...new Set(n.carried.map((k) => (k < inner ? k : k - 1)))] }),
    ...(n.after !== undefined && { after: n.after < inner ? n.after : n.after - 1 }),
    free: whole(n.free),
    value: n.value && visit(n.value),
    stores: n.stores.map((s) => ({ ...s, index: form(s.index), value: visit(s.value) })),
  }))
  return mergeRows(merged, whole(rows), x)
}
