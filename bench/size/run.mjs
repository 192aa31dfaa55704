// npm run size [-- --json]: bytes of the emitted modules under gzip, and time from import to first finished step, against peers.
// Exits with 1 if a module is larger than its bar, or TensorFlow.js less than 20 times as large. Times are told, never judged.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { median } from '../measure.mjs'
import { NETS, programOf } from './nets.mjs'

const { json } = parseArgs({ options: { json: { type: 'boolean', default: false } } }).values
const here = fileURLToPath(new URL('.', import.meta.url))
const require = createRequire(import.meta.url)
const folder = mkdtempSync(join(tmpdir(), 'gradc-size-'))
/** TensorFlow.js shall be at least so many times as large. */
const TFJS_TIMES = 20

const sizes = (parts) => ({
  bytes: parts.reduce((n, part) => n + part.length, 0),
  gzipBytes: parts.reduce((n, part) => n + gzipSync(part, { level: 9 }).length, 0),
})

/** Median milliseconds of processes that start, and the loss that they all found. */
function timed(args, runs) {
  const found = Array.from({ length: runs }, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(here, 'start.mjs'), ...args], {
      encoding: 'utf8',
      timeout: 300_000,
    })
    if (status !== 0) throw new Error(stderr.trim().slice(0, 600) || `ended with ${status}`)
    return JSON.parse(stdout.slice(stdout.lastIndexOf('{"ms"')))
  })
  if (!found.every(({ loss }) => Number.isFinite(loss))) throw new Error('the loss is not finite')
  const times = found.map(({ ms }) => ms)
  return { startMs: Number(median(times).toFixed(1)), leastMs: Number(Math.min(...times).toFixed(1)), runs }
}

async function gradc(net) {
  const { batch, runs, barBytes, barMs } = NETS[net]
  const lines = []
  for (const [subject, target, form] of [
    ['gradc', 'wasm', 'inline'],
    ['gradc, NAME.wasm beside', 'wasm', 'url'],
    ['gradc, target js', 'js', 'inline'],
  ]) {
    const program = programOf(net, target)
    const to = join(folder, `${net}-${target}-${form}`)
    const paths = await program.write(to, { wasm: form })
    const shipped = paths.filter((path) => path.endsWith('.wasm') || path.endsWith('.js')).map((path) => readFileSync(path))
    const line = {
      net,
      subject,
      ...sizes(shipped),
      ...timed(['gradc', pathToFileURL(join(to, `${net}.js`)).href, String(batch)], runs),
    }
    // The bars are the default form's.
    lines.push(subject === 'gradc' ? { ...line, barBytes, ...(barMs && { barMs }) } : line)
  }
  return lines
}

/** A peer's bundle by esbuild, minified. */
async function bundle(module, net, options) {
  const { build } = await import('esbuild')
  return build({
    stdin: { contents: `export { ${net} } from './${module}'`, resolveDir: here, loader: 'js', sourcefile: 'entry.js' },
    bundle: true,
    minify: true,
    target: 'es2022',
    metafile: true,
    logLevel: 'silent',
    define: { 'process.env.NODE_ENV': '"production"' },
    ...options,
  })
}

/** Bytes of what a page loads, its .wasm included. Chunks that only other back ends load do not count. */
async function pageSize(module, net, wasm) {
  const { outputFiles, metafile } = await bundle(module, net, {
    format: 'esm',
    platform: 'browser',
    splitting: true,
    outdir: folder,
    write: false,
  })
  const outputs = new Map(Object.entries(metafile.outputs).map(([path, output]) => [basename(path), output]))
  const texts = new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]))
  const eager = new Set()
  const add = (name) => {
    if (eager.has(name)) return
    eager.add(name)
    for (const { path, kind } of outputs.get(name).imports) if (kind === 'import-statement') add(basename(path))
  }
  add([...outputs].find(([, { entryPoint }]) => entryPoint)[0])
  return sizes([...[...eager].map((name) => texts.get(name)), ...wasm.map((path) => readFileSync(path))])
}

