import { evaluate, type Affine } from '../../src/ir/affine.ts'
import type { Expr } from '../../src/ir/expression.ts'
import { halfBits, isHalf } from '../../src/ir/half.ts'
import { numeric } from '../../src/ir/numeric.ts'
import type { Node } from '../../src/ir/graph.ts'
import { DTYPES, type DType, type Shape, type TypedArray } from '../../src/ir/types.ts'
import type { LoweredKernel, LoweredLoop, LoweredProgram, Move, Nest } from '../../src/codegen/nest.ts'
import { orderOf } from '../../src/codegen/order.ts'

/**
 * Runs loop nests as nest.ts and order.ts describe them, point by point, with an arithmetic of its own: what emitted
 * code must equal bit for bit. Values are numbers; bool is 0 or 1.
 */
export function interpret(program: LoweredProgram, memory: ArrayBuffer, only?: number): void {
  const views = new Map<DType, TypedArray>()
  const viewOf: ViewOf = (dtype) => {
    const { array, bytes } = DTYPES[dtype]
    let view = views.get(dtype)
    if (!view) views.set(dtype, (view = new array(memory, 0, Math.floor(memory.byteLength / bytes))))
    return view
  }
  program.functions.forEach((f, i) => {
    if (only === undefined || only === i) for (const k of f.kernels) runKernel(k, viewOf)
  })
}

function runKernel(kernel: LoweredKernel, viewOf: ViewOf): void {
  if (kernel.loop) return runLoop(kernel.loop, viewOf)
  const { rows = [], nests } = kernel
  for (const row of points(rows)) {
    for (const n of nests) {
      const isLast = row.every((at, i) => i < (n.after ?? Infinity) || at === rows[i] - 1)
      if (isLast) runNest(kernel, n, viewOf, row)
    }
  }
}

function runLoop({ length, reverse, before, enter, body, leave, after }: LoweredLoop, viewOf: ViewOf): void {
  const bytes = viewOf('bool')
  const move = (m: Move, t: number): void => {
    const [from, to] = [m.from + t * m.fromStep, m.to + t * m.toStep]
    if (Math.min(from, to) < 0 || Math.max(from, to) + m.bytes > bytes.length) throw new Error(`move outside memory: ${from} to ${to}`)
    bytes.set(bytes.slice(from, from + m.bytes) as never, to)
  }
  for (const m of before) move(m, 0)
  for (let i = 0; i < length; i++) {
    const t = reverse ? length - 1 - i : i
    for (const m of enter) move(m, t)
    for (const k of body) runKernel(k, viewOf)
    for (const m of leave) move(m, t)
  }
  for (const m of after) move(m, 0)
}

type ViewOf = (dtype: DType) => TypedArray

function* points(extents: Shape, at: number[] = []): Generator<number[]> {
  if (at.length === extents.length) yield at
  else for (let i = 0; i < extents[at.length]; i++) yield* points(extents, [...at, i])
}

/** `row`: where its first axes stand. */
function runNest(kernel: LoweredKernel, nest: Nest, viewOf: ViewOf, row: readonly number[]): void {
  const read = (address: number, dtype: DType, index: number): number => {
    const view = viewOf(dtype)
    const at = address / DTYPES[dtype].bytes + index
    if (!Number.isInteger(at) || at < 0 || at >= view.length) throw new Error(`read outside memory: ${at}`)
    return dtype === 'bool' ? Number(view[at] !== 0) : view[at]
  }
  const value = (e: Expr, point: readonly number[], core: number): number =>
    evaluateExpr(e, point, core, (node, index) => read(kernel.address(node), node.dtype, index))
  const store = (point: readonly number[], core: number): void => {
    const values = nest.stores.map((s) => {
      const moved = s.indirect ? clamp(value(s.indirect.at, point, core), s.indirect.limit) * s.indirect.stride : 0
      return { s, v: value(s.value, point, core), index: at(s.index, point) + moved }
    })
    for (const { s, v, index } of values) {
      const view = viewOf(s.dtype)
      const i = s.address / DTYPES[s.dtype].bytes + index
      if (!Number.isInteger(i) || i < 0 || i >= view.length) throw new Error(`write outside memory: ${i}`)
      view[i] = s.accumulate ? arithmetic('add', s.dtype, [view[i], v]) : v
    }
  }
  for (const outer of points(nest.free, [...row])) {
    if (nest.combine === null) store(outer, NaN)
    else if (nest.running) {
      let sum = 0
      for (const inner of points(nest.reduced)) {
        const p = [...outer, ...inner]
        sum = arithmetic('add', nest.value!.dtype, [sum, value(nest.value!, p, NaN)])
        store(p, sum)
      }
    } else {
      const terms = [...points(nest.reduced)].map((inner) => ({ inner, v: value(nest.value!, [...outer, ...inner], NaN) }))
      const goesOn = nest.carried?.some((k) => outer[k] > 0)
      const [s] = nest.stores
      store(outer, fold(nest, terms, goesOn ? read(s.address, s.dtype, at(s.index, outer)) : 0))
    }
  }
}

