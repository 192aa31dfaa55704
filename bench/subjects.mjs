// Who takes part in which cases, and how its process is started.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const INSTALL = 'npm ci --prefix bench'
/** Node 24 from npm: jax-js needs 22, and relaxed multiply-adds a V8 of 2023. */
const NEW_NODE = here('node_modules/node/bin/node')
const DEBIAN_PYTHON = '/usr/bin/python3'
const OWN_PYTHON = here('.venv/bin/python')

/** Holds PyTorch's own loops, oneDNN and OpenBLAS to vectors of 256 bits, where a processor has wider ones. */
const AVX2 = { ATEN_CPU_CAPABILITY: 'avx2', ONEDNN_MAX_CPU_ISA: 'AVX2', DNNL_MAX_CPU_ISA: 'AVX2', OPENBLAS_CORETYPE: 'Haswell' }

const KERNEL = / /
const MLP = /^(TINY|MLP-\w+)$/

/** `cases`: names it takes part in. `host`: what runs it. `needs`: its package. */
const SUBJECTS = {
  gradc: { cases: /./, host: 'new' },
  'gradc-strict': { cases: /./, host: 'new' },
  'gradc-threads': { cases: /^[^ ]+$/, host: 'new' },
  'gradc-js': { cases: MLP, host: 'new' },
  'gradc-js-relaxed': { cases: MLP, host: 'new' },
  'gradc-node20': { cases: /./, host: 'old', worker: 'gradc' },
  ceiling: { cases: /./, host: 'new' },
  'hand-unrolled': { cases: MLP, host: 'new' },
  'hand-blocked': { cases: MLP, host: 'new' },
  'tfjs-wasm': { cases: /./, host: 'new', needs: '@tensorflow/tfjs-backend-wasm' },
  'tfjs-wasm-transposing': { cases: /^[^ ]+$| (AtB|ABt)$/, host: 'new', needs: '@tensorflow/tfjs-backend-wasm' },
  'jax-js': { cases: /./, host: 'new', needs: '@jax-js/jax' },
  'torch-debian': {
    cases: /./, host: 'python', python: DEBIAN_PYTHON,
    install: 'apt-get install python3-torch libopenblas0-pthread',
  },
  'torch-debian-avx2': {
    cases: /./, host: 'python', python: DEBIAN_PYTHON, env: AVX2,
    install: 'apt-get install python3-torch libopenblas0-pthread',
  },
  'torch-wheel': { cases: /./, host: 'python', python: OWN_PYTHON, install: 'bench/install-torch.sh' },
}

/** Against whom each subject of ours is held. */
const AGAINST = {
  gradc: [
    'ceiling', 'hand-unrolled', 'hand-blocked', 'tfjs-wasm', 'tfjs-wasm-transposing', 'jax-js', 'torch-debian', 'torch-debian-avx2',
    'torch-wheel',
  ],
  'gradc-strict': ['gradc'],
  'gradc-threads': ['gradc'],
  'gradc-js': ['hand-unrolled', 'hand-blocked'],
  'gradc-js-relaxed': ['hand-unrolled', 'hand-blocked'],
  'gradc-node20': ['gradc'],
}
/** `[subject, peer]` of the lines of a case. */
export const pairsOf = (name) =>
  Object.entries(AGAINST).flatMap(([subject, peers]) => peers.map((peer) => [subject, peer]))
    .filter((pair) => pair.every((subject) => SUBJECTS[subject].cases.test(name)))

/** All that take part in a case. */
export const subjectsOf = (name) => [...new Set(pairsOf(name).flat())]
export const isKernel = (name) => KERNEL.test(name)

const torch = new Map()
/** Whether a Python has PyTorch; it is asked once. */
function hasTorch(python) {
  if (!torch.has(python)) {
    const { status } = existsSync(python) ? spawnSync(python, [here('peers/torch.py'), '--version']) : {}
    torch.set(python, status === 0)
  }
  return torch.get(python)
}

/** Why a subject cannot run here; null if it can. */
function missing({ host, needs, python, install }) {
  if (python && !hasTorch(python)) return `not installed: ${install}`
  if (needs && !existsSync(here(`node_modules/${needs}/package.json`))) return `not installed: ${INSTALL}`
  if (existsSync(NEW_NODE)) return null
  // Without it everything of ours runs under the Node that runs this, and only what needs a newer one is left out.
  if (host === 'old') return `is gradc itself: no newer Node is installed: ${INSTALL}`
  if (needs === '@jax-js/jax' && Number(process.versions.node.split('.')[0]) < 22) return `needs a newer Node: ${INSTALL}`
  return null
}

/**
 * Starts a subject on a case. Resolves to `{ name, skipped }`, `{ name, failed }`, or
 * `{ name, losses, samples, runtime, compileMs, burst(ms), stop() }`.
 */
export async function start(name, of) {
  const subject = SUBJECTS[name]
  const skipped = missing(subject)
  if (skipped) return { name, skipped }
  const { host, worker = name, python, env = {} } = subject
  const command = python ?? (host === 'new' && existsSync(NEW_NODE) ? NEW_NODE : process.execPath)
  const args = python ? [here('peers/torch.py'), of] : [here('worker.mjs'), worker, of]
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env, TF_CPP_MIN_LOG_LEVEL: '3' } })
  child.stdin.on('error', () => {}) // it may have ended: its last line says why
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    for (;;) {
      const { value, done } = await lines.next()
      if (done) return { failed: 'it ended without a word' }
      if (value.startsWith('{')) return JSON.parse(value) // libraries greet on stdout
    }
  }
  const first = await next()
  if (first.failed) return { name, failed: first.failed }
  const burst = (ms) => {
    child.stdin.write(`burst ${ms}\n`)
    return next()
  }
  return { name, ...first, burst, stop: () => child.stdin.end() }
}
