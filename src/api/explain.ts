import type { Compiled } from './compiled.ts'
import { DTYPES, showType, sizeOf } from '../ir/types.ts'
import type { Kernel } from '../ir/plan.ts'
import type { LoweredKernel } from '../codegen/nest.ts'
import { inOrder } from '../ir/expression.ts'

/**
 * A report for people: each function's kernels with floating-point operations and bytes moved (once for every buffer
 * that a kernel reads or writes), and the memory that it needs.
 */
export function explain({ manifest, plans, lowered, timings, compileMs }: Compiled): string {
  const { bytes, stateBytes, constantBytes, arenaBytes } = manifest.memory
  const lines = [
    `${manifest.name}  target ${manifest.target}  compiled in ${compileMs.toFixed(1)} ms`,
    `memory ${bytes} bytes: states ${stateBytes}, constants ${constantBytes}, arena ${arenaBytes}`,
  ]
  for (const plan of plans) {
    const kernels = lowered.functions.find((f) => f.name === plan.name)?.kernels ?? []
    const rows = plan.kernels.map((k, i) => [k.name, String(flops(kernels[i])), String(moved(k)), k.stores.map((s) => showType(s.node)).join(' ')])
    lines.push('', `${plan.name}: ${rows.length} kernels, arena ${plan.arenaBytes} bytes (lower bound ${plan.lowerBound})`)
    lines.push(...table([['kernel', 'flop', 'bytes', 'writes'], ...rows]))
  }
  const passes = new Map<string, number>()
  for (const t of timings) passes.set(t.pass, (passes.get(t.pass) ?? 0) + t.milliseconds)
  lines.push('', `passes: ${[...passes].map(([pass, ms]) => `${pass} ${ms.toFixed(1)} ms`).join(', ')}`)
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
