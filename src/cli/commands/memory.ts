import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { FunctionMemory } from '../../api/memory.ts'
import { memorySvg } from '../../api/memory-svg.ts'
import type { Program } from '../../api/program.ts'
import { sweep, sweepSvg } from '../../api/sweep.ts'
import type { Command } from '../command.ts'
import { Failure } from '../failure.ts'
import { chosen } from '../functions.ts'
import { openModel } from '../model-file.ts'
import { columns, grouped } from '../terminal.ts'

/** `gradc memory`: every byte, and when it is in use. */
export const memory: Command = {
  usage: 'memory MODEL',
  summary: 'tells what lies where in memory, and when',
  help: `  --function NAME  one function only
  --svg FILE       draws the arena over time: of the function that is named, else of the one that needs most
  --sweep          compiles under smaller and smaller budgets: bytes against work done again
  --json           the same as JSON`,
  options: { function: { type: 'string' }, svg: { type: 'string' }, sweep: { type: 'boolean' }, json: { type: 'boolean' } },
  run: async (call) => {
    const { options, stdout, cwd } = call
    const program = await openModel(call)
    if (options.sweep) return curve(call, program)
    const names = chosen(program, options.function).map((i) => program.compiled.declared[i].name)
    const functions = Object.fromEntries(names.map((name) => [name, program.memory.functions[name]]))
    if (typeof options.svg === 'string') {
      const [name, figures] = Object.entries(functions).reduce((a, b) => (b[1].arenaBytes > a[1].arenaBytes ? b : a))
      await put(resolve(cwd, options.svg), memorySvg(name, figures))
    }
    stdout.write(options.json ? `${JSON.stringify({ ...program.memory, functions })}\n` : told(program, functions))
    return 0
  },
}

const put = (file: string, text: string): Promise<void> =>
  writeFile(file, text).catch((error: NodeJS.ErrnoException) => {
    throw new Failure(`${file} cannot be written: ${error.code}`, '', error)
  })

/** The program under one budget after the other. */
async function curve({ options, stdout, cwd }: Parameters<Command['run']>[0], program: Program): Promise<number> {
  const points = sweep(program)
  if (typeof options.svg === 'string') await put(resolve(cwd, options.svg), sweepSvg(program.manifest.name, points))
  const rows = points.map((p) => [grouped(p.budget), grouped(p.arenaBytes), `${p.recomputePercent.toFixed(1)} %`])
  stdout.write(options.json ? `${JSON.stringify(points)}\n` : columns([['budget', 'arena', 'done again'], ...rows], [0, 1, 2]))
  return 0
}

function told({ memory: all, manifest }: Program, functions: Readonly<Record<string, FunctionMemory>>): string {
  const states = manifest.states.map((s) => [s.name, `${s.dtype}[${s.shape.join(', ')}]`, grouped(s.offset)])
  const parts = [
    `memory ${grouped(all.bytes)} bytes: states ${grouped(all.stateBytes)}, constants ${grouped(all.constantBytes)}, `,
    `arena ${grouped(all.arenaBytes)}\n`,
    columns([['state', 'type', 'offset'], ...states], [2]),
  ]
  for (const [name, m] of Object.entries(functions)) {
    const again = m.recomputePercent ? `, ${m.recomputePercent.toFixed(1)} % of its work done again` : ''
    const busiest = m.kernels.length ? ` at kernel ${m.peakAt} ${m.kernels[m.peakAt]}` : ''
    const peak = `, ${grouped(m.peakBytes)} live${busiest} (no arena can be smaller)`
    parts.push(`\n${name}: arena ${grouped(m.arenaBytes)} bytes${peak}${again}\n`)
    const rows = m.buffers.map(({ offset, bytes, from, to, type, name: what }) =>
      [grouped(offset), grouped(bytes), `${from}..${to}`, lifeline(from, to, m.kernels.length), type, what])
    parts.push(columns([['offset', 'bytes', 'kernels', 'life', 'type', 'name'], ...rows], [0, 1]))
  }
  return parts.join('')
}

const CELLS = 24

/** The kernels from first to last as a line, and the part of it for which something lives. */
function lifeline(from: number, to: number, kernels: number): string {
  const cells = Math.max(1, Math.min(CELLS, kernels))
  const cell = (position: number): number => Math.min(cells - 1, Math.floor((position * cells) / Math.max(1, kernels)))
  return '·'.repeat(cell(from)) + '█'.repeat(cell(to) - cell(from) + 1) + '·'.repeat(cells - 1 - cell(to))
}
