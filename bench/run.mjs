// npm run bench -- [--json] [--rounds N] [--batch N]...        what each case is: bench/README.md
//
// A peer is { name, step(batch, index) -> loss, reset(), dispose?() }: `reset` goes back to the first weights, `step`
// takes one training step on the batch, which is number `index` of the batches, and waits for its loss.
import { parseArgs } from 'node:util'
import { ceiling } from './ceiling.mjs'
import { gradc } from './gradc.mjs'
import { hand } from './hand.mjs'
import { firstLosses, measure } from './measure.mjs'
import { installed, startTfjs } from './tfjs.mjs'
import { CLASSES, HIDDEN, INPUTS, batchesOf } from './values.mjs'

/** Steps of one burst by batch size: {@link measure}. */
const STEPS = { 1: 100, 64: 12, 256: 5 }
/** Losses of all peers must agree after this many steps, within this share of themselves. */
const COMPARED_STEPS = [1, 5]
const TOLERANCE = 5e-5
const INSTALL = 'npm ci --prefix bench'
/** Whom each target of gradc is held against. */
const PEERS = { 'gradc-wasm': ['hand', 'hand-unrolled', 'tfjs-wasm'], 'gradc-js': ['hand', 'hand-unrolled'] }

function readOptions() {
  const whole = (name, text) => {
    if (!/^[1-9]\d{0,3}$/.test(text)) throw new Error(`--${name} ${text} is not a whole number from 1 up`)
    return Number(text)
  }
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '7' },
      batch: { type: 'string', multiple: true },
    },
  })
  const sizes = values.batch?.map((text) => whole('batch', text)) ?? Object.keys(STEPS).map(Number)
  const unknown = sizes.find((size) => !Object.hasOwn(STEPS, size))
  if (unknown) throw new Error(`--batch ${unknown}: there are cases for ${Object.keys(STEPS).join(', ')}`)
  return { json: values.json, rounds: whole('rounds', values.rounds), sizes }
}

/** What differs from gradc's losses, in words; null if nothing does. */
function mismatchOf(expected, losses) {
  const wrong = COMPARED_STEPS.filter((step) => {
    const [a, b] = [expected[step - 1], losses[step - 1]]
    return !(Math.abs(a - b) <= TOLERANCE * Math.max(Math.abs(a), Math.abs(b)))
  })
  if (!wrong.length) return null
  return wrong.map((step) => `step ${step}: gradc ${expected[step - 1]}, peer ${losses[step - 1]}`).join('; ')
}

function casesOf(size, peers, times, losses) {
  const lines = []
  for (const [subject, against] of Object.entries(PEERS)) {
    const name = `mlp-784-128-10 adam batch ${size}${subject === 'gradc-js' ? ' (js)' : ''}`
    for (const peer of against) {
      if (!peers.some((p) => p.name === peer)) {
        lines.push({ case: name, peer, skipped: `not installed: ${INSTALL}` })
        continue
      }
      const mismatch = mismatchOf(losses.get(subject), losses.get(peer))
      if (mismatch) lines.push({ case: name, peer, mismatch })
      else {
        const [gradcMs, peerMs] = [times.get(subject), times.get(peer)]
        lines.push({ case: name, gradcMs: round(gradcMs), peer, peerMs: round(peerMs), ratio: round(gradcMs / peerMs) })
      }
    }
  }
  return lines
}

const round = (value) => Number(value.toPrecision(4))

const COLUMNS = [37, 15, 12, 12, 10]
const pad = (cell, i) => (i < 2 ? String(cell).padEnd(COLUMNS[i]) : String(cell).padStart(COLUMNS[i]))
const row = (cells) => cells.map(pad).join('')

function print(line, json) {
  if (json) return console.log(JSON.stringify(line))
  const { case: name, peer, skipped, mismatch, gradcMs, peerMs, ratio } = line
  if (skipped) return console.log(`${row([name, peer])}  skipped, ${skipped}`)
  if (mismatch) return console.log(`${row([name, peer])}  LOSSES DIFFER, ${mismatch}`)
  console.log(row([name, peer, gradcMs.toFixed(3), peerMs.toFixed(3), ratio.toFixed(3)]))
}

/** Floating-point operations of the five products of a step; what else it does goes by elements, not by products. */
const productFlops = (size) => 2 * size * (2 * INPUTS * HIDDEN + 3 * HIDDEN * CLASSES)

async function printCeiling(sizes) {
  const gflops = await ceiling(20)
  const least = sizes.map((size) => `${(productFlops(size) / gflops / 1e6).toFixed(3)} ms at batch ${size}`)
  console.log(`\nOne thread of 128-bit WebAssembly reaches at most ${gflops.toFixed(1)} GFLOP/s here (multiply, then add).`)
  console.log(`At that, the products of a step alone take ${least.join(', ')}.`)
}

async function run({ json, rounds, sizes }) {
  if (!installed()) console.error(`TensorFlow.js is left out. To install it: ${INSTALL}`)
  const tfjs = installed() ? await startTfjs() : null
  if (!json) console.log(row(['case', 'peer', 'gradc ms', 'peer ms', 'ratio']))
  let agreed = true
  for (const size of sizes) {
    const batches = batchesOf(size)
    const peers = [await gradc(size, 'wasm'), hand(size, false), await gradc(size, 'js'), hand(size, true)]
    if (tfjs) peers.push(tfjs(size))
    const losses = new Map(peers.map((peer) => [peer.name, firstLosses(peer, batches, Math.max(...COMPARED_STEPS))]))
    const times = measure(peers, batches, { rounds, steps: STEPS[size] })
    for (const line of casesOf(size, peers, times, losses)) {
      print(line, json)
      if (line.mismatch) {
        agreed = false
        if (json) console.error(`${line.case}: the losses of gradc and ${line.peer} differ, ${line.mismatch}`)
      }
    }
    for (const peer of peers) peer.dispose?.()
  }
  if (!json) await printCeiling(sizes)
  if (!agreed) process.exitCode = 1
}

let options
try {
  options = readOptions()
  await run(options)
} catch (error) {
  // Caught here, because TensorFlow.js changes what Node does with errors that nobody catches.
  console.error(options ? error : `bench: ${error.message}`)
  process.exitCode = 1
}
