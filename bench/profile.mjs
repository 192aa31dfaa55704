// Where the time of a step goes, kernel by kernel, by V8's sampling profiler:
//
//   node bench/profile.mjs CASE [--strict] [--top N] [--seconds N] [--wat]
//
// CASE is a training step or a kernel of the benchmark. Kernels run as in a model, one after the other, with inputs from the
// same values. Prints milliseconds of a step, share, GFLOP/s by the operations that `explain` counts, and the kernel. `--wat`
// prints the text of the slowest one instead. Run it under the Node whose engine you ask about: bench/node_modules/.bin/node.
import { Session } from 'node:inspector/promises'
import { parseArgs } from 'node:util'
import { compile } from '../dist/src/index.js'
import { explanation } from '../dist/src/api/explain.js'
import { emitWasm, wasmText } from '../dist/src/codegen/wasm/emit.js'
import { relax } from '../dist/src/runtime/relax.js'
import { KERNELS } from './kernels.mjs'
import { WORKLOADS, valuesOf } from './values.mjs'
import { declared } from './workloads/gradc.mjs'
import { kernel } from './workloads/kernels.mjs'

const { exp, expm1, log, log1p, sin, cos, tanh, pow, atan2 } = Math
const HOST = { exp, expm1, log, log1p, sin, cos, tanh, pow, atan2, rem: (x, y) => x % y }
const SAMPLE_US = 200

function readOptions() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      strict: { type: 'boolean', default: false }, wat: { type: 'boolean', default: false },
      top: { type: 'string', default: '25' }, seconds: { type: 'string', default: '3' },
    },
  })
  const name = positionals.join(' ')
  const cases = [...Object.keys(WORKLOADS), ...Object.keys(KERNELS)]
  if (!cases.includes(name)) throw new Error(`profile: no case is named ${JSON.stringify(name)}; there are ${cases.join(', ')}`)
  return { name, strict: values.strict, wat: values.wat, top: Number(values.top), seconds: Number(values.seconds) }
}

/** The text of each function of the module by its name, and the comment above it. */
function functionsOf(text) {
  const functions = new Map()
  let comment = ''
  let current = null
  for (const line of text.split('\n')) {
    comment = /^ {2};; (.*)/.exec(line)?.[1] ?? comment
    const name = /^ {2}\(func \$(\w+)/.exec(line)?.[1]
    if (name) {
      current = { comment, lines: [] }
      functions.set(name, current)
      comment = ''
    }
    current?.lines.push(line)
  }
  return functions
}

/** `{ program, step }` of a case: the emitted code with names, on memory of its own. */
async function load(name, strict) {
  const training = Object.hasOwn(WORKLOADS, name)
  const program = training ? compile({ train: declared(name).train }) : (await kernel(name, {})).program
  const { lowered, constants: segments } = program.compiled
  const { bytes, imports } = emitWasm(lowered, { segments, names: true })
  const host = { m: Object.fromEntries(imports.map((f) => [f, HOST[f]])) }
  const { instance } = await WebAssembly.instantiate(strict ? bytes : relax(bytes), host)
  const { memory: { buffer }, f0: init, f1: run } = instance.exports
  const { keyOffset, states, functions: [{ inputs }] } = program.manifest
  const sizeOf = ({ shape }) => shape.reduce((n, d) => n * d, 1)
  new Uint32Array(buffer, keyOffset, 2).set([1, 2])
  init()
  const { x, y } = training ? valuesOf(name) : {}
  // A kernel's operands are states that begin as zeros.
  for (const s of training ? [] : states) {
    const values = new Float32Array(buffer, s.offset, sizeOf(s))
    for (let i = 0; i < values.length; i++) values[i] = 0.1 + ((i * 7919) % 1000) / 1000
  }
  const viewOf = (s) => new (s.dtype === 'i32' ? Int32Array : Float32Array)(buffer, s.offset, sizeOf(s))
  const views = inputs.map((s) => ({ view: viewOf(s), values: { x, y }[s.name] }))
  const step = () => {
    for (const { view, values } of views) if (values) view.set(values)
    run()
  }
  return { program, step, text: wasmText(lowered, { segments }) }
}

async function run({ name, strict, wat, top, seconds }) {
  const { program, step, text } = await load(name, strict)
  const flops = new Map(explanation(program.compiled).functions[0].kernels.map((k) => [k.name, k.flop]))
  const warm = performance.now()
  do step()
  while (performance.now() - warm < 1000)
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_US })
  await session.post('Profiler.start')
  const from = performance.now()
  let steps = 0
  for (; performance.now() - from < seconds * 1000; steps++) step()
  const total = (performance.now() - from) / steps
  const { profile } = await session.post('Profiler.stop')

  const samples = new Map()
  for (const id of profile.samples) samples.set(id, (samples.get(id) ?? 0) + 1)
  const functions = functionsOf(text)
  // A kernel may be several functions: what stands before the colon of their comments is its name.
  const hits = new Map()
  for (const { id, callFrame: { functionName: f } } of profile.nodes) {
    const count = samples.get(id) ?? 0
    if (!count) continue
    const comment = functions.get(f)?.comment || f
    const key = comment.replace(/:.*/, '')
    const known = hits.get(key) ?? { count: 0, largest: 0, comment }
    known.count += count
    if (count > known.largest) Object.assign(known, { largest: count, lines: functions.get(f)?.lines })
    if (!comment.endsWith(': part')) known.comment = comment
    hits.set(key, known)
  }
  const sorted = [...hits].sort((p, q) => q[1].count - p[1].count)
  if (wat) return console.log(sorted.find(([, { lines }]) => lines)[1].lines.join('\n'))
  const under = `${strict ? ', strict,' : ''} under Node ${process.version.slice(1)}`
  console.log(`${name}: ${total.toPrecision(4)} ms a step${under}, ${profile.samples.length} samples`)
  for (const [key, { count, comment }] of sorted.slice(0, top)) {
    const share = count / profile.samples.length
    const flop = flops.get(key)
    const speed = flop ? (flop / (share * total) / 1e6).toFixed(1) : ''
    const time = `${(share * total).toFixed(4).padStart(10)} ms ${(100 * share).toFixed(1).padStart(5)} %`
    console.log(`${time} ${speed.padStart(6)}  ${comment}`)
  }
}

let options
try {
  options = readOptions()
} catch (error) {
  console.error(error.message)
  process.exit(1)
}
await run(options)
