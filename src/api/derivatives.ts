import type { Node } from '../ir/graph.ts'
import type { Scalar, Tensor } from '../ir/lang/tensor.ts'
import type { Maybe } from '../ir/op.ts'
import type { DType } from '../ir/types.ts'
import * as engine from '../passes/differentiate/gradient.ts'
import type { ValueAndGrad } from '../passes/differentiate/gradient.ts'
import { stabiliseNodes } from '../passes/simplify.ts'

// Users differentiate the stable forms of what they wrote: log(softmax(x)) has a gradient where softmax(x) is 0.
const STABLE = { stabilise: stabiliseNodes }

/**
 * The gradient of a scalar loss by each value, of the value's type: an ordinary tensor, to be differentiated again for
 * higher orders. Use it inside the body of `fn`.
 * Errors: grad/scalar, grad/dtype, grad/independent (also when stopGradient is in the way).
 */
export function grad<D extends DType>(loss: Node, wrt: Scalar<D>): Scalar<D>
export function grad<D extends DType>(loss: Node, wrt: Tensor<D>): Tensor<D>
export function grad<D extends DType>(loss: Node, wrt: readonly Tensor<D>[]): Tensor<D>[]
export function grad(loss: Node, wrt: Node | readonly Node[]): Node | Node[] {
  const { gradients } = valueAndGrad(loss, Array.isArray(wrt) ? wrt : [wrt])
  return Array.isArray(wrt) ? gradients : gradients[0]
}

/** Like {@link grad}, with the loss in the form that was differentiated. */
export const valueAndGrad = (loss: Node, wrt: readonly Node[]): ValueAndGrad => engine.valueAndGrad(loss, wrt, STABLE)

/**
 * Reverse mode: for each value, Σ over results of (∂result/∂value)ᵀ·cotangent; null where it is zero for every input.
 * Errors: grad/dtype, shape/mismatch, dtype/mismatch.
 */
export const vjp = (results: readonly Node[], wrt: readonly Node[], cotangents: readonly Maybe[]): Maybe[] =>
  engine.vjp(results, wrt, cotangents, STABLE)

/**
 * Forward mode: for each result, Σ over values of ∂result/∂value·tangent; null where it is zero for every input.
 * Errors: grad/dtype, shape/mismatch, dtype/mismatch, grad/forward (through a custom value).
 */
export const jvp = (results: readonly Node[], wrt: readonly Node[], tangents: readonly Maybe[]): Maybe[] =>
  engine.jvp(results, wrt, tangents, STABLE)

/**
 * Hessian-vector product ∂²loss/∂value²·vector, forward over reverse (Pearlmutter, 1994), without the Hessian; null where it
 * is zero for every input. Vectors have the types of the values.
 * Errors: as {@link grad} and {@link jvp}.
 */
export const hvp = (loss: Node, wrt: readonly Node[], vectors: readonly Maybe[]): Maybe[] =>
  engine.hvp(loss, wrt, vectors, STABLE)
