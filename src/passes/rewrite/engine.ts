import { InternalError } from '../../ir/errors.ts'
import { topological, type Graph, type Named, type Node } from '../../ir/graph.ts'
import { opNamed } from '../../ir/ops/index.ts'
import { showAround, showLine } from '../../ir/print.ts'
import { sameType, showType } from '../../ir/types.ts'
import { measure } from './measure.ts'
import { isLiteral, match, orders, type Bindings, type Pattern } from './pattern.ts'
import { checkRules, type Match, type Rule } from './rule.ts'

/** How to rewrite. */
export interface RewriteOptions {
  /** Nodes that are leaves for this rewriting: kept as they are, and no pattern looks inside. */
  readonly opaque?: ReadonlySet<Node>
  /** Also checks that every firing decreases the measure, and that the work budget holds: InternalError if not. */
  readonly check?: boolean
  /** Called with every rule that fires. */
  readonly fired?: (rule: Rule, before: Node, after: Node) => void
}

/** Firings allowed for each node at the start. Real graphs need less than one. */
const FIRINGS_PER_NODE = 64

/** A graph with results and updates rewritten until no rule applies; the same object if none did. */
export function rewrite(graph: Graph, rules: readonly Rule[], options: RewriteOptions = {}): Graph {
  const roots = [...graph.results, ...graph.updates]
  const normal = rewriteNodes(roots.map((r) => r.node), rules, options)
  if (roots.every((r) => normal.get(r.node) === r.node)) return graph
  const renewed = (entries: readonly Named[]): Named[] => entries.map(({ name, node }) => ({ name, node: normal.get(node)! }))
  return { ...graph, results: renewed(graph.results), updates: renewed(graph.updates) }
}

/**
 * Rewrites what the roots need, operands first, until no rule applies anywhere, and brings the operands of commutative
 * ops into canonical order (literals last, else by id). Returns the new node for every old one below the roots (and for
 * those made on the way). New nodes carry the declaration site of what they replace. Work is linear in nodes and firings,
 * without recursion.
 */
export function rewriteNodes(roots: readonly Node[], rules: readonly Rule[], options: RewriteOptions = {}): Map<Node, Node> {
  const rewriting = new Rewriting(roots, rules, options)
  for (const root of roots) rewriting.normalise(root)
  return rewriting.normal
}

/** A node on its way to its normal form. */
interface Frame {
  readonly node: Node
  /** The operand to look at next. */
  next: number
  /** The node with normal operands, once a rule has fired on it, and what that rule put in its place. */
  rebuilt: Node | null
  replacement: Node | null
}

class Rewriting {
  readonly normal: Map<Node, Node> = new Map()
  readonly #rules: RuleIndex
  readonly #options: RewriteOptions
  readonly #opaque: ReadonlySet<Node>
  readonly #allRules: readonly Rule[]
  readonly #regions = new Map<Graph, Graph>()
  readonly #open = new Set<Node>()
  readonly #uses: ReadonlyMap<Node, number>
  readonly #usesOfNew = new Map<Node, number>()
  #budget: number

  constructor(roots: readonly Node[], rules: readonly Rule[], options: RewriteOptions) {
    this.#allRules = rules
    this.#rules = indexed(rules)
    this.#options = options
    this.#opaque = options.opaque ?? new Set()
    const order = topological(roots)
    this.#uses = usesIn(order, roots)
    this.#budget = FIRINGS_PER_NODE * (order.length + 16)
    for (const node of this.#opaque) this.normal.set(node, node)
  }

  normalise(root: Node): void {
    const stack: Frame[] = []
    const enter = (node: Node): void => {
      this.#open.add(node)
      stack.push({ node, next: 0, rebuilt: null, replacement: null })
    }
    if (!this.normal.has(root)) enter(root)
    while (stack.length) {
      const frame = stack[stack.length - 1]
      const pending = frame.replacement ?? this.#nextOperand(frame)
      if (pending && !this.normal.has(pending)) {
        enter(pending)
        continue
      }
      if (frame.replacement === null) this.#finishOperands(frame)
      if (frame.replacement !== null && !this.normal.has(frame.replacement)) continue
      if (frame.replacement !== null) this.#settle(frame, this.normal.get(frame.replacement)!)
      stack.pop()
    }
  }

  /** The next operand that has no normal form yet. One that is still open would go on for ever. */
  #nextOperand(frame: Frame): Node | null {
    const { operands } = frame.node
    while (frame.next < operands.length) {
      const operand = operands[frame.next]
      if (!this.normal.has(operand)) {
        if (!this.#open.has(operand)) return operand
        this.#endless(operand)
      }
      frame.next++
    }
    return null
  }

  /** All operands are normal: rebuilds the node and tries the rules on it. */
  #finishOperands(frame: Frame): void {
    const node = this.#rebuild(frame.node)
    const known = this.normal.get(node)
    if (known) return this.#settle(frame, known)
    frame.rebuilt = node
    const replacement = this.#fire(node)
    if (replacement === null || replacement === node) return this.#settle(frame, node)
    if (this.#open.has(replacement) && !this.normal.has(replacement)) {
      this.#endless(replacement)
      return this.#settle(frame, node)
    }
    this.#open.add(node)
    frame.replacement = replacement
  }

