// A second reading of nest.ts: plain loops over a DataView, one point at a time, for the WASM emitter to agree with.
import { evaluate, type Affine } from '../../src/ir/affine.ts'
import { Expressions, type Expr } from '../../src/ir/expression.ts'
import type { Node } from '../../src/ir/graph.ts'
import { halfBits, isHalf } from '../../src/ir/half.ts'
import { numeric } from '../../src/ir/numeric.ts'
import type { Combine } from '../../src/ir/op.ts'
import { DTYPES, type DType, type Shape } from '../../src/ir/types.ts'
import type { LoweredKernel, LoweredProgram, Nest, Store } from '../../src/codegen/nest.ts'
import { orderOf } from '../../src/codegen/order.ts'
import { HOST_MODULE } from '../../src/codegen/wasm/host.ts'
import { hostText } from '../../src/runtime/load.ts'
import { emitWasm } from '../../src/codegen/wasm/emit.ts'

/**
 * Buffers, nodes and expressions of a kernel that is built by hand. Buffers lie without gaps at the very end of memory,
 * the first one last: an access behind it traps, and one that goes astray hits another buffer.
 */
export class Bench {
  readonly x: Expressions = new Expressions()
  readonly #addresses = new Map<Node, number>()
  readonly buffers: { node: Node; address: number; length: number }[] = []
  readonly #bytes: number
  #next: number

  constructor(pages = 4) {
    this.#bytes = pages * 65536
    this.#next = this.#bytes
  }

