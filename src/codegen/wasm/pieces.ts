import type { LoweredKernel, Nest } from '../nest.ts'
import { Func } from './encoder/assembler.ts'
import type { Scope } from './scope.ts'
import type { Shifts } from './shifts.ts'

/** A function under construction. */
export interface Part {
  readonly func: Func
  readonly scope: Scope
}

/** Functions that run some nests of a kernel, given what is added to its addresses. */
export interface Piece {
  readonly shared: boolean
  readonly funcs: readonly Func[]
  readonly of: readonly number[]
}

/** Kernels that share their functions, once those are emitted. */
export interface Twins {
  readonly shifts: Shifts
  pieces: Piece[] | null
}

export const titleOf = ({ name, title }: LoweredKernel): string => `${name}: ${title}`

export const newFunction = (number: number, title: string, params: number): Func =>
  new Func(`k${number}`, Array.from({ length: params }, () => 'i32'), [], title)

/** Nests that do anything. */
export const nestsOf = (kernel: LoweredKernel): Nest[] => kernel.nests.filter((n) => !n.free.includes(0) && n.stores.length)
