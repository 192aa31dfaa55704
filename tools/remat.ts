// Plans which nodes of a graph to compute again so that it runs in fewer bytes.   npm run -s remat -- --help
import { parseArgs } from 'node:util'
import type { Infeasible, Problem, Schedule } from '../src/passes/checkpoint/problem.ts'
import { least, solve, sqrtPlan } from '../src/passes/checkpoint/solve.ts'
import { isStarted, textOf, Wrong } from './command.ts'
import { BadGraph, problemFrom } from './graph-file.ts'

const HELP = `Plans which nodes of a graph to compute again so that it runs in fewer bytes.

  npm run -s remat -- GRAPH.json --budget B [--seed N]

  GRAPH.json    { "bytes": [...], "cost": [...], "operands": [[...], ...] }, nodes in an order in which they can run
  --budget B    up to 1: a fraction of the peak of the plain order; above 1: bytes; or min, or sqrt
  --seed N      of the random numbers that annealing draws (default 0)

Prints one line of JSON: feasible, peakBytes, extraPercent, schedule (node indices with repeats). When no plan fits:
feasible false, and leastBytes and node, the least peak that was found and the node that runs then.
Exit code 0: planned. 1: no plan fits. 2: the file or the command line is wrong.
`
const MOST_BYTES = 256 * 2 ** 20

interface Output {
  write(text: string): unknown
}

/** Runs the command. Returns its exit code. */
export async function main(args: readonly string[], stdout: Output, stderr: Output): Promise<number> {
  try {
    const options = readOptions(args)
    if (!options) {
      stdout.write(HELP)
      return 0
    }
    const problem = problemFrom(await textOf(options.file, MOST_BYTES))
    const total = problem.tasks.reduce((sum, t) => sum + t.cost, 0)
    const plan = planned(problem, options.budget, options.seed)
    const percent = plan.feasible && total > 0 ? (100 * plan.extraCost) / total : 0
    const line = plan.feasible
      ? { feasible: true, peakBytes: plan.peakBytes, extraPercent: percent, schedule: plan.order }
      : { feasible: false, peakBytes: null, extraPercent: null, schedule: [], leastBytes: plan.leastBytes, node: plan.at }
    stdout.write(`${JSON.stringify(line)}\n`)
    return plan.feasible ? 0 : 1
  } catch (error) {
    if (!(error instanceof Wrong) && !(error instanceof BadGraph)) throw error
    stderr.write(`remat: ${error.message}\n`)
    return 2
  }
}

function planned(problem: Problem, budget: string, seed: number): Schedule | Infeasible {
  if (budget === 'min') return least(problem, { seed })
  if (budget === 'sqrt') return sqrtPlan(problem)
  const amount = Number(budget)
  if (amount > 1) return solve(problem, amount, { seed })
  const plain = solve(problem, Infinity)
  return solve(problem, Math.floor(amount * (plain.feasible ? plain.peakBytes : 0)), { seed })
}

function readOptions(args: readonly string[]): { file: string; budget: string; seed: number } | null {
  let parsed
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { budget: { type: 'string' }, seed: { type: 'string', default: '0' }, help: { type: 'boolean', default: false } },
    })
  } catch (error) {
    throw new Wrong((error as Error).message)
  }
  const { values: { budget, seed, help }, positionals } = parsed
  if (help) return null
  if (positionals.length !== 1) throw new Wrong('give one graph file; --help tells more')
  if (budget === undefined) throw new Wrong('--budget is missing: a fraction of the plain peak, or bytes')
  const isAmount = /^(\d+\.?\d*|\.\d+)(e\d+)?$/i.test(budget) && Number.isFinite(Number(budget))
  if (budget !== 'min' && budget !== 'sqrt' && !isAmount) {
    throw new Wrong(`--budget ${JSON.stringify(budget)} is neither a fraction up to 1, nor bytes, nor min, nor sqrt`)
  }
  if (isAmount && Number(budget) > 1 && !Number.isSafeInteger(Number(budget))) {
    throw new Wrong(`--budget ${budget}: above 1 it is bytes, and must be a whole number`)
  }
  if (!/^\d{1,9}$/.test(seed)) throw new Wrong(`--seed ${JSON.stringify(seed)} is no whole number from 0 up`)
  return { file: positionals[0], budget, seed: Number(seed) }
}

if (isStarted(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2), process.stdout, process.stderr)
}
