/**
 * The compiler in one list. A function arrives declared and, if it is a training step, differentiated
 * (`differentiate/minimise.ts`, at the moment it is declared, so that errors show where). Then:
 */
import { GradcError } from '../ir/errors.ts'
import type { Graph } from '../ir/graph.ts'
import type { Layout, Plan } from '../ir/plan.ts'
import type { ArenaBudget } from './checkpoint/index.ts'
import { layoutOf, planGraph } from './plan.ts'
import { regions } from './regions.ts'
import { runPasses, type Pass, type PassContext } from './runner.ts'
import { simplification } from './simplify.ts'

/** Graph → Graph, in this order. */
export const passes: readonly Pass[] = [
  regions, // loops: results of equal loops united, with only what is read of them
  ...simplification, // simplify: exact rules; stabilise: stable forms; relax: rules of the reals, under fastMath only
  regions, // what the rules made equal
]

/** Optimises one function. */
export const optimise = (graph: Graph, context: PassContext): Graph => runPasses(graph, passes, context)

/**
 * Graphs → Plans: states and constants of all functions are laid out once, then each is fused, scheduled and allocated. Throws
 * budget/infeasible with the least budget that fits all functions, and the kernel that needs it.
 */
export function planAll(graphs: readonly Graph[], budget: ArenaBudget = Infinity, reserved = 0): { readonly layout: Layout; readonly plans: readonly Plan[] } {
  const layout = layoutOf(graphs)
  const plans = graphs.map((g) => planGraph(g, layout, { budget, reserved }))
  if (typeof budget !== 'number') return { layout, plans }
  const needs = (p: Plan): number => p.arenaBytes + reserved
  const worst = plans.reduce((a, b) => (needs(b) > needs(a) ? b : a))
  if (needs(worst) <= budget) return { layout, plans }
  throw new GradcError('budget/infeasible', `${JSON.stringify(worst.name)} cannot run in an arena of ${budget} bytes`, {
    hint: `the least budget found is ${needs(worst)} bytes; most is needed at kernel ${peakKernel(worst)}`,
  })
}

/** Name of the kernel at which most of the arena is live. */
export function peakKernel({ kernels, buffers }: Plan): string {
  const live = kernels.map((_, t) => buffers.reduce((n, b) => (b.region === 'arena' && b.from <= t && t <= b.to ? n + b.bytes : n), 0))
  return kernels[live.indexOf(Math.max(...live))]?.name ?? '-'
}
