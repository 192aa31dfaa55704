import { Expressions, inOrder, type Expr } from '../../ir/expression.ts'
import type { Routine } from '../../ir/scalar.ts'
import type { Shared } from './prelude.ts'
import { literal, operandText, scalarText } from './scalar.ts'

/** A routine as a function of its own: what is used more than once has a line, all else stands where it is used. */
export function routineText({ name, formula }: Routine, shared: Shared): string[] {
  const expressions = new Expressions()
  const root = formula(expressions.arith, expressions.core('f32'))
  const order = inOrder([root])
  const uses = new Map<Expr, number>()
  for (const a of order.flatMap((e) => e.args)) uses.set(a, (uses.get(a) ?? 0) + 1)
  const texts = new Map<Expr, string>()
  const lines: string[] = []
  for (const e of order) {
    if (e.kind === 'lit') texts.set(e, operandText(literal(e.value, e.dtype)))
    else if (e.kind !== 'scalar') texts.set(e, 'x')
    else {
      const piece = scalarText(e, e.args.map((a) => texts.get(a)!), shared)
      if (piece.rounds) shared.need('fround')
      const kept = uses.get(e)! > 1
      texts.set(e, kept ? `v_${lines.length}` : operandText(piece))
      if (kept) lines.push(`  const v_${lines.length} = ${operandText(piece)}`)
    }
  }
  return [`function ${name}(x) {`, ...lines, `  return ${texts.get(root)}`, '}']
}
