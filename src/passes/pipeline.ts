/**
 * The compiler in one list. A function arrives declared and, if it is a training step, differentiated
 * (`differentiate/minimise.ts`, at the moment it is declared, so that errors show where). Then:
 */
import type { Graph } from '../ir/graph.ts'
import type { Layout, Plan } from '../ir/plan.ts'
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

/** Graphs → Plans: states and constants of all functions are laid out once, then each is fused, scheduled and allocated. */
export function planAll(graphs: readonly Graph[]): { readonly layout: Layout; readonly plans: readonly Plan[] } {
  const layout = layoutOf(graphs)
  return { layout, plans: graphs.map((g) => planGraph(g, layout)) }
}
