// The tables of README.md from the lines of a run:   npm run -s bench -- --json > lines.jsonl; node bench/figures.mjs < lines.jsonl
import { text } from 'node:stream/consumers'
import { barOf, reached } from './bars.mjs'

const lines = (await text(process.stdin)).split('\n').filter(Boolean).map((line) => JSON.parse(line))
const cases = [...new Set(lines.map((line) => line.case))]
const find = (name, subject, peer) => lines.find((l) => l.case === name && l.subject === subject && l.peer === peer)

/** Ratio, in brackets that of processor time; bold where a bar is reached, struck out where it is missed. */
function shown(line) {
  if (!line) return ''
  if (!('ratio' in line)) return 'skipped' in line ? 'skipped' : 'failed'
  return marked(line, `${line.ratio.toPrecision(2)} (${line.cpuRatio.toPrecision(2)})`)
}
function marked(line, figures) {
  const bar = barOf(line.case, line.subject, line.peer)
  return !bar ? figures : reached(bar, line) ? `**${figures}**` : `~~${figures}~~`
}

const row = (cells) => `| ${cells.join(' | ')} |`
function table(names, head, cellsOf) {
  console.log([row(head), row(head.map((_, i) => (i ? '---:' : '---'))), ...names.map((name) => row(cellsOf(name)))].join('\n'))
}

const PEERS = ['ceiling', 'hand-unrolled', 'hand-blocked', 'tfjs-wasm', 'tfjs-wasm-transposing', 'jax-js', 'torch-debian', 'torch-debian-avx2', 'torch-wheel']
const KERNEL_PEERS = PEERS.filter((peer) => !/^(ceiling|hand)/.test(peer))
const isKernel = (name) => name.includes(' ')
const msOf = (name) => find(name, 'gradc', 'ceiling')?.ms ?? ''
const loadOf = (name) => lines.find((l) => l.case === name && l.load)?.load ?? ''
const HAND = ['gradc-js', 'gradc-js-relaxed'].flatMap((s) => ['hand-unrolled', 'hand-blocked'].map((p) => [s, p]))
const others = [['gradc-strict', 'gradc'], ['gradc-node20', 'gradc']]
const THREADS = ['gradc-threads', 'gradc']

table(cases.filter((name) => !isKernel(name)), ['case', 'gradc ms', ...PEERS.map((p) => `÷ ${p}`), 'load'],
  (name) => [name, msOf(name), ...PEERS.map((peer) => shown(find(name, 'gradc', peer))), loadOf(name)])
console.log()
table(cases.filter((name) => !isKernel(name)), ['case', 'strict ÷ relaxed', 'Node 20 ÷ 24', 'two threads ÷ one', 'js ÷ hand-unrolled', 'js ÷ hand-blocked', 'js relaxed ÷ hand-unrolled', 'js relaxed ÷ hand-blocked'],
  (name) => [name, ...[...others, THREADS].map(([s, p]) => shown(find(name, s, p))), ...HAND.map(([s, p]) => shown(find(name, s, p)))])
console.log()
table(cases.filter(isKernel),
  ['kernel', 'gradc ms', 'rate', 'share of the ceiling', ...KERNEL_PEERS.map((p) => `÷ ${p}`), 'strict ÷ relaxed', 'Node 20 ÷ 24', 'load'],
  (name) => {
    const line = find(name, 'gradc', 'ceiling') ?? {}
    const share = line.share === undefined ? '' : marked(line, `${line.share.toFixed(2)} (${(1 / line.cpuRatio).toFixed(2)})`)
    const ratios = [...KERNEL_PEERS.map((peer) => ['gradc', peer]), ...others].map(([s, p]) => shown(find(name, s, p)))
    return [name, msOf(name), line.rate ? `${line.rate} ${line.unit}` : '', share, ...ratios, loadOf(name)]
  })
