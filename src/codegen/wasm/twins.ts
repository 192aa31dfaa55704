import type { LoweredKernel, LoweredProgram } from '../nest.ts'
import { twinsOf, type Twin } from '../twins.ts'
import type { Func } from './encoder/assembler.ts'
import { touchedBy } from './partition.ts'
import type { Shifts } from './shifts.ts'

/** Groups of kernels that share their code. What threads may divide is the same in all of a group. */
export const sharedCode = (program: LoweredProgram): Twin[][] => twinsOf(program, overlaps)

/** Which ranges of bytes that a nest touches meet, and how far apart they begin. */
function overlaps(kernel: LoweredKernel): string {
  return kernel.nests.map((nest) => {
    const { reads, writes } = touchedBy(kernel, nest)
    return writes.map((w) => [...reads, ...writes].map((r) => (r.from < w.to && w.from < r.to ? r.from - w.from : '')).join()).join(';')
  }).join('|')
}

/** Bytes of a module, as it is, that sharing has to save: it takes a pointer for each parameter, and little of it is left under gzip. */
export const LEAST_SAVED = 300
/** Bytes of an instruction, and of a parameter where a function is called, on average. */
const INSTRUCTION = 2.5
const PARAMETER = 4

/** About how many bytes it saves that twins share these functions, `calls` of which each of them calls. */
export function savedBytes(functions: readonly Func[], shifts: Shifts, calls: number): number {
  const once = INSTRUCTION * functions.reduce((n, f) => n + f.body.list.length, 0)
  const twins = shifts.kernels.length
  return (twins - 1) * once - twins * calls * PARAMETER * shifts.count
}
