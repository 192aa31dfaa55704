import type { Node } from '../../ir/graph.ts'

/** An input of a node's type that is not registered with the builder; its name cannot be a user's, and no other node has it. */
export function placeholder(node: Node, kind: string): Node {
  const b = node.builder
  return b.make('input', [], { name: `\u0000${kind}:${b.size}`, dtype: node.dtype, shape: node.shape })
}
