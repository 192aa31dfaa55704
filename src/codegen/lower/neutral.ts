import type { Combine } from '../../ir/op.ts'
import type { DType } from '../../ir/types.ts'

/** What a fold starts from: combining it with any value gives that value. For argmax and argmin: the value to beat. */
export function neutral(combine: Combine, dtype: DType): number {
  switch (combine) {
    case 'sum':
      return 0
    case 'prod':
      return 1
    case 'max':
    case 'argmax':
      return lowest(dtype)
    case 'min':
    case 'argmin':
      return highest(dtype)
  }
}

function lowest(dtype: DType): number {
  if (dtype === 'i32') return -0x80000000
  return dtype === 'u32' || dtype === 'bool' ? 0 : -Infinity
}

function highest(dtype: DType): number {
  if (dtype === 'i32') return 0x7fffffff
  if (dtype === 'u32') return 0xffffffff
  return dtype === 'bool' ? 1 : Infinity
}
