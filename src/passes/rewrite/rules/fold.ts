import type { Node } from '../../../ir/graph.ts'
import { numeric, type Num } from '../../../ir/numeric.ts'
import type { OpDef } from '../../../ir/op.ts'
import { ops } from '../../../ir/ops/index.ts'
import { APPROXIMATED, type Arith } from '../../../ir/scalar.ts'
import { DTYPES, isFloat, sizeOf } from '../../../ir/types.ts'
import { splat } from '../build.ts'
import { lit, p, valueOf } from '../pattern.ts'
import { rule, type Match, type Rule } from '../rule.ts'

const approximated: ReadonlySet<string> = new Set(APPROXIMATED)
const arithmetic: Arith<Num> = numeric('declared')

/** Does the op's formula use none of these? */
function isExact({ lowering }: OpDef): boolean {
  let exact = true
  const watched = new Proxy(arithmetic, {
    get(k, name: keyof Arith<Num>) {
      if (approximated.has(name)) exact = false
      return k[name]
    },
  })
  const one: Num = { value: 1, dtype: 'i32' }
  if (lowering.kind === 'pointwise') lowering.scalar(watched, [one, one, one], { to: 'f32' })
  return exact && lowering.kind === 'pointwise'
}

/** The value of a pointwise op on splats, by its own formula. */
function folded({ lowering }: OpDef, { root }: Match): Node | null {
  if (lowering.kind !== 'pointwise') return null
  const numbers = root.operands.map((o) => ({ value: valueOf(o), dtype: o.dtype }))
  return splat(root, lowering.scalar(arithmetic, numbers, root.attrs).value)
}

/** Pointwise ops on splats; bitcast is not among them, since a splat does not keep the bits of a NaN. */
const pointwise: readonly Rule[] = ops().filter((def) => isExact(def) && def.name !== 'bitcast').map((def) =>
  rule(`fold-${def.name}`, p[def.name](...Array.from({ length: def.arity! }, (_, i) => lit(`c${i}`))), (m) => folded(def, m)))

/** Elements that one result of a reduction folds. */
const count = (root: Node): number => sizeOf(root.operands[0].shape) / Math.max(sizeOf(root.shape), 1)

/** Reductions of splats. */
const reductions: readonly Rule[] = [
  rule('sum-literal', p.sum(lit('c')), ({ c, root }) => splat(root, count(root) && count(root) * valueOf(c)),
    { when: sumsExactly }),
  rule('prod-literal', p.prod(lit('c')), ({ c, root }) => splat(root, count(root) === 0 ? 1 : valueOf(c)),
    { when: multipliesExactly }),
  rule('max-literal', p.reduceMax(lit('c')), ({ c, root }) => splat(root, valueOf(c))),
  rule('min-literal', p.reduceMin(lit('c')), ({ c, root }) => splat(root, valueOf(c))),
  rule('argmax-literal', p.argmax(lit('c')), ({ root }) => splat(root, 0)),
  rule('argmin-literal', p.argmin(lit('c')), ({ root }) => splat(root, 0)),
]

/** Are all partial sums representable, so that adding one by one gives the product? */
function sumsExactly({ c, root }: { c: Node; root: Node }): boolean {
  const value = valueOf(c)
  const n = count(root)
  if (n === 0 || !Number.isFinite(value) || value === 0) return n === 0 || !Object.is(value, -0)
  if (!isFloat(root.dtype)) return Number.isSafeInteger(value * n)
  const bits = DTYPES[root.dtype].bytes === 8 ? 53 : 24
  let whole = Math.abs(value)
  while (!Number.isInteger(whole)) whole *= 2
  while (whole % 2 === 0) whole /= 2
  return whole * n <= 2 ** bits && Math.abs(value) * n < 1e38
}

function multipliesExactly({ c, root }: { c: Node; root: Node }): boolean {
  return valueOf(c) === 1 || Object.is(valueOf(c), 0) || count(root) < 2
}

/** Constants are folded where every back end computes the same bits. */
export const fold: readonly Rule[] = [...pointwise, ...reductions]
