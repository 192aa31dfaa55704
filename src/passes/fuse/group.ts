import type { Node } from '../../ir/graph.ts'
import type { Shape } from '../../ir/types.ts'

/**
 * Memory that can hold a value: an input, a state, a constant, or something that the arena must find room for; `outer`: in
 * the body of a loop, a value of the function around it.
 */
export interface Slot {
  readonly id: number
  readonly place: 'input' | 'state' | 'constant' | 'arena' | 'outer'
  /** A node of the slot's type: the first that it holds. */
  readonly node: Node
  /** The input's, state's or result's name; empty for what lives only inside the step. */
  readonly name: string
  /** The caller reads it after the step. */
  kept: boolean
}

/** Moves a value that is already in memory. */
export interface Copy {
  readonly node: Node
  readonly from: Slot
  readonly to: Slot
}

/** A kernel in the making: values over the same points, computed together. */
export interface Group {
  readonly id: number
  core: Node | null
  /** Its points: those of the core, or finer ones than a value's axes tell apart. */
  extents: Shape
  /** Values computed here that another kernel might read; the core is among them. In topological order. */
  nodes: Node[]
  copies: Copy[]
  /** See {@link Reads}. */
  aligned: Map<Node, boolean>
  computed: Set<Node>
  /** Names of the states whose old value it overwrites. */
  writes: Set<string>
  /** Takes part in no merge. */
  readonly sealed: boolean
  readonly before: Set<Group>
  readonly after: Set<Group>
  /** Position in an order that respects all edges; -1 once it was merged away. */
  rank: number
}

/** `a` must run before `b`. */
export function precede(a: Group, b: Group): void {
  if (a === b) return
  a.after.add(b)
  b.before.add(a)
}