const at = (a: Affine, point: readonly number[]): number => evaluate(a, point.slice(0, a.coefficients.length))
const clamp = (i: number, limit: number): number => Math.max(0, Math.min(limit - 1, i))

/** `first`: what a sum begins with. */
function fold(nest: Nest, terms: readonly { inner: readonly number[]; v: number }[], first: number): number {
  const { dtype } = nest.value!
  const add = (x: number, y: number): number => arithmetic('add', dtype, [x, y])
  switch (nest.combine!) {
    case 'sum': {
      if (orderOf(nest) === 'sequential') return terms.reduce((s, t) => add(s, t.v), first)
      const n = nest.reduced.at(-1)!
      const s = [0, 0, 0, 0, 0]
      for (const { inner, v } of terms) {
        const i = inner.at(-1)!
        const lane = i < 4 * Math.floor(n / 4) ? i % 4 : 4
        s[lane] = add(s[lane], v)
      }
      return add(add(add(s[0], s[2]), add(s[1], s[3])), s[4])
    }
    case 'prod':
      return terms.reduce((s, t) => arithmetic('mul', dtype, [s, t.v]), 1)
    case 'max':
      return terms.reduce((s, t) => Math.max(s, t.v), -Infinity)
    case 'min':
      return terms.reduce((s, t) => Math.min(s, t.v), Infinity)
    case 'argmax':
    case 'argmin': {
      const nan = terms.findIndex((t) => Number.isNaN(t.v))
      if (nan >= 0) return nan
      const best = terms.reduce((s, t) => (nest.combine === 'argmax' ? Math.max(s, t.v) : Math.min(s, t.v)), terms[0].v)
      return terms.findIndex((t) => t.v === best)
    }
  }
}

const DECLARED = numeric('declared')

type Read = (node: Node, index: number) => number

function evaluateExpr(root: Expr, point: readonly number[], core: number, read: Read): number {
  const memo = new Map<Expr, number>()
  const visit = (e: Expr): number => {
    let v = memo.get(e)
    if (v === undefined) memo.set(e, (v = once(e)))
    return v
  }
  const once = (e: Expr): number => {
    switch (e.kind) {
      case 'lit':
        return isHalf(e.dtype) ? halfBits(e.value, e.dtype) : e.value
      case 'core':
        return core
      case 'load':
        return read(e.node, at(e.index, point))
      case 'gather':
        return read(e.node, at(e.index, point) + clamp(visit(e.args[0]), e.limit) * e.stride)
      case 'position':
        return to(at(e.index, point), e.dtype)
      case 'random': {
        const i = at(e.index, point)
        return philoxBlock(i >>> 2, visit(e.args[0]), visit(e.args[1]), visit(e.args[2]))[i & 3]
      }
      case 'rarely':
        return visit(e.args[0]) ? e.routine.formula(DECLARED, { value: visit(e.args[2]), dtype: 'f32' }).value : visit(e.args[1])
      case 'scalar': {
        const args = e.args.map(visit)
        if (e.op === 'cast') return castTo(args[0], e.args[0].dtype, e.dtype)
        if (e.op === 'bitcast') return bits(args[0], e.args[0].dtype, e.dtype)
        return arithmetic(e.op, e.args.at(-1)!.dtype, args)
      }
    }
  }
  return visit(root)
}

