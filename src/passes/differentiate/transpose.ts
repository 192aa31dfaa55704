import { InternalError, showNode } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'
import type { Maybe } from '../../ir/op.ts'
import { opNamed } from '../../ir/ops/index.ts'
import { plus } from '../../ir/ops/rules.ts'
import { sameType, showType } from '../../ir/types.ts'
import { oldestId } from './path.ts'
import { transposeScan } from './scan-transpose.ts'
import { operandsFirst } from '../../ir/walk.ts'

/** A tangent and the cotangent that arrives at it. */
export interface Pull {
  readonly tangent: Node
  readonly cotangent: Node
}

/**
 * Transposes a linear graph: the cotangent of each placeholder, given those of tangents that are linear in the
 * placeholders; null where none arrives. Walks from users to operands once; cotangents of several uses are summed, and
 * zeros stay symbolic. (JAX's linearize-then-transpose; Radul et al., "You Only Linearize Once", POPL 2023.)
 */
export function transposed(pulls: readonly Pull[], placeholders: readonly Node[]): Maybe[] {
  const order = linearNodes(pulls.map((p) => p.tangent), placeholders)
  const linear = new Set(order)
  const sameLoop = loopsIn(order)
  const cotangents = new Map<Node, Node>()
  const arrive = (node: Node, ct: Maybe): void => {
    if (!ct) return
    if (!sameType(ct, node)) {
      throw new InternalError('differentiate', `cotangent is ${showType(ct)}, not ${showType(node)}`, showNode(node))
    }
    const before = cotangents.get(node)
    cotangents.set(node, before ? plus(before, ct)! : ct)
  }
  for (const { tangent, cotangent } of pulls) tangent.builder.derivedFrom(tangent, () => arrive(tangent, cotangent))
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i]
    if (opNamed(node.op).lowering.kind === 'region') {
      // All results of a loop go back together, once what uses any of them has been.
      const results = sameLoop.get(loopKey(node))!
      if (results[0] !== node) continue
      const given = results.flatMap((n) => (cotangents.has(n) ? [[n.attrs.index as number, cotangents.get(n)!] as const] : []))
      if (!given.length) continue
      node.builder.derivedFrom(node, () => {
        const loop = { node, cotangents: new Map(given), linear: node.operands.map((x) => linear.has(x)) }
        transposeScan(loop, transposed).forEach((ct, at) => arrive(node.operands[at], ct))
      })
      continue
    }
    const ct = cotangents.get(node)
    if (!ct || !node.operands.length) continue
    const { transpose } = opNamed(node.op)
    if (!transpose) {
      throw new InternalError('differentiate', `${node.op} was used on a tangent but has no transpose`, showNode(node))
    }
    node.builder.derivedFrom(node, () => {
      node.operands.forEach((x, at) => {
        if (linear.has(x)) arrive(x, transpose(node.builder, ct, node, at))
      })
    })
  }
  return placeholders.map((p) => cotangents.get(p) ?? null)
}

/** The nodes that depend on a placeholder, operands before users; older nodes cannot, and are not visited. */
function linearNodes(tangents: readonly Node[], placeholders: readonly Node[]): Node[] {
  const linear = new Set(placeholders)
  const oldest = oldestId(placeholders)
  return operandsFirst(tangents, (node) => node.id >= oldest).filter((node) => {
    if (node.operands.some((x) => linear.has(x))) linear.add(node)
    return linear.has(node)
  })
}

const regions = new WeakMap<object, number>()
let lastRegion = 0

/** The same for all results of one loop: its operands and its body. */
function loopKey(node: Node): string {
  const [body] = node.regions
  if (!regions.has(body)) regions.set(body, ++lastRegion)
  return `${regions.get(body)} ${node.attrs.reverse} ${node.operands.map((o) => o.id).join()}`
}

/** Results of each loop, in order. */
function loopsIn(order: readonly Node[]): Map<string, Node[]> {
  const loops = new Map<string, Node[]>()
  for (const node of order) {
    if (opNamed(node.op).lowering.kind !== 'region') continue
    const key = loopKey(node)
    loops.set(key, [...(loops.get(key) ?? []), node])
  }
  return loops
}
