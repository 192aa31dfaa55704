// Writes text character by character: a two-layer LSTM that learns from this repository, its memory carried from batch to
// batch, backpropagation cut between them (truncated).   npm run char-rnn -- --help
import { accuracy, compile, f32, fn, i32, optim, softmaxCrossEntropy } from '../../src/index.ts'
import { start, type Surroundings } from '../command.ts'
import { mulberry32 } from '../mnist/batches.ts'
import { showProgress } from '../mnist/progress.ts'
import { countStreams, streamsOf } from '../text/batches.ts'
import { encode, loadCorpus } from '../text/corpus.ts'
import { draw } from '../text/draw.ts'
import { helpOf, readOptions, type About } from '../text/options.ts'
import { bits, resultsOf, summaryOf } from '../text/summary.ts'
import { HIDDEN, LAYERS, network } from './network.ts'

/** Streams of text side by side, and characters of each that one step goes back over. */
const STREAMS = 32
const STEPS = 64
/** Learning rate of the first step; it falls to zero on a straight line. */
const LEARNING_RATE = 5e-3
/** Batches that a short run is tested on. */
const SHORT_TEST = 4
/** What the sample goes on from. */
const PROMPT = '/** '

export const ABOUT: About = {
  name: 'char-rnn',
  what: 'Trains an LSTM to write text like that of this repository, character by character.',
  epochs: 4,
  shortSteps: 20,
}

/** Runs the example. @throws Error if the options are wrong or the text is not there */
export async function main(args: readonly string[], { stdout, stderr, env }: Surroundings): Promise<void> {
  const options = readOptions(args, ABOUT)
  if (options.help) return void stdout.write(helpOf(ABOUT))
  const { epochs, short, target, seed, temperature } = options
  const { alphabet, training, validation } = await loadCorpus()
  const all = countStreams(training.length, STREAMS, STEPS)
  const steps = short ? Math.min(all, ABOUT.shortSteps) : all

  // 1. Declare a step, a test and one character of writing. Memory is an input and a result: no gradient goes into inputs.
  const began = performance.now()
  const net = network(alphabet.length)
  const [text, memory] = [i32(STREAMS, STEPS), f32(LAYERS, STREAMS, HIDDEN)] as const
  const inputs = { x: text, y: text, h: memory, c: memory } as const
  const measured = fn(inputs, ({ x, y, ...before }) => {
    const { logits, h, c } = net(x, before)
    return { loss: softmaxCrossEntropy(logits, y), accuracy: accuracy(logits, y), h, c }
  })
  const lr = optim.schedules.linear({ initial: LEARNING_RATE, steps: epochs * steps })
  const train = measured.minimize('loss', optim.chain(optim.clipByGlobalNorm(1), optim.adam({ lr })))
  const one = f32(LAYERS, 1, HIDDEN)
  const write = fn({ x: i32(1, 1), h: one, c: one }, ({ x, h, c }) => net(x, { h, c }))
  const program = compile({ train, test: measured, write }, { target, seed, name: ABOUT.name })
  const compileMs = performance.now() - began
  const model = await program.load()

  /** Mean bits per character of the validation text, which the net reads from its beginning. */
  const validate = (): number => {
    let memory = forget(STREAMS)
    let [sum, batches] = [0, 0]
    for (const batch of streamsOf(validation, STREAMS, STEPS)) {
      const { loss, h, c } = model.test({ ...batch, ...memory })
      memory = { h, c }
      sum += loss
      if (++batches === SHORT_TEST && short) break
    }
    return bits(sum / batches)
  }

  // 2. Train. What the net remembers at the end of a batch it remembers at the start of the next.
  const progress = options.json ? stderr : stdout
  const report = showProgress(progress, env)
  const validationBitsBefore = validate()
  const times: number[] = []
  for (let epoch = 1; epoch <= epochs; epoch++) {
    let memory = forget(STREAMS)
    let step = 0
    for (const batch of streamsOf(training, STREAMS, STEPS)) {
      const from = performance.now()
      const { loss, accuracy, h, c } = model.train({ ...batch, ...memory })
      const ms = performance.now() - from
      // Live views of the program's memory: a call may take what the one before gave.
      memory = { h, c }
      times.push(ms)
      report({ epoch, epochs, step: ++step, steps, ms, loss, accuracy })
      if (step === steps) break
    }
  }
  const validationBits = validate()

  // 3. Write: each character is drawn from what the net expects, and read by it again.
  const random = mulberry32(seed)
  const read = (code: number, { h, c }: Memory) => model.write({ x: Int32Array.of(code), h, c })
  const [first, ...others] = encode(alphabet, PROMPT)
  let state = read(first, forget(1))
  for (const code of others) state = read(code, state)
  let sample = PROMPT
  for (let i = 0; i < options.sample; i++) {
    const code = draw(state.logits, temperature, random)
    sample += alphabet[code]
    state = read(code, state)
  }

  const characters = times.length * STREAMS * STEPS
  const results = resultsOf({
    validationBitsBefore, validationBits, epochs, characters, alphabet: alphabet.length, times, program, compileMs,
  })
  progress.write(summaryOf(results, sample, target))
  stdout.write(`${JSON.stringify(results)}\n`)
}

/** What the net remembers of its streams, LAYERS × streams × HIDDEN numbers each. */
interface Memory {
  readonly h: Float32Array
  readonly c: Float32Array
}

/** The memory of a net that has read nothing. */
const forget = (streams: number): Memory => ({
  h: new Float32Array(LAYERS * streams * HIDDEN),
  c: new Float32Array(LAYERS * streams * HIDDEN),
})

await start(import.meta.url, ABOUT.name, main)
