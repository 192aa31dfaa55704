import { InternalError } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'
import { ops } from '../../ir/ops/index.ts'
import { namesIn, opsIn, type Pattern } from './pattern.ts'

/** What a match hands to the right side: the bound nodes, and the node at the root of the match. */
export type Match<V extends string = string> = { readonly [K in V | 'root']: Node }

/**
 * One rewrite: `left → right`.
 *
 * - `keeps: 'bits'` (default): both sides are the same bits for all operands, NaN, infinities and −0 included
 *   (a NaN's payload is not looked at).
 * - `keeps: 'values'`: the same function over the reals; the right side is at least as accurate where both are finite.
 * - `exact: false`: the same over the reals only (signed zeros, NaN or overflow may differ). Runs under `fastMath` alone.
 */
export interface Rule {
  readonly name: string
  readonly left: Pattern
  /** Builds the replacement, of the root's type; null declines the match. */
  readonly right: (m: Match) => Node | null
  readonly keeps: 'bits' | 'values'
  readonly exact: boolean
  readonly when: ((m: Match) => boolean) | null
  /** Names of inner nodes that nobody but the match may use: the rule would compute them a second time. */
  readonly once: readonly string[]
}

/** What is not said by the two sides. */
export interface RuleOptions<V extends string> {
  readonly keeps?: 'bits' | 'values'
  readonly exact?: boolean
  /** Further condition on a match. */
  readonly when?: (m: Match<V>) => boolean
  /** Names of inner nodes that must have no other user. */
  readonly once?: readonly V[]
}

/** Declares a rule: `rule('mul-one', p.mul(x, lit(1)), ({ x }) => x)`. */
export function rule<V extends string>(
  name: string, left: Pattern<V>, right: (m: Match<V>) => Node | null, options: RuleOptions<V> = {},
): Rule {
  const exact = options.exact ?? true
  return {
    name,
    left,
    right: right as Rule['right'],
    keeps: options.keeps ?? (exact ? 'bits' : 'values'),
    exact,
    when: (options.when as Rule['when']) ?? null,
    once: options.once ?? [],
  }
}

/** What is wrong with a set of rules: names that occur twice, unknown ops, a left side that is a bare variable. */
export function problemsOf(rules: readonly Rule[]): string[] {
  const problems: string[] = []
  const names = new Set<string>()
  const known = new Map(ops().map((o) => [o.name, o]))
  for (const { name, left, exact, keeps, once } of rules) {
    if (names.has(name)) problems.push(`${name}: the name is taken`)
    names.add(name)
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/i.test(name)) problems.push(`${name}: no name in dashes`)
    if (left.kind !== 'apply') problems.push(`${name}: the left side must begin with an op`)
    if (namesIn(left).includes('root')) problems.push(`${name}: \`root\` is always the root of the match`)
    for (const inner of once) if (!namesIn(left).includes(inner)) problems.push(`${name}: \`${inner}\` is not bound`)
    if (!exact && keeps === 'bits') problems.push(`${name}: an inexact rule does not keep bits`)
    for (const op of opsIn(left)) if (!known.has(op)) problems.push(`${name}: there is no op ${op}`)
    for (const wrong of arities(left)) problems.push(`${name}: ${wrong}`)
  }
  return problems

  function arities(pattern: Pattern): string[] {
    const arity = known.get(pattern.op)?.arity
    const wrong = pattern.operands && typeof arity === 'number' && pattern.operands.length !== arity
    return [...(wrong ? [`${pattern.op} takes ${arity} operands`] : []), ...(pattern.operands ?? []).flatMap(arities)]
  }
}

/** Throws an InternalError for a broken set of rules. */
export function checkRules(rules: readonly Rule[]): void {
  const problems = problemsOf(rules)
  if (problems.length) throw new InternalError('rewrite', 'the rules are broken', problems.join('\n'))
}
