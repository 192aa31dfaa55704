import type { Expr, Expressions } from '../../ir/expression.ts'
import type { Arith } from '../../ir/scalar.ts'
import { erf, gelu, normalCdf, normalPdf } from '../../ir/special.ts'
import { expand } from '../approximate.ts'
import { castHalf } from '../approximate/half.ts'
import type { Nest } from '../nest.ts'
import { transform } from './transform.ts'

/**
 * Replaces what no target computes natively by basic arithmetic, so that all targets give the same bits: every f32
 * transcendental, casts from and to f16 and bf16, and of f64 what hosts do not have. The other f64 functions are the host's Math.
 */
export function expandNest(x: Expressions): (nest: Nest) => Nest {
  const visit: (e: Expr) => Expr = transform(x, (e, args) => {
    if (e.kind !== 'scalar' || e.op === 'bitcast') return null
    if (e.op === 'cast') return castHalf(x.arith, args[0], e.dtype)
    const expanded = e.dtype === 'f64' ? (DOUBLE.get(e.op)?.(x.arith, args[0]) ?? null) : expand(x.arith, e.op, args)
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

/** What hosts have no function for. */
const DOUBLE: ReadonlyMap<string, <V>(k: Arith<V>, x: V) => V> = new Map([
  ['erf', erf], ['normalPdf', normalPdf], ['normalCdf', normalCdf], ['gelu', gelu], ['sigmoid', sigmoid],
])

function sigmoid<V>(k: Arith<V>, x: V): V {
  const one = k.lit(1, 'f64')
  return k.div(one, k.add(one, k.exp(k.neg(x))))
}
