import type { Graph, Node } from '../ir/graph.ts'
import { rewrite, rewriteNodes, type RewriteOptions } from './rewrite/engine.ts'
import type { Rule } from './rewrite/rule.ts'
import { algebra } from './rewrite/rules/algebra.ts'
import { canonical } from './rewrite/rules/canonical.ts'
import { contractions } from './rewrite/rules/contract.ts'
import { fold } from './rewrite/rules/fold.ts'
import { movement } from './rewrite/rules/movement.ts'
import { settled, stability } from './rewrite/rules/stability.ts'
import type { Pass, PassContext } from './runner.ts'

/** Every rule, in the order in which rules of one root op are tried. */
export const allRules: readonly Rule[] = [
  ...canonical, ...fold, ...algebra, ...stability, ...settled, ...movement, ...contractions,
]

const bits: readonly Rule[] = allRules.filter((r) => r.keeps === 'bits')
const values: readonly Rule[] = allRules.filter((r) => r.exact)

/** What the stability rules need to see through: the views that stand between log and a sum. */
const outOfLog: readonly Rule[] = movement.filter((r) => r.left.op === 'log' && r.keeps === 'bits')
const stabilising: readonly Rule[] = [...canonical, ...stability, ...outOfLog]

const optionsOf = (context: PassContext): RewriteOptions => ({
  check: context.verify,
  fired: context.fired && ((r) => context.fired!.set(r.name, (context.fired!.get(r.name) ?? 0) + 1)),
})

/** Canonical forms, constant folding, exact algebra and movement of views: the same bits from less work. */
export const simplify: Pass = {
  name: 'simplify',
  keeps: 'bits',
  run: (graph, context) => rewrite(graph, bits, optionsOf(context)),
}

/** All rules that keep values, stable forms of unstable formulas among them. */
export const stabilise: Pass = {
  name: 'stabilise',
  keeps: 'values',
  run: (graph, context) => rewrite(graph, values, optionsOf(context)),
}

/** All rules, those that hold over the reals only too. Does nothing unless the context asks for `fastMath`. */
export const relax: Pass = {
  name: 'relax',
  keeps: 'values',
  run: (graph: Graph, context: PassContext): Graph => (context.fastMath ? rewrite(graph, allRules, optionsOf(context)) : graph),
}

/** The rewriting passes in order. */
export const simplification: readonly Pass[] = [simplify, stabilise, relax]

/**
 * The stable forms of what the roots need, for differentiation: old node → new node. Opaque nodes (those that are
 * differentiated by) are kept as they are and not looked into.
 */
export const stabiliseNodes = (roots: readonly Node[], opaque: ReadonlySet<Node> = new Set(), check = false): Map<Node, Node> =>
  rewriteNodes(roots, stabilising, { opaque, check })
