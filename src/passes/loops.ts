import { Builder } from '../ir/builder.ts'
import type { Graph, Named, Node, StateDecl } from '../ir/graph.ts'
import { scanSpec } from '../ir/ops/region.ts'
import type { Layout, LoopPlan, Plan } from '../ir/plan.ts'
import { transplant } from '../ir/transplant.ts'
import { throughReshapes } from '../ir/resolve.ts'
import { bytesOf } from '../ir/types.ts'
import type { Slot } from './fuse/group.ts'
import type { FusedGraph, FusedKernel, FuseOptions } from './fuse/index.ts'
import { isElementwise, isLoop, loweringOf } from './fuse/kinds.ts'
import type { RowLimits } from './rows/choice.ts'
import { roundUp } from './schedule/liveness.ts'

/** The plan of one step of a loop, and the bytes that its carries take in front of its arena. */
export interface Body {
  readonly plan: Plan
  readonly layout: Layout
}

/** How a body is planned. */
interface BodyOptions extends FuseOptions {
  readonly rows?: RowLimits | false
}

/** Plans one function. */
type PlanGraph = (graph: Graph, layout: Layout, options: BodyOptions) => Plan

/** Plans the body of every loop, and gives the loops room for it. */
export function withLoops(
  fused: FusedGraph, layout: Layout, options: BodyOptions, planGraph: PlanGraph,
): { fused: FusedGraph; bodies: Map<FusedKernel, Body> } {
  const bodies = new Map<FusedKernel, Body>()
  if (!fused.kernels.some((k) => k.core && isLoop(k.core))) return { fused, bodies }
  const slots = [...fused.slots]
  const kernels = fused.kernels.map((k): FusedKernel => {
    if (!k.core || !isLoop(k.core)) return k
    const body = planBody(k.core, layout, options, planGraph)
    const bytes = Math.max(1, body.layout.stateBytes + body.plan.arenaBytes)
    const node = fused.graph.builder.literal(0, { dtype: 'bool', shape: [bytes] })
    const scratch: Slot = { id: slots.length, place: 'arena', node, name: 'loop', kept: false }
    slots.push(scratch)
    const loop = { ...k, scratch }
    bodies.set(loop, body)
    return loop
  })
  return { fused: { ...fused, kernels, slots }, bodies }
}

/** One step as a function of its own: carries are its states, what every step reads whole lies outside. */
function planBody(core: Node, layout: Layout, options: BodyOptions, planGraph: PlanGraph): Body {
  const spec = scanSpec(core.attrs)
  const [region] = core.regions
  const b = new Builder()
  const states: StateDecl[] = []
  const inputs: Named[] = []
  const replaced = new Map<Node, Node>()
  region.inputs.forEach(({ node }, at) => {
    if (at < spec.carries) {
      const decl: StateDecl = { name: `c${at}`, dtype: node.dtype, shape: node.shape, init: (x, t) => x.zeros(t), trainable: false, owner: b }
      states.push(decl)
      replaced.set(node, b.state(decl))
    } else if (at < spec.carries + spec.scanned) {
      const input = b.input(`x${at}`, node)
      inputs.push({ name: `x${at}`, node: input })
      replaced.set(node, input)
    } else replaced.set(node, b.input(`k${at}`, node))
  })
  const nodes = builtFrom(b, region.results.map((r) => r.node), spec.carries, replaced)
  const graph: Graph = {
    name: 'step', builder: b, inputs, states,
    results: nodes.slice(spec.carries).map((node, i) => ({ name: `y${i}`, node })),
    updates: nodes.slice(0, spec.carries).map((node, i) => ({ name: `c${i}`, node })),
  }
  let stateBytes = 0
  const places = new Map(states.map((s) => {
    const offset = stateBytes
    stateBytes += roundUp(bytesOf(s))
    return [s.name, { offset, type: { dtype: s.dtype, shape: s.shape } }]
  }))
  const inner: Layout = { ...layout, states: places, stateBytes }
  return { plan: planGraph(graph, inner, options), layout: inner }
}

/**
 * The results in builder `b`. Values that an output places side by side are computed there and nowhere else: whoever needs one of
 * them too reads it from the output. Otherwise they would be stored once more, and copied; and functions of functions in one
 * expression wait for each other longer than they wait for memory.
 */
function builtFrom(b: Builder, results: readonly Node[], carries: number, replaced: Map<Node, Node>): Node[] {
  for (const whole of results.slice(carries)) {
    const lowering = loweringOf(whole)
    if (lowering.kind !== 'view' || lowering.view !== 'place') continue
    const [placed] = transplant(b, [whole], replaced)
    whole.operands.forEach((part, i) => {
      const target = lowering.target(whole, i)
      const moved = target.every(({ coefficients }, axis) => coefficients.every((c, k) => c === Number(k === axis)))
      if (!moved || !isElementwise(part) || results.includes(part)) return
      const attrs = { start: target.map((t) => t.offset), size: part.shape, step: part.shape.map(() => 1) }
      replaced.set(part, b.make('slice', [placed], attrs))
    })
  }
  return transplant(b, results, replaced)
}

/** How the body's memory and that around it meet. */
export function loopPlan(kernel: FusedKernel, { plan, layout }: Body, bufferOf: (slot: Slot) => number): LoopPlan {
  const core = kernel.core!
  const { carries, length, reverse } = scanSpec(core.attrs)
  const loads = new Map(kernel.loads.map((l) => [l.node, l.slot]))
  const from = (at: number): number => bufferOf(loads.get(throughReshapes(core.operands[at]))!)
  const to = (index: number): number[] => kernel.stores.filter((s) => s.node.attrs.index === index).map((s) => bufferOf(s.slot))
  return {
    length, reverse, plan,
    scratch: bufferOf(kernel.scratch!),
    stateBytes: layout.stateBytes,
    carries: [...layout.states.values()].map(({ offset, type }, i) => ({ offset, bytes: bytesOf(type), from: from(i), to: to(i) })),
    scanned: plan.inputs.map(({ node, buffer }, j) => ({ input: buffer, bytes: bytesOf(node), from: from(carries + j) })),
    captured: plan.buffers.flatMap((buffer) => (buffer.region === 'outer' ? [{ buffer: buffer.id, from: from(Number(buffer.name.slice(1))) }] : [])),
    outputs: plan.results.map(({ node, buffer }, j) => ({ result: buffer, bytes: bytesOf(node), to: to(carries + j) })),
  }
}
