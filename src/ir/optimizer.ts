import type { Builder } from './builder.ts'
import type { Init, Node } from './graph.ts'
import type { TensorType } from './types.ts'

/** A value to be optimised, and what a transform is to change it by: the gradient, or what the transform before made of it. */
export interface Entry {
  /** Name of the parameter's state. */
  readonly name: string
  readonly parameter: Node
  /** Of the parameter's type. */
  readonly gradient: Node
}

/** What a hyper-parameter may depend on. */
export interface HyperContext {
  /** `f32[]`: number of updates made before this one; 0 in the first. */
  readonly step: Node
  /** The function's inputs by name. */
  readonly inputs: Readonly<Record<string, Node>>
}

/** A hyper-parameter: a number, or a scalar made anew each step from the step count or from inputs (a learning-rate schedule). */
export type Hyper = number | ((at: HyperContext) => Node)

/** What a transform may use while it builds one update. */
export interface TransformContext extends HyperContext {
  readonly builder: Builder
  /**
   * Declares a state that belongs to an entry (a moment), or finds it again. Its name is `transform:kind:entry`; without
   * an `init` it starts as zeros. The node is its value before the update.
   */
  slot(entry: Entry, kind: string, type?: TensorType, init?: Init): Node
  /** Declares a state of the transform as a whole (a counter), or finds it again: `transform:kind`; else as {@link slot}. */
  own(kind: string, type: TensorType, init?: Init): Node
  /** Sets the value that a slot has after the update; each slot once. */
  assign(slot: Node, next: Node): void
}

/**
 * A gradient transformation as in optax: a step from gradients towards deltas. The last transform of a chain gives
 * deltas, which are added to the parameters.
 */
export interface Transform {
  /** Begins the names of its states. */
  readonly name: string
  /** True for a transform that gives gradients, not deltas, and so cannot be the last one. */
  readonly partial?: boolean
  /** True for an optimiser that gives new values of the parameters, not deltas (it rounds them itself). Stands outermost. */
  readonly replaces?: boolean
  /**
   * A floating-point scalar that multiplies the loss before it is differentiated; `update` divides it out of the
   * gradients. The context is the one that `update` gets.
   */
  seed?(context: TransformContext): Node
  /** For each entry, in order, what its gradient becomes; of the same type. */
  update(context: TransformContext, entries: readonly Entry[]): Node[]
}

/** A transform whose result is added to the parameters; a literal zero leaves its parameter without an update. */
export type Optimizer = Transform
