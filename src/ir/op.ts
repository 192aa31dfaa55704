import type { AffineMap } from './affine.ts'
import type { Builder } from './builder.ts'
import type { Attrs, Graph, Node } from './graph.ts'
import type { Arith } from './scalar.ts'
import type { TensorType } from './types.ts'

/** How a reduction combines. */
export type Combine = 'sum' | 'max' | 'min' | 'prod' | 'argmax' | 'argmin'

/**
 * How an op becomes loops. Passes, evaluator and code generation read only this, never the op's name.
 * Coordinates are those of the op's own result unless said otherwise.
 */
export type Lowering =
  | { readonly kind: 'leaf'; readonly leaf: 'input' | 'state' | 'constant' | 'literal' | 'iota' }
  | { readonly kind: 'pointwise'; readonly scalar: <V>(k: Arith<V>, xs: readonly V[], attrs: Attrs) => V }
  /** The operand's coordinates as an affine map of the result's. */
  | { readonly kind: 'view'; readonly view: 'affine'; readonly source: (node: Node) => AffineMap }
  /** Same elements in row-major order under another shape. */
  | { readonly kind: 'view'; readonly view: 'reshape' }
  /** Result = `fill`, then operand i written at the (injective) map of its own coordinates: pad, concat. */
  | {
      readonly kind: 'view'
      readonly view: 'place'
      readonly target: (node: Node, operand: number) => AffineMap
      readonly fill: (node: Node) => number
    }
  /** Folds `attrs.axes` (ascending) of its operand away; argmax and argmin give i32 positions, the first at a tie, NaN winning. */
  | { readonly kind: 'reduce'; readonly combine: Combine }
  /** Running sum along `attrs.axis`. */
  | { readonly kind: 'cumulate' }
  /** Sum of products over named axes: `attrs.spec` as in einsum, `ik,kj->ij`. */
  | { readonly kind: 'contract' }
  /** operand[..., clamp(index), ...] along `attrs.axis`. */
  | { readonly kind: 'gather' }
  /** operand 0 plus operand 2 added at clamp(operand 1) along `attrs.axis`. */
  | { readonly kind: 'scatter'; readonly scatter: 'indexed' }
  /** Zero, plus the operand added at the affine map of its own coordinates. */
  | { readonly kind: 'scatter'; readonly scatter: 'affine'; readonly target: (node: Node) => AffineMap }
  /** Philox 4×32-10 words by element index: operands key u32[2], stream u32[]. */
  | { readonly kind: 'random' }
  /** A loop over its body, see ops/region.ts. */
  | { readonly kind: 'region' }
  /** Has no loops at all. */
  | { readonly kind: 'opaque' }

/** Cotangents or tangents, operand by operand; `null` is a symbolic zero that is never materialised. */
export type Maybe = Node | null

/**
 * All that an op is, in one record. Rules are written with the builder's own vocabulary, so they are graphs and can
 * be differentiated again.
 */
export interface OpDef {
  readonly name: string
  /** Number of operands; `null` for any number (concat). */
  readonly arity: number | null
  /** Attribute names in printing order; a node carries exactly these. */
  readonly attrs?: readonly string[]
  /** Number of regions that it carries; default 0. */
  readonly regions?: number
  /** Result type from operands and attributes; throws a GradcError for what does not fit. */
  readonly infer: (operands: readonly Node[], attrs: Attrs, regions: readonly Graph[]) => TensorType
  /** Forward mode: d result from d operands. Absent for an op that is linear in all its operands, or has no derivative. */
  readonly tangent?: (b: Builder, d: readonly Maybe[], operands: readonly Node[], result: Node) => Maybe
  /**
   * Reverse mode of a linear op: cotangent of operand `at` from the result's cotangent. For a bilinear op, `at` is the
   * operand that carries the tangent and the other one is a plain value.
   */
  readonly transpose?: (b: Builder, ct: Node, node: Node, at: number) => Maybe
  /** Why no gradient flows through: there is 'none' (integers, comparisons, bits), or it is 'stopped' on purpose. */
  readonly derivative?: 'none' | 'stopped'
  readonly lowering: Lowering
  /** Operands may be exchanged (canonical operand order). */
  readonly commutative?: boolean
  /** Cost of one element in additions, for fusion: default 1. */
  readonly cost?: number
}
