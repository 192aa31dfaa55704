// Writes text character by character: a small GPT that learns from this repository.   npm run char-gpt -- --help
import { accuracy, compile, fn, i32, optim, softmaxCrossEntropy } from '../../src/index.ts'
import { start, type Surroundings } from '../command.ts'
import { mulberry32 } from '../mnist/batches.ts'
import { showProgress } from '../mnist/progress.ts'
import { countWindows, windowsOf } from '../text/batches.ts'
import { encode, loadCorpus } from '../text/corpus.ts'
import { draw } from '../text/draw.ts'
import { helpOf, readOptions, type About } from '../text/options.ts'
import { bits, resultsOf, summaryOf } from '../text/summary.ts'
import { CONTEXT, network } from './network.ts'

/** Windows of text in a step. */
const BATCH = 16
/** Learning rate at its peak: it rises for a tenth of the steps, then falls along half a cosine to a tenth. */
const LEARNING_RATE = 2e-3
/** Batches that a short run is tested on. */
const SHORT_TEST = 2
/** What the sample goes on from. */
const PROMPT = '/** '

export const ABOUT: About = {
  name: 'char-gpt',
  what: 'Trains a small GPT to write text like that of this repository, character by character.',
  epochs: 2,
  shortSteps: 12,
}

/** Runs the example. @throws Error if the options are wrong or the text is not there */
export async function main(args: readonly string[], { stdout, stderr, env }: Surroundings): Promise<void> {
  const options = readOptions(args, ABOUT)
  if (options.help) return void stdout.write(helpOf(ABOUT))
  const { epochs, short, target, seed, temperature } = options
  const { alphabet, training, validation } = await loadCorpus()
  const all = countWindows(training.length, BATCH, CONTEXT)
  const steps = short ? Math.min(all, ABOUT.shortSteps) : all

  // 1. Declare a step, a test and one character of writing.
  const began = performance.now()
  const net = network(alphabet.length)
  const measured = fn({ x: i32(BATCH, CONTEXT), y: i32(BATCH, CONTEXT) }, ({ x, y }) => {
    const logits = net(x)
    return { loss: softmaxCrossEntropy(logits, y), accuracy: accuracy(logits, y) }
  })
  const train = measured.minimize('loss', optim.chain(optim.clipByGlobalNorm(1), optim.adamw({ lr: rate(epochs * steps) })))
  const write = fn({ x: i32(1, CONTEXT) }, ({ x }) => ({ logits: net(x) }))
  const program = compile({ train, test: measured, write }, { target, seed, name: ABOUT.name })
  const compileMs = performance.now() - began
  const model = await program.load()

  /** Mean bits per character of the validation text, of which the net sees one window at a time. */
  const validate = (): number => {
    let [sum, batches] = [0, 0]
    for (const batch of windowsOf(validation, BATCH, CONTEXT)) {
      sum += model.test(batch).loss
      if (++batches === SHORT_TEST && short) break
    }
    return bits(sum / batches)
  }

  // 2. Train: windows in another order, and cut at other places, each epoch.
  const progress = options.json ? stderr : stdout
  const report = showProgress(progress, env)
  const random = mulberry32(seed)
  const validationBitsBefore = validate()
  const times: number[] = []
  for (let epoch = 1; epoch <= epochs; epoch++) {
    let step = 0
    for (const batch of windowsOf(training, BATCH, CONTEXT, random)) {
      const from = performance.now()
      const { loss, accuracy } = model.train(batch)
      const ms = performance.now() - from
      times.push(ms)
      report({ epoch, epochs, step: ++step, steps, ms, loss, accuracy })
      if (step === steps) break
    }
  }
  const validationBits = validate()

  // 3. Write: each character is drawn from what the net expects after those that fit into its context.
  const draws = mulberry32(seed)
  const codes = [...encode(alphabet, PROMPT)]
  const x = new Int32Array(CONTEXT)
  for (let i = 0; i < options.sample; i++) {
    const seen = codes.slice(-CONTEXT)
    // What stands behind the last character is never looked at.
    x.set(seen)
    const { logits } = model.write({ x })
    codes.push(draw(logits.subarray((seen.length - 1) * alphabet.length, seen.length * alphabet.length), temperature, draws))
  }
  const sample = codes.map((code) => alphabet[code]).join('')

  const characters = times.length * BATCH * CONTEXT
  const results = resultsOf({
    validationBitsBefore, validationBits, epochs, characters, alphabet: alphabet.length, times, program, compileMs,
  })
  progress.write(summaryOf(results, sample, target))
  stdout.write(`${JSON.stringify(results)}\n`)
}

/** Warm-up over a tenth of the steps, then half a cosine. */
function rate(steps: number): optim.Hyper {
  const { linearWarmup, cosine } = optim.schedules
  const warmup = Math.ceil(steps / 10)
  return linearWarmup({
    steps: warmup,
    start: LEARNING_RATE / 10,
    into: cosine({ initial: LEARNING_RATE, steps: Math.max(steps - warmup, 1), end: LEARNING_RATE / 10 }),
  })
}

await start(import.meta.url, ABOUT.name, main)
