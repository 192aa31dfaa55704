import type { Compiled } from './compiled.ts'
import { DTYPES, showType, sizeOf } from '../ir/types.ts'
import type { Kernel } from '../ir/plan.ts'
import type { LoweredKernel } from '../codegen/nest.ts'
import { inOrder } from '../ir/expression.ts'

/** What {@link explain} tells, as plain figures. */
export interface Explanation {
  readonly name: string
  readonly target: 'wasm' | 'js'
  readonly compileMs: number
  readonly memory: Compiled['manifest']['memory']
  readonly functions: readonly {
    readonly name: string
    readonly arenaBytes: number
    /** No arena can be smaller. */
    readonly lowerBound: number
    /** `flop`: floating-point operations. `bytes`: moved, once for every buffer that the kernel reads or writes. */
    readonly kernels: readonly { readonly name: string; readonly flop: number; readonly bytes: number; readonly writes: readonly string[] }[]
  }[]
  /** Milliseconds by the name of the pass. */
  readonly passes: Readonly<Record<string, number>>
}

/** Kernels of each function with operations and bytes, the memory that it needs, and the time of compilation. */
export function explanation({ manifest, plans, lowered, timings, compileMs }: Compiled): Explanation {
  const functions = plans.map(({ name, arenaBytes, lowerBound, kernels }) => {
    const code = lowered.functions.find((f) => f.name === name)?.kernels ?? []
    const told = kernels.map((k, i) => ({ name: k.name, flop: flops(code[i]), bytes: moved(k), writes: k.stores.map((s) => showType(s.node)) }))
    return { name, arenaBytes, lowerBound, kernels: told }
  })
  const passes: Record<string, number> = {}
  for (const t of timings) passes[t.pass] = (passes[t.pass] ?? 0) + t.milliseconds
  return { name: manifest.name, target: manifest.target, compileMs, memory: manifest.memory, functions, passes }
}

/** The {@link explanation} as a report for people. */
export function explain(compiled: Compiled): string {
  const { name, target, compileMs, memory, functions, passes } = explanation(compiled)
  const lines = [
    `${name}  target ${target}  compiled in ${compileMs.toFixed(1)} ms`,
    `memory ${memory.bytes} bytes: states ${memory.stateBytes}, constants ${memory.constantBytes}, arena ${memory.arenaBytes}`,
  ]
  for (const f of functions) {
    const rows = f.kernels.map((k) => [k.name, String(k.flop), String(k.bytes), k.writes.join(' ')])
    lines.push('', `${f.name}: ${rows.length} kernels, arena ${f.arenaBytes} bytes (lower bound ${f.lowerBound})`)
    lines.push(...table([['kernel', 'flop', 'bytes', 'writes'], ...rows]))
  }
  lines.push('', `passes: ${Object.entries(passes).map(([pass, ms]) => `${pass} ${ms.toFixed(1)} ms`).join(', ')}`)
  return `${lines.join('\n')}\n`
}

function flops(kernel: LoweredKernel | undefined): number {
  let total = 0
  for (const nest of kernel?.nests ?? []) {
    const free = sizeOf(nest.free)
    const scalars = (roots: Parameters<typeof inOrder>[0]): number => inOrder(roots).filter((e) => e.kind === 'scalar').length
    if (nest.value) total += free * sizeOf(nest.reduced) * (scalars([nest.value]) + 1)
    total += free * scalars(nest.stores.map((s) => s.value))
  }
  return total
}

const moved = (kernel: Kernel): number => {
  const bytes = (node: { shape: readonly number[]; dtype: keyof typeof DTYPES }): number => sizeOf(node.shape) * DTYPES[node.dtype].bytes
  return [...kernel.loads, ...kernel.stores].reduce((n, b) => n + bytes(b.node), 0)
}

function table(rows: readonly string[][]): string[] {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((r) => r[c].length)))
  const right = (c: number): boolean => c === 1 || c === 2
  return rows.map((r) => `  ${r.map((cell, c) => (right(c) ? cell.padStart(widths[c]) : cell.padEnd(widths[c]))).join('  ')}`.trimEnd())
}
