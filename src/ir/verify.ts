import { fitsKind, sameAttrs } from './attributes.ts'
import { roundTo } from './builder.ts'
import { GradcError } from './errors.ts'
import { rootsOf, topological, type Graph, type Named, type Node } from './graph.ts'
import type { OpDef } from './op.ts'
import { isOp, opNamed } from './ops/index.ts'
import { showLine } from './print.ts'
import { DTYPES, isDType, sameType, showType, type TensorType } from './types.ts'

/**
 * The invariants of the IR, by the names that messages use:
 *
 *     builder    every node, and every operand of it, belongs to the graph's builder
 *     order      operands stand before their users: there is no cycle
 *     identity   nodes are interned: no two of a graph agree in op, operands, attributes and regions, or in their id
 *     op         the op is known
 *     arity      it has as many operands as its op takes
 *     attribute  it carries exactly its op's attributes, each of its kind
 *     extent     extents are non-negative integers, and the bytes of the whole can be counted
 *     type       inferring it again gives the type that it states
 *     literal    a literal's value is one that its dtype holds
 *     region     only region ops carry regions, and these keep all invariants themselves
 *     input      input nodes are declared, once and under their own name
 *     state      state nodes are declared, once, under their own name and with their type
 *     result     results are named once
 *     update     updates name declared states, once, and have the state's type
 */
export type Invariant =
  | 'builder' | 'order' | 'identity' | 'op' | 'arity' | 'attribute' | 'extent' | 'type' | 'literal' | 'region'
  | 'input' | 'state' | 'result' | 'update'

/** One broken invariant. */
export interface Violation {
  readonly invariant: Invariant
  readonly problem: string
  /** The node at fault; null where a declaration, result or update is. */
  readonly node: Node | null
}

/** Throws `verify/invalid` with every broken invariant, if there is any. */
export function verify(graph: Graph): void {
  const found = violations(graph)
  if (!found.length) return
  const lines = found.slice(0, 8).map((v) => `${v.invariant}: ${v.problem}${v.node ? `\n    ${showLine(v.node)}` : ''}`)
  if (found.length > 8) lines.push(`and ${found.length - 8} more`)
  throw new GradcError('verify/invalid', `graph ${JSON.stringify(graph.name)} breaks ${lines.join('\n  ')}`, {
    parties: found.flatMap((v) => (v.node ? [{ label: 'at', node: v.node }] : [])).slice(0, 1),
  })
}

/** Everything that is wrong with a graph; empty for a good one. Never throws. */
export function violations(graph: Graph): Violation[] {
  const found: Violation[] = []
  const report: Report = (invariant, problem, node = null) => void found.push({ invariant, problem, node })
  const order = topological([...graph.inputs.map((i) => i.node), ...rootsOf(graph)])
  checkNodes(graph, order, report)
  checkIdentity(order.filter((n) => n.builder === graph.builder), report)
  checkLeaves(graph, order, report)
  checkNames(graph, report)
  return found
}

type Report = (invariant: Invariant, problem: string, node?: Node | null) => void

function checkNodes(graph: Graph, order: readonly Node[], report: Report): void {
  const seen = new Set<Node>()
  for (const node of order) {
    if (node.builder !== graph.builder) report('builder', 'a node belongs to another builder', node)
    for (const x of node.operands) {
      if (!seen.has(x)) report('order', 'an operand does not stand before its user', node)
      else if (x.builder !== node.builder) report('builder', 'an operand belongs to another builder', node)
    }
    seen.add(node)
    if (isOp(node.op)) checkOp(node, opNamed(node.op), report)
    else report('op', `there is no op ${JSON.stringify(node.op)}`, node)
  }
}

function checkOp(node: Node, def: OpDef, report: Report): void {
  if (def.arity !== null && node.operands.length !== def.arity) {
    return report('arity', `${node.op} takes ${def.arity} operands, not ${node.operands.length}`, node)
  }
  const wrong = wrongAttribute(node, def.attrs ?? [])
  if (wrong !== null) return report('attribute', wrong, node)
  const extents = wrongExtents(node)
  if (extents) return report('extent', extents, node)
  checkRegions(node, def, report)
  checkInferred(node, def, report)
  if (def.lowering.kind === 'leaf' && def.lowering.leaf === 'literal') {
    const value = node.attrs.value as number
    if (!Object.is(roundTo(value, node.dtype), value)) report('literal', `${value} is no ${node.dtype}`, node)
  }
}

function wrongAttribute(node: Node, expected: readonly string[]): string | null {
  const strange = Object.keys(node.attrs).find((key) => !expected.includes(key))
  if (strange !== undefined) return `${node.op} has no attribute ${JSON.stringify(strange)}`
  for (const key of expected) {
    if (!Object.hasOwn(node.attrs, key)) return `${node.op} needs the attribute ${JSON.stringify(key)}`
    if (!fitsKind(key, node.attrs[key])) return `attribute ${JSON.stringify(key)} has the wrong kind`
  }
  return null
}

