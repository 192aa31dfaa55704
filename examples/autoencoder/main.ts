// Squeezes digits of 784 pixels through 32 numbers and draws them again.   npm run autoencoder -- --help
import { access, constants, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { compile, f32, fn, mse, nn, optim, sigmoid } from '../../src/index.ts'
import { start, type Surroundings } from '../command.ts'
import { mulberry32 } from '../mnist/batches.ts'
import { loadMnist } from '../mnist/idx.ts'
import { firstOf, imagesOf } from './images.ts'
import { HELP, readOptions } from './options.ts'
import { pictureOf } from './picture.ts'

const TRAIN_BATCH = 64
const TEST_BATCH = 100
const PIXELS = 784
const SHOWN = 10

/** What a run has come to. */
export interface Results {
  /** Mean squared error of a pixel of the test images, pixels being 0 to 1. */
  readonly testError: number
  /** The same of the untrained net, and of drawing every pixel's mean over the test images. */
  readonly untrainedError: number
  readonly meanImageError: number
  readonly epochs: number
  /** Training images of an epoch. */
  readonly images: number
  /** Median wall time of a training step, in milliseconds. */
  readonly msPerStep: number
  readonly arenaBytes: number
  readonly moduleBytes: number
  readonly compileMs: number
}

/** Runs the example. @throws Error if the options are wrong, the images are missing or the picture cannot be written */
export async function main(args: readonly string[], { stdout, stderr }: Omit<Surroundings, 'env'>): Promise<void> {
  const options = readOptions(args)
  if (options.help) return void stdout.write(HELP)
  const { epochs, target, seed, picture, json } = options
  const { training: all, test } = await loadMnist()
  const training = firstOf(all, options.images)
  if (picture !== null) await access(dirname(picture), constants.W_OK)

  const began = performance.now()
  const encoder = nn.sequential(nn.linear(PIXELS, 128), nn.relu, nn.linear(128, 32))
  const decoder = nn.sequential(nn.linear(32, 128), nn.relu, nn.linear(128, PIXELS))
  const net = nn.model({ encoder, decoder })
  const train = fn({ x: f32(TRAIN_BATCH, PIXELS) }, ({ x }) => {
    const logits = net(x)
    // Each pixel is a probability of ink: the loss is in nats a pixel.
    return { loss: nn.binaryCrossEntropyWithLogits(logits, x) }
  }).minimize('loss', optim.adam({ lr: 1e-3 }))
  const draw = fn({ x: f32(TEST_BATCH, PIXELS) }, ({ x }) => {
    const made = sigmoid(net.evaluation(x))
    return { made, error: mse(made, x) }
  })
  const program = compile({ train, draw }, { target, seed, name: 'autoencoder' })
  const compileMs = performance.now() - began

  const model = await program.load()
  const tested = (): number => {
    let sum = 0
    let batches = 0
    for (const { x } of imagesOf(test, TEST_BATCH)) {
      sum += model.draw({ x }).error
      batches++
    }
    return sum / batches
  }
  const untrainedError = tested()
  const progress = json ? stderr : stdout
  const random = mulberry32(seed)
  const times: number[] = []
  const steps = Math.floor(training.count / TRAIN_BATCH)
  let recent = NaN
  for (let epoch = 1; epoch <= epochs; epoch++) {
    let step = 0
    for (const batch of imagesOf(training, TRAIN_BATCH, random)) {
      const from = performance.now()
      const { loss } = model.train(batch)
      times.push(performance.now() - from)
      recent = Number.isNaN(recent) ? loss : recent + 0.02 * (loss - recent)
      step++
      if (Math.floor((10 * step) / steps) === Math.floor((10 * (step - 1)) / steps)) continue
      progress.write(`epoch ${epoch}/${epochs}  step ${step}/${steps}  loss ${recent.toFixed(4)}\n`)
    }
  }

  const results: Results = {
    testError: tested(),
    untrainedError,
    meanImageError: varianceOf(test.pixels, test.count),
    epochs,
    images: training.count,
    msPerStep: rounded(times.sort((a, b) => a - b)[times.length >> 1]),
    arenaBytes: program.memory.arenaBytes,
    moduleBytes: Buffer.byteLength(program.emit().js),
    compileMs: rounded(compileMs),
  }
  progress.write(`test error ${results.testError.toFixed(5)} a pixel (${results.meanImageError.toFixed(5)} by the mean image)\n`)
  if (picture !== null) {
    const [{ x }] = imagesOf(test, TEST_BATCH)
    await writeFile(picture, pictureOf(x, model.draw({ x }).made, SHOWN))
    progress.write(`picture     ${picture}\n`)
  }
  stdout.write(`${JSON.stringify(results)}\n`)
}

/** Mean over pixels of their variance over the images, pixels being 0 to 1: what the mean image leaves. */
function varianceOf(pixels: Uint8Array, count: number): number {
  const area = pixels.length / count
  let sum = 0
  for (let p = 0; p < area; p++) {
    let [first, second] = [0, 0]
    for (let i = p; i < pixels.length; i += area) {
      first += pixels[i] / 255
      second += (pixels[i] / 255) ** 2
    }
    sum += second / count - (first / count) ** 2
  }
  return sum / area
}

/** Milliseconds to the microsecond. */
const rounded = (ms: number): number => Number(ms.toFixed(3))

await start(import.meta.url, 'autoencoder', main)
