import type { Builder } from './builder.ts'
import type { SiteSource } from './site.ts'
import type { DType, Shape, TensorType, TypedArray } from './types.ts'

/** Attribute values: plain, frozen, JSON-like, so that a node can be printed, parsed and interned. */
export type Attr = number | string | boolean | readonly Attr[] | TypedArray
export type Attrs = { readonly [key: string]: Attr }

/**
 * One value of a graph: an op applied to operands. Immutable and interned by its {@link Builder}:
 * two nodes of one builder with the same op, operands, attributes and regions are the same object.
 * This is also the `Tensor` that users hold.
 */
export interface Node<D extends DType = DType> extends TensorType {
  readonly id: number
  readonly op: string
  readonly operands: readonly Node[]
  readonly attrs: Attrs
  readonly regions: readonly Graph[]
  readonly dtype: D
  readonly shape: Shape
  /** The builder that made it; operands of one node always share it. */
  readonly builder: Builder
  /** Where it was declared, if a user declared it; derived nodes carry the site of what they derive from. */
  readonly source: SiteSource | null
}

export interface Named {
  readonly name: string
  readonly node: Node
}

/** A value that outlives a step: a parameter, a moment, a step count. */
export interface StateDecl extends TensorType {
  readonly name: string
  /** Makes the first value from a `u32[2]` key inside the program's `init` graph. */
  readonly init: Init
  /** True when `minimize` may update it. */
  readonly trainable: boolean
  /** Identity of the declaration: two declarations of one name in one program are an error. */
  readonly owner: object
}

/** Draws a first value of the given type; `key` is a `u32[2]` node, already distinct for each state. */
export type Init = (b: Builder, type: TensorType, key: Node) => Node

/**
 * A function: results and new state as nodes over inputs and states. A training step is only a Graph
 * whose results are loss and metrics and whose updates are the new state.
 */
export interface Graph {
  readonly name: string
  readonly builder: Builder
  readonly inputs: readonly Named[]
  readonly states: readonly StateDecl[]
  readonly results: readonly Named[]
  /** New value of a state by its name; states that are not named keep their value. */
  readonly updates: readonly Named[]
}

/** Results and updates: everything that a graph must compute. */
export const rootsOf = (g: Graph): Node[] => [...g.results.map((r) => r.node), ...g.updates.map((u) => u.node)]

/** All nodes that the roots need, operands before users, in a deterministic order; without recursion. */
export function topological(roots: readonly Node[]): Node[] {
  const order: Node[] = []
  const state = new Map<Node, number>()
  const stack: Node[] = []
  for (const root of roots) {
    stack.push(root)
    while (stack.length) {
      const node = stack[stack.length - 1]
      const next = state.get(node) ?? 0
      if (next < node.operands.length) {
        state.set(node, next + 1)
        const operand = node.operands[next]
        if (!state.has(operand)) stack.push(operand)
        continue
      }
      stack.pop()
      if (state.get(node) !== Infinity) {
        state.set(node, Infinity)
        order.push(node)
      }
    }
  }
  return order
}

/** Who reads each node, in topological order of the readers; each reader once a use. */
export function usersOf(order: readonly Node[]): Map<Node, Node[]> {
  const users = new Map<Node, Node[]>(order.map((n) => [n, []]))
  for (const n of order) for (const x of n.operands) users.get(x)?.push(n)
  return users
}
