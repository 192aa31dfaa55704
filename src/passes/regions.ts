import { rootsOf, topological, type Graph, type Named, type Node } from '../ir/graph.ts'
import { opNamed } from '../ir/ops/index.ts'
import { scanAttrs, scanSpec, type ScanSpec } from '../ir/ops/region.ts'
import { transplant } from '../ir/transplant.ts'
import type { Pass } from './runner.ts'

/**
 * Makes every loop explicit: results that are computed from the same operands by bodies of one builder become results of
 * one body, which computes nothing that nobody reads; loops inside loops too. Values with an adjoint of their own are
 * only values from here on.
 */
export const regions: Pass = {
  name: 'regions',
  keeps: 'bits',
  run: (graph) => unite(graph),
}

function unite(graph: Graph): Graph {
  const roots = rootsOf(graph)
  const order = topological(roots)
  if (!order.some((n) => n.regions.length)) return graph
  const loops = loopsOf(order)
  const renewed = new Map<Node, Node>()
  const made = new Map<Loop, Made>()
  for (const node of order) {
    const loop = loops.get(node)
    if (loop) {
      let done = made.get(loop)
      if (!done) made.set(loop, (done = remake(loop, node.operands.map((o) => renewed.get(o)!))))
      renewed.set(node, done.result(node))
    } else if (isMark(node)) renewed.set(node, renewed.get(node.operands[0])!)
    else renewed.set(node, rebuilt(node, renewed))
  }
  const rename = (entries: readonly Named[]): Named[] => entries.map(({ name, node }) => ({ name, node: renewed.get(node)! }))
  return { ...graph, results: rename(graph.results), updates: rename(graph.updates) }
}

function rebuilt(node: Node, renewed: ReadonlyMap<Node, Node>): Node {
  const operands = node.operands.map((o) => renewed.get(o)!)
  if (operands.every((o, i) => o === node.operands[i])) return node
  return node.builder.derivedFrom(node, () => node.builder.make(node.op, operands, node.attrs, node.regions))
}

/** A view that carries an adjoint: a value like its first operand. */
const isMark = (node: Node): boolean => node.regions.length > 0 && opNamed(node.op).lowering.kind === 'view'

/** Nodes that one loop computes: the same operands, inputs and next carries. */
interface Loop {
  readonly first: Node
  readonly spec: ScanSpec
  /** What the nodes are, as nodes of the body, in order of first use. */
  readonly outputs: Node[]
  /** Carries whose last value is read. */
  readonly last: number[]
}

function loopsOf(order: readonly Node[]): Map<Node, Loop> {
  const loops = new Map<Node, Loop>()
  const groups = new Map<string, Loop[]>()
  for (const node of order) {
    if (opNamed(node.op).lowering.kind !== 'region') continue
    const key = node.operands.map((o) => o.id).join()
    const among = groups.get(key) ?? []
    groups.set(key, among)
    let loop = among.find((l) => sameLoop(l.first, node))
    if (!loop) among.push((loop = { first: node, spec: scanSpec(node.attrs), outputs: [], last: [] }))
    const { index, carries } = scanSpec(node.attrs)
    const value = node.regions[0].results[index].node
    if (index >= carries && !loop.outputs.includes(value)) loop.outputs.push(value)
    if (index < carries) loop.last.push(index)
    loops.set(node, loop)
  }
  return loops
}

function sameLoop(a: Node, b: Node): boolean {
  const [x, y] = [scanSpec(a.attrs), scanSpec(b.attrs)]
  const [p, q] = [a.regions[0], b.regions[0]]
  return (
    x.carries === y.carries && x.scanned === y.scanned && x.length === y.length && x.reverse === y.reverse &&
    p.builder === q.builder && p.inputs.length === q.inputs.length && p.inputs.every((v, i) => v.node === q.inputs[i].node) &&
    p.results.slice(0, x.carries).every((r, i) => r.node === q.results[i].node)
  )
}

interface Made {
  readonly result: (node: Node) => Node
}

/** One body with the outputs that are wanted, without carries and operands that they do not need. */
function remake({ first, spec, outputs, last }: Loop, operands: readonly Node[]): Made {
  const [body] = first.regions
  const carries = neededCarries(body, spec, outputs, last)
  const { inside, outside } = steady(first, spec, operands)
  const roots = transplant(body.builder, [...carries.map((i) => body.results[i].node), ...outputs], new Map(inside))
  const results = roots.map((node, i): Named => ({ name: i < carries.length ? `c${carries[i]}` : `y${i - carries.length}`, node }))
  const read = new Set(topological(results.map((r) => r.node)))
  const isRead = (at: number): boolean => (at < spec.carries ? carries.includes(at) : read.has(body.inputs[at].node))
  // What turned out to be the same in every step stands behind what is scanned.
  const all = body.inputs.map((_, at) => at).filter(isRead)
  const kept = [...all.filter((at) => !outside.has(at)), ...all.filter((at) => outside.has(at))]
  // Names say the place, so that the text of a body does not depend on what was dropped before.
  const inputs = kept.map((at) => body.inputs[at])
  const inner = unite({ name: body.name, builder: body.builder, inputs, states: [], results, updates: [] })
  const scanned = kept.filter((at) => at >= spec.carries && at < spec.carries + spec.scanned && !outside.has(at)).length
  const attrs = { ...spec, carries: carries.length, scanned }
  const b = first.builder
  const place = (node: Node): number => {
    const { index } = scanSpec(node.attrs)
    return index < spec.carries ? carries.indexOf(index) : carries.length + outputs.indexOf(node.regions[0].results[index].node)
  }
  return {
    result: (node) =>
      b.derivedFrom(node, () => b.make('scan', kept.map((at) => outside.get(at) ?? operands[at]), scanAttrs({ ...attrs, index: place(node) }), [inner])),
  }
}

/**
 * Scanned operands that are the same in every step: a number is written into the body, a repeated value is read whole.
 * `inside`: body input → what takes its place; `outside`: position → the value of one step.
 */
function steady(first: Node, spec: ScanSpec, operands: readonly Node[]): { inside: Map<Node, Node>; outside: Map<number, Node> } {
  const inside = new Map<Node, Node>()
  const outside = new Map<number, Node>()
  for (let at = spec.carries; at < spec.carries + spec.scanned; at++) {
    const [x, input] = [operands[at], first.regions[0].inputs[at].node]
    const { lowering } = opNamed(x.op)
    if (lowering.kind === 'leaf' && lowering.leaf === 'literal') {
      inside.set(input, input.builder.literal(x.attrs.value as number, input))
    } else if (x.shape[0] > 1 && lowering.kind === 'view' && lowering.view === 'affine' && lowering.source(x).every((f) => !f.coefficients[0])) {
      // No coordinate depends on the step: any step will do.
      const size = [1, ...input.shape]
      const step = first.builder.make('slice', [x], { start: size.map(() => 0), size, step: size.map(() => 1) })
      outside.set(at, first.builder.make('reshape', [step], { shape: input.shape }))
    }
  }
  return { inside, outside }
}

/** The carries that these results need, directly or through other steps. */
function neededCarries(body: Graph, spec: ScanSpec, outputs: readonly Node[], wanted: readonly number[]): number[] {
  const needed = new Set(wanted)
  for (;;) {
    const before = needed.size
    const read = new Set(topological([...outputs, ...[...needed].map((i) => body.results[i].node)]))
    for (let i = 0; i < spec.carries; i++) if (read.has(body.inputs[i].node)) needed.add(i)
    if (needed.size === before) return [...needed].sort((a, b) => a - b)
  }
}
