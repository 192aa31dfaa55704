// How far compiled f32 functions are from the exact results, over all floats.   npm run -s ulp -- --help
import { parseArgs } from 'node:util'
import * as gradc from '../src/index.ts'
import type { Tensor } from '../src/index.ts'
import { isStarted, Wrong } from './command.ts'
import { EXACT, ulpError } from './ulp-reference.ts'

const HELP = `Measures compiled f32 functions against f64, in units in the last place of the exact result.

  npm run ulp -- NAME... [--step N] [--arithmetic relaxed] [--target js]

  NAME        exp log log1p expm1 sin cos tanh sigmoid erf
              normalPdf normalCdf gelu: every float; pow atan2: pairs by chance; or all
  --step N    takes every N-th float only (default 1: all 4,294,967,296, some minutes a function)

Prints, for each, the largest error and where it is, and how often a result is of the wrong kind (NaN, infinity, zero, sign) and
where first.
Exit code 0: all within their bars. 1: not. 2: the command line is wrong.
`
/** Most ulps by function. */
const BARS: { readonly [name: string]: number } = {
  exp: 1, log: 1, log1p: 1, expm1: 1, sin: 2, cos: 2, tanh: 4, sigmoid: 4, erf: 4, normalPdf: 4, normalCdf: 4, gelu: 4, pow: 4, atan2: 4,
}
const BINARY = new Set(['pow', 'atan2'])
const CHUNK = 2 ** 20
const PAIRS = 2 ** 26

interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
}

/** What was found in a range of arguments. */
interface Found {
  count: number
  ulps: number
  /** Arguments, result and exact result of the largest error. */
  worst: readonly number[]
  /** How many were of the wrong kind, and the first of them. */
  wrong: number
  first: readonly number[]
}

/** Runs the command. Returns its exit code. */
export async function main(args: readonly string[], stdout: Output, stderr: Output): Promise<number> {
  let options
  try {
    options = readOptions(args)
  } catch (error) {
    if (!(error instanceof Wrong)) throw error
    stderr.write(`ulp: ${error.message}\n`)
    return 2
  }
  if (!options) {
    stdout.write(HELP)
    return 0
  }
  let within = true
  for (const name of options.names) {
    const found = await measure(name, options, stderr)
    const good = found.ulps <= BARS[name] && found.wrong === 0
    within &&= good
    stdout.write(`${described(name, found)}: ${good ? 'within' : 'ABOVE'} the bar of ${BARS[name]} ulp\n`)
  }
  return within ? 0 : 1
}

interface Options {
  readonly names: readonly string[]
  readonly step: number
  readonly arithmetic: 'strict' | 'relaxed'
  readonly target: 'wasm' | 'js'
}

function readOptions(args: readonly string[]): Options | null {
  let parsed
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        step: { type: 'string', default: '1' }, arithmetic: { type: 'string', default: 'strict' }, target: { type: 'string', default: 'wasm' },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new Wrong((error as Error).message)
  }
  const { values: { step, arithmetic, target, help }, positionals } = parsed
  if (help) return null
  const known = Object.keys(BARS)
  const names = positionals.includes('all') ? known : positionals
  const unknown = names.find((name) => !Object.hasOwn(BARS, name))
  if (!names.length || unknown !== undefined) {
    throw new Wrong(`${unknown === undefined ? 'no function is named' : `there is no ${JSON.stringify(unknown)}`}: take ${known.join(', ')} or all`)
  }
  if (!/^[1-9]\d{0,8}$/.test(step)) throw new Wrong(`--step ${JSON.stringify(step)} is no whole number from 1 up`)
  if (arithmetic !== 'strict' && arithmetic !== 'relaxed') throw new Wrong('--arithmetic is strict or relaxed')
  if (target !== 'wasm' && target !== 'js') throw new Wrong('--target is wasm or js')
  return { names, step: Number(step), arithmetic, target }
}

