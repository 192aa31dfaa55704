import type { Affine } from '../../ir/affine.ts'
import type { Expr, Expressions } from '../../ir/expression.ts'

/** What replaces an expression whose operands have been replaced by `args` already; null keeps it (over `args`). */
export type Rewrite = (e: Expr, args: readonly Expr[]) => Expr | null

/** A memoised rewriting of expression DAGs, operands first. `form` replaces the affine form of a leaf. */
export function transform(x: Expressions, rewrite: Rewrite, form: (a: Affine) => Affine = (a) => a): (e: Expr) => Expr {
  const memo = new Map<Expr, Expr>()
  const visit = (e: Expr): Expr => {
    let known = memo.get(e)
    if (!known) {
      const args = e.args.map(visit)
      memo.set(e, (known = rewrite(e, args) ?? rebuild(x, e, args, form)))
    }
    return known
  }
  return visit
}

function rebuild(x: Expressions, e: Expr, args: readonly Expr[], form: (a: Affine) => Affine): Expr {
  switch (e.kind) {
    case 'lit':
    case 'core':
      return e
    case 'load':
      return x.load(e.node, form(e.index))
    case 'gather':
      return x.gather(e.node, form(e.index), e.stride, e.limit, args[0])
    case 'position':
      return x.position(form(e.index), e.dtype)
    case 'random':
      return x.random(args[0], args[1], args[2], form(e.index))
    case 'rarely':
      return x.rarely(args[0], args[1], args[2], e.routine)
    case 'scalar':
      return x.scalar(e.op, e.dtype, args)
  }
}

/** The affine forms that an expression reads through, itself and below. */
export function formsOf(roots: readonly Expr[]): Affine[] {
  const seen = new Set<Expr>()
  const forms: Affine[] = []
  const visit = (e: Expr): void => {
    if (seen.has(e)) return
    seen.add(e)
    if ('index' in e) forms.push(e.index)
    e.args.forEach(visit)
  }
  roots.forEach(visit)
  return forms
}
