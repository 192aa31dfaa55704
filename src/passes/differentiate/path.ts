import { checkTensors } from '../../ir/arguments.ts'
import { GradcError, parties, showNode } from '../../ir/errors.ts'
import { topological, type Graph, type Node } from '../../ir/graph.ts'
import type { Maybe } from '../../ir/op.ts'
import { opNamed } from '../../ir/ops/index.ts'
import { isFloat } from '../../ir/types.ts'
import { operandsFirst } from '../../ir/walk.ts'

/** Why no derivative leaves a node for its operands: it is an integer or boolean, or was stopped on purpose. */
export type Barrier = 'integer' | 'stopped'

/** Whether a node keeps derivatives from its operands, and why; null for a node that lets them through. */
export function barrierOf(node: Node): Barrier | null {
  if (!isFloat(node.dtype)) return 'integer'
  if (!node.operands.length) return null
  const { derivative } = opNamed(node.op)
  return derivative === undefined ? null : derivative === 'stopped' ? 'stopped' : 'integer'
}

/**
 * The floating-point nodes from which a derivative can reach the roots, operands before users. Nodes older than `oldest`
 * are left out: ids grow from operands to users, so they cannot depend on a node of that id.
 */
export function differentiablePath(roots: readonly Node[], oldest: number): Node[] {
  return operandsFirst(roots, (n) => n.id >= oldest && isFloat(n.dtype), (n) => barrierOf(n) === null)
}

/** The id of the oldest node. */
export const oldestId = (nodes: readonly Node[]): number => nodes.reduce((least, n) => Math.min(least, n.id), Infinity)

/** How a loss depends on a value: by derivatives, only through barriers (the first one of the stronger kind), or not at all. */
export type Dependence =
  | { readonly kind: 'differentiable' }
  | { readonly kind: 'stopped' | 'integer'; readonly by: Node }
  | { readonly kind: 'independent' }

/** How `loss` depends on each of the values. Where both kinds of barrier lie in the way, the one set on purpose tells. */
export function dependences(loss: Node, values: readonly Node[]): Dependence[] {
  const reached = new Set(differentiablePath([loss], oldestId(values)))
  return values.map((value) => (reached.has(value) ? { kind: 'differentiable' } : behindBarriers(loss, value)))
}

function behindBarriers(loss: Node, value: Node): Dependence {
  const flows = new Set<Node>([value])
  let integer: Node | null = null
  for (const node of topological([loss])) {
    if (node === value || !node.operands.some((x) => flows.has(x))) continue
    const barrier = barrierOf(node)
    if (barrier === 'stopped') return { kind: 'stopped', by: node }
    if (barrier === null) flows.add(node)
    else integer ??= node
  }
  return integer ? { kind: 'integer', by: integer } : { kind: 'independent' }
}

/** Throws operand/invalid or build/foreign unless all are nodes of one function. */
export function checkTogether(nodes: readonly Node[]): void {
  checkTensors('a derivative', nodes)
  const stranger = nodes.find((n) => n.builder !== nodes[0].builder)
  if (!stranger) return
  throw new GradcError('build/foreign', 'a value of another function cannot take part in a derivative', {
    parties: parties(nodes[0], stranger),
    hint: 'differentiate inside the function that made the values',
  })
}

/** Throws unless `loss` is a floating-point scalar (grad/scalar, grad/dtype). */
export function checkLoss(loss: Node): void {
  const at = [{ label: 'loss', node: loss }]
  if (loss.shape.length) {
    throw new GradcError('grad/scalar', `the loss has shape [${loss.shape.join(', ')}], not []`, {
      parties: at,
      hint: 'reduce it to one number, for example with mean(loss) or sum(loss)',
    })
  }
  if (!isFloat(loss.dtype)) {
    throw new GradcError('grad/dtype', `the loss is ${loss.dtype}: only a floating-point loss has a gradient`, { parties: at })
  }
}

/** Throws grad/dtype unless every value is floating-point. */
export function checkDifferentiable(values: readonly Node[]): void {
  for (const node of values) {
    if (isFloat(node.dtype)) continue
    throw new GradcError('grad/dtype', `there is no gradient by a value of type ${node.dtype}`, {
      parties: [{ label: 'by', node }],
      hint: 'only f32 and f64 values are differentiable; leave this one out',
    })
  }
}

/** Throws grad/forward for tangents that cannot be computed: of a custom value nothing is known but its adjoint. */
export function checkForward(tangents: readonly Maybe[]): void {
  const seen = new Set<Graph>()
  const inGraph = (roots: readonly Node[]): Node | null => {
    for (const node of topological(roots)) {
      if (opNamed(node.op).lowering.kind === 'opaque') return node
      for (const region of node.regions) {
        if (seen.has(region)) continue
        seen.add(region)
        const found = inGraph(region.results.map((r) => r.node))
        if (found) return found
      }
    }
    return null
  }
  const opaque = inGraph(tangents.filter((d) => d !== null))
  if (!opaque) return
  throw new GradcError('grad/forward', 'forward mode cannot pass a custom value: only its adjoint is known', {
    parties: [{ label: 'x', node: opaque.operands[opaque.attrs.count as number] }],
    hint: 'ask in reverse: grad or vjp, also of a gradient; or write the value without custom',
  })
}

/** Throws for a value that the loss depends on not at all, or only through barriers (grad/independent, grad/dtype). */
export function checkDependence(loss: Node, value: Node, how: Dependence): void {
  const both = [{ label: 'loss', node: loss }, { label: 'by', node: value }]
  switch (how.kind) {
    case 'differentiable':
      return
    case 'independent':
      throw new GradcError('grad/independent', 'the loss does not depend on this value', {
        parties: both,
        hint: 'leave it out, or use it in the loss',
      })
    case 'stopped':
      throw new GradcError('grad/independent', `the loss depends on this value only through ${how.by.op}`, {
        parties: [...both, { label: 'stop', node: how.by }],
        hint: 'leave it out, or do not stop its gradient',
      })
    case 'integer':
      throw new GradcError('grad/dtype', `the loss depends on this value only through ${how.by.op}, which has no gradient`, {
        parties: [...both, { label: 'stop', node: how.by }],
        hint: `${showNode(how.by)} is not differentiable; leave the value out, or wrap it in stopGradient`,
      })
  }
}
