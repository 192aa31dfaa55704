import type { Graph } from '../ir/graph.ts'
import type { Kernel, Layout, Plan } from '../ir/plan.ts'
import { allocate } from './allocate/index.ts'
import { fuse, type FusedKernel } from './fuse/index.ts'
import { isElementwise } from './fuse/kinds.ts'
import { loopPlan, withLoops } from './loops.ts'
import { schedule } from './schedule/index.ts'

export { layoutOf } from './allocate/layout.ts'

/** How to plan. */
export interface PlanOptions {
  /** False: a kernel for every op that computes, for debugging and as the other side of tests. Default true. */
  readonly fuse?: boolean
}

/**
 * A function with every kernel ordered and every byte placed. `layout` has the states and constants of the whole
 * program. Throws GradcError target/unsupported for ops without loops.
 */
export function planGraph(graph: Graph, layout: Layout, options: PlanOptions = {}): Plan {
  const { fused, bodies } = withLoops(fuse(graph, options), layout, options, planGraph)
  const order = schedule(fused)
  const { buffers, bufferOf, arenaBytes, lowerBound } = allocate(fused, order, layout)
  const kernels = order.map((k, i): Kernel => ({
    name: kernelName(k, i),
    core: k.core,
    loads: k.loads.map(({ node, slot }) => ({ node, buffer: bufferOf(slot) })),
    stores: k.stores.map(({ node, slot }) => ({ node, buffer: bufferOf(slot) })),
    ...(bodies.has(k) ? { loop: loopPlan(k, bodies.get(k)!, bufferOf) } : {}),
  }))
  const inputs = fused.inputs.map(({ name, node, slot }) => ({ name, node, buffer: bufferOf(slot) }))
  const results = fused.results.map(({ name, node, slot }) => ({ name, node, buffer: bufferOf(slot) }))
  return { name: graph.name, graph, kernels, buffers, inputs, results, arenaBytes, lowerBound }
}

const MAX_WORDS = 5

/** `k3_contract_add_select`: its position and the ops in it, in order, each once. */
function kernelName({ core, computed, stores }: FusedKernel, position: number): string {
  const inside = [...computed].filter((n) => n !== core && isElementwise(n)).sort((a, b) => a.id - b.id)
  const words = [...new Set([...(core ? [core] : []), ...inside].map((n) => n.op))]
  if (!words.length) words.push(computed.has(stores[0].node) ? stores[0].node.op : 'copy')
  return [`k${position}`, ...words.slice(0, MAX_WORDS)].join('_')
}
