import type { Affine } from '../ir/affine.ts'
import { inOrder, type Expr } from '../ir/expression.ts'
import { rootsOfNest, type LoweredKernel, type LoweredProgram, type Nest } from './nest.ts'

/** A kernel, and where the buffers that its nests name begin: distinct addresses in the order in which they come first. */
export interface Twin {
  readonly kernel: LoweredKernel
  readonly addresses: readonly number[]
}

/**
 * Groups of at least two kernels of a program, those in loops among them, that are equal but for the addresses of their buffers:
 * the same nests of the same expressions, over buffers of which the same ones are equal. `further`: what else has to be the same.
 */
export function twinsOf(program: LoweredProgram, further: (kernel: LoweredKernel) => string = () => ''): Twin[][] {
  const all = new Set<LoweredKernel>()
  const collect = (k: LoweredKernel): void => void (k.loop ? k.loop.body.forEach(collect) : all.add(k))
  for (const f of program.functions) f.kernels.forEach(collect)
  const pairs = <T>(items: Iterable<T>, keyOf: (item: T) => string): T[][] => [...grouped(items, keyOf)].filter((g) => g.length > 1)
  return pairs(all, outline).flatMap((alike) =>
    pairs(alike.map((kernel) => ({ kernel, ...structureOf(kernel) })), (s) => s.key).flatMap((same) => pairs(same, (s) => further(s.kernel))))
}

export function grouped<T>(items: Iterable<T>, keyOf: (item: T) => string): T[][] {
  const byKey = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = byKey.get(key)
    if (group) group.push(item)
    else byKey.set(key, [item])
  }
  return [...byKey.values()]
}

/** A part of the structure that is found fast, so that the whole is written only of kernels that look alike. */
const outline = (kernel: LoweredKernel): string => {
  const of = ({ free, reduced, combine, stores }: Nest): string =>
    [free, reduced, combine, ...stores.map((s) => s.dtype + s.index.coefficients.join())].join(';')
  return [kernel.rows, ...kernel.nests.map(of)].join('|')
}

/** All that a kernel is, as text in which buffers and expressions are numbers by their first use. */
function structureOf(kernel: LoweredKernel): { key: string; addresses: number[] } {
  const buffers = new Map<number, number>()
  const { local } = kernel
  const bufferAt = (address: number): string => {
    if (!buffers.has(address)) buffers.set(address, buffers.size)
    const inside = local && address >= local.from && address < local.to
    return inside ? `${buffers.get(address)}+${address - local.from}` : `${buffers.get(address)}`
  }
  const lines: unknown[] = [kernel.rows, local && local.to - local.from]
  for (const nest of kernel.nests) {
    const numbers = new Map<Expr, number>()
    const of = (e: Expr | null): number => (e ? numbers.get(e)! : -1)
    const read = (e: Extract<Expr, { kind: 'load' | 'gather' }>): string => `${bufferAt(kernel.address(e.node))} ${form(e.index)}`
    lines.push(`nest ${nest.free};${nest.reduced};${nest.rows};${nest.carried};${nest.after};${nest.combine};${nest.running}`)
    for (const e of inOrder(rootsOfNest(nest))) {
      lines.push(`${e.kind} ${e.dtype} ${detail(e, read)} ${e.args.map(of)}`)
      numbers.set(e, numbers.size)
    }
    lines.push(`folds ${of(nest.value)}`)
    for (const { address, dtype, index, indirect, value, accumulate } of nest.stores) {
      const by = indirect && `${of(indirect.at)} ${indirect.stride} ${indirect.limit}`
      lines.push(`stores ${of(value)} ${dtype} ${bufferAt(address)} ${form(index)} ${by} ${accumulate}`)
    }
  }
  return { key: lines.join('\n'), addresses: [...buffers.keys()] }
}

const form = (a: Affine): string => `${a.offset}+${a.coefficients.join()}`

/** What an expression is besides its type and its operands. */
function detail(e: Expr, read: (e: Extract<Expr, { kind: 'load' | 'gather' }>) => string): string {
  switch (e.kind) {
    case 'lit':
      return Object.is(e.value, -0) ? '-0' : `${e.value}`
    case 'load':
      return read(e)
    case 'gather':
      return `${read(e)} ${e.stride} ${e.limit}`
    case 'position':
    case 'random':
      return form(e.index)
    case 'rarely':
      return e.routine.name
    case 'scalar':
      return e.op
    case 'core':
      return ''
  }
}
