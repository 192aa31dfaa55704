// npm run model: compiles the page's program for both targets, trains it on MNIST, writes what the page needs to src/generated.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { batchesOf, mulberry32 } from '../../../dist/examples/mnist/batches.js'
import { loadMnist } from '../../../dist/examples/mnist/idx.js'
import { BATCH, OTHERS, programFor } from './program.mjs'

const EPOCHS = 4
/** Learning rate of the first step; it falls to zero on a straight line. */
const LEARNING_RATE = 0.2
/** Training digits that the page keeps, of each class: they are mixed into its steps, so that it does not forget. */
const KEPT_PER_CLASS = 30

/** The first `perClass` digits of each class, as records of one label and 784 pixels. */
function kept({ pixels, labels, count }, perClass) {
  const seen = Array(10).fill(0)
  const digits = Array.from({ length: count }, (_, i) => i).filter((i) => seen[labels[i]]++ < perClass)
  return Buffer.concat(digits.flatMap((i) => [Uint8Array.of(labels[i]), pixels.subarray(784 * i, 784 * (i + 1))]))
}

const folder = fileURLToPath(new URL('../src/generated', import.meta.url))
await rm(folder, { recursive: true, force: true })
await mkdir(folder, { recursive: true })

const programs = { wasm: programFor('wasm'), js: programFor('js') }
const moduleBytes = {}
for (const [target, program] of Object.entries(programs)) {
  const paths = await program.write(join(folder, target), target === 'wasm' ? { wasm: 'url' } : {})
  const shipped = await Promise.all(paths.filter((path) => /\.(js|wasm)$/.test(path)).map((path) => readFile(path)))
  moduleBytes[target] = shipped.reduce((n, file) => n + gzipSync(file, { level: 9 }).length, 0)
}

const { training, test } = await loadMnist()
const model = await programs.wasm.load()
const steps = EPOCHS * Math.floor(training.count / BATCH)
const random = mulberry32(1)
let step = 0
for (let epoch = 0; epoch < EPOCHS; epoch++) {
  for (const batch of batchesOf(training, BATCH, random)) model.train({ ...batch, lr: LEARNING_RATE * (1 - step++ / steps) })
}
let right = 0
for (const { x, y } of batchesOf(test, OTHERS)) {
  const { p } = model.predict({ x })
  right += y.filter((label, i) =>
    [...p.subarray(10 * i, 10 * i + 10).keys()].every((k) => p[10 * i + k] <= p[10 * i + label]),
  ).length
}
const testAccuracy = right / test.count
if (!(testAccuracy > 0.97)) throw new Error(`the trained model reads only ${right} of ${test.count} test digits`)

const weights = model.save()
await writeFile(join(folder, 'digits.safetensors'), weights)
await writeFile(join(folder, 'replay.bin'), kept(training, KEPT_PER_CLASS))
await writeFile(join(folder, 'others.bin'), kept(test, OTHERS / 10))
await writeFile(join(folder, 'facts.json'), `${JSON.stringify({ testAccuracy, moduleBytes })}\n`)
const module = `module ${moduleBytes.wasm} bytes under gzip (JavaScript: ${moduleBytes.js})`
console.log(`test accuracy ${testAccuracy}; ${module}, weights ${weights.length}`)
