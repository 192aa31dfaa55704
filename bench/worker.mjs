// One subject on one case in a process of its own, so that none disturbs another's compiler or memory:
//
//   node worker.mjs SUBJECT CASE
//
// A subject is { step() -> loss or a promise of it, reset(), scale?, first? }: `reset` goes back to the first weights, `step` takes one
// training step on the case's batch and waits for its loss; times are multiplied by `scale`. A kernel's loss means nothing, and `first`
// is what its first step gave. It talks in lines: first {"ready", "losses" or "samples", ...} or {"failed"}, then for each "burst MS"
// from stdin what `burst` of measure.mjs gives. It ends with stdin. `peers/torch.py` does the same.
import { createInterface } from 'node:readline'
import { KERNELS, samplesOf } from './kernels.mjs'
import { burst, firstLosses } from './measure.mjs'
import { WORKLOADS } from './values.mjs'

/** Imported only when asked for: TensorFlow.js alone takes a second. */
async function gradc(name, options) {
  if (Object.hasOwn(WORKLOADS, name)) return (await import('./workloads/gradc.mjs')).gradc(name, options)
  return (await import('./workloads/kernels.mjs')).kernel(name, options)
}
async function tfjs(name, options) {
  if (Object.hasOwn(WORKLOADS, name)) return (await import('./peers/tfjs.mjs')).tfjs(name, options)
  return (await import('./peers/tfjs-kernels.mjs')).tfjsKernel(name, options)
}
async function jaxjs(name) {
  if (Object.hasOwn(WORKLOADS, name)) return (await import('./peers/jaxjs.mjs')).jaxjs(name)
  return (await import('./peers/jaxjs-kernels.mjs')).jaxjsKernel(name)
}
/** Makers of subjects by name. */
const SUBJECTS = {
  gradc: (name) => gradc(name, { arithmetic: 'relaxed' }),
  'gradc-strict': (name) => gradc(name, { arithmetic: 'strict' }),
  'gradc-threads': (name) => gradc(name, { arithmetic: 'relaxed', threads: 2 }),
  'gradc-js': (name) => gradc(name, { target: 'js' }),
  'gradc-js-relaxed': (name) => gradc(name, { target: 'js', arithmetic: 'relaxed' }),
  'hand-unrolled': async (name) => (await import('./peers/hand.mjs')).hand(name, 'unrolled'),
  'hand-blocked': async (name) => (await import('./peers/hand.mjs')).hand(name, 'blocked'),
  'tfjs-wasm': (name) => tfjs(name, { transpose: false }),
  'tfjs-wasm-transposing': (name) => tfjs(name, { transpose: true }),
  'jax-js': jaxjs,
  ceiling: async (name) => {
    const { ceiling } = await import('./ceiling.mjs')
    return ceiling((KERNELS[name] ?? WORKLOADS[name]).work ?? { flops: WORKLOADS[name].flops })
  },
}

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)

async function main([name, of]) {
  const subject = await SUBJECTS[name](of)
  const losses = Object.hasOwn(WORKLOADS, of) && name !== 'ceiling' ? await firstLosses(subject, 5) : undefined
  const samples = subject.first && samplesOf(of, subject.first)
  delete subject.first // it may be many megabytes
  say({ ready: true, losses, samples, runtime: `Node ${process.version.slice(1)}`, compileMs: subject.compileMs })
  const { scale = 1 } = subject
  for await (const line of createInterface({ input: process.stdin })) {
    const { ms, cpuMs, steps } = await burst(subject, Number(line.split(' ')[1]))
    say({ ms: ms * scale, cpuMs: cpuMs * scale, steps })
  }
}

try {
  await main(process.argv.slice(2))
  process.exit(0) // peers leave timers and workers behind
} catch (error) {
  if (process.env.GRADC_BENCH_VERBOSE) console.error(error)
  say({ failed: String(error?.message ?? error).split('\n')[0].slice(0, 300) })
  process.exit(1)
}
