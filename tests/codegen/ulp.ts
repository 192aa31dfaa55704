// Measures the f32 formulas of src/codegen/approximate.ts against f64. They are traced once into a tape of basic
// operations, which then runs over blocks of arguments. `sweep(op, 1)` visits every float there is (some minutes).
import { expand } from '../../src/codegen/approximate.ts'
import { numeric } from '../../src/ir/numeric.ts'
import type { Arith, Routine, ScalarOp } from '../../src/ir/scalar.ts'
import type { DType } from '../../src/ir/types.ts'
import { EXACT as REFERENCES, ulpError } from '../../tools/ulp-reference.ts'

export { ulpError }

export type UnaryFormula = 'exp' | 'expm1' | 'log' | 'log1p' | 'sin' | 'cos' | 'tanh' | 'sigmoid' | 'erf' | 'normalPdf' | 'normalCdf' | 'gelu'
export type BinaryFormula = 'pow' | 'atan2'

/** The exact results, to f64. */
export const EXACT = REFERENCES as { readonly [op in UnaryFormula | BinaryFormula]: (x: number, y: number) => number }

const floats = new Float32Array(1)
const bits = new Uint32Array(floats.buffer)

/** The float with these 32 bits. */
export function floatOf(pattern: number): number {
  bits[0] = pattern
  return floats[0]
}

/** Position of a float among all floats, in order; −0 and 0 share 0. */
export function positionOf(x: number): number {
  floats[0] = x
  return bits[0] < 0x80000000 ? bits[0] : 0x80000000 - bits[0]
}

/** The inverse of {@link positionOf}; clamped to the infinities. */
export function floatAt(position: number): number {
  const p = Math.max(-0x7f800000, Math.min(0x7f800000, position))
  return p < 0 ? -floatOf(-p) : floatOf(p)
}

// --- The tape --------------------------------------------------------------------------------------------------------

type Block = Float32Array | Int32Array
interface Slot {
  readonly dtype: DType
  readonly literal: number | null
  readonly args: readonly Slot[]
  /** A bitcast: the same register. */
  readonly alias: boolean
  /** Writes the result for n elements; bools are 0 and 1. */
  readonly run: ((to: Block, from: readonly Block[], n: number) => void) | null
}

const BLOCK = 2048
const blockOf = (d: DType): Block => (d === 'f32' ? new Float32Array(BLOCK) : new Int32Array(BLOCK))
const each = (f: (x: number, y: number, z: number) => number): Slot['run'] => (to, [x, y = x, z = y], n) => {
  for (let i = 0; i < n; i++) to[i] = f(x[i], y[i], z[i])
}

const FLOAT: { [op: string]: Slot['run'] } = {
  add: (to, [x, y], n) => { for (let i = 0; i < n; i++) to[i] = x[i] + y[i] },
  sub: (to, [x, y], n) => { for (let i = 0; i < n; i++) to[i] = x[i] - y[i] },
  mul: (to, [x, y], n) => { for (let i = 0; i < n; i++) to[i] = x[i] * y[i] },
  div: (to, [x, y], n) => { for (let i = 0; i < n; i++) to[i] = x[i] / y[i] },
  neg: each((x) => -x), abs: each(Math.abs), sqrt: each(Math.sqrt), floor: each(Math.floor),
  max: each(Math.max), min: each(Math.min),
}
const COMPARE: { [op: string]: Slot['run'] } = {
  eq: each((x, y) => Number(x === y)), ne: each((x, y) => Number(x !== y)),
  lt: each((x, y) => Number(x < y)), le: each((x, y) => Number(x <= y)),
  gt: each((x, y) => Number(x > y)), ge: each((x, y) => Number(x >= y)),
}
const LOGIC: { [op: string]: Slot['run'] } = { and: each((x, y) => x & y), or: each((x, y) => x | y), xor: each((x, y) => x ^ y) }
const INT: { [op: string]: Slot['run'] } = {
  ...LOGIC, add: each((x, y) => x + y), sub: each((x, y) => x - y),
  shl: each((x, y) => x << y), shr: each((x, y) => x >> y),
}
const TABLES: { [dtype: string]: { [op: string]: Slot['run'] } } = {
  f32: { ...FLOAT, ...COMPARE }, i32: { ...INT, ...COMPARE }, bool: LOGIC,
}

