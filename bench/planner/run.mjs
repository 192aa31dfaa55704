// npm run bench:planner -- [--json]        recomputation, packing and binomial plans against published figures
//
// One line a case: what came out, the bar, and whether it was reached. The command exits with 1 if one was missed.
// The graphs and packing instances are no part of the repository; without ../shared their cases are skipped and say so.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { packInto } from '../../dist/src/passes/allocate/pack.js'
import { fewestAdvances } from '../../dist/src/passes/checkpoint/binomial.js'
import { solve } from '../../dist/src/passes/checkpoint/solve.js'
import { TABLE, searched } from './binomial.mjs'
import { replay } from './replay.mjs'
import { BUDGET, vgg19 } from './vgg19.mjs'

const ANCHORS = fileURLToPath(new URL('../../../shared/anchors/', import.meta.url))
/** Least extra cost in percent by graph and share of the plain peak; null where no plan exists. */
const OPTIMA = {
  vgg16: { 0.95: 0.774, 0.9: 1.968, 0.83: null },
  vgg19: { 0.9: 0.104, 0.85: 2.648, 0.78: 2.783, 0.7: null },
  unet: { 0.9: 1.129, 0.8: 1.984, 0.7: 2.967, 0.6: 4.451, 0.5: 6.967 },
  segnet: { 0.8: 0.207, 0.6: 0.423, 0.5: 40.66, 0.4: null },
  resnet50: { 0.9: 0.108, 0.8: 0.279, 0.7: 0.564 },
}
/** Points of a percent that a plan may cost more than the optimum, and seconds that it may take. */
const GAP = 0.2
const PLAN_SECONDS = 10
const CAPACITY = 1_048_576
const PACK_SECONDS = 15
/** What packing may look at: more than 15 s on any machine. */
const PACK_EFFORT = 5e9

const round = (x, digits = 3) => Number(x.toFixed(digits))

function timed(run) {
  const began = performance.now()
  const result = run()
  return { result, seconds: (performance.now() - began) / 1e3 }
}

/** Plans, and replays what comes out. */
function planned(name, problem, budget) {
  const { result, seconds } = timed(() => solve(problem, budget))
  const line = { case: name, budgetBytes: budget, feasible: result.feasible, seconds: round(seconds) }
  if (!result.feasible) return { ...line, leastBytes: result.leastBytes }
  const total = problem.tasks.reduce((sum, t) => sum + t.cost, 0)
  const { peak, cost } = replay(problem, result.order)
  if (peak !== result.peakBytes || peak > budget) throw new Error(`${name}: the peak is ${peak}, not ${result.peakBytes}`)
  return { ...line, peakBytes: peak, extraPercent: round((100 * (cost - total)) / total) }
}

function* vgg19Cases() {
  const fits = planned('vgg19 batch 289, 16 GB', vgg19(289), BUDGET)
  yield { ...fits, bar: 'feasible, at most 0.15 % extra', ok: fits.feasible && fits.extraPercent <= 0.15 }
  const refused = planned('vgg19 batch 290, 16 GB', vgg19(290), BUDGET)
  yield { ...refused, bar: 'refused, with the least feasible budget', ok: !refused.feasible && refused.leastBytes > BUDGET }
}

function* checkmateCases() {
  for (const [graph, rows] of Object.entries(OPTIMA)) {
    const file = `${ANCHORS}checkmate/${graph}.json`
    if (!existsSync(file)) {
      yield { case: `checkmate ${graph}`, skipped: '../shared/anchors/checkmate is not there' }
      continue
    }
    const { bytes, cost, operands } = JSON.parse(readFileSync(file, 'utf8'))
    const problem = { bytes, tasks: operands.map((reads, i) => ({ cost: cost[i], reads, writes: [i] })) }
    const plain = replay(problem, operands.map((_, i) => i)).peak
    for (const share of Object.keys(rows).sort((a, b) => b - a)) {
      const optimum = rows[share]
      const line = planned(`checkmate ${graph} at ${share}`, problem, Math.floor(plain * share))
      const good = optimum === null ? !line.feasible : line.feasible && line.extraPercent <= optimum + GAP
      const bar = optimum === null ? 'infeasible' : `${optimum} % + ${GAP}`
      yield { ...line, bar: `${bar}, ${PLAN_SECONDS} s`, ok: good && line.seconds < PLAN_SECONDS }
    }
  }
}

function* packingCases() {
  const folder = `${ANCHORS}minimalloc/`
  if (!existsSync(folder)) {
    yield { case: 'minimalloc', skipped: '../shared/anchors/minimalloc is not there' }
    return
  }
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.csv')).sort()) {
    const rows = readFileSync(folder + file, 'utf8').trim().split(/\r?\n/).slice(1).map((row) => row.split(',').map(Number))
    const pieces = rows.map(([, lower, upper, size]) => ({ from: lower, to: upper - 1, bytes: size }))
    const { result, seconds } = timed(() => packInto(pieces, CAPACITY, PACK_EFFORT))
    const bytes = result.outcome === 'found' ? extent(pieces, result.packing.offsets) : null
    const ok = bytes !== null && bytes <= CAPACITY && seconds < PACK_SECONDS
    yield { case: `minimalloc ${file}`, bytes, seconds: round(seconds), bar: `${CAPACITY} bytes, ${PACK_SECONDS} s`, ok }
  }
}

/** Where the last piece ends. @throws Error if two that live together overlap */
function extent(pieces, offsets) {
  for (let i = 0; i < pieces.length; i++) {
    for (let j = 0; j < i; j++) {
      const [a, b] = [pieces[i], pieces[j]]
      const together = a.from <= b.to && b.from <= a.to
      const overlap = offsets[i] < offsets[j] + b.bytes && offsets[j] < offsets[i] + a.bytes
      if (together && overlap) throw new Error(`pieces ${i} and ${j} overlap`)
    }
  }
  return pieces.reduce((end, p, i) => Math.max(end, offsets[i] + p.bytes), 0)
}

function* binomialCases() {
  for (const [steps, slots, advances] of TABLE) {
    const found = fewestAdvances(steps, slots)
    const ok = found === advances && searched(steps, slots) === advances
    yield { case: `binomial ${steps} steps, ${slots} slots`, advances: found, bar: `${advances}`, ok }
  }
}

function show(line) {
  const { case: name, skipped, ok, bar, ...rest } = line
  if (skipped) return `${name.padEnd(32)} skipped: ${skipped}`
  const figures = Object.entries(rest).map(([key, value]) => `${key} ${value}`).join(', ')
  return `${name.padEnd(32)} ${ok ? 'ok    ' : 'MISSED'} ${figures} (bar: ${bar})`
}

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
for (const cases of [vgg19Cases, checkmateCases, packingCases, binomialCases]) {
  for (const line of cases()) {
    console.log(values.json ? JSON.stringify(line) : show(line))
    if (line.ok === false) process.exitCode = 1
  }
}
