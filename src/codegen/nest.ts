import type { Affine } from '../ir/affine.ts'
import { inOrder, type Expr, type Expressions } from '../ir/expression.ts'
import type { Node } from '../ir/graph.ts'
import type { Combine } from '../ir/op.ts'
import type { DType, Shape } from '../ir/types.ts'

/** Writes one element for each point of the free axes (of free and reduced axes for a running sum). */
export interface Store {
  /** Byte address of the buffer's first element in the program's memory. */
  readonly address: number
  readonly dtype: DType
  /** Element index over the free axes (running: free, then reduced axes). */
  readonly index: Affine
  /** Adds `clamp(at, 0, limit − 1) · stride` elements to the index. */
  readonly indirect: { readonly at: Expr; readonly stride: number; readonly limit: number } | null
  /** Over the free axes; reads the reduction's result as `core`. */
  readonly value: Expr
  /** Adds to what is there instead of replacing it; points may then meet in one element, and run in order. */
  readonly accumulate: boolean
}

/**
 * A perfect loop nest: free axes outermost first, then reduced axes. For each point of the free axes `value` is folded
 * over the reduced axes by `combine` (from its neutral element); then every store's value is evaluated, all of them
 * before any is written, because a store may overwrite what another one reads at the same element.
 * `running`: the stores happen at every step of the fold (a running sum; combine is 'sum').
 * Without reduced axes `combine` and `value` are null.
 * Terms of one fold are added in a fixed order that depends on the nest alone.
 */
export interface Nest {
  readonly free: Shape
  readonly reduced: Shape
  readonly combine: Combine | null
  readonly value: Expr | null
  readonly running: boolean
  readonly stores: readonly Store[]
  /**
   * Row axes along which the fold goes on: at the first step of all of them it begins with its neutral element, at later ones with
   * what is in the place of its only store, which takes the fold as it is: a sum of f32, or with relaxed arithmetic in doubles that is
   * rounded once a step.
   */
  readonly carried?: readonly number[]
  /** The row axis, 1 long here, after all steps of which the nest runs once, instead of in each. */
  readonly after?: number
  /** Of a nest that is one row of another: the extents that its first free axes, which are 1 here, have there. */
  readonly rows?: Shape
}

/** All expressions that a nest evaluates, without what they are made of. */
export const rootsOfNest = (nest: Nest): Expr[] => [
  ...(nest.value ? [nest.value] : []),
  ...nest.stores.flatMap((s) => (s.indirect ? [s.indirect.at, s.value] : [s.value])),
]

/** How many operations, loads among them, these expressions are at one point. */
export const operationsOf = (roots: readonly Expr[]): number => inOrder(roots).filter((e) => e.kind !== 'lit').length

/** A kernel in loop form: nests that run one after the other. */
export interface LoweredKernel {
  readonly name: string
  /** What it computes, for comments: one line. */
  readonly title: string
  readonly expressions: Expressions
  /** Byte address of the buffer from which this kernel loads a node. */
  readonly address: (node: Node) => number
  readonly nests: readonly Nest[]
  /**
   * Extents of the free axes that all nests begin with and that run around them together: for each of their points every nest in
   * order, over what is left of its axes; those that run after all steps of an axis come last.
   */
  readonly rows?: Shape
  /** The bytes of values that a row alone uses: where rows run at the same time, each needs its own. */
  readonly local?: { readonly from: number; readonly to: number }
  /** Instead of nests: a sequence of kernels that runs many times. */
  readonly loop?: LoweredLoop
}

/** Moves bytes from one place to another; in a loop both may move on with each step. */
export interface Move {
  readonly from: number
  readonly to: number
  readonly bytes: number
  /** Added for each step. */
  readonly fromStep: number
  readonly toStep: number
}

/** `before`, then for each step `enter`, the body and `leave`, then `after`. Steps count from 0, or down to 0. */
export interface LoweredLoop {
  readonly length: number
  readonly reverse: boolean
  readonly before: readonly Move[]
  readonly enter: readonly Move[]
  readonly body: readonly LoweredKernel[]
  readonly leave: readonly Move[]
  readonly after: readonly Move[]
}

/** Everything an emitter needs: functions in order, each a sequence of kernels over one memory. */
export interface LoweredProgram {
  readonly functions: readonly { readonly name: string; readonly kernels: readonly LoweredKernel[] }[]
  /** Bytes that states, constants and the arena take; an emitter's own scratch starts here. */
  readonly memoryBytes: number
}