/** Builds slots. Only basic operations of agreeing dtypes exist, and shifts by a literal: a SIMD shift has one count. */
function tracer(): Arith<Slot> {
  const known = new Map<string, Slot>()
  const ids = new Map<Slot, number>()
  const make = (op: string, slot: Slot): Slot => {
    for (const a of slot.args) if (!ids.has(a)) ids.set(a, ids.size)
    const literal = Object.is(slot.literal, -0) ? '-0' : slot.literal
    const key = [op, slot.dtype, literal, ...slot.args.map((a) => ids.get(a))].join()
    if (!known.has(key)) {
      known.set(key, slot)
      ids.set(slot, ids.size)
    }
    return known.get(key)!
  }
  const apply = (op: string, args: readonly Slot[]): Slot => {
    const dtype = args[op === 'select' ? 1 : 0].dtype
    const agree = op === 'select' ? args[0].dtype === 'bool' && args[2].dtype === dtype : args.every((a) => a.dtype === dtype)
    const run = op === 'select' ? each((c, x, y) => (c ? x : y)) : TABLES[dtype]?.[op]
    if (!run || !agree) throw new Error(`not a basic operation: ${op} of ${args.map((a) => a.dtype).join(', ')}`)
    if ((op === 'shl' || op === 'shr') && args[1].literal === null) throw new Error(`${op} by a count that varies`)
    return make(op, { dtype: op in COMPARE ? 'bool' : dtype, literal: null, args, alias: false, run })
  }
  const lit = (value: number, dtype: DType): Slot => {
    const representable = dtype === 'f32' ? Math.fround(value) : value | 0
    if (!Object.is(representable, value)) throw new Error(`${value} is no ${dtype}`)
    return make('lit', { dtype, literal: value, args: [], alias: false, run: null })
  }
  const bitcast = (x: Slot, dtype: DType): Slot => {
    const view = dtype === 'f32' ? Float32Array : Int32Array
    const run: Slot['run'] = (to, [from], n) => to.set(new view(from.buffer as ArrayBuffer, 0, n))
    return make('bitcast', { dtype, literal: null, args: [x], alias: true, run })
  }
  const cast = (x: Slot, dtype: DType): Slot => {
    if (x.dtype !== 'i32' || dtype !== 'f32') throw new Error(`not a basic operation: cast of ${x.dtype} to ${dtype}`)
    return make('cast', { dtype, literal: null, args: [x], alias: false, run: (to, [from], n) => to.set(from.subarray(0, n)) })
  }
  const rarely = (c: Slot, usual: Slot, x: Slot, routine: Routine): Slot => {
    const rare = (value: number): number => routine.formula(numeric('declared'), { value, dtype: 'f32' }).value
    return make(`rarely ${routine.name}`, { dtype: 'f32', literal: null, args: [c, usual, x], alias: false, run: each((holds, y, z) => (holds ? rare(z) : y)) })
  }
  return new Proxy({ lit, bitcast, cast, rarely, dtype: (x: Slot) => x.dtype } as Arith<Slot>, {
    get: (own, op: string) => (op in own ? own[op as keyof Arith<Slot>] : (...args: Slot[]) => apply(op, args)),
  })
}

/** A formula as a tape: operands before users, literals apart. */
export interface Formula {
  /** Operations that cost something: not literals, not bitcasts. */
  readonly operations: number
  /** Most values, other than literals, that are live at one time in the order of the tape. */
  readonly live: number
  /** Results for up to 2048 argument tuples. */
  run(xs: Float32Array, ys?: Float32Array): Float32Array
}

const formulas = new Map<ScalarOp, Formula>()

/** The formula of an operation, traced once. */
export function formulaOf(op: ScalarOp): Formula {
  if (!formulas.has(op)) formulas.set(op, trace(op))
  return formulas.get(op)!
}

