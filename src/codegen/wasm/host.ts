import type { Imported } from './encoder/assembler.ts'

/** Module name of everything that an emitted module imports. */
export const HOST_MODULE = 'm'

/**
 * Functions that emitted modules may import, with how many operands they take: f64 in, f64 out. The runtime has them by
 * these names. f32 formulas need none (lowering expands them, as it does f64 erf and sigmoid), except the remainder.
 */
const ARITY = { exp: 1, expm1: 1, log: 1, log1p: 1, sin: 1, cos: 1, tanh: 1, rem: 2, pow: 2, atan2: 2 } as const

export type HostName = keyof typeof ARITY

export const HOST: readonly HostName[] = Object.keys(ARITY) as HostName[]

export const isHost = (name: string): name is HostName => Object.hasOwn(ARITY, name)

/** The import of a host function. */
export const importOf = (name: HostName): Imported => ({
  module: HOST_MODULE,
  name,
  params: Array.from({ length: ARITY[name] }, () => ({ type: 'f64' as const })),
  results: ['f64'],
})