async function measure(name: string, { step, arithmetic, target }: Options, stderr: Output): Promise<Found> {
  const { f32, fn, compile } = gradc
  const verb = (gradc as unknown as Record<string, (x: Tensor, y?: Tensor) => Tensor>)[name]
  const body = fn({ x: f32(CHUNK), y: f32(CHUNK) }, ({ x, y }) => ({ z: BINARY.has(name) ? verb(x, y) : verb(x), unused: gradc.sum(y) }))
  const model = await compile({ run: body }, { arithmetic, target, name: 'ulp' }).load()
  const xs = new Float32Array(CHUNK)
  const ys = new Float32Array(CHUNK)
  const found: Found = { count: 0, ulps: 0, worst: [], wrong: 0, first: [] }
  const total = BINARY.has(name) ? Math.ceil(PAIRS / step) : Math.ceil(2 ** 32 / step)
  const fill = BINARY.has(name) ? pairs(name, xs, ys) : patterns(step, xs)
  for (let from = 0; from < total; from += CHUNK) {
    const count = Math.min(CHUNK, total - from)
    fill(from, count)
    compare(name, xs, ys, model.run({ x: xs, y: ys }).z as Float32Array, count, found)
    if (stderr.isTTY) stderr.write(`\r${name} ${((100 * (from + count)) / total).toFixed(1)} % \r`)
  }
  return found
}

/** Every `step`-th float, by its bits. */
function patterns(step: number, xs: Float32Array): (from: number, count: number) => void {
  const bits = new Uint32Array(xs.buffer)
  return (from, count) => {
    for (let i = 0; i < count; i++) bits[i] = (from + i) * step
  }
}

/**
 * Pairs by chance, the same in every run: any bits; for pow also bases of all magnitudes, and bases near 1, with exponents that make
 * results of all magnitudes, and whole exponents of negative bases. All pairs of special values come first.
 */
function pairs(name: string, xs: Float32Array, ys: Float32Array): (from: number, count: number) => void {
  const special = [0, -0, 1, -1, NaN, Infinity, -Infinity, 2, -2, 3, 0.5, -0.5, -2.5, 2 ** -149, -(2 ** -149), 2 ** -126, 2 ** 24 - 1, 3.4028234663852886e38]
  const [xBits, yBits] = [new Uint32Array(xs.buffer), new Uint32Array(ys.buffer)]
  let state = 1
  const random = (): number => {
    state = (state + 0x9e3779b9) | 0
    let z = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return (z ^ (z >>> 16)) >>> 0
  }
  const unit = (): number => random() / 2 ** 32
  const chosen = (i: number): void => {
    const exponent = unit() * 300 - 160
    if (i % 4 === 3) [xs[i], ys[i]] = [-(2 ** (unit() * 20 - 10)), Math.floor(unit() * 60 - 30)]
    else {
      xs[i] = i % 4 === 1 ? 2 ** (unit() * 276 - 149) : 1 + (unit() - 0.5) * 2 ** (-unit() * 20)
      ys[i] = exponent / Math.log2(xs[i])
    }
  }
  return (from, count) => {
    for (let i = 0; i < count; i++) {
      const k = from + i
      if (k < special.length ** 2) [xs[i], ys[i]] = [special[Math.floor(k / special.length)], special[k % special.length]]
      else if (name === 'pow' && i % 4) chosen(i)
      else [xBits[i], yBits[i]] = [random(), random()]
    }
  }
}

function compare(name: string, xs: Float32Array, ys: Float32Array, zs: Float32Array, count: number, found: Found): void {
  const exact = EXACT[name]
  const binary = BINARY.has(name)
  for (let i = 0; i < count; i++) {
    const x = xs[i]
    const z = zs[i]
    const wanted = exact(x, ys[i])
    found.count++
    // The nearest float is at most half an ulp off, which is never the largest error; a NaN is not equal to itself.
    if (z === Math.fround(wanted) && z !== 0) continue
    const error = ulpError(z, wanted)
    if (error <= found.ulps) continue
    const at = binary ? [x, ys[i], z, wanted] : [x, z, wanted]
    if (error < Infinity) [found.ulps, found.worst] = [error, at]
    else if (found.wrong++ === 0) found.first = at
  }
}

const bits = new DataView(new ArrayBuffer(4))
function shown(x: number): string {
  bits.setFloat32(0, x)
  return `${Object.is(x, -0) ? '-0' : x} (0x${bits.getUint32(0).toString(16).padStart(8, '0')})`
}
function place(at: readonly number[]): string {
  const given = at.slice(0, -2)
  const [got, exact] = at.slice(-2)
  return `at ${given.map(shown).join(', ')}: ${Object.is(got, -0) ? '-0' : got}, exactly ${Object.is(exact, -0) ? '-0' : exact}`
}
function described(name: string, { count, ulps, worst, wrong, first }: Found): string {
  const largest = worst.length ? `at most ${ulps.toFixed(3)} ulp ${place(worst)}` : 'always the nearest float'
  return `${name}: ${count.toLocaleString('en')} results, ${largest}; of the wrong kind ${wrong}${wrong ? `, first ${place(first)}` : ''}`
}

if (isStarted(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2), process.stdout, process.stderr)
}
