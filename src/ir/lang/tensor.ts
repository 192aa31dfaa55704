import { checkTensors, isTensor, showValue } from '../arguments.ts'
import { checkSameDtype, checkShape, refuse } from '../checks.ts'
import { GradcError } from '../errors.ts'
import type { Attrs, Node } from '../graph.ts'
import { isFloat, sameShape, type DType, type Shape } from '../types.ts'

/** A symbolic tensor: a node of the graph that is being declared. */
export type Tensor<D extends DType = DType> = Node<D>

/** A tensor that is statically known to have rank 0. */
export interface Scalar<D extends DType = DType> extends Node<D> {
  readonly shape: readonly []
}

/** No demand if the two dtypes can agree; otherwise the first one is demanded of the second operand. */
export type Agree<D extends DType, E extends DType> = [D & E] extends [never] ? { readonly dtype: NoInfer<D> } : unknown

/** What elementwise functions take: a tensor, or a number that becomes one of the other operand's dtype. */
export type Operand<D extends DType = DType> = Tensor<D> | number

/** Applies a primitive through the builder of its first operand. */
export function apply<D extends DType>(op: string, operands: readonly Node[], attrs?: Attrs): Tensor<D> {
  if (!isTensor(operands[0])) checkTensors(op, operands)
  return operands[0].builder.make(op, operands, attrs) as Tensor<D>
}

/** The shape that NumPy's rules give: aligned at the end, extent 1 stretches. Else `shape/broadcast`. */
export function broadcastShapes(op: string, tensors: readonly Node[]): Shape {
  if (!Array.isArray(tensors) || tensors.length === 0) refuse('operand/invalid', `${op} takes a list of tensors`, [])
  checkTensors(op, tensors)
  let shape = tensors[0].shape
  for (const y of tensors.slice(1)) {
    const rank = Math.max(shape.length, y.shape.length)
    const joined: number[] = []
    for (let i = 1; i <= rank; i++) {
      const a = shape[shape.length - i] ?? 1
      const b = y.shape[y.shape.length - i] ?? 1
      if (a !== b && a !== 1 && b !== 1) {
        const where = i === 1 ? 'in the last dimension' : `${i} dimensions from the end`
        refuse('shape/broadcast', `${op}: cannot broadcast ${a} with ${b} ${where}`, tensors, 'extents must be equal, or one of them 1')
      }
      joined.unshift(a === 1 ? b : a)
    }
    shape = joined
  }
  return shape
}

/** Repeats `x` to `shape`: missing leading axes are added, extents of 1 stretched. Else `shape/broadcast`. */
export function broadcastTo<D extends DType>(x: Tensor<D>, shape: Shape): Tensor<D> {
  checkTensors('broadcastTo', [x])
  checkShape('broadcastTo', shape, [x])
  if (sameShape(x.shape, shape)) return x
  const missing = shape.length - x.shape.length
  if (missing < 0 || x.shape.some((d, i) => d !== 1 && d !== shape[i + missing])) {
    refuse('shape/broadcast', `cannot broadcast [${x.shape.join(', ')}] to [${shape.join(', ')}]`, [x])
  }
  const aligned: Tensor<D> = missing ? apply('reshape', [x], { shape: [...new Array<number>(missing).fill(1), ...x.shape] }) : x
  return sameShape(aligned.shape, shape) ? aligned : apply('broadcast', [aligned], { shape })
}

/**
 * Brings operands to one dtype and shape: numbers take the tensors' dtype, shapes are broadcast. Throws
 * `dtype/mismatch` and `shape/broadcast` with all tensors and their sites.
 */
export function together(op: string, operands: readonly Operand[]): Node[] {
  const tensors = operands.filter((x): x is Node => typeof x !== 'number')
  checkTensors(op, tensors)
  if (tensors.length === 0) {
    throw new GradcError('dtype/mismatch', `${op} of ${operands.join(' and ')}: numbers alone have no element type`, {
      hint: 'compute it in JavaScript, or make one of them a tensor',
    })
  }
  checkSameDtype(op, tensors)
  const shape = broadcastShapes(op, tensors)
  return operands.map((x) => (typeof x === 'number' ? splat(op, x, tensors[0], shape) : broadcastTo(x, shape)))
}

/** The number as a literal of `like`'s dtype; `dtype/mismatch` if an integer type cannot hold it. */
export function splat<D extends DType>(op: string, value: number, like: Tensor<D>, shape: Shape = like.shape): Tensor<D> {
  if (typeof value !== 'number') refuse('option/invalid', `${op}: ${showValue(value)} is no number`, [like])
  const { dtype } = like
  if (!isFloat(dtype)) {
    const [low, high] = RANGES[dtype as keyof typeof RANGES]
    if (!Number.isInteger(value) || value < low || value > high) {
      refuse('dtype/mismatch', `${op}: ${value} is no ${dtype}`, [like], `cast(x, 'f32') to compute with fractions`)
    }
  }
  return like.builder.literal(value, { dtype, shape }) as Tensor<D>
}

const RANGES = { i32: [-(2 ** 31), 2 ** 31 - 1], u32: [0, 2 ** 32 - 1], bool: [0, 1] } as const
