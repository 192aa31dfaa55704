import type { LoweredKernel, LoweredProgram, Nest } from '../nest.ts'
import { Bases } from './bases.ts'

/** Kernels that differ in nothing but where their buffers begin, and so share one function. */
export interface Twins {
  /** Do they begin at the same places too? */
  readonly same: boolean
  /** Name of the function, once it is written. */
  name: string | null
}

/**
 * Finds kernels that share a function; those that are alone are not in the result. `write`: the text of a kernel whose addresses
 * are parameters.
 */
export function twinsOf(program: LoweredProgram, write: (kernel: LoweredKernel, bases: Bases) => string): Map<LoweredKernel, Twins> {
  const all: LoweredKernel[] = []
  const collect = (k: LoweredKernel): void => void (k.loop ? k.loop.body.forEach(collect) : all.push(k))
  for (const f of program.functions) f.kernels.forEach(collect)
  const twins = new Map<LoweredKernel, Twins>()
  // Text is written only of kernels that look alike.
  for (const alike of groups(all, outline)) {
    for (const group of alike.length > 1 ? groups(alike, (k) => write(k, new Bases(k))) : []) {
      if (group.length < 2) continue
      const found: Twins = { same: groups(group, (k) => new Bases(k).values.join()).length === 1, name: null }
      for (const k of group) twins.set(k, found)
    }
  }
  return twins
}

function groups(kernels: readonly LoweredKernel[], keyOf: (kernel: LoweredKernel) => string): LoweredKernel[][] {
  const byKey = new Map<string, LoweredKernel[]>()
  for (const k of kernels) {
    const key = keyOf(k)
    const group = byKey.get(key)
    if (group) group.push(k)
    else byKey.set(key, [k])
  }
  return [...byKey.values()]
}

/** What kernels of equal text have in common, without writing it. */
const outline = (kernel: LoweredKernel): string => {
  const of = ({ free, reduced, combine, stores }: Nest): string =>
    [free, reduced, combine, ...stores.map((s) => s.dtype + s.index.coefficients.join())].join(';')
  return [kernel.rows, ...kernel.nests.map(of)].join('|')
}
