// npm run bench -- [--json] [--only REGEX] [--rounds N] [--burst MS]        what each case is: bench/README.md
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { barOf, reached } from './bars.mjs'
import { KERNELS, samplesCheck } from './kernels.mjs'
import { median } from './measure.mjs'
import { pairsOf, start, subjectsOf } from './subjects.mjs'
import { WORKLOADS } from './values.mjs'

/** Losses of all must agree after this many steps, within this share of themselves. */
const COMPARED_STEPS = [1, 5]
const TOLERANCE = 5e-5
const CASES = [...Object.keys(WORKLOADS), ...Object.keys(KERNELS)]

function readOptions() {
  const whole = (name, text) => {
    if (!/^[1-9]\d{0,4}$/.test(text)) throw new Error(`--${name} ${text} is not a whole number from 1 up`)
    return Number(text)
  }
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: '7' },
      burst: { type: 'string', default: '150' },
    },
  })
  const only = new RegExp(values.only)
  const cases = CASES.filter((name) => only.test(name))
  if (!cases.length) throw new Error(`--only ${values.only}: there are cases ${CASES.join(', ')}`)
  return { json: values.json, cases, rounds: whole('rounds', values.rounds), burstMs: whole('burst', values.burst) }
}

/** A function of losses: what differs from gradc's, in words; null if nothing does. */
const lossesCheck = (expected) => (losses) => {
  if (!expected || !losses) return null
  const wrong = COMPARED_STEPS.filter((step) => {
    const [a, b] = [expected[step - 1], losses[step - 1]]
    return !(Math.abs(a - b) <= TOLERANCE * Math.max(Math.abs(a), Math.abs(b)))
  })
  if (!wrong.length) return null
  return wrong.map((step) => `loss of step ${step} is ${losses[step - 1]}, gradc's is ${expected[step - 1]}`).join('; ')
}

/** Bursts of all in turn, every round beginning with another one; the first round is not counted: engines still compile. */
async function measure(running, { rounds, burstMs }) {
  const bursts = new Map(running.map(({ name }) => [name, []]))
  const failed = new Map()
  for (let round = -1; round < rounds; round++) {
    for (let turn = 0; turn < running.length; turn++) {
      const { name, burst } = running[(Math.max(round, 0) + turn) % running.length]
      if (failed.has(name)) continue
      const result = await burst(round < 0 ? 2 * burstMs : burstMs)
      if (result.failed) failed.set(name, result.failed)
      else if (round >= 0) bursts.get(name).push(result)
    }
  }
  const figures = [...bursts].filter(([name]) => !failed.has(name)).map(([name, all]) => {
    return [name, { ms: median(all.map((b) => b.ms)), cpuMs: median(all.map((b) => b.cpuMs)) }]
  })
  return { times: new Map(figures), failed }
}

const short = (value) => Number(value.toPrecision(4))

/** What a case does in a second: products by operations, elements, or bytes. */
function rateOf(name, ms) {
  const { flops, count, bytes } = KERNELS[name]?.work ?? WORKLOADS[name]
  const [amount, unit] = count ? [count, 'G/s'] : flops ? [flops, 'GFLOP/s'] : [bytes, 'GB/s']
  return { rate: short(amount / ms / 1e6), unit }
}

async function runCase(name, options) {
  const started = []
  for (const subject of subjectsOf(name)) started.push(await start(subject, name))
  const running = started.filter((s) => s.burst)
  const byName = new Map(started.map((s) => [s.name, s]))
  const lossesWrong = lossesCheck(byName.get('gradc').losses)
  const samplesWrong = Object.hasOwn(KERNELS, name) ? samplesCheck(name) : null
  // The ceiling has neither.
  const wrong = new Map(running.map((s) => [s.name, s.samples ? samplesWrong(s.samples) : lossesWrong(s.losses)]))
  const { times, failed } = await measure(running, options)
  for (const { stop } of running) stop()

  const load = short(loadavg()[0])
  return pairsOf(name).map(([subject, peer]) => {
    const line = { case: name, subject, peer }
    const [a, b] = [byName.get(subject), byName.get(peer)]
    const why = (s) => s.failed ?? failed.get(s.name)
    for (const s of [a, b]) {
      if (s.skipped) return { ...line, skipped: `${s.name} ${s.skipped}` }
      if (why(s)) return { ...line, failed: `${s.name}: ${why(s)}` }
    }
    for (const { name: of } of [a, b]) if (wrong.get(of)) return { ...line, mismatch: `${of}: ${wrong.get(of)}` }
    const [x, y] = [times.get(subject), times.get(peer)]
    const figures = { ms: short(x.ms), ...(subject === 'gradc' ? { gradcMs: short(x.ms) } : {}), peerMs: short(y.ms), ratio: short(x.ms / y.ms), cpuRatio: short(x.cpuMs / y.cpuMs) }
    if (peer === 'ceiling') Object.assign(figures, { share: short(y.ms / x.ms), ...rateOf(name, x.ms) })
    const bar = barOf(name, subject, peer)
    const losses = a.losses ? { loss1: a.losses[0], loss5: a.losses[4] } : {}
    const told = { ...figures, load, ...losses, runtime: a.runtime, peerRuntime: b.runtime }
    if (!bar) return { ...line, ...told }
    const wanted = `${bar.kind} ${['ratio', 'clock'].includes(bar.kind) ? '<=' : '>='} ${bar.value}`
    return { ...line, ...told, bar: wanted, reached: reached(bar, figures) }
  })
}

const COLUMNS = [26, 14, 23, 11, 11, 10, 10, 15, 7]
const pad = (cell, i) => (i < 3 ? String(cell).padEnd(COLUMNS[i]) : String(cell).padStart(COLUMNS[i]))
const row = (cells) => cells.map(pad).join('')

function print(line, json) {
  if (json) return console.log(JSON.stringify(line))
  const { case: name, subject, peer, ms, peerMs, ratio, cpuRatio, rate, unit, load, bar } = line
  const { skipped, failed, mismatch } = line
  const problem = skipped ? `skipped, ${skipped}` : failed ? `FAILED, ${failed}` : mismatch && `WRONG, ${mismatch}`
  if (problem) return console.log(`${row([name, subject, peer])}${problem}`)
  const verdict = bar ? `  ${bar} ${line.reached ? 'reached' : 'MISSED'}` : ''
  console.log(row([name, subject, peer, ms, peerMs, ratio, cpuRatio, rate ? `${rate} ${unit}` : '', load]) + verdict)
}

async function run({ cases, json, ...options }) {
  if (!json) console.log(row(['case', 'subject', 'peer', 'ms', 'peer ms', 'ratio', 'cpu', 'rate', 'load']))
  for (const name of cases) {
    for (const line of await runCase(name, options)) {
      print(line, json)
      if (!line.failed && !line.mismatch) continue
      process.exitCode = 1
      if (json) console.error(`${name}: ${line.failed ?? line.mismatch}`)
    }
  }
}

let options
try {
  options = readOptions()
} catch (error) {
  console.error(`bench: ${error.message}`)
  process.exit(1)
}
await run(options)
