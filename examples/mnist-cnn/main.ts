// Reads handwritten digits with two convolutions: declare, compile, train one epoch, save, test.   npm run mnist-cnn -- --help
import { access, constants, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { gzipSync } from 'node:zlib'
import { accuracy, argmax, compile, f32, fn, i32, nn, optim, softmaxCrossEntropy } from '../../src/index.ts'
import { start, type Surroundings } from '../command.ts'
import { batchesOf, mulberry32 } from '../mnist/batches.ts'
import { loadMnist, type Digits } from '../mnist/idx.ts'
import { showProgress } from '../mnist/progress.ts'
import { summaryOf, type Results } from '../mnist/summary.ts'
import { HELP, readOptions } from './options.ts'

const TRAIN_BATCH = 64
const TEST_BATCH = 100
/** Learning rate of the first step; it falls to zero on a straight line. */
const LEARNING_RATE = 2e-3
/** Images of a short run, whole batches of both sizes. */
const SHORT = { training: 1_920, test: 500 } as const

/** Images [n, 784] to logits [n, 10]. */
export const network = (): nn.Layer =>
  nn.sequential(
    nn.unflatten(1, [1, 28, 28]),
    nn.conv2d(1, 32, 3, { padding: 1 }),
    nn.relu,
    nn.maxPool2d(2),
    nn.conv2d(32, 64, 3, { padding: 1 }),
    nn.relu,
    nn.maxPool2d(2),
    nn.flatten(),
    nn.linear(64 * 7 * 7, 128),
    nn.relu,
    nn.linear(128, 10),
  )

/** Runs the example. @throws Error if the options are wrong, the images are missing or the weights cannot be written */
export async function main(args: readonly string[], { stdout, stderr, env }: Surroundings): Promise<void> {
  const options = readOptions(args)
  if (options.help) return void stdout.write(HELP)
  const { epochs, short, target, seed, out } = options
  const whole = await loadMnist()
  const training = short ? firstOf(whole.training, SHORT.training) : whole.training
  const test = short ? firstOf(whole.test, SHORT.test) : whole.test
  await access(dirname(out), constants.W_OK)

  // 1. Declare what one training step and one prediction compute, and compile both into one program.
  const steps = Math.floor(training.count / TRAIN_BATCH)
  const began = performance.now()
  const net = network()
  const lr = optim.schedules.linear({ initial: LEARNING_RATE, steps: epochs * steps })
  const train = fn({ x: f32(TRAIN_BATCH, 784), y: i32(TRAIN_BATCH) }, ({ x, y }) => {
    const logits = net(x)
    return { loss: softmaxCrossEntropy(logits, y), accuracy: accuracy(logits, y) }
  }).minimize('loss', optim.adam({ lr }))
  const predict = fn({ x: f32(TEST_BATCH, 784) }, ({ x }) => ({ digits: argmax(net(x), { axis: 1 }) }))
  const program = compile({ train, predict }, { target, seed, name: 'mnist-cnn' })
  const compileMs = performance.now() - began

  // 2. Train: the images in another order each epoch.
  const model = await program.load()
  const random = mulberry32(seed)
  const progress = options.json ? stderr : stdout
  const report = showProgress(progress, env)
  const times: number[] = []
  for (let epoch = 1; epoch <= epochs; epoch++) {
    let step = 0
    for (const batch of batchesOf(training, TRAIN_BATCH, random)) {
      const from = performance.now()
      const { loss, accuracy } = model.train(batch)
      const ms = performance.now() - from
      times.push(ms)
      report({ epoch, epochs, step: ++step, steps, ms, loss, accuracy })
    }
  }

  // 3. Save the weights, and test a fresh model that has nothing but them.
  await writeFile(out, model.save())
  const fresh = await program.load()
  fresh.restore(await readFile(out))
  let right = 0
  for (const { x, y } of batchesOf(test, TEST_BATCH)) {
    const { digits } = fresh.predict({ x })
    right += y.filter((digit, i) => digit === digits[i]).length
  }

  const module = Buffer.from(program.emit().js)
  const results: Results = {
    testAccuracy: right / test.count,
    epochs,
    msPerStep: rounded(times.sort((a, b) => a - b)[times.length >> 1]),
    arenaBytes: program.memory.arenaBytes,
    moduleBytes: module.length,
    moduleGzipBytes: gzipSync(module, { level: 9 }).length,
    compileMs: rounded(compileMs),
  }
  progress.write(`${summaryOf(results, { target, out, tested: test.count })}\n`)
  stdout.write(`${JSON.stringify(results)}\n`)
}

/** The first `count` images. */
const firstOf = ({ pixels, labels, count: all }: Digits, count: number): Digits => ({
  count,
  pixels: pixels.subarray(0, (count * pixels.length) / all),
  labels: labels.subarray(0, count),
})

/** Milliseconds to the microsecond. */
const rounded = (ms: number): number => Number(ms.toFixed(3))

await start(import.meta.url, 'mnist-cnn', main)
