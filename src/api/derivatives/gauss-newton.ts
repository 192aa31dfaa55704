import { checkList, checkTensors } from '../../ir/arguments.ts'
import type { Node } from '../../ir/graph.ts'
import type { Maybe } from '../../ir/op.ts'
import { transplant } from '../../ir/transplant.ts'
import { checkDependence, checkDifferentiable, checkLoss, checkTogether, dependences } from '../../passes/differentiate/path.ts'
import { hvp, jvp, vjp } from '../derivatives.ts'

/**
 * Gauss-Newton product Jᵀ·H·J·vector, where J = ∂outputs/∂values and H is the Hessian of the loss by the outputs: one
 * product in forward mode, one with H, one in reverse mode. It is the Hessian without the curvature of the network: positive
 * semi-definite where the loss is convex in the outputs. Null where it is zero for every input.
 *
 *     const [Gv] = ggnvp([logits], softmaxCrossEntropy(logits, y), [w], [v])
 *
 * `loss` is a scalar computed from the outputs; what it reads besides them (a penalty on the weights) counts as constant, and
 * outputs that depend on each other count as independent in H. Vectors have the types of the values; null is zero.
 * Errors: grad/scalar, grad/dtype, grad/independent (a loss without an output), shape/mismatch, dtype/mismatch, option/invalid,
 * attr/invalid, operand/invalid, build/foreign, grad/forward (through a custom value).
 * Source: Schraudolph, "Fast curvature matrix-vector products for second-order gradient descent" (Neural Computation 14, 2002).
 */
export function ggnvp(outputs: readonly Node[], loss: Node, wrt: readonly Node[], vectors: readonly Maybe[]): Maybe[] {
  for (const [name, list] of Object.entries({ outputs, wrt, vectors })) checkList('ggnvp', name, list)
  checkTensors('ggnvp', [loss])
  checkTogether([loss, ...outputs])
  checkLoss(loss)
  const once = [...new Set(outputs)]
  checkDifferentiable(once)
  dependences(loss, once).forEach((how, i) => checkDependence(loss, once[i], how))
  return vjp(once, wrt, curvature(loss, once, jvp(once, wrt, vectors)))
}

/** H·along: the loss as a function of its outputs alone, each standing for itself. */
function curvature(loss: Node, outputs: readonly Node[], along: readonly Maybe[]): Maybe[] {
  const b = loss.builder
  const slots = outputs.map((x) => b.make('input', [], { name: `\u0000output:${b.size}`, dtype: x.dtype, shape: x.shape }))
  const [cut] = transplant(b, [loss], new Map(outputs.map((x, i) => [x, slots[i]])))
  const reached = dependences(cut, slots).map((how) => how.kind === 'differentiable')
  const used = slots.filter((_, i) => reached[i])
  const products = hvp(cut, used, along.filter((_, i) => reached[i]))
  const back = new Map(slots.map((slot, i) => [slot, outputs[i]]))
  let next = 0
  return reached.map((yes) => {
    const product = yes ? products[next++] : null
    return product && transplant(b, [product], back)[0]
  })
}
