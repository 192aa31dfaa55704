// Reads handwritten digits: declare a network, compile its training step, train, save, test.   npm run mnist -- --help
import { access, constants, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { gzipSync } from 'node:zlib'
import { accuracy, argmax, compile, f32, fn, i32, mul, nn, optim, softmaxCrossEntropy, sub } from '../../src/index.ts'
import { start, type Surroundings } from '../command.ts'
import { batchesOf, mulberry32 } from './batches.ts'
import { loadMnist } from './idx.ts'
import { HELP, readOptions } from './options.ts'
import { showProgress } from './progress.ts'
import { summaryOf, type Results } from './summary.ts'

const TRAIN_BATCH = 64
const TEST_BATCH = 100
/** Learning rate of the first step; it falls to zero on a straight line. */
const LEARNING_RATE = 1e-3

/** Runs the example. @throws Error if the options are wrong, the images are missing or the weights cannot be written */
export async function main(args: readonly string[], { stdout, stderr, env }: Surroundings): Promise<void> {
  const options = readOptions(args)
  if (options.help) return void stdout.write(HELP)
  const { epochs, target, seed, out } = options
  const { training, test } = await loadMnist()
  await access(dirname(out), constants.W_OK)

  // 1. Declare what one training step and one prediction compute, and compile both into one program.
  const steps = Math.floor(training.count / TRAIN_BATCH)
  const began = performance.now()
  const net = nn.sequential(nn.linear(784, 128), nn.relu, nn.linear(128, 10))
  const train = fn({ x: f32(TRAIN_BATCH, 784), y: i32(TRAIN_BATCH) }, ({ x, y }) => {
    const logits = net(x)
    return { loss: softmaxCrossEntropy(logits, y), accuracy: accuracy(logits, y) }
  }).minimize('loss', optim.adam({ lr: ({ step }) => mul(sub(epochs * steps, step), LEARNING_RATE / (epochs * steps)) }))
  const predict = fn({ x: f32(TEST_BATCH, 784) }, ({ x }) => ({ digits: argmax(net(x), { axis: 1 }) }))
  const program = compile({ train, predict }, { target, seed, name: 'mnist' })
  const compileMs = performance.now() - began

  // 2. Train: the images in another order each epoch.
  const model = await program.load()
  const random = mulberry32(seed)
  const report = showProgress(options.json ? stderr : stdout, env)
  const times: number[] = []
  for (let epoch = 1; epoch <= epochs; epoch++) {
    let step = 0
    for (const batch of batchesOf(training, TRAIN_BATCH, random)) {
      const from = performance.now()
      const result = model.train(batch)
      const ms = performance.now() - from
      times.push(ms)
      report({ epoch, epochs, step: ++step, steps, ms, loss: result.loss, accuracy: result.accuracy })
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
  stdout.write(options.json ? `${JSON.stringify(results)}\n` : summaryOf(results, { target, out, tested: test.count }))
}

/** Milliseconds to the microsecond. */
const rounded = (ms: number): number => Number(ms.toFixed(3))

await start(import.meta.url, 'mnist', main)
