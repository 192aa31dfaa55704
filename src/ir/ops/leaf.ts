import { checkShape, NUMBERS, refuse } from '../checks.ts'
import { GradcError } from '../errors.ts'
import type { Attrs } from '../graph.ts'
import type { OpDef } from '../op.ts'
import { DTYPES, isDType, showType, sizeOf, type TensorType, type TypedArray } from '../types.ts'
import { NONE } from './rules.ts'

function typeOf(op: string, attrs: Attrs): TensorType {
  const dtype = attrs.dtype as string
  if (!isDType(dtype)) throw new GradcError('dtype/unsupported', `${op}: ${JSON.stringify(dtype)} is no element type`)
  return { dtype, shape: checkShape(op, attrs.shape as readonly number[]) }
}

const named = (op: 'input' | 'state'): OpDef => ({
  name: op, arity: 0, attrs: ['name', 'dtype', 'shape'],
  infer: (_, attrs) => {
    if (typeof attrs.name !== 'string' || attrs.name === '') throw new GradcError('name/invalid', `${op === 'input' ? 'an' : 'a'} ${op} needs a name`)
    return typeOf(op, attrs)
  },
  lowering: { kind: 'leaf', leaf: op },
})

/** Values that come from outside the graph, or are known without computing. */
export const LEAVES: readonly OpDef[] = [
  named('input'),
  named('state'),
  {
    name: 'constant', arity: 0, attrs: ['values', 'dtype', 'shape'],
    infer: (_, attrs) => {
      const type = typeOf('constant', attrs)
      const values = attrs.values as TypedArray
      if (values.constructor !== DTYPES[type.dtype].array || values.length !== sizeOf(type.shape)) {
        throw new GradcError('attr/invalid', `constant ${showType(type)} was given ${values.constructor.name} of length ${values.length}`)
      }
      return type
    },
    lowering: { kind: 'leaf', leaf: 'constant' },
  },
  {
    name: 'literal', arity: 0, attrs: ['value', 'dtype', 'shape'],
    infer: (_, attrs) => typeOf('literal', attrs),
    lowering: { kind: 'leaf', leaf: 'literal' },
  },
  {
    name: 'iota', arity: 0, attrs: ['axis', 'dtype', 'shape'], ...NONE,
    infer: (_, attrs) => {
      const type = typeOf('iota', attrs)
      const axis = attrs.axis as number
      if (!(Number.isInteger(axis) && axis >= 0 && axis < type.shape.length)) {
        throw new GradcError('shape/axis', `iota: axis ${axis} of a tensor of rank ${type.shape.length}`)
      }
      if (!NUMBERS.includes(type.dtype)) throw new GradcError('dtype/unsupported', `iota does not count in ${type.dtype}`)
      return type
    },
    lowering: { kind: 'leaf', leaf: 'iota' },
  },
]

/** Philox 4×32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). */
export const RANDOM: readonly OpDef[] = [
  {
    name: 'randomBits', arity: 2, attrs: ['shape'], ...NONE,
    infer: ([key, stream], attrs) => {
      if (key.dtype !== 'u32' || stream.dtype !== 'u32') refuse('dtype/mismatch', 'randomBits takes a u32 key and a u32 stream', [key, stream])
      if (key.shape.length !== 1 || key.shape[0] !== 2 || stream.shape.length) {
        refuse('shape/mismatch', 'randomBits takes a key u32[2] and a stream u32[]', [key, stream])
      }
      return { dtype: 'u32', shape: checkShape('randomBits', attrs.shape as readonly number[]) }
    },
    lowering: { kind: 'random' },
  },
]
