/** Element types. `f16` and `bf16` are storage types: widened to f32 on load, rounded on store. */
export type DType = 'f32' | 'f64' | 'i32' | 'u32' | 'bool' | 'f16' | 'bf16'

/** Extents of a tensor, outermost first. Rank 0 is a scalar; an extent may be 0. */
export type Shape = readonly number[]

/** The static type of a tensor: element type and extents. */
export interface TensorType {
  readonly dtype: DType
  readonly shape: Shape
}

/** The JavaScript array that holds a tensor of each element type (bool: one byte, 0 or 1; f16/bf16: raw bits). */
export interface ArrayOf {
  f32: Float32Array
  f64: Float64Array
  i32: Int32Array
  u32: Uint32Array
  bool: Uint8Array
  f16: Uint16Array
  bf16: Uint16Array
}
export type TypedArray = ArrayOf[DType]

interface DTypeFacts {
  readonly bytes: number
  readonly kind: 'float' | 'int' | 'bool'
  readonly array: { new (n: number): TypedArray; new (b: ArrayBufferLike, o: number, n: number): TypedArray }
}

/** All that the compiler knows of an element type, in one table. */
export const DTYPES: { readonly [D in DType]: DTypeFacts } = {
  f32: { bytes: 4, kind: 'float', array: Float32Array },
  f64: { bytes: 8, kind: 'float', array: Float64Array },
  i32: { bytes: 4, kind: 'int', array: Int32Array },
  u32: { bytes: 4, kind: 'int', array: Uint32Array },
  bool: { bytes: 1, kind: 'bool', array: Uint8Array },
  f16: { bytes: 2, kind: 'float', array: Uint16Array },
  bf16: { bytes: 2, kind: 'float', array: Uint16Array },
}

export const isDType = (s: string): s is DType => Object.hasOwn(DTYPES, s)
export const isFloat = (d: DType): boolean => DTYPES[d].kind === 'float'
export const isInt = (d: DType): boolean => DTYPES[d].kind === 'int'

/** Number of elements; 1 for a scalar, 0 if any extent is 0. */
export const sizeOf = (shape: Shape): number => shape.reduce((n, d) => n * d, 1)
export const bytesOf = (t: TensorType): number => sizeOf(t.shape) * DTYPES[t.dtype].bytes
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => d === b[i])
export const sameType = (a: TensorType, b: TensorType): boolean => a.dtype === b.dtype && sameShape(a.shape, b.shape)

/** Row-major strides in elements. */
export function rowMajor(shape: Shape): number[] {
  const strides = new Array<number>(shape.length)
  let step = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step
    step *= shape[i]
  }
  return strides
}

/** `f32[64, 784]`; a scalar is `f32[]`. */
export const showType = (t: TensorType): string => `${t.dtype}[${t.shape.join(', ')}]`