  #settle(frame: Frame, normal: Node): void {
    for (const node of [frame.node, frame.rebuilt, normal]) if (node) this.normal.set(node, normal)
    const uses = this.#uses.get(frame.node)
    if (uses !== undefined) this.#usesOfNew.set(normal, (this.#usesOfNew.get(normal) ?? 0) + uses)
    this.#open.delete(frame.node)
    if (frame.rebuilt) this.#open.delete(frame.rebuilt)
  }

  #rebuild(node: Node): Node {
    if (!node.operands.length && !node.regions.length) return node
    const operands = node.operands.map((o) => this.normal.get(o) ?? o)
    if (operands.length === 2 && opNamed(node.op).commutative && rank(operands[0]) > rank(operands[1])) operands.reverse()
    const regions = node.regions.map((r) => this.#region(r))
    const same = operands.every((o, i) => o === node.operands[i]) && regions.every((r, i) => r === node.regions[i])
    return same ? node : node.builder.derivedFrom(node, () => node.builder.make(node.op, operands, node.attrs, regions))
  }

  #region(region: Graph): Graph {
    let done = this.#regions.get(region)
    if (!done) this.#regions.set(region, (done = rewrite(region, this.#allRules, { ...this.#options, opaque: new Set() })))
    return done
  }

  /** What the first rule that applies puts in the node's place. */
  #fire(node: Node): Node | null {
    if (this.#budget <= 0) return null
    for (const { rule, pattern } of this.#rules.get(node.op) ?? []) {
      const bound: Bindings = {}
      if (!match(pattern, node, bound, this.#opaque)) continue
      const found: Match = { ...bound, root: node }
      if (rule.when && !rule.when(found)) continue
      if (rule.once.some((name) => (this.#usesOfNew.get(found[name]) ?? 1) > 1)) continue
      const result = node.builder.derivedFrom(node, () => replaced(rule, found))
      if (result === null || result === node) continue
      this.#accept(rule, pattern, node, result)
      return result
    }
    return null
  }

  /** `pattern` is the rule's left side with operands in the order that matched. */
  #accept(rule: Rule, pattern: Pattern, root: Node, result: Node): void {
    if (!sameType(result, root)) {
      throw broken(rule, root, `changes the type from ${showType(root)} to ${showType(result)}`)
    }
    if (this.#options.check && !decreases(pattern, root, result)) {
      throw broken(rule, root, `does not decrease the measure\n${showAround(result)}`)
    }
    this.#budget--
    if (this.#budget <= 0 && this.#options.check) throw broken(rule, root, 'fired last of too many: the work budget is spent')
    this.#options.fired?.(rule, root, result)
  }

  /** A rule led back to a node whose own replacement is under way. In use the node is left as it is. */
  #endless(node: Node): void {
    if (this.#options.check) throw new InternalError('rewrite', 'the rules lead back to a node', showLine(node))
  }
}

/** Canonical order of the operands of a commutative op. */
const rank = (node: Node): number => (isLiteral(node) ? Number.MAX_SAFE_INTEGER : node.id)

/** Uses of each node at the start, by other nodes and as a root. Those that rules make count as used once. */
function usesIn(order: readonly Node[], roots: readonly Node[]): Map<Node, number> {
  const uses = new Map<Node, number>()
  const count = (node: Node): void => void uses.set(node, (uses.get(node) ?? 0) + 1)
  roots.forEach(count)
  for (const { operands } of order) operands.forEach((o, i) => operands.indexOf(o) === i && count(o))
  return uses
}

const broken = (rule: Rule, node: Node, problem: string): InternalError =>
  new InternalError('rewrite', `rule ${rule.name} ${problem}`, showAround(node))

function replaced(rule: Rule, found: Match): Node | null {
  try {
    return rule.right(found)
  } catch (cause) {
    const error = broken(rule, found.root, `failed: ${cause instanceof Error ? cause.message : String(cause)}`)
    error.cause = cause
    throw error
  }
}

/** Does the measure fall, whatever the values of the variables? Looked at for the same value of all, and for unlike ones. */
export function decreases(pattern: Pattern, root: Node, result: Node): boolean {
  const variables = new Map(variablesOf(pattern, root).map((node, i) => [node, i]))
  return ASSIGNMENTS.every((values) => {
    const valueOf = (node: Node): number | undefined => {
      const i = variables.get(node)
      return i === undefined ? undefined : values[i % values.length]
    }
    return measure(result, valueOf) < measure(root, valueOf)
  })
}

const ASSIGNMENTS: readonly (readonly number[])[] = [[2], [3], [1000], [2, 100, 7], [100, 2, 3], [7, 3, 100]]

/** What stands below a match: the nodes of its variables, and the operands of ops with whatever operands. */
function variablesOf(pattern: Pattern, root: Node): Node[] {
  const inner = new Set<Node>()
  const below = new Set<Node>()
  const visit = ({ kind, operands }: Pattern, node: Node): void => {
    if (kind === 'any') below.add(node)
    if (kind !== 'apply') return
    inner.add(node)
    if (operands === null) node.operands.forEach((o) => below.add(o))
    else operands.forEach((o, i) => visit(o, node.operands[i]))
  }
  visit(pattern, root)
  // A variable may stand for a node that the pattern names elsewhere: x − (−y) also matches (−y) − (−y).
  return [...below].filter((node) => !inner.has(node))
}

type RuleIndex = ReadonlyMap<string, readonly { readonly rule: Rule; readonly pattern: Pattern }[]>
const indexes = new WeakMap<readonly Rule[], RuleIndex>()

/** Rules by root op, in their order, each with all orders of commutative operands. Checked once. */
function indexed(rules: readonly Rule[]): RuleIndex {
  const known = indexes.get(rules)
  if (known) return known
  checkRules(rules)
  const index = new Map<string, { rule: Rule; pattern: Pattern }[]>()
  for (const rule of rules) {
    const list = index.get(rule.left.op) ?? []
    list.push(...orders(rule.left).map((pattern) => ({ rule, pattern })))
    index.set(rule.left.op, list)
  }
  indexes.set(rules, index)
  return index
}
