import { checkOptions, checkTensors, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Graph, Node } from '../../ir/graph.ts'
import { cast, equal } from '../../ir/lang/pointwise.ts'
import { scan } from '../../ir/lang/scan.ts'
import { broadcastTo, type Scalar, type Tensor } from '../../ir/lang/tensor.ts'
import { reshape, transpose } from '../../ir/lang/view.ts'
import type { Maybe } from '../../ir/op.ts'
import { isFloat, sizeOf, type DType } from '../../ir/types.ts'
import {
  checkDifferentiable, checkTogether, dependences, differentiablePath, oldestId, type Dependence,
} from '../../passes/differentiate/path.ts'
import { grad, jvp, vjp } from '../derivatives.ts'

/** Options of {@link jacobian}. */
export interface JacobianOptions {
  /**
   * `forward`: one product per element of the values; `reverse`: one per element of the result. Without it, whichever are
   * fewer (forward if neither), and `reverse` where the result depends on a `custom` value, which forward mode cannot pass.
   */
  readonly mode?: 'forward' | 'reverse'
}

/**
 * All first derivatives of a result: [...result, ...value], in the value's dtype, for each value. The products are one loop,
 * so that neither code nor work memory grows with their number; the Jacobian is stored whole. It may be differentiated again.
 * Errors: operand/invalid, attr/invalid, option/invalid, build/foreign, grad/dtype, grad/forward (that mode was asked for),
 * grad/independent (a value that the result does not depend on, also because stopGradient is in the way).
 */
export function jacobian<D extends DType>(result: Scalar, wrt: Scalar<D>, options?: JacobianOptions): Scalar<D>
export function jacobian<D extends DType>(result: Node, wrt: Tensor<D>, options?: JacobianOptions): Tensor<D>
export function jacobian<D extends DType>(result: Node, wrt: readonly Tensor<D>[], options?: JacobianOptions): Tensor<D>[]
export function jacobian(result: Node, wrt: Node | readonly Node[], options: JacobianOptions = {}): Node | Node[] {
  checkOptions('jacobian', options, ['mode'])
  const { mode } = options
  if (mode !== undefined && mode !== 'forward' && mode !== 'reverse') {
    throw new GradcError('option/invalid', `the mode of jacobian cannot be ${showValue(mode)}`, {
      hint: "'forward' or 'reverse', or nothing: then the cheaper one",
    })
  }
  const single = !Array.isArray(wrt)
  const values = (single ? [wrt] : wrt) as readonly Node[]
  checkTensors('jacobian', [result])
  checkTogether([result, ...values])
  checkDifferentiable(values)
  checkResult(result)
  dependences(result, values).forEach((how, i) => checkReached(result, values[i], how))
  const [blocks] = blocksOf([result], values, mode ?? modeFor([result], values))
  return single ? blocks[0] : blocks
}

/**
 * All second derivatives of a scalar loss, [...value, ...value], forward over reverse (behind `custom`: reverse twice). For a
 * list of values, the blocks: `hessian(loss, [a, b])[i][j]` has the shape [...value i, ...value j]. It takes size² numbers;
 * `hvp` multiplies by it without.
 * Errors: grad/scalar, grad/dtype, grad/independent, attr/invalid.
 */
export function hessian<D extends DType>(loss: Node, wrt: Scalar<D>): Scalar<D>
export function hessian<D extends DType>(loss: Node, wrt: Tensor<D>): Tensor<D>
export function hessian<D extends DType>(loss: Node, wrt: readonly Tensor<D>[]): Tensor<D>[][]
export function hessian(loss: Node, wrt: Node | readonly Node[]): Node | Node[][] {
  const values = Array.isArray(wrt) ? (wrt as readonly Node[]) : [wrt as Node]
  const gradients: readonly Node[] = grad(loss, values)
  const blocks = blocksOf(gradients, values, modeFor(gradients, values))
  return Array.isArray(wrt) ? blocks : blocks[0][0]
}

/** The Jacobian of each result by each value. */
function blocksOf(results: readonly Node[], values: readonly Node[], mode: 'forward' | 'reverse'): Node[][] {
  const columns = mode === 'forward' ? values.map((x) => overBasis(x, (basis) => jvp(results, [x], [basis]))) : []
  const rows = mode === 'reverse' ? results.map((y) => overBasis(y, (basis) => vjp([y], values, [basis]))) : []
  return results.map((y, i) => values.map((x, j): Node => {
    const shape = [...y.shape, ...x.shape]
    const stack = mode === 'forward' ? columns[j][i] : rows[i][j]
    if (!stack) return x.builder.zeros({ dtype: x.dtype, shape })
    const first = y.shape.map((_, axis) => axis + 1)
    return reshape(cast(mode === 'forward' ? transpose(stack, [...first, 0]) : stack, x.dtype), shape)
  }))
}

/**
 * What a linear function gives for each basis vector of a type, stacked along a new first axis; null stays null. A loop over
 * the vectors, made in it from their number; none for a single one.
 */
function overBasis(like: Node, products: (basis: Node) => readonly Maybe[]): Maybe[] {
  const b = like.builder
  const n = sizeOf(like.shape)
  if (n === 0) return products(b.zeros(like)).map((p) => p && b.zeros({ dtype: p.dtype, shape: [0, ...p.shape] }))
  if (n === 1) return products(b.one(like)).map((p) => p && reshape(p, [1, ...p.shape]))
  let found: readonly Maybe[] = []
  const { out } = scan({}, { at: b.iota([n], 0) as Tensor<'i32'> }, (_, { at }) => {
    const basis = cast(equal(b.iota([n], 0), broadcastTo(at, [n])), like.dtype)
    found = products(reshape(basis, like.shape))
    return { carry: {}, out: Object.fromEntries(found.flatMap((p, i) => (p ? [[`p${i}`, p]] : []))) }
  })
  return found.map((p, i) => p && out[`p${i}`])
}

function modeFor(results: readonly Node[], values: readonly Node[]): 'forward' | 'reverse' {
  if (differentiablePath(results, oldestId(values)).some(isCustom)) return 'reverse'
  const elements = (nodes: readonly Node[]): number => nodes.reduce((n, x) => n + sizeOf(x.shape), 0)
  return elements(values) <= elements(results) ? 'forward' : 'reverse'
}

/** Forward mode cannot pass a custom value, wherever it is. */
const isCustom = (node: Node): boolean => node.op === 'custom' || node.regions.some(holdsCustom)
const holdsCustom = (body: Graph): boolean => differentiablePath(body.results.map((r) => r.node), 0).some(isCustom)

function checkResult(result: Node): void {
  if (isFloat(result.dtype)) return
  throw new GradcError('grad/dtype', `the result is ${result.dtype}: only a floating-point result has derivatives`, {
    parties: [{ label: 'y', node: result }],
    hint: 'differentiate what it was made from',
  })
}

function checkReached(result: Node, value: Node, how: Dependence): void {
  if (how.kind === 'differentiable') return
  const parties = [{ label: 'y', node: result }, { label: 'by', node: value }]
  if (how.kind === 'independent') {
    const hint = 'leave it out, or use it in the result'
    throw new GradcError('grad/independent', 'the result does not depend on this value', { parties, hint })
  }
  const code = how.kind === 'integer' ? 'grad/dtype' : 'grad/independent'
  throw new GradcError(code, `the result depends on this value only through ${how.by.op}, which lets no derivative pass`, {
    parties: [...parties, { label: 'stop', node: how.by }],
    hint: 'leave it out, or differentiate a smooth stand-in: straightThrough(x, f)',
  })
}
