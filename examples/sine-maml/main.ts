// Learns to learn: weights from which one step of gradient descent fits a sine wave it has seen ten points of (Finn et al.,
// 2017), against weights that were trained on the same waves without looking ahead.   npm run sine-maml -- --help
import { compile, f32, fn, optim } from '../../src/index.ts'
import { start, type Surroundings } from '../command.ts'
import { mulberry32 } from '../mnist/batches.ts'
import { adapted, declareNet, lossOf, perTask } from './network.ts'
import { HELP, readOptions, type Options } from './options.ts'
import { drawTasks } from './tasks.ts'

/** Tasks of one step of meta-training, and waves that the result is tested on. */
const TASKS = 25
const TEST_TASKS = 600
/** Points of a wave that a net learns from, and as many others that it is tested on. */
const POINTS = 10
const INNER_RATE = 0.01
const META_RATE = 1e-3

/** Mean squared errors on new waves, before and after one step on ten points of each, from both kinds of weights. */
export interface Results {
  readonly metaBefore: number
  readonly metaAfter: number
  readonly plainBefore: number
  readonly plainAfter: number
  readonly steps: number
  /** Median wall time of a step of meta-training, in milliseconds. */
  readonly msPerStep: number
  readonly arenaBytes: number
  readonly moduleBytes: number
  readonly compileMs: number
}

const points = f32(TASKS, POINTS, 1)
const INPUTS = { x: points, y: points, queryX: points, queryY: points } as const

/** A net trained with or without looking ahead, and its test, as one program. */
function declare(lookAhead: boolean, { target, seed }: Pick<Options, 'target' | 'seed'>) {
  const net = declareNet()
  const train = fn(INPUTS, ({ x, y, queryX, queryY }) => {
    const first = perTask(net.of(x), TASKS)
    const weights = lookAhead ? adapted(first, { x, y }, INNER_RATE) : first
    return { loss: lossOf(weights, { x: queryX, y: queryY }) }
  }).minimize('loss', optim.adam({ lr: META_RATE }))
  const test = fn(INPUTS, ({ x, y, queryX, queryY }) => {
    const first = perTask(net.of(x), TASKS)
    const query = { x: queryX, y: queryY }
    return { before: lossOf(first, query), after: lossOf(adapted(first, { x, y }, INNER_RATE), query) }
  })
  return compile({ train, test }, { target, seed, name: 'sine-maml' })
}

/** Runs the example. @throws Error if the options are wrong */
export async function main(args: readonly string[], { stdout, stderr }: Omit<Surroundings, 'env'>): Promise<void> {
  const options = readOptions(args)
  if (options.help) return void stdout.write(HELP)
  const { steps, seed, json } = options
  const progress = json ? stderr : stdout
  const began = performance.now()
  const programs = { meta: declare(true, options), plain: declare(false, options) }
  const compileMs = (performance.now() - began) / 2

  const batch = (random: () => number) => {
    const { support, query } = drawTasks(random, TASKS, POINTS)
    return { ...support, queryX: query.x, queryY: query.y }
  }
  const times: number[] = []
  const measured: Record<string, { before: number; after: number }> = {}
  for (const [name, program] of Object.entries(programs)) {
    const model = await program.load()
    // Both see the same waves, in training and in the test.
    const random = mulberry32(seed)
    let recent = 0
    for (let step = 1; step <= steps; step++) {
      const inputs = batch(random)
      const from = performance.now()
      const { loss } = model.train(inputs)
      if (name === 'meta') times.push(performance.now() - from)
      recent = step === 1 ? loss : recent + 0.02 * (loss - recent)
      if (Math.floor((10 * step) / steps) > Math.floor((10 * (step - 1)) / steps)) {
        progress.write(`${name.padEnd(5)}  step ${step}/${steps}  loss ${recent.toFixed(4)}\n`)
      }
    }
    const unseen = mulberry32(seed ^ 0x5eed)
    const sums = { before: 0, after: 0 }
    const rounds = TEST_TASKS / TASKS
    for (let i = 0; i < rounds; i++) {
      const { before, after } = model.test(batch(unseen))
      sums.before += before / rounds
      sums.after += after / rounds
    }
    measured[name] = sums
    progress.write(`${name.padEnd(5)}  new waves: loss ${sums.before.toFixed(4)}, after one step ${sums.after.toFixed(4)}\n`)
  }

  const { meta, plain } = measured
  const results: Results = {
    metaBefore: meta.before,
    metaAfter: meta.after,
    plainBefore: plain.before,
    plainAfter: plain.after,
    steps,
    msPerStep: rounded(times.sort((a, b) => a - b)[times.length >> 1]),
    arenaBytes: programs.meta.memory.arenaBytes,
    moduleBytes: Buffer.byteLength(programs.meta.emit().js),
    compileMs: rounded(compileMs),
  }
  stdout.write(`${JSON.stringify(results)}\n`)
}

/** Milliseconds to the microsecond. */
const rounded = (ms: number): number => Number(ms.toFixed(3))

await start(import.meta.url, 'sine-maml', main)
