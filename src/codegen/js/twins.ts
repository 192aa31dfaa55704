import type { LoweredKernel, LoweredProgram } from '../nest.ts'
import { grouped, twinsOf } from '../twins.ts'
import { Bases } from './bases.ts'

/** Kernels that differ in nothing but where their buffers begin, and so share one function. */
export interface SharedFunction {
  /** Do they begin at the same places too? */
  readonly same: boolean
  /** Name of the function, once it is written. */
  name: string | null
}

/** Finds kernels that share a function; those that are alone are not in the result. */
export function sharedFunctions(program: LoweredProgram): Map<LoweredKernel, SharedFunction> {
  const shared = new Map<LoweredKernel, SharedFunction>()
  for (const group of twinsOf(program)) {
    const twins: SharedFunction = { same: grouped(group, ({ kernel }) => new Bases(kernel).values.join()).length === 1, name: null }
    for (const { kernel } of group) shared.set(kernel, twins)
  }
  return shared
}
