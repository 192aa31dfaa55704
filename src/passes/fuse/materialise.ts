import { GradcError, parties } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'
import { throughReshapes } from '../../ir/resolve.ts'
import { sizeOf } from '../../ir/types.ts'
import { costOf, isCore, isElementwise, isLoop, isStorage, isView, loweringOf } from './kinds.ts'
import { operandBuffer, operandReads, throughViews } from './reads.ts'

/** Bounds of what one kernel computes in place. */
export interface Limits {
  /** Distinct buffers that one expression may read: about ten live vectors fit the registers. */
  readonly reads: number
  /** Longest chain of ops in one expression; it also bounds the recursion of everything that walks expressions. */
  readonly depth: number
  /** Most ops that one kernel computes after merges. */
  readonly ops: number
  /** Most additions' worth of work that may be done again instead of being stored. */
  readonly recompute: number
  /** Most buffers that recomputed work may read. */
  readonly recomputeReads: number
}

export const LIMITS: Limits = { reads: 12, depth: 64, ops: 200, recompute: 6, recomputeReads: 3 }

// A value that is spread over four points each or more must be nearly free to be worth no buffer.
const SPREAD = 4
const SPREAD_RECOMPUTE = 2
const MAX_SITES = 64

/** A place where a kernel evaluates a node: a kernel's points, seen through a chain of views. */
interface Site {
  readonly id: number
  /** How many points evaluate. */
  readonly points: number
  /** The value is compared with other elements of itself (a row maximum). */
  readonly ordered: boolean
}

/**
 * Which nodes are kept in buffers: the roots, what cannot be computed one element at a time, what contractions read,
 * and what is too dear to be computed again. `order` is topological; `forced` are stored whatever they cost.
 * Throws GradcError target/unsupported for an op that has no loops.
 */
export function materialise(order: readonly Node[], roots: Iterable<Node>, forced: ReadonlySet<Node>, limits: Limits): Set<Node> {
  const needed = necessary(order, roots, forced)
  const widths = expressionWidths(order, needed, limits)
  const first = dear(order, widths.stored, widths, limits)
  // What the first round stores makes other nodes cheap: a second look unstores those.
  const again = expressionWidths(order, first, limits)
  return dear(order, widths.stored, again, limits)
}

function necessary(order: readonly Node[], roots: Iterable<Node>, forced: ReadonlySet<Node>): Set<Node> {
  const stored = new Set<Node>(forced)
  for (const root of roots) stored.add(root)
  for (const node of order) {
    const { kind } = loweringOf(node)
    if (kind === 'opaque') {
      throw new GradcError('target/unsupported', `${node.op} has no loops to compile to`, { parties: parties(node) })
    }
    if (isStorage(node) || isCore(node)) stored.add(node)
  }
  for (const node of order) {
    if (isLoop(node)) for (const o of node.operands) stored.add(throughReshapes(o))
    else if (isCore(node)) for (const r of operandReads(node)) if (r.whole) stored.add(operandBuffer(r.node, (n) => stored.has(n)))
    if (loweringOf(node).kind === 'gather' && !stored.has(node.operands[0])) stored.add(throughReshapes(node.operands[0]))
  }
  return stored
}

/** Of each node's expression down to what is stored, as if the node itself were computed in place. */
interface Widths {
  readonly stored: Set<Node>
  readonly cost: ReadonlyMap<Node, number>
  readonly reads: ReadonlyMap<Node, readonly Node[]>
}

/** Cost and reads of each node's expression; cuts expressions that are too wide or too deep by storing more. */
function expressionWidths(order: readonly Node[], given: ReadonlySet<Node>, limits: Limits): Widths {
  const stored = new Set(given)
  const cost = new Map<Node, number>()
  const reads = new Map<Node, readonly Node[]>()
  const depth = new Map<Node, number>()
  // A view is a new name: a cut stores what is below it.
  const cut = (n: Node): void => void stored.add(isElementwise(throughViews(n)) ? throughViews(n) : n)
  const depthOf = (n: Node): number => (stored.has(n) ? 0 : isView(n) ? 1 + depthOf(n.operands[0]) : depth.get(n)!)
  const costBelow = (n: Node): number => (stored.has(n) ? 0 : isView(n) ? costBelow(n.operands[0]) : cost.get(n)!)
  const readsBelow = (n: Node): readonly Node[] => (stored.has(n) ? [n] : isView(n) ? readsBelow(n.operands[0]) : reads.get(n)!)
  for (const node of order) {
    const operands = [...new Set(node.operands)]
    const union = (): Node[] => [...new Set(operands.flatMap(readsBelow))]
    if (isElementwise(node) || isView(node)) {
      for (const o of operands) if (depthOf(o) >= limits.depth) cut(o)
      while (union().length > limits.reads) {
        const widest = operands.reduce((a, b) => (readsBelow(b).length > readsBelow(a).length ? b : a))
        if (readsBelow(widest).length <= 1) break
        cut(widest)
      }
    }
    reads.set(node, isCore(node) || isStorage(node) ? [node] : union())
    cost.set(node, Math.min(1e6, operands.reduce((s, o) => s + costBelow(o), costOf(node))))
    depth.set(node, 1 + Math.max(0, ...operands.map(depthOf)))
  }
  return { stored, cost, reads }
}

/** Walks from users to operands, with all the places where each node would be evaluated if it were not stored. */
function dear(order: readonly Node[], given: ReadonlySet<Node>, { cost, reads }: Widths, limits: Limits): Set<Node> {
  const stored = new Set(given)
  const sites = new Map<Node, Site[]>()
  const derived = new Map<string, Site>()
  let next = 0
  const visit = (node: Node, site: Site): void => {
    const list = sites.get(node)
    if (!list) sites.set(node, [site])
    else if (!list.some((s) => s.id === site.id)) list.push(site)
  }
  const through = (site: Site, by: Node): Site => {
    const key = `${site.id} ${by.id}`
    let s = derived.get(key)
    if (!s) derived.set(key, (s = { ...site, id: next++ }))
    return s
  }
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i]
    if (isStorage(node)) continue
    const at = sites.get(node) ?? []
    const inlined = !stored.has(node) && isElementwise(node)
    if (inlined && isDear(node, at, cost.get(node)!, reads.get(node)!.length, limits)) stored.add(node)
    if (stored.has(node) && isCore(node)) {
      const lowering = loweringOf(node)
      const ordered = lowering.kind === 'reduce' && lowering.combine !== 'sum' && lowering.combine !== 'prod'
      for (const r of operandReads(node)) visit(r.node, { id: next++, points: sizeOf(r.extents), ordered })
      continue
    }
    const from = stored.has(node) ? [{ id: next++, points: sizeOf(node.shape), ordered: false }] : at
    const same = loweringOf(node).kind === 'pointwise'
    for (const operand of node.operands) for (const s of from) visit(operand, same ? s : through(s, node))
  }
  return stored
}

function isDear(node: Node, at: readonly Site[], cost: number, reads: number, limits: Limits): boolean {
  const size = Math.max(1, sizeOf(node.shape))
  const points = at.reduce((n, s) => n + s.points, 0)
  // exp(x − max) wants the very x that the maximum was taken of, not one that was rounded another time.
  if (at.length > 1 && at.some((s) => s.ordered)) return true
  if (points <= size) return false
  if (at.length > MAX_SITES || cost > limits.recompute || reads > limits.recomputeReads) return true
  return points >= SPREAD * size && cost > SPREAD_RECOMPUTE
}
