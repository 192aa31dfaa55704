import { showType } from '../ir/types.ts'
import type { Manifest } from '../ir/manifest.ts'
import type { Plan } from '../ir/plan.ts'

/** A piece of the arena. */
export interface BufferLife {
  /** What it holds: an input, a result, or a value in between. */
  readonly name: string
  readonly type: string
  /** Bytes from the start of the arena. */
  readonly offset: number
  readonly bytes: number
  /** First and last kernel, by position, at which it holds a value. */
  readonly from: number
  readonly to: number
}

/** The memory of one function, known before its first step. All figures are bytes unless said otherwise. */
export interface FunctionMemory {
  /** What the function needs of the arena that all functions share in turn. */
  readonly arenaBytes: number
  /** The most that is live at once: no placement can do with less. */
  readonly peakBytes: number
  /** Position of the kernel at which that is. */
  readonly peakAt: number
  /** Work that the budget makes the function do twice, in percent of its work without. */
  readonly recomputePercent: number
  /** Names of the kernels in order. */
  readonly kernels: readonly string[]
  /** Live bytes while each kernel runs. */
  readonly live: readonly number[]
  readonly buffers: readonly BufferLife[]
}

/** The memory of a program. */
export type ProgramMemory = Manifest['memory'] & { readonly functions: Readonly<Record<string, FunctionMemory>> }

/** Reads the memory of a program off its plans. */
export function memoryOf(manifest: Manifest, plans: readonly Plan[]): ProgramMemory {
  const functions = Object.create(null) as Record<string, FunctionMemory>
  for (const plan of plans) functions[plan.name] = functionMemory(plan)
  return { ...manifest.memory, functions }
}

function functionMemory(plan: Plan): FunctionMemory {
  const arena = plan.buffers.filter((b) => b.region === 'arena')
  const positions = Math.max(1, plan.kernels.length)
  const change = new Array<number>(positions + 1).fill(0)
  for (const { bytes, from, to } of arena) {
    const size = Math.ceil(bytes / 16) * 16
    change[from] += size
    change[to + 1] -= size
  }
  let bytes = 0
  const live = change.slice(0, positions).map((c) => (bytes += c))
  const peakBytes = Math.max(0, ...live)
  return {
    arenaBytes: plan.arenaBytes,
    peakBytes,
    peakAt: live.indexOf(peakBytes),
    recomputePercent: plan.recomputePercent ?? 0,
    kernels: plan.kernels.map((k) => k.name),
    live,
    buffers: arena.map((b) => ({ name: b.name, type: showType(b.type), offset: b.offset, bytes: b.bytes, from: b.from, to: b.to })),
  }
}