/** Address of the peer's bundle for Node: one file is faster to start than a folder of packages. */
async function nodeBundle(module, net, format) {
  const outfile = join(folder, `${module}-${net}.${format === 'cjs' ? 'cjs' : 'mjs'}`)
  await bundle(module, net, { format, platform: 'node', mainFields: ['module', 'main'], outfile })
  return pathToFileURL(outfile).href
}

/** Where an installed package is; null if it is not. */
const packageOf = (name) => {
  const roots = require.resolve.paths(name) ?? []
  return roots.map((root) => join(root, name)).find((path) => existsSync(join(path, 'package.json'))) ?? null
}

async function peer(net, { subject, module, packages, install, wasmIn, format }) {
  const missing = [...packages, 'esbuild'].filter((name) => !packageOf(name))
  if (missing.length)
    return {
      net,
      subject,
      skipped: `${missing.join(', ')} not installed: ${missing.includes('esbuild') ? 'npm ci --prefix bench/size' : install}`,
    }
  const wasmFolder = wasmIn ? join(packageOf(wasmIn), 'dist') + sep : ''
  const size = await pageSize(module, net, wasmIn ? [join(wasmFolder, 'tfjs-backend-wasm-simd.wasm')] : [])
  try {
    return {
      net,
      subject,
      ...size,
      ...timed(['peer', await nodeBundle(module, net, format), String(NETS[net].batch), net, wasmFolder], 5),
    }
  } catch (error) {
    return { net, subject, ...size, failed: error.message }
  }
}

const PEERS = [
  {
    subject: 'TensorFlow.js, core and wasm',
    module: 'tfjs.mjs',
    format: 'cjs',
    packages: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-wasm'],
    install: 'npm ci --prefix bench',
    wasmIn: '@tensorflow/tfjs-backend-wasm',
  },
  {
    subject: 'jax-js',
    module: 'jaxjs.mjs',
    format: 'esm',
    packages: ['@jax-js/jax'],
    install: 'npm ci --prefix bench/size',
    wasmIn: null,
  },
]

const count = (n) => n.toLocaleString('en')
const rowOf = (line, own) => {
  if (line.skipped) return `| ${NETS[line.net].title} | ${line.subject} | skipped: ${line.skipped} | | | |`
  const bar = line.barMs ? ` (bar ${line.barMs})` : ''
  const time = line.failed ? 'fails' : `${line.startMs}${bar}`
  const size = `${count(line.gzipBytes)}${line.barBytes ? ` (bar ${count(line.barBytes)})` : ''}`
  const slower = line.failed ? '' : (line.startMs / own.startMs).toFixed(1)
  const cells = [size, (line.gzipBytes / own.gzipBytes).toFixed(1), time, slower]
  return `| ${NETS[line.net].title} | ${line.subject} | ${cells.join(' | ')} |`
}

const wrong = []
try {
  if (!json)
    console.log(
      '| net | subject | bytes under gzip | ÷ gradc | ms from import to first step | ÷ gradc |\n|---|---|---:|---:|---:|---:|',
    )
  for (const net of Object.keys(NETS)) {
    const lines = await gradc(net)
    for (const of of PEERS) lines.push(await peer(net, of))
    for (const line of lines) {
      const timesGradc = line.gzipBytes && Number((line.gzipBytes / lines[0].gzipBytes).toFixed(2))
      console.log(json ? JSON.stringify({ ...line, timesGradc }) : rowOf(line, lines[0]))
      if (line.barBytes && line.gzipBytes > line.barBytes)
        wrong.push(`${line.subject}, ${net}: ${line.gzipBytes} bytes, the bar is ${line.barBytes}`)
      if (net === 'mlp' && line.subject.startsWith('TensorFlow') && timesGradc < TFJS_TIMES)
        wrong.push(`TensorFlow.js is only ${timesGradc} times as large`)
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
for (const line of wrong) console.error(line)
if (wrong.length) process.exitCode = 1