  /** A buffer of `length` elements, and a node that is loaded from it. */
  buffer(dtype: DType, length: number): Node {
    // Only the id and the type of a node matter to an emitter.
    const node = { id: this.buffers.length, dtype, shape: [length] } as unknown as Node
    const { bytes } = DTYPES[dtype]
    this.#next = Math.floor((this.#next - length * bytes) / bytes) * bytes
    if (this.#next < 0) throw new Error('more pages, please')
    this.#addresses.set(node, this.#next)
    this.buffers.push({ node, address: this.#next, length })
    return node
  }

  address(node: Node): number {
    return this.#addresses.get(node)!
  }

  store(node: Node, index: Affine, value: Expr, more: Partial<Store> = {}): Store {
    return { address: this.address(node), dtype: node.dtype, index, indirect: null, value, accumulate: false, ...more }
  }

  kernel(...nests: Nest[]): LoweredKernel {
    return { name: 'k', title: 'by hand', expressions: this.x, address: (n) => this.address(n), nests }
  }

  program(...nests: Nest[]): LoweredProgram {
    return { functions: [{ name: 'run', kernels: [this.kernel(...nests)] }], memoryBytes: this.#bytes }
  }
}

export const form = (offset: number, ...coefficients: number[]): Affine => ({ offset, coefficients })

export function nest(free: Shape, stores: readonly Store[], fold: Partial<Nest> = {}): Nest {
  return { free, reduced: [], combine: null, value: null, running: false, stores, ...fold }
}

// --- Values ------------------------------------------------------------------------------------------------------------

const bits = new DataView(new ArrayBuffer(8))

function round(v: number, d: DType): number {
  if (d === 'f32') return Math.fround(v)
  if (d === 'i32') return v | 0
  if (d === 'u32') return v >>> 0
  return d === 'bool' ? (v ? 1 : 0) : v
}

const wide = (a: number, b: number, f: (a: bigint, b: bigint) => bigint): number => Number(
  BigInt.asIntN(32, f(BigInt(a), BigInt(b))),
)

function roundEven(v: number): number {
  if (!Number.isFinite(v) || Math.abs(v) >= 2 ** 52) return v
  const low = Math.floor(v)
  const rest = v - low
  const r = rest < 0.5 ? low : rest > 0.5 ? low + 1 : low % 2 === 0 ? low : low + 1
  return r === 0 && (v < 0 || Object.is(v, -0)) ? -0 : r
}

function scalar(op: string, d: DType, to: DType, [a, b, c]: number[]): number {
  const isInteger = d === 'i32' || d === 'u32'
  const arithmetic: { [op: string]: () => number } = {
    neg: () => -a, abs: () => Math.abs(a), sign: () => Math.sign(a), floor: () => Math.floor(a), ceil: () => Math.ceil(a),
    round: () => roundEven(a),
    sqrt: () => Math.sqrt(a), exp: () => Math.exp(a), expm1: () => Math.expm1(a), log: () => Math.log(a), log1p: () => Math.log1p(
      a,
    ),
    sin: () => Math.sin(a), cos: () => Math.cos(a), tanh: () => Math.tanh(a), pow: () => a ** b, atan2: () => Math.atan2(a, b),
    add: () => a + b, sub: () => a - b, mul: () => (isInteger ? wide(a, b, (x, y) => x * y) : a * b),
    div: () => (isInteger ? (b === 0 ? 0 : wide(a, b, (x, y) => x / y)) : a / b),
    rem: () => (isInteger ? (b === 0 ? 0 : wide(a, b, (x, y) => x % y)) : a % b),
    max: () => Math.max(a, b), min: () => Math.min(a, b),
    eq: () => Number(a === b), ne: () => Number(a !== b), lt: () => Number(a < b), le: () => Number(a <= b),
    gt: () => Number(a > b), ge: () => Number(a >= b),
    and: () => a & b, or: () => a | b, xor: () => a ^ b, not: () => (d === 'bool' ? Number(!a) : ~a), shl: () => a << b,
    shr: () => (d === 'u32' ? a >>> b : a >> b), select: () => (a ? b : c),
  }
  return round(arithmetic[op](), to)
}

function cast(v: number, from: DType, to: DType): number {
  if (to === 'bool') return Number(v !== 0)
  if ((from === 'f32' || from === 'f64') && (to === 'i32' || to === 'u32')) {
    const [low, high] = to === 'i32' ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1]
    return Number.isNaN(v) ? 0 : Math.trunc(Math.min(Math.max(v, low), high)) + 0
  }
  return round(v, to)
}

export function write(view: DataView, d: DType, at: number, v: number): void {
  if (d === 'f32') view.setFloat32(at, v, true)
  else if (d === 'f64') view.setFloat64(at, v, true)
  else if (d === 'i32') view.setInt32(at, v, true)
  else if (d === 'u32') view.setUint32(at, v, true)
  else if (isHalf(d)) view.setUint16(at, v, true)
  else view.setUint8(at, v)
}

function read(view: DataView, d: DType, at: number): number {
  if (d === 'f32') return view.getFloat32(at, true)
  if (d === 'f64') return view.getFloat64(at, true)
  if (d === 'i32') return view.getInt32(at, true)
  if (isHalf(d)) return view.getUint16(at, true)
  return d === 'u32' ? view.getUint32(at, true) : view.getUint8(at)
}

/** Word i of a Philox 4×32-10 stream. */
export function philox(i: number, k0: number, k1: number, stream: number): number {
  let c = [Math.floor(i / 4), 0, stream, 0].map((v) => BigInt(v >>> 0))
  let [a, b] = [BigInt(k0 >>> 0), BigInt(k1 >>> 0)]
  for (let r = 0; r < 10; r++) {
    const [p0, p1] = [0xd2511f53n * c[0], 0xcd9e8d57n * c[2]]
    c = [(p1 >> 32n) ^ c[1] ^ a, p1 & 0xffffffffn, (p0 >> 32n) ^ c[3] ^ b, p0 & 0xffffffffn]
    a = (a + 0x9e3779b9n) & 0xffffffffn
    b = (b + 0xbb67ae85n) & 0xffffffffn
  }
  return Number(c[i % 4])
}

const clamp = (v: number, limit: number): number => Math.max(0, Math.min(v, limit - 1))

function valueOf(e: Expr, k: LoweredKernel, view: DataView, at: readonly number[], core: number): number {
  const args = e.args.map((a) => valueOf(a, k, view, at, core))
  switch (e.kind) {
    case 'lit':
      return isHalf(e.dtype) ? halfBits(e.value, e.dtype) : e.value
    case 'core':
      return core
    case 'position':
      return round(evaluate(e.index, at), e.dtype)
    case 'random':
      return philox(evaluate(e.index, at), args[0], args[1], args[2])
    case 'load':
    case 'gather': {
      const shift = e.kind === 'gather' ? clamp(args[0], e.limit) * e.stride : 0
      return read(view, e.dtype, k.address(e.node) + (evaluate(e.index, at) + shift) * DTYPES[e.dtype].bytes)
    }
    case 'rarely':
      return args[0] ? e.routine.formula(numeric('declared'), { value: args[2], dtype: 'f32' }).value : args[1]
    case 'scalar': {
      const from = e.args[e.op === 'select' ? 1 : 0].dtype
      if (e.op === 'cast') return cast(args[0], from, e.dtype)
      if (e.op !== 'bitcast') return scalar(e.op, from, e.dtype, args)
      if (isHalf(from) || isHalf(e.dtype)) return args[0] // 16 bits, as a number
      write(bits, from, 0, args[0])
      return read(bits, e.dtype, 0)
    }
  }
}

// --- Loops -------------------------------------------------------------------------------------------------------------

function points(extents: Shape): number[][] {
  return extents.reduce<number[][]>((all, n) => all.flatMap((p) => Array.from({ length: n }, (_, i) => [...p, i])), [[]])
}

const START: { [C in Combine]: (d: DType) => number } = {
  sum: () => 0,
  prod: () => 1,
  max: (d) => (d === 'i32' ? -(2 ** 31) : d === 'u32' || d === 'bool' ? 0 : -Infinity),
  min: (d) => (d === 'i32' ? 2 ** 31 - 1 : d === 'u32' ? 2 ** 32 - 1 : d === 'bool' ? 1 : Infinity),
  argmax: () => 0,
  argmin: () => 0,
}

function fold(n: Nest, terms: readonly number[]): number {
  const [combine, d] = [n.combine!, n.value!.dtype]
  if (combine === 'argmax' || combine === 'argmin') {
    let best = 0
    terms.forEach((t, i) => {
      const b = terms[best]
      if (!Number.isNaN(b) && (Number.isNaN(t) || (combine === 'argmax' ? t > b : t < b))) best = i
    })
    return best
  }
  const op = { sum: 'add', prod: 'mul', max: 'max', min: 'min' }[combine]
  const join = (a: number, b: number): number => scalar(op, d, d, [a, b])
  if (orderOf(n) === 'sequential') return terms.reduce(join, START[combine](d))
  const last = n.reduced.at(-1)!
  const partial = [0, 0, 0, 0, 0]
  terms.forEach((t, i) => {
    const k = i % last < 4 * Math.floor(last / 4) ? (i % last) % 4 : 4
    partial[k] = join(partial[k], t)
  })
  return join(join(join(partial[0], partial[2]), join(partial[1], partial[3])), partial[4])
}

function storeAll(n: Nest, k: LoweredKernel, view: DataView, at: readonly number[], core: number): void {
  const values = n.stores.map((s) => valueOf(s.value, k, view, at, core))
  n.stores.forEach((s, i) => {
    let index = evaluate(s.index, at)
    if (s.indirect) index += clamp(valueOf(s.indirect.at, k, view, at, core), s.indirect.limit) * s.indirect.stride
    const address = s.address + index * DTYPES[s.dtype].bytes
    write(
      view,
      s.dtype,
      address,
      s.accumulate ? scalar('add', s.dtype, s.dtype, [read(view, s.dtype, address), values[i]]) : values[i],
    )
  })
}

/** `row`: where its first axes stand. */
function runNest(n: Nest, k: LoweredKernel, view: DataView, row: readonly number[]): void {
  for (const p of points(n.free).filter((at) => row.every((x, i) => at[i] === x))) {
    if (!n.value) {
      storeAll(n, k, view, p, 0)
      continue
    }
    const inner = points(n.reduced).map((r) => [...p, ...r])
    if (!n.running) {
      storeAll(n, k, view, p, fold(n, inner.map((at) => valueOf(n.value!, k, view, at, 0))))
      continue
    }
    let sum = 0
    for (const at of inner) {
      sum = scalar('add', n.value.dtype, n.value.dtype, [sum, valueOf(n.value, k, view, at, 0)])
      storeAll(n, k, view, at, sum)
    }
  }
}

/** What each function of the program leaves in memory. */
export function interpret(program: LoweredProgram, memory: ArrayBuffer): void {
  const view = new DataView(memory)
  for (const f of program.functions) for (const k of f.kernels) runKernel(k, view)
}

function runKernel(k: LoweredKernel, view: DataView): void {
  for (const row of points(k.rows ?? [])) for (const n of k.nests) runNest(n, k, view, row)
  if (!k.loop) return
  const { length, reverse, before, enter, body, leave, after } = k.loop
  const bytes = new Uint8Array(view.buffer)
  const move = (list: typeof before, t: number): void => {
    for (const m of list) bytes.copyWithin(m.to + t * m.toStep, m.from + t * m.fromStep, m.from + t * m.fromStep + m.bytes)
  }
  move(before, 0)
  for (const t of Array.from({ length }, (_, i) => (reverse ? length - 1 - i : i))) {
    move(enter, t)
    for (const inner of body) runKernel(inner, view)
    move(leave, t)
  }
  move(after, 0)
}

// --- Modules -----------------------------------------------------------------------------------------------------------

/** The host functions by their emitted text. */
export function hostFunctions(names: readonly string[]): WebAssembly.ModuleImports {
  return Object.fromEntries(names.map((n) => [n, new Function(`return ${hostText(n)}`)() as Function]))
}

/** An instance of the emitted module, with `memory` copied into its memory. */
export function instantiate(program: LoweredProgram, memory: ArrayBuffer): { run: () => void; bytes: Uint8Array } {
  const { bytes, imports } = emitWasm(program)
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { [HOST_MODULE]: hostFunctions(imports) })
  const view = new Uint8Array((exports.memory as WebAssembly.Memory).buffer)
  view.set(new Uint8Array(memory))
  return {
    run: () => program.functions.forEach((_, i) => (exports[`f${i}`] as Function)()),
    bytes: view.subarray(0, memory.byteLength),
  }
}

/** Random contents: small numbers, special ones now and then. */
export function fill(b: Bench, program: LoweredProgram, seed: number, special = 0): ArrayBuffer {
  const memory = new ArrayBuffer(program.memoryBytes)
  const view = new DataView(memory)
  const SPECIAL: { [D in DType]?: number[] } = {
    f32: [NaN, Infinity, -Infinity, 0, -0, 1e-42, 3e38, 0.5, 2.5, -1.5],
    f64: [NaN, Infinity, -Infinity, 0, -0, 5e-324, 1e308, 0.5, 2.5, -1.5],
    i32: [0, -1, 1, -(2 ** 31), 2 ** 31 - 1, 33],
    u32: [0, 1, 2 ** 32 - 1, 2 ** 31, 33],
  }
  b.buffers.forEach(({ node, address, length }, k) => {
    const d = node.dtype
    for (let i = 0; i < length; i++) {
      const word = philox(i, seed, k, 7)
      const specials = SPECIAL[d]
      let v = ((word % 20001) - 10000) / 1024
      if (d === 'u32') v = word % 100
      else if (d === 'i32') v = (word % 200) - 100
      else if (d === 'bool') v = word & 1
      else if (isHalf(d)) v = word & 0xffff
      if (specials && philox(i, seed, k, 8) / 2 ** 32 < special) v = specials[word % specials.length]
      write(view, d, address + i * DTYPES[d].bytes, v)
    }
  })
  return memory
}

/** Differences between two memories, buffer by buffer; all NaNs are one. */
export function differences(b: Bench, got: Uint8Array, want: Uint8Array): string[] {
  const [g, w] = [got, want].map((m) => new DataView(m.buffer, m.byteOffset, m.byteLength))
  const found: string[] = []
  for (const { node, address, length } of b.buffers) {
    for (let i = 0; i < length; i++) {
      const at = address + i * DTYPES[node.dtype].bytes
      const [x, y] = [read(g, node.dtype, at), read(w, node.dtype, at)]
      if (!Object.is(x, y)) found.push(`${node.dtype} buffer ${node.id} [${i}]: got ${x}, want ${y}`)
    }
  }
  return found
}

/** Emits, runs and compares with the interpreter, all memory included. */
export function disagreements(b: Bench, program: LoweredProgram, seed = 1, special = 0): string[] {
  const memory = fill(b, program, seed, special)
  const wasm = instantiate(program, memory)
  wasm.run()
  interpret(program, memory)
  return differences(b, wasm.bytes, new Uint8Array(memory))
}

/** The property of nests that are built at random: the emitter agrees with the interpreter. */
export const agree = ({ b, n }: { b: Bench; n: Nest }, seed: number): void => {
  const found = disagreements(b, b.program(n), seed)
  if (found.length) throw new Error(found.join('\n'))
}
