import type { Node } from './graph.ts'

/**
 * The nodes under the roots for which `enters` holds, operands before users; the operands of a node are visited only if
 * it `opens`. Deterministic, without recursion, linear in the nodes visited.
 */
export function operandsFirst(
  roots: readonly Node[],
  enters: (node: Node) => boolean,
  opens: (node: Node) => boolean = () => true,
): Node[] {
  const order: Node[] = []
  const next = new Map<Node, number>()
  const stack: Node[] = []
  const visit = (node: Node): void => {
    if (next.has(node) || !enters(node)) return
    next.set(node, opens(node) ? 0 : node.operands.length)
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
