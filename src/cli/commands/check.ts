import type { Training } from '../../api/fn.ts'
import type { Program } from '../../api/program.ts'
import { variantsOf } from '../../api/variants.ts'
import type { Call, Command } from '../command.ts'
import { Failure } from '../failure.ts'
import { chosen, countOf } from '../functions.ts'
import { BAD, checkGradients, GOOD, type ParameterCheck } from '../gradient-check.ts'
import { openModel } from '../model-file.ts'
import { randomFrom, randomInputs } from '../random-inputs.ts'
import { columns, paintOn, Progress, type Paint } from '../terminal.ts'

/** The colour of each verdict. */
const COLOUR = { good: 'green', fair: 'yellow', bad: 'red' } as const

/** `gradc check`: the gradients of the user's own model. */
export const check: Command = {
  usage: 'check MODEL',
  summary: 'holds the gradients of a model against central differences',
  help: `Both are computed in doubles by the reference evaluator, for random inputs a little aside of the first weights: along a
direction that moves all elements of a parameter, and for single elements. Relative error at most ${GOOD}: good; from ${BAD} on:
bad, and the command exits with 1; between: fair, as near a kink of relu or max. Values that stopGradient or straightThrough
hide from the gradient show as bad: there both differ by intention.

  --function NAME  one function only; default: all that minimise a loss
  --elements N     single elements a parameter (default 4)
  --json           the same as JSON
GRADC_SEED=N draws other inputs.`,
  options: { function: { type: 'string' }, elements: { type: 'string' }, json: { type: 'boolean' } },
  run: async (call) => {
    const { options, stdout, env } = call
    const elements = countOf(options.elements, 'elements', 0, 4)
    const program = await openModel(call)
    const declared = variantsOf(program.compiled.functions)
    const trained = chosen(program, options.function).flatMap((i) =>
      (declared[i].declared.training ?? []).map((training) => ({ name: declared[i].label, training })))
    if (!trained.length) throw new Failure('no function minimises a loss', "fn(...).minimize('loss', optim.adam({ lr: 1e-3 }))")
    const paint = paintOn(stdout, env)
    const all: { function: string; loss: string; parameters: ParameterCheck[] }[] = []
    for (const { name, training } of trained) {
      const parameters = await checked(program, name, training, { elements, call })
      all.push({ function: name, loss: training.loss, parameters })
      if (options.json) continue
      stdout.write(`${name}: gradient of ${training.loss}\n${tableOf(parameters, paint)}`)
    }
    const bad = all.flatMap((a) => a.parameters).filter((p) => p.verdict === 'bad').length
    if (options.json) stdout.write(`${JSON.stringify({ good: GOOD, bad: BAD, passed: bad === 0, functions: all })}\n`)
    else if (bad) stdout.write(`${bad} ${bad === 1 ? 'parameter has' : 'parameters have'} a gradient that is not the slope of the loss\n`)
    return bad ? 1 : 0
  },
}

function tableOf(parameters: readonly ParameterCheck[], paint: Paint): string {
  const rows = parameters.map(({ name, type, error, verdict, at, gradient, difference }) =>
    [name, type, error.toExponential(1), verdict, at, gradient.toPrecision(8), difference.toPrecision(8)])
  const table = columns([['parameter', 'type', 'error', '', 'at', 'gradient', 'difference'], ...rows], [2, 5, 6])
  // Painted at the end: columns count what a terminal does not show.
  return table.replace(/\b(good|fair|bad)\b(?=\s+(?:all|\[))/g, (word) => paint(word, COLOUR[word as ParameterCheck['verdict']]))
}

interface How {
  readonly elements: number
  readonly call: Call
}

async function checked(program: Program, name: string, training: Training, { elements, call }: How): Promise<ParameterCheck[]> {
  const { graph, loss, wrt } = training
  const seed = program.manifest.seed
  const { state } = await program.load()
  const random = randomFrom(seed + 1)
  const progress = new Progress(call)
  const found: ParameterCheck[] = []
  progress.show(0, name)
  const report = (parameter: string, share: number): void =>
    progress.show((found.length + share) / wrt.length, `${name}: ${parameter}`)
  const inputs = randomInputs(graph, seed)
  for (const one of checkGradients({ graph, loss, wrt, inputs, states: state, random, elements, report })) found.push(one)
  progress.clear()
  return found
}
