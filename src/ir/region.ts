import type { Builder } from './builder.ts'
import type { Graph, Named, Node } from './graph.ts'
import { opNamed } from './ops/index.ts'

/**
 * Builds the roots again in builder `b`, with some nodes replaced by nodes of `b`; nothing below a replaced node is
 * visited. Every leaf that is met must be replaced, or stand on its own (literal, iota, constant). Extends `replaced`.
 */
export function transplant(b: Builder, roots: readonly Node[], replaced: Map<Node, Node>): Node[] {
  for (const node of below(roots, (n) => replaced.has(n))) {
    const operands = node.operands.map((o) => replaced.get(o)!)
    replaced.set(node, b.derivedFrom(node, () => b.make(node.op, operands, node.attrs, node.regions)))
  }
  return roots.map((r) => replaced.get(r)!)
}

/** The results of a region applied to nodes of `b`: its body built in place. One argument for each of its inputs. */
export const inline = (b: Builder, region: Graph, args: readonly Node[]): Node[] =>
  transplant(b, region.results.map((r) => r.node), new Map(region.inputs.map(({ node }, i) => [node, args[i]])))

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
    declare(`k${captured.length}`, node)
    captured.push(node)
  }
  for (const n of order) if (inside.has(n)) n.operands.forEach(capture)
  for (const { node } of roots) capture(node)
  const nodes = transplant(b, roots.map((r) => r.node), replaced)
  const results = roots.map(({ name: key }, i) => ({ name: key, node: nodes[i] }))
  return { region: { name, builder: b, inputs, states: [], results, updates: [] }, captured }
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

/** The nodes below the roots, operands before users; nodes for which `stops` holds are left out, with all below them. */
export function below(roots: readonly Node[], stops: (node: Node) => boolean): Node[] {
  const order: Node[] = []
  const next = new Map<Node, number>()
  const stack: Node[] = []
  const visit = (node: Node): void => {
    if (next.has(node) || stops(node)) return
    next.set(node, 0)
    stack.push(node)
  }
  for (const root of roots) {
    visit(root)
    while (stack.length) {
      const node = stack[stack.length - 1]
      const at = next.get(node)!
      if (at < node.operands.length) {
        next.set(node, at + 1)
        visit(node.operands[at])
      } else {
        stack.pop()
        order.push(node)
      }
    }
  }
  return order
}
