import type { Builder } from './builder.ts'
import type { Graph, Node } from './graph.ts'
import { operandsFirst } from './walk.ts'

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

/** The nodes below the roots, operands before users; nodes for which `stops` holds are left out, with all below them. */
export const below = (roots: readonly Node[], stops: (node: Node) => boolean): Node[] => operandsFirst(roots, (n) => !stops(n))
