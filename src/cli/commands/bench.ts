import type { Command } from '../command.ts'
import { Failure } from '../failure.ts'
import { chosen } from '../functions.ts'
import { openModel } from '../model-file.ts'
import { randomInputs } from '../random-inputs.ts'
import { columns, Progress } from '../terminal.ts'

/** Calls before the measurement, in milliseconds: engines compile hot code a second time. */
const WARM_UP_MS = 200

/** `gradc bench`: time of each function. */
export const bench: Command = {
  usage: 'bench MODEL',
  summary: 'measures the time of a call of each function',
  help: `Calls each function on random inputs. The median is the figure to compare; what else the machine does shows in the
others.

  --function NAME  one function only
  --seconds S      time a function (default 1)
  --json           the same as JSON`,
  options: { function: { type: 'string' }, seconds: { type: 'string' }, json: { type: 'boolean' } },
  run: async (call) => {
    const { options, stdout } = call
    const seconds = Number(options.seconds ?? 1)
    if (!(seconds > 0 && seconds <= 3600)) {
      throw new Failure(`--seconds is ${JSON.stringify(options.seconds)}`, 'it is a number above 0, at most 3600')
    }
    const program = await openModel(call)
    const progress = new Progress(call)
    const results = []
    for (const i of chosen(program, options.function)) {
      const graph = program.compiled.declared[i]
      const model = await program.load()
      const run = model[program.manifest.functions[i].name] as (inputs: object) => unknown
      const inputs = randomInputs(graph, program.manifest.seed)
      const times = measured(() => run(inputs), seconds * 1000, (share) => progress.show(share, graph.name))
      const at = (share: number): number => Number(times[Math.floor(share * (times.length - 1))].toPrecision(4))
      results.push({ function: graph.name, medianMs: at(0.5), leastMs: at(0), p95Ms: at(0.95), calls: times.length })
    }
    progress.clear()
    const rows = results.map((r) => [r.function, String(r.medianMs), String(r.leastMs), String(r.p95Ms), String(r.calls)])
    if (options.json) stdout.write(`${JSON.stringify({ target: program.manifest.target, functions: results })}\n`)
    else stdout.write(columns([['function', 'median ms', 'least', '95 %', 'calls'], ...rows], [1, 2, 3, 4]))
    return 0
  },
}

/** Times of calls in milliseconds, ascending. */
function measured(run: () => unknown, milliseconds: number, report: (share: number) => void): number[] {
  const warm = performance.now() + Math.min(WARM_UP_MS, milliseconds)
  do run()
  while (performance.now() < warm)
  const times: number[] = []
  const began = performance.now()
  for (let now = began; now - began < milliseconds || times.length < 3;) {
    run()
    const end = performance.now()
    times.push(end - now)
    report((end - began) / milliseconds)
    now = performance.now()
  }
  return times.sort((a, b) => a - b)
}