function trace(op: ScalarOp): Formula {
  const argument = (): Slot => ({ dtype: 'f32', literal: null, args: [], alias: false, run: null })
  const args = op === 'pow' || op === 'atan2' ? [argument(), argument()] : [argument()]
  const root = expand(tracer(), op, args)
  if (root === null) throw new Error(`no formula for ${op}`)

  const order: Slot[] = []
  const blocks = new Map<Slot, Block>()
  const lastUse = new Map<Slot, number>()
  const visit = (s: Slot): void => {
    if (blocks.has(s)) return
    s.args.forEach(visit)
    blocks.set(s, s.literal === null ? blockOf(s.dtype) : blockOf(s.dtype).fill(s.literal))
    if (s.run) order.push(s)
  }
  visit(root)
  const register = (s: Slot): Slot => (s.alias ? register(s.args[0]) : s)
  order.forEach((s, i) => s.args.forEach((a) => lastUse.set(register(a), i)))

  let live = 0
  const alive = new Set<Slot>(args)
  order.forEach((s, i) => {
    for (const a of s.args.map(register)) if (!s.alias && lastUse.get(a) === i) alive.delete(a)
    alive.add(register(s))
    live = Math.max(live, alive.size)
  })
  const inputs = order.map((s) => s.args.map((a) => blocks.get(a)!))
  return {
    operations: order.filter((s) => !s.alias).length,
    live,
    run(xs, ys) {
      blocks.get(args[0])!.set(xs)
      if (ys && args[1]) blocks.get(args[1])!.set(ys)
      order.forEach((s, i) => s.run!(blocks.get(s)!, inputs[i], xs.length))
      return blocks.get(root)!.slice(0, xs.length) as Float32Array
    },
  }
}

// --- Sweeps ----------------------------------------------------------------------------------------------------------

export interface Worst {
  readonly count: number
  readonly ulps: number
  /** Arguments of the worst result, and that result. */
  readonly at: readonly number[]
  readonly got: number
  /** Greatest |result|. */
  readonly largest: number
}

/** The worst error over tuples of arguments. */
export function worstOf(op: UnaryFormula | BinaryFormula, tuples: Iterable<readonly number[]>): Worst {
  const formula = formulaOf(op)
  const exact = EXACT[op]
  const xs = new Float32Array(BLOCK)
  const ys = new Float32Array(BLOCK)
  let n = 0
  let worst: Worst = { count: 0, ulps: -1, at: [], got: NaN, largest: 0 }
  const flush = (): void => {
    const results = formula.run(xs.subarray(0, n), op === 'pow' || op === 'atan2' ? ys.subarray(0, n) : undefined)
    let { ulps, at, got, largest } = worst
    for (let i = 0; i < n; i++) {
      const error = ulpError(results[i], exact(xs[i], ys[i]))
      if (error > ulps) [ulps, at, got] = [error, [xs[i], ys[i]].slice(0, op === 'pow' || op === 'atan2' ? 2 : 1), results[i]]
      if (Math.abs(results[i]) > largest) largest = Math.abs(results[i])
    }
    worst = { count: worst.count + n, ulps, at, got, largest }
    n = 0
  }
  for (const [x, y] of tuples) {
    xs[n] = x
    ys[n] = y
    if (++n === BLOCK) flush()
  }
  if (n) flush()
  return worst
}

/** The worst error over every `stride`-th of all 2³² floats (NaN among them) with |x| ≤ limit. */
export function sweep(op: UnaryFormula, stride: number, limit: number = Infinity): Worst {
  return worstOf(op, patterns(stride, limit))
}

function* patterns(stride: number, limit: number): Generator<readonly number[]> {
  for (let i = 0; i < 2 ** 32; i += stride) {
    const x = floatOf(i)
    if (!(Math.abs(x) > limit)) yield [x]
  }
}

/** All floats within `radius` places of the centres. */
export function* around(centres: readonly number[], radius: number): Generator<readonly number[]> {
  for (const c of centres) {
    const middle = positionOf(c)
    for (let p = middle - radius; p <= middle + radius; p++) yield [floatAt(p)]
    yield [-0]
  }
}
