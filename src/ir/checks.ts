import { checkTensors, showValue } from './arguments.ts'
import type { Code } from './codes.ts'
import { GradcError, parties } from './errors.ts'
import type { Node } from './graph.ts'
import { isFloat, sameShape, showType, type DType, type Shape } from './types.ts'

/** Most elements of one tensor: element indices are 32-bit integers everywhere. */
export const MAX_ELEMENTS: number = 2 ** 31 - 1

/** Which element types an op takes. f16 and bf16 are storage only: cast them first. */
export const FLOATS: readonly DType[] = ['f32', 'f64']
export const INTS: readonly DType[] = ['i32', 'u32']
export const NUMBERS: readonly DType[] = [...FLOATS, ...INTS]
export const LOGICAL: readonly DType[] = ['bool', ...INTS]
export const COMPARABLE: readonly DType[] = [...NUMBERS, 'bool']

/** Throws `code` with the operands named x, y, z and their declaration sites. */
export function refuse(code: Code, problem: string, operands: readonly Node[], hint?: string): never {
  throw new GradcError(code, problem, { parties: parties(...operands), hint })
}

const showExtent = (d: unknown): string => (typeof d === 'number' ? String(d) : showValue(d))

/** Extents must be non-negative integers with at most {@link MAX_ELEMENTS} elements in all: else `shape/invalid`. */
export function checkShape(op: string, shape: Shape, operands: readonly Node[] = []): Shape {
  if (!Array.isArray(shape)) {
    refuse('shape/invalid', `${op}: ${showValue(shape)} is no shape`, operands, 'a shape is an array of extents: [2, 3]')
  }
  let elements = 1
  for (const d of shape) {
    if (!Number.isInteger(d) || d < 0) {
      refuse('shape/invalid', `${op}: ${showValue(d)} is no extent of [${shape.map(showExtent).join(', ')}]`, operands)
    }
    elements *= Math.max(d, 1)
  }
  if (elements > MAX_ELEMENTS) {
    refuse('shape/invalid', `${op}: [${shape.join(', ')}] is too large, a tensor has at most ${MAX_ELEMENTS} elements`, operands)
  }
  return shape
}

/** Each operand's dtype must be one of `takes`: else `dtype/unsupported`. */
export function checkDtype(op: string, takes: readonly DType[], operands: readonly Node[]): void {
  checkTensors(op, operands)
  for (const x of operands) {
    if (takes.includes(x.dtype)) continue
    const storage = isFloat(x.dtype) && !FLOATS.includes(x.dtype)
    const to = takes.includes('f32') ? 'f32' : takes.includes('bool') ? 'bool' : takes[0]
    const hint = storage
      ? `${x.dtype} is a storage type: cast(x, '${to}') first, and what comes of it back if it is to be kept: cast(y, '${x.dtype}')`
      : `cast(x, '${to}') first`
    refuse('dtype/unsupported', `${op} does not take ${x.dtype}, only ${takes.join(', ')}`, operands, hint)
  }
}

/** All operands must have one dtype: else `dtype/mismatch`. */
export function checkSameDtype(op: string, operands: readonly Node[]): void {
  checkTensors(op, operands)
  const [x] = operands
  for (const y of operands) {
    if (y.dtype === x.dtype) continue
    const [from, to] = isFloat(x.dtype) && !isFloat(y.dtype) ? ['y', x.dtype] : isFloat(y.dtype) ? ['x', y.dtype] : ['y', x.dtype]
    refuse('dtype/mismatch', `${op} of ${x.dtype} and ${y.dtype}`, [x, y], `gradc converts nothing by itself: cast(${from}, '${to}')`)
  }
}

/** All operands must have one shape: else `shape/mismatch`. */
export function checkSameShape(op: string, operands: readonly Node[]): void {
  const [x] = operands
  for (const y of operands) {
    if (sameShape(x.shape, y.shape)) continue
    refuse('shape/mismatch', `${op} of ${showType(x)} and ${showType(y)}: shapes must be equal`, [x, y], 'broadcastTo one of them')
  }
}

/** An axis counted from the front; negative ones count from the end. Outside the rank: `shape/axis`. */
export function checkAxis(op: string, axis: number, rank: number, operands: readonly Node[]): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    const range = rank ? `axes are ${-rank} to ${rank - 1}` : 'a scalar has no axes'
    refuse('shape/axis', `${op}: axis ${showValue(axis)} of a tensor of rank ${rank}`, operands, range)
  }
  return axis < 0 ? axis + rank : axis
}
