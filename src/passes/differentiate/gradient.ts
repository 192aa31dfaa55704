import { checkList, checkTensors } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'
import type { Maybe } from '../../ir/op.ts'
import { isFloat, sameType, showType } from '../../ir/types.ts'
import { tangentsOf } from './linearise.ts'
import { checkDependence, checkDifferentiable, checkForward, checkLoss, checkTogether, dependences } from './path.ts'
import { placeholder } from './placeholder.ts'
import { transposed, type Pull } from './transpose.ts'

/**
 * Rewrites the nodes under the roots into stabler forms of the same values, taking opaque nodes as leaves; maps each
 * node to its new form (a node that is missing stays as it is).
 */
export type Stabilise = (roots: readonly Node[], opaque: ReadonlySet<Node>) => ReadonlyMap<Node, Node>

/** Options of everything that differentiates. */
export interface DifferentiateOptions {
  /** Runs on the primal first, so that derivatives are those of the stable forms. */
  readonly stabilise?: Stabilise
}

/** The loss and its gradients, in the order of the values they were asked by. */
export interface ValueAndGrad {
  readonly value: Node
  readonly gradients: Node[]
}

const stabilised = (roots: readonly Node[], wrt: readonly Node[], { stabilise }: DifferentiateOptions): readonly Node[] => {
  if (!stabilise) return roots
  const forms = stabilise(roots, new Set(wrt))
  return roots.map((r) => forms.get(r) ?? r)
}

/**
 * Reverse mode: for each value, Σ over results of (∂result/∂value)ᵀ·cotangent, of the value's type; null where it is
 * zero for every input. Cotangents have the types of the results; null is zero. A value that another one depends on
 * gets its total derivative.
 * Errors: grad/dtype, shape/mismatch, dtype/mismatch, build/foreign.
 */
export function vjp(
  results: readonly Node[],
  wrt: readonly Node[],
  cotangents: readonly Maybe[],
  options: DifferentiateOptions = {},
): Maybe[] {
  checkTogether(lists('vjp', { results, wrt, cotangents }))
  checkDifferentiable(wrt)
  checkTypes(results, cotangents, 'cotangent')
  checkDifferentiable(results.filter((_, i) => cotangents[i]))
  return pullBack(stabilised(results, wrt, options), wrt, cotangents)
}

/**
 * Forward mode: for each result, Σ over values of ∂result/∂value·tangent, of the result's type; null where it is zero
 * for every input, and for integer results. Tangents have the types of the values; null is zero.
 * Errors: grad/dtype, grad/forward (a value with a custom adjoint is in the way), shape/mismatch, dtype/mismatch,
 * build/foreign.
 */
export function jvp(
  results: readonly Node[],
  wrt: readonly Node[],
  tangents: readonly Maybe[],
  options: DifferentiateOptions = {},
): Maybe[] {
  checkTogether(lists('jvp', { results, wrt, tangents }))
  checkDifferentiable(wrt)
  checkTypes(wrt, tangents, 'tangent')
  const seeds = new Map<Node, Node>()
  wrt.forEach((node, i) => {
    const d = tangents[i]
    if (d) seeds.set(node, d)
  })
  const pushed = tangentsOf(stabilised(results, wrt, options), seeds)
  checkForward(pushed)
  return pushed
}

/**
 * The gradient of a scalar loss by each value, of the value's type. Gradients are ordinary nodes: differentiate them
 * again for higher orders.
 * Errors: grad/scalar, grad/dtype (integer loss or value, or one that is reached only through integers),
 * grad/independent (also when stopGradient is in the way).
 */
export function grad(loss: Node, wrt: Node, options?: DifferentiateOptions): Node
export function grad(loss: Node, wrt: readonly Node[], options?: DifferentiateOptions): Node[]
export function grad(loss: Node, wrt: Node | readonly Node[], options: DifferentiateOptions = {}): Node | Node[] {
  const { gradients } = valueAndGrad(loss, isList(wrt) ? wrt : [wrt], options)
  return isList(wrt) ? gradients : gradients[0]
}

/** Like {@link grad}, with the loss in the form that was differentiated. */
export function valueAndGrad(loss: Node, wrt: readonly Node[], options: DifferentiateOptions = {}): ValueAndGrad {
  checkTensors('a derivative', [loss])
  checkTogether([loss, ...lists('valueAndGrad', { wrt })])
  checkLoss(loss)
  checkDifferentiable(wrt)
  dependences(loss, wrt).forEach((how, i) => checkDependence(loss, wrt[i], how))
  const [value] = stabilised([loss], wrt, options)
  const b = loss.builder
  const one = b.derivedFrom(loss, () => b.one(loss))
  // A dependence whose derivative is zero everywhere (floor, sign) has a gradient: zeros.
  const gradients = pullBack([value], wrt, [one]).map((g, i) => g ?? b.derivedFrom(wrt[i], () => b.zeros(wrt[i])))
  return { value, gradients }
}

/**
 * Hessian-vector product: ∂²loss/∂value²·vector, forward over reverse (Pearlmutter, 1994), without the Hessian.
 * Null where it is zero for every input. Vectors have the types of the values.
 */
export function hvp(loss: Node, wrt: readonly Node[], vectors: readonly Maybe[], options: DifferentiateOptions = {}): Maybe[] {
  return jvp(valueAndGrad(loss, wrt, options).gradients, wrt, vectors)
}

/** Linearises at the values, then transposes. The placeholders of the tangents appear in no result. */
function pullBack(results: readonly Node[], wrt: readonly Node[], cotangents: readonly Maybe[]): Maybe[] {
  const placeholders = new Map<Node, Node>()
  for (const node of wrt) if (!placeholders.has(node)) placeholders.set(node, placeholder(node, 'tangent'))
  const pulled = results.flatMap((result, i) => (cotangents[i] ? [{ result, cotangent: cotangents[i] }] : []))
  const pulls: Pull[] = []
  tangentsOf(pulled.map((p) => p.result), placeholders).forEach((tangent, i) => {
    if (tangent) pulls.push({ tangent, cotangent: pulled[i].cotangent })
  })
  const arrived = transposed(pulls, [...placeholders.values()])
  const cotangent = new Map([...placeholders.keys()].map((node, i) => [node, arrived[i]]))
  return wrt.map((node) => cotangent.get(node) ?? null)
}

/** All nodes of some lists; attr/invalid for what is no list. Among tangents and cotangents, null stands for a zero. */
function lists(op: string, given: Readonly<Record<string, readonly Maybe[]>>): Node[] {
  for (const [name, value] of Object.entries(given)) checkList(op, name, value)
  return Object.entries(given).flatMap(([name, list]) => (name.endsWith('tangents') ? list.filter((x) => x !== null) : list)) as Node[]
}

function checkTypes(nodes: readonly Node[], given: readonly Maybe[], what: 'tangent' | 'cotangent'): void {
  if (nodes.length !== given.length) {
    throw new GradcError('option/invalid', `${nodes.length} values were given ${given.length} ${what}s`)
  }
  nodes.forEach((node, i) => {
    const d = given[i]
    if (!d || sameType(d, node) || !isFloat(node.dtype)) return
    const code = d.dtype === node.dtype ? 'shape/mismatch' : 'dtype/mismatch'
    throw new GradcError(code, `the ${what} of x must be ${showType(node)}`, {
      parties: [{ label: 'x', node }, { label: 'd', node: d }],
    })
  })
}

const isList = (x: Node | readonly Node[]): x is readonly Node[] => Array.isArray(x)