function wrongExtents(type: TensorType): string | null {
  if (!isDType(type.dtype)) return `there is no element type ${JSON.stringify(type.dtype)}`
  const bad = type.shape.find((d) => !Number.isSafeInteger(d) || d < 0)
  if (bad !== undefined) return `${bad} is no extent`
  const bytes = type.shape.reduce((n, d) => n * Math.max(d, 1), DTYPES[type.dtype].bytes)
  return Number.isSafeInteger(bytes) ? null : 'the bytes of this shape cannot be counted'
}

function checkRegions(node: Node, def: OpDef, report: Report): void {
  if (node.regions.length !== (def.regions ?? 0)) report('region', `${node.op} takes ${def.regions ?? 'no'} regions`, node)
  for (const region of node.regions) {
    for (const v of violations(region)) report('region', `in ${JSON.stringify(region.name)}: ${v.invariant}: ${v.problem}`, node)
  }
}

function checkInferred(node: Node, def: OpDef, report: Report): void {
  try {
    const type = def.infer(node.operands, node.attrs, node.regions)
    if (!sameType(type, node)) report('type', `${node.op} gives ${showType(type)}, not ${showType(node)}`, node)
  } catch (error) {
    report('type', error instanceof GradcError ? `${error.code}: ${error.problem}` : String(error), node)
  }
}

function checkIdentity(order: readonly Node[], report: Report): void {
  const ids = new Set<number>()
  const alike = new Map<string, Node[]>()
  for (const node of order) {
    if (ids.has(node.id)) report('identity', `two nodes have the id ${node.id}`, node)
    ids.add(node.id)
    const key = `${node.op} ${showType(node)} ${node.operands.map((x) => x.id).join()}`
    const group = alike.get(key)
    if (!group) alike.set(key, [node])
    else if (group.some((other) => sameRegions(node, other) && sameAttrsByIdentity(node, other))) {
      report('identity', 'the same node stands twice in the graph', node)
    } else group.push(node)
  }
}

const sameRegions = (a: Node, b: Node): boolean =>
  a.regions.length === b.regions.length && a.regions.every((r, i) => r === b.regions[i])

/** Constants are interned by their array, so equal values in two arrays are two nodes. */
const sameAttrsByIdentity = (a: Node, b: Node): boolean =>
  Object.keys(a.attrs).every((k) => !ArrayBuffer.isView(a.attrs[k]) || a.attrs[k] === b.attrs[k]) && sameAttrs(a.attrs, b.attrs)

function checkLeaves(graph: Graph, order: readonly Node[], report: Report): void {
  const inputs = new Set(graph.inputs.map((i) => i.node))
  const states = new Map(graph.states.map((s) => [s.name, s]))
  for (const node of order) {
    const leaf = leafOf(node)
    if (leaf === 'input' && !inputs.has(node)) report('input', 'an input is not declared by the graph', node)
    if (leaf !== 'state') continue
    const decl = states.get(node.attrs.name as string)
    if (!decl) report('state', 'a state is not declared by the graph', node)
    else if (!sameType(decl, node)) report('state', `the declaration says ${showType(decl)}`, node)
  }
}

function leafOf(node: Node): string | null {
  const lowering = isOp(node.op) ? opNamed(node.op).lowering : null
  return lowering?.kind === 'leaf' ? lowering.leaf : null
}

function checkNames(graph: Graph, report: Report): void {
  const twice = (invariant: Invariant, names: readonly string[]): void => {
    const seen = new Set<string>()
    for (const name of names) {
      if (typeof name !== 'string') report(invariant, 'a name is no string')
      else if (seen.has(name)) report(invariant, `${JSON.stringify(name)} is given twice`)
      seen.add(name)
    }
  }
  const namesOf = (entries: readonly (Named | { name: string })[]): string[] => entries.map((e) => e.name)
  twice('input', namesOf(graph.inputs))
  twice('state', namesOf(graph.states))
  twice('result', namesOf(graph.results))
  twice('update', namesOf(graph.updates))
  for (const { name, node } of graph.inputs) {
    if (leafOf(node) !== 'input') report('input', `${JSON.stringify(name)} is not an input`, node)
    else if (node.attrs.name !== name) report('input', `${JSON.stringify(name)} is declared under another name`, node)
  }
  for (const s of graph.states) {
    const wrong = wrongExtents(s)
    if (wrong) report('state', `${JSON.stringify(s.name)}: ${wrong}`)
  }
  for (const { name, node } of graph.updates) {
    const decl = graph.states.find((s) => s.name === name)
    if (!decl) report('update', `state ${JSON.stringify(name)} is not declared`, node)
    else if (!sameType(decl, node)) report('update', `state ${JSON.stringify(name)} is ${showType(decl)}`, node)
  }
}
