import { sameAttr } from '../../ir/attributes.ts'
import type { Attr, Node } from '../../ir/graph.ts'
import { opNamed } from '../../ir/ops/index.ts'

/** What one attribute must be: this value, or one that passes the test. */
export type AttrTest = Attr | ((value: Attr) => boolean)

/** The left side of a rule. `V` are the names that a match binds to nodes; one name twice means the same node. */
export interface Pattern<out V extends string = string> {
  /** `any` matches whatever stands there; `literal` a splat of any shape and dtype; `apply` an op. */
  readonly kind: 'any' | 'literal' | 'apply'
  /** Name that the matched node is bound to; null for none. */
  readonly name: string | null
  /** The value of a literal, compared by Object.is; null for any value. */
  readonly value: number | null
  readonly op: string
  /** Null for an op with whatever operands. */
  readonly operands: readonly Pattern[] | null
  readonly attrs: { readonly [key: string]: AttrTest }
  /** For the type checker alone: keeps the bound names. */
  readonly binds?: V
}

type NamesOf<A> = A extends Pattern<infer V> ? V : never
type Argument = Pattern | { readonly [key: string]: AttrTest }

/** Makes the pattern of an op: operands, then (optionally) tests of attributes. */
export type ApplyPattern = <const A extends readonly Argument[]>(...args: A) => Pattern<NamesOf<A[number]>>

const blank = { name: null, value: null, op: '', operands: null, attrs: {} } as const

/** Matches anything and binds it. */
export const variable = <const V extends string>(name: V): Pattern<V> => ({ ...blank, kind: 'any', name })

/** `lit(1)` matches a splat of the number 1, `lit('c')` any splat and binds it. */
export function lit(value: number): Pattern<never>
export function lit<const V extends string>(name: V): Pattern<V>
export function lit(what: number | string): Pattern {
  const [name, value] = typeof what === 'string' ? [what, null] : [null, what]
  return { ...blank, kind: 'literal', name, value }
}

/** Binds the node that a pattern matches. */
export const as = <const N extends string, V extends string>(name: N, pattern: Pattern<V>): Pattern<N | V> => ({
  ...(pattern as Pattern<N | V>),
  name,
})

/** An op with whatever operands and attributes. */
export const anyOf = <const N extends string>(name: N, op: string): Pattern<N> => ({ ...blank, kind: 'apply', name, op })

const isPattern = (a: Argument): a is Pattern => Object.hasOwn(a, 'kind')

/** Patterns by op: `p.mul(x, lit(1))`, `p.cast(x, { to: 'f32' })`. */
export const p: { readonly [op: string]: ApplyPattern } = new Proxy({}, {
  get: (_, op: string) => (...args: Argument[]): Pattern => ({
    ...blank,
    kind: 'apply',
    op,
    operands: args.filter(isPattern),
    attrs: Object.assign({}, ...args.filter((a) => !isPattern(a))) as Pattern['attrs'],
  }),
})

/** Variables. */
export const x: Pattern<'x'> = variable('x')
export const y: Pattern<'y'> = variable('y')
export const z: Pattern<'z'> = variable('z')

/** The names that a pattern binds, outermost first. */
export function namesIn(pattern: Pattern): string[] {
  return [...(pattern.name === null ? [] : [pattern.name]), ...(pattern.operands ?? []).flatMap(namesIn)]
}

/** All ops that a pattern names. */
export function opsIn(pattern: Pattern): string[] {
  return [...(pattern.kind === 'apply' ? [pattern.op] : []), ...(pattern.operands ?? []).flatMap(opsIn)]
}

/**
 * The pattern with the operands of commutative ops in every order that canonical graphs may have (literals stand last),
 * so that matching never has to go back: at most 2^k patterns for k commutative ops.
 */
export function orders(pattern: Pattern): Pattern[] {
  if (!pattern.operands?.length) return [pattern]
  let lists: Pattern[][] = [[]]
  for (const operand of pattern.operands) {
    const choices = orders(operand)
    lists = lists.flatMap((list) => choices.map((choice) => [...list, choice]))
  }
  const [x, y] = pattern.operands
  const commutes = opNamed(pattern.op).commutative && pattern.operands.length === 2 && !(x.kind === 'any' && x.name === y.name)
  if (!commutes) return lists.map((operands) => ({ ...pattern, operands }))
  const ways = x.kind === 'literal' ? [true] : y.kind === 'literal' ? [false] : [false, true]
  return ways.flatMap((swap) => lists.map(([l, r]) => ({ ...pattern, operands: swap ? [r, l] : [l, r] })))
}

/** Nodes by the names that a pattern binds. */
export type Bindings = { [name: string]: Node }

/** Does the node match? Fills `bound`. Nodes in `opaque` have no inside: only variables match them. */
export function match(pattern: Pattern, node: Node, bound: Bindings, opaque: ReadonlySet<Node>): boolean {
  if (pattern.kind !== 'any' && opaque.has(node)) return false
  if (pattern.kind === 'literal' && !isLiteral(node, pattern.value)) return false
  if (pattern.kind === 'apply') {
    if (node.op !== pattern.op) return false
    for (const key in pattern.attrs) if (!passes(pattern.attrs[key], node.attrs[key])) return false
    const { operands } = pattern
    if (operands !== null) {
      if (operands.length !== node.operands.length) return false
      for (let i = 0; i < operands.length; i++) if (!match(operands[i], node.operands[i], bound, opaque)) return false
    }
  }
  if (pattern.name === null) return true
  const before = bound[pattern.name]
  if (before) return before === node
  bound[pattern.name] = node
  return true
}

const passes = (test: AttrTest, value: Attr): boolean => (typeof test === 'function' ? test(value) : sameAttr(test, value))

/** Is it a splat, of this value unless null? */
export function isLiteral(node: Node, value: number | null = null): boolean {
  const { lowering } = opNamed(node.op)
  return lowering.kind === 'leaf' && lowering.leaf === 'literal' && (value === null || Object.is(node.attrs.value, value))
}

/** The number of a splat. */
export const valueOf = (literal: Node): number => literal.attrs.value as number
