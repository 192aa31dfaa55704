import type { Builder } from './builder.ts'
import type { Graph, Named, Node } from './graph.ts'
import { opNamed } from './ops/index.ts'
import { below, transplant } from './transplant.ts'

/** A region cut out of a function, and the values of the function that it reads besides its own inputs. */
export interface Outlined {
  readonly region: Graph
  /** One for each of the region's inputs behind those that were named. */
  readonly captured: readonly Node[]
}

/**
 * Cuts the part of a function that depends on `placeholders` out into a region of its own builder. What it needs but
 * does not depend on them is computed outside, once, and captured: inputs `k0`, `k1`, … behind the placeholders' own.
 */
export function outline(
  name: string, make: () => Builder, placeholders: readonly Named[], roots: readonly Named[],
): Outlined {
  const b = make()
  const inside = new Set<Node>(placeholders.map((p) => p.node))
  const order = below(roots.map((r) => r.node), (n) => inside.has(n))
  for (const n of order) if (n.operands.some((o) => inside.has(o))) inside.add(n)
  const replaced = new Map<Node, Node>()
  const inputs: Named[] = []
  const declare = (key: string, node: Node): void => {
    const input = b.derivedFrom(node, () => b.input(key, node))
    inputs.push({ name: key, node: input })
    replaced.set(node, input)
  }
  for (const { name: key, node } of placeholders) declare(key, node)
  const known = closed(order)
  const captured: Node[] = []
  const capture = (node: Node): void => {
    if (inside.has(node) || known.has(node) || replaced.has(node)) return
    // A view is a way of reading: what it reads is captured, and nothing is spread over memory in front of the loop.
    if (isView(node)) return node.operands.forEach(capture)
    declare(`k${captured.length}`, node)
    captured.push(node)
  }
  for (const n of order) if (inside.has(n)) n.operands.forEach(capture)
  for (const { node } of roots) capture(node)
  const nodes = transplant(b, roots.map((r) => r.node), replaced)
  const results = roots.map(({ name: key }, i) => ({ name: key, node: nodes[i] }))
  return { region: { name, builder: b, inputs, states: [], results, updates: [] }, captured }
}

const isView = (node: Node): boolean => {
  const { lowering } = opNamed(node.op)
  return lowering.kind === 'view' && lowering.view !== 'place' && node.operands.length === 1
}

/** Nodes that are known without any storage: literals and positions, and elementwise ops and views of them. */
function closed(order: readonly Node[]): Set<Node> {
  const known = new Set<Node>()
  for (const n of order) {
    const { lowering } = opNamed(n.op)
    const leaf = lowering.kind === 'leaf' && (lowering.leaf === 'literal' || lowering.leaf === 'iota')
    const cheap = lowering.kind === 'pointwise' || lowering.kind === 'view'
    if (leaf || (cheap && n.operands.length > 0 && n.operands.every((o) => known.has(o)))) known.add(n)
  }
  return known
}
