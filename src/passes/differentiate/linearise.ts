import { InternalError, showNode } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'
import type { Maybe } from '../../ir/op.ts'
import { opNamed } from '../../ir/ops/index.ts'
import { plus } from '../../ir/ops/rules.ts'
import { sameType, showType } from '../../ir/types.ts'
import { tangentOfScan } from './scan.ts'
import { barrierOf, differentiablePath, oldestId } from './path.ts'

/**
 * Forward mode: the tangent of each result when the seeded nodes are perturbed by their seeds; null where no perturbation
 * arrives. A seeded node that itself depends on another one gets the sum of both. The tangents are linear in the seeds.
 * Only nodes between a seed and a result are visited.
 */
export function tangentsOf(results: readonly Node[], seeds: ReadonlyMap<Node, Node>): Maybe[] {
  const tangents = new Map<Node, Node>()
  for (const node of differentiablePath(results, oldestId([...seeds.keys()]))) {
    const along = tangentOf(node, node.operands.map((x) => tangents.get(x) ?? null))
    const seed = seeds.get(node) ?? null
    const tangent = along && seed ? node.builder.derivedFrom(node, () => plus(seed, along)!) : (along ?? seed)
    if (tangent) tangents.set(node, tangent)
  }
  return results.map((r) => tangents.get(r) ?? null)
}

/** One step of forward mode: the op's own tangent rule; an op that has none but a transpose is applied to the tangents. */
function tangentOf(node: Node, d: readonly Maybe[]): Maybe {
  if (barrierOf(node) || d.every((x) => x === null)) return null
  const def = opNamed(node.op)
  const b = node.builder
  const tangent = b.derivedFrom(node, () => {
    if (def.lowering.kind === 'region') return tangentOfScan(node, d, tangentsOf)
    if (def.tangent) return def.tangent(b, d, node.operands, node)
    if (!def.transpose) throw new InternalError('differentiate', `${node.op} has no derivative rule`, showNode(node))
    return b.make(node.op, d.map((x, i) => x ?? b.zeros(node.operands[i])), node.attrs, node.regions)
  })
  if (tangent && !sameType(tangent, node)) {
    const wrong = `tangent of ${node.op} is ${showType(tangent)}, not ${showType(node)}`
    throw new InternalError('differentiate', wrong, showNode(node))
  }
  return tangent
}
