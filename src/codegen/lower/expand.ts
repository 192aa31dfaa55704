import type { Expr, Expressions } from '../../ir/expression.ts'
import type { ScalarOp } from '../../ir/scalar.ts'
import { erf } from '../../ir/special.ts'
import { expand } from '../approximate.ts'
import { castHalf } from '../approximate/half.ts'
import type { Nest } from '../nest.ts'
import { transform } from './transform.ts'

/**
 * Replaces what no target computes natively by basic arithmetic, so that all targets give the same bits: every f32
 * transcendental, casts from and to f16 and bf16, and of f64 `erf` and `sigmoid`. The other f64 functions are the host's Math.
 */
export function expandNest(x: Expressions): (nest: Nest) => Nest {
  const visit: (e: Expr) => Expr = transform(x, (e, args) => {
    if (e.kind !== 'scalar' || e.op === 'bitcast') return null
    if (e.op === 'cast') return castHalf(x.arith, args[0], e.dtype)
    const expanded = e.dtype === 'f64' ? double(x, e.op, args) : expand(x.arith, e.op, args)
    return expanded && visit(expanded)
  })
  return (nest) => ({
    ...nest,
    value: nest.value && visit(nest.value),
    stores: nest.stores.map((s) => ({
      ...s,
      value: visit(s.value),
      indirect: s.indirect && { ...s.indirect, at: visit(s.indirect.at) },
    })),
  })
}

function double(x: Expressions, op: ScalarOp, [v]: readonly Expr[]): Expr | null {
  const k = x.arith
  if (op === 'erf') return erf(k, v)
  if (op !== 'sigmoid') return null
  const one = k.lit(1, 'f64')
  return k.div(one, k.add(one, k.exp(k.neg(v))))
}