const to = (v: number, d: DType): number =>
  d === 'f32' ? Math.fround(v) : d === 'i32' ? v | 0 : d === 'u32' ? v >>> 0 : d === 'bool' ? Number(v !== 0) : v

/** Int to int wraps, float to int truncates and saturates. */
function castTo(v: number, from: DType, d: DType): number {
  if ((d !== 'i32' && d !== 'u32') || (from !== 'f32' && from !== 'f64')) return to(v, d)
  const [low, high] = d === 'i32' ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1]
  return Number.isNaN(v) ? 0 : Math.max(low, Math.min(high, Math.trunc(v))) + 0
}

function bits(v: number, from: DType, d: DType): number {
  const bytes = new ArrayBuffer(4)
  new DTYPES[from].array(bytes, 0, 1)[0] = v
  return new DTYPES[d].array(bytes, 0, 1)[0]
}

function arithmetic(op: string, d: DType, [a, b, c]: readonly number[]): number {
  const int = d === 'i32' || d === 'u32'
  switch (op) {
    case 'neg':
      return to(-a, d)
    case 'abs':
      return to(Math.abs(a), d)
    case 'sign':
      return Math.sign(a)
    case 'floor':
      return Math.floor(a)
    case 'ceil':
      return Math.ceil(a)
    case 'round': {
      if (!Number.isFinite(a) || Number.isInteger(a)) return a
      const low = Math.floor(a)
      const r = a - low < 0.5 ? low : a - low > 0.5 ? low + 1 : low % 2 === 0 ? low : low + 1
      return r === 0 && a < 0 ? -0 : r
    }
    case 'sqrt':
      return to(Math.sqrt(a), d)
    case 'add':
      return to(a + b, d)
    case 'sub':
      return to(a - b, d)
    case 'mul':
      return int ? to(Number(BigInt.asIntN(32, BigInt(a) * BigInt(b))), d) : to(a * b, d)
    case 'div':
      return int ? (b === 0 ? 0 : to(Math.trunc(a / b), d)) : to(a / b, d)
    case 'rem':
      return int ? (b === 0 ? 0 : to(a % b, d)) : a % b
    case 'max':
      return Math.max(a, b)
    case 'min':
      return Math.min(a, b)
    case 'eq':
      return Number(a === b)
    case 'ne':
      return Number(a !== b)
    case 'lt':
      return Number(a < b)
    case 'le':
      return Number(a <= b)
    case 'gt':
      return Number(a > b)
    case 'ge':
      return Number(a >= b)
    case 'and':
      return to(a & b, d)
    case 'or':
      return to(a | b, d)
    case 'xor':
      return to(a ^ b, d)
    case 'not':
      return d === 'bool' ? Number(a === 0) : to(~a, d)
    case 'shl':
      return to(a << (b & 31), d)
    case 'shr':
      return d === 'u32' ? a >>> (b & 31) : a >> (b & 31)
    case 'select':
      return a ? b : c
    default:
      if (d === 'f64' && op in Math) return (Math as unknown as Record<string, (...x: number[]) => number>)[op](a, b)
      throw new Error(`${op} of ${d} is not basic`)
  }
}

/** Philox 4x32-10 (Salmon et al. 2011) in big integers. */
function philoxBlock(counter: number, key0: number, key1: number, stream: number): number[] {
  const mask = 0xffffffffn
  let c = [BigInt(counter), 0n, BigInt(stream), 0n]
  let k = [BigInt(key0), BigInt(key1)]
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c[0]
    const p1 = 0xcd9e8d57n * c[2]
    c = [(p1 >> 32n) ^ c[1] ^ k[0], p1 & mask, (p0 >> 32n) ^ c[3] ^ k[1], p0 & mask]
    k = [(k[0] + 0x9e3779b9n) & mask, (k[1] + 0xbb67ae85n) & mask]
  }
  return c.map(Number)
}
