import type { Graph } from '../ir/graph.ts'
import type { Kernel, Layout, Plan, RowsPlan } from '../ir/plan.ts'
import { allocate } from './allocate/index.ts'
import { checkpoint, type ArenaBudget, type Checkpointed, type Measure } from './checkpoint/index.ts'
import { kernelCost } from './checkpoint/cost.ts'
import { fuse, type FusedGraph, type FusedKernel } from './fuse/index.ts'
import type { Slot } from './fuse/group.ts'
import { isElementwise } from './fuse/kinds.ts'
import { loopPlan, withLoops, type Body } from './loops.ts'
import { ROW_LIMITS, type RowLimits } from './rows/choice.ts'
import { groupRows } from './rows/index.ts'
import { partOf, type FusedRows } from './rows/join.ts'
import { schedule } from './schedule/index.ts'

export { layoutOf } from './allocate/layout.ts'

/** How to plan. */
export interface PlanOptions {
  /** False: a kernel for every op that computes, for debugging and as the other side of tests. Default true. */
  readonly fuse?: boolean
  /** What is worth running together row by row; false: nothing. Default: what the cost model says. */
  readonly rows?: RowLimits | false
  /** What the arena may take; without one, kernels run once. */
  readonly budget?: ArenaBudget
  /** Bytes of a budget that are spoken for: the scratch of emitted code. Default 0. */
  readonly reserved?: number
}

/**
 * A function with every kernel ordered and every byte placed. `layout` has the states and constants of the whole
 * program. Throws GradcError target/unsupported for ops without loops.
 */
export function planGraph(graph: Graph, layout: Layout, options: PlanOptions = {}): Plan {
  // A loop's body has no budget of its own: how its steps are kept is the loop's own choice.
  const { fused: plain, bodies } = withLoops(kernelsOf(graph, options), layout, { fuse: options.fuse, rows: options.rows }, planGraph)
  const { fused, order, recomputePercent } = withinBudget(plain, bodies, layout, options)
  const { buffers, bufferOf, arenaBytes, lowerBound } = allocate(fused, order, layout)
  const kernels = order.map((k, i): Kernel => ({
    name: kernelName(k, i),
    core: k.core,
    loads: k.loads.map(({ node, slot }) => ({ node, buffer: bufferOf(slot) })),
    stores: k.stores.map(({ node, slot }) => ({ node, buffer: bufferOf(slot) })),
    ...(bodies.has(k) ? { loop: loopPlan(k, bodies.get(k)!, bufferOf) } : {}),
    ...(k.rows ? { rows: rowsPlan(k, k.rows, bufferOf) } : {}),
  }))
  const inputs = fused.inputs.map(({ name, node, slot }) => ({ name, node, buffer: bufferOf(slot) }))
  const results = fused.results.map(({ name, node, slot }) => ({ name, node, buffer: bufferOf(slot) }))
  return { name: graph.name, graph, kernels, buffers, inputs, results, arenaBytes, lowerBound, recomputePercent }
}

/** What is fused into one loop nest, and then what runs together row by row. */
function kernelsOf(graph: Graph, options: PlanOptions): FusedGraph {
  const fused = fuse(graph, options)
  const { rows = ROW_LIMITS, budget = Infinity } = options
  if (options.fuse === false || rows === false) return fused
  // Under a budget memory counts for more than time from the start.
  return groupRows(fused, budget === Infinity ? rows : { ...rows, rebuildBytes: 0 })
}

const rowsPlan = ({ scratch }: FusedKernel, { axes, members, locals }: FusedRows, bufferOf: (slot: Slot) => number): RowsPlan =>
  ({ axes, parts: members.map(partOf), locals, scratch: scratch ? bufferOf(scratch) : null })

/** Kernels in order; if they need more than the budget, some of them again instead of what they would keep. */
function withinBudget(
  fused: FusedGraph, bodies: Map<FusedKernel, Body>, layout: Layout, { budget: whole = Infinity, reserved = 0 }: PlanOptions,
): Checkpointed {
  const budget = typeof whole === 'number' ? whole - reserved : whole
  const order = schedule(fused)
  const measure: Measure = (f, o) => allocate(f, o, layout).arenaBytes
  const plain = { fused, order, repeats: new Map<FusedKernel, FusedKernel>(), recomputePercent: 0 }
  if (budget === Infinity || (typeof budget === 'number' && measure(fused, order) <= budget)) return plain
  const costOf = (k: FusedKernel): number => kernelCost(k, bodies.get(k)?.plan ?? null)
  const made = checkpoint(fused, order, budget, costOf, measure)
  for (const [copy, of] of made.repeats) {
    const body = bodies.get(of)
    if (body) bodies.set(copy, body)
  }
  return made
}

const MAX_WORDS = 5

/** `k3_contract_add_select`: its position and the ops in it, in order, each once. Of a row kernel the cores, before all else. */
function kernelName({ core, computed, stores, rows }: FusedKernel, position: number): string {
  const cores = rows ? rows.members.flatMap(({ kernel }) => kernel.core ?? []) : core ? [core] : []
  const inside = [...computed].filter((n) => !cores.includes(n) && isElementwise(n)).sort((a, b) => a.id - b.id)
  const words = [...new Set([...cores, ...inside].map((n) => n.op))]
  if (!words.length) words.push(computed.has(stores[0].node) ? stores[0].node.op : 'copy')
  return [`k${position}`, ...(rows ? ['rows'] : []), ...words.slice(0, MAX_WORDS)].join('_')
}
