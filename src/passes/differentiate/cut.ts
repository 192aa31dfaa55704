import { topological, type Graph, type Node } from '../../ir/graph.ts'
import type { ScanSpec } from '../../ir/ops/region.ts'
import { bytesOf, sizeOf } from '../../ir/types.ts'
import { operandsFirst } from '../../ir/walk.ts'
import { costOf, isCore, isView, loweringOf } from '../fuse/kinds.ts'
import { FlowNetwork } from './flow.ts'

/**
 * What one byte of each step is worth in additions. An f32 is then a little cheaper than one tanh: kept beside what it is a function
 * of, it makes the step of an LSTM 3 % faster and its memory 12 % larger. Loops of plain arithmetic keep little but their carries.
 */
const BYTE = 4
// Prices are whole numbers, and leave room for what decides between equals.
const UNIT = 4
const MOST = 2 ** 40

/** How the body of a loop may be divided. */
export interface Division {
  readonly body: Graph
  readonly spec: ScanSpec
  /** Values that are the same in every step. */
  readonly steady: ReadonlySet<Node>
}

/**
 * Of what these values of the body are made of, the ones to take from outside, so that the rest can be computed again from them:
 * inputs of the body, and values that are kept of each step. The cheapest by what is kept and what is computed again, which a
 * minimum cut finds; products, sums and loops are never computed again. With `recompute` only inputs. Ordered by id.
 */
export function cheapestCut(needed: readonly Node[], { body, spec, steady }: Division): Node[] {
  const inputs = new Map(body.inputs.map(({ node }, at) => [node, at]))
  const below = operandsFirst(needed, () => true, (n) => !inputs.has(n))
  if (spec.recompute) return below.filter((n) => inputs.has(n)).sort((a, b) => a.id - b.id)
  const price = prices(below, inputs, { body, spec, steady })

  const network = new FlowNetwork()
  const [source, sink] = [network.place(), network.place()]
  // A value is there if it lies on the source's side, and is computed again if its second place does, too.
  const there = new Map<Node, number>()
  const again = new Map<Node, number>()
  for (const n of below) {
    if (standsAlone(n) && !inputs.has(n)) continue
    const [a, r] = [network.place(), network.place()]
    there.set(n, a)
    again.set(n, r)
    network.pipe(a, r, price(n))
    network.pipe(r, sink, inputs.has(n) ? Infinity : UNIT * workOf(n))
    if (!inputs.has(n)) for (const o of n.operands) if (there.has(o)) network.pipe(r, there.get(o)!, Infinity)
  }
  for (const n of needed) if (there.has(n)) network.pipe(source, there.get(n)!, Infinity)
  const near = network.cut(source, sink)
  return [...there.keys()].filter((n) => near[there.get(n)!] && !near[again.get(n)!]).sort((a, b) => a.id - b.id)
}

/** The primal values that the linear nodes under the roots are made with, and how these are used. */
export interface Coefficients {
  /** Not linear, and an operand of what is; or a root. */
  readonly needed: readonly Node[]
  /** Those that products over all steps may want whole. */
  readonly factors: ReadonlySet<Node>
}

/** The coefficients of the linear nodes under the roots, by the tangents that these begin with. */
export function coefficientsOf(roots: readonly Node[], tangents: ReadonlySet<Node>, inputs: readonly Node[]): Coefficients {
  const linear = new Set<Node>(tangents)
  const primal = new Set(inputs)
  const needed = new Set<Node>()
  const factors = new Set<Node>()
  for (const n of operandsFirst(roots, (n) => !tangents.has(n) && !primal.has(n))) {
    if (!n.operands.some((o) => linear.has(o))) continue
    linear.add(n)
    for (const o of n.operands) {
      if (linear.has(o)) continue
      needed.add(o)
      if (isCore(n)) factors.add(o)
    }
  }
  for (const root of roots) if (!linear.has(root)) needed.add(root)
  return { needed: [...needed], factors }
}

/** The values under these that no step changes. */
export function steadyUnder(needed: readonly Node[], body: Graph, { carries, scanned }: ScanSpec): Set<Node> {
  const varying = new Set(body.inputs.slice(0, carries + scanned).map((i) => i.node))
  const steady = new Set<Node>()
  for (const n of operandsFirst(needed, () => true)) {
    if (varying.has(n) || n.operands.some((o) => varying.has(o))) varying.add(n)
    else steady.add(n)
  }
  return steady
}

/** A leaf that any graph can have: it is no input of the body. */
const standsAlone = (node: Node): boolean => loweringOf(node).kind === 'leaf'

/** Additions that it takes to compute a value again; what only places or renames values is as cheap as reading them. */
function workOf(node: Node): number {
  if (isView(node)) return 0
  if (!isCore(node)) return costOf(node) * sizeOf(node.shape)
  return loweringOf(node).kind === 'view' ? sizeOf(node.shape) : Infinity
}

/** What it costs to take each value from outside. */
function prices(below: readonly Node[], inputs: ReadonlyMap<Node, number>, { body, spec, steady }: Division): (node: Node) => number {
  const primal = new Set(topological(body.results.map((r) => r.node)))
  const outputs = new Set(body.results.slice(spec.carries).map((r) => r.node))
  // What the loop itself does not compute would have to be, to be kept.
  const more = new Map<Node, number>()
  for (const n of below) {
    if (!primal.has(n)) more.set(n, n.operands.reduce((sum, o) => Math.min(MOST, sum + (more.get(o) ?? 0)), Math.min(MOST, workOf(n))))
  }
  return (node) => {
    const at = inputs.get(node)
    const bytes = UNIT * BYTE * bytesOf(node)
    if (at !== undefined && at >= spec.carries + spec.scanned) return 0
    // A slice need not be written, and may be wanted later anyway.
    if (at !== undefined && at >= spec.carries) return bytes / 2
    if (steady.has(node)) return Math.ceil(bytes / Math.max(1, spec.length)) + 1
    // Between equals: few values, those that are there already, and those that are not a view of another one.
    const equals = Number(!outputs.has(node)) + Number(!primal.has(node)) + Number(isView(node))
    return bytes + UNIT * (more.get(node) ?? 0) + equals
  }
}
