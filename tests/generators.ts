import fc from 'fast-check'
import { Builder } from '../src/ir/builder.ts'
import type { Attrs, Graph, Init, Node } from '../src/ir/graph.ts'
import { halfBits, isHalf } from '../src/ir/half.ts'
import { loop } from '../src/ir/loop.ts'
import { isOp, ops } from '../src/ir/ops/index.ts'
import { DTYPES, sizeOf, type DType, type Shape, type TypedArray } from '../src/ir/types.ts'
import { randomCustom, randomScan } from './random-loops.ts'

/** One op applied to operands, as a function with named inputs and their values. */
export interface Sample {
  readonly builder: Builder
  readonly graph: Graph
  /** The op's own node: the one result, `y`. */
  readonly node: Node
  readonly inputs: Readonly<Record<string, TypedArray>>
  readonly states: Readonly<Record<string, TypedArray>>
}

/** Which operands to draw. */
export interface Draw {
  /** Values away from kinks, ties and poles, floats in f64: for differences. */
  readonly smooth?: boolean
  /** Mixes NaN, infinities, zeros of both signs, denormals and extremes into the values. */
  readonly special?: boolean
}

/** A pseudo-random stream (mulberry32), so that values need no entropy of their own and shapes shrink. */
export function stream(seed: number): () => number {
  let s = seed >>> 0
  return () => {
    s = (s + 0x6d2b79f5) >>> 0
    let t = Math.imul(s ^ (s >>> 15), s | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

type Domain = (u: number, v: number) => number
const signed = (low: number, high: number): Domain => (u, v) => (low + u * (high - low)) * (v < 0.5 ? -1 : 1)
const between = (low: number, high: number): Domain => (u) => low + u * (high - low)
const fractional: Domain = (u, v) => Math.floor(v * 6) - 3 + 0.2 + 0.6 * u
const GENERAL = signed(0.1, 3)

const SPECIAL: { readonly [K in 'float' | 'int' | 'bool']: readonly number[] } = {
  float: [NaN, Infinity, -Infinity, 0, -0, 1e-45, -1e-45, 1.1754944e-38, 3.4028235e38, -3.4028235e38, 1, -1, 0.5, 2 ** 31, -(2 ** 31), 2.5],
  int: [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 31, 32, 33],
  bool: [0, 1],
}

/** What the values of one op's operands look like, and which attributes it gets. */
interface Recipe {
  readonly dtypes: readonly DType[]
  /** One an operand. */
  readonly domains?: readonly Domain[]
  readonly build?: (c: Context) => Node
}

const ZEROS: Init = (b, type) => b.zeros(type)

/** What a recipe draws from. */
export class Context {
  readonly builder = new Builder()
  readonly inputs: Record<string, TypedArray> = {}
  readonly states: Record<string, TypedArray> = {}
  readonly op: string
  readonly shape: Shape
  readonly dtype: DType
  readonly draw: Draw
  readonly next: () => number
  constructor(op: string, shape: Shape, dtype: DType, seed: number, draw: Draw) {
    this.op = op
    this.shape = shape
    this.dtype = dtype
    this.draw = draw
    this.next = stream(seed)
  }

  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  values(size: number, dtype: DType, domain: Domain): TypedArray {
    const array = new DTYPES[dtype].array(size)
    const { kind } = DTYPES[dtype]
    for (let i = 0; i < size; i++) {
      const [u, v, w] = [this.next(), this.next(), this.next()]
      const special = this.draw.special && w < 0.4
      const value = special ? SPECIAL[kind][Math.floor(u * SPECIAL[kind].length)] : kind === 'bool' ? Number(u < 0.5) : domain(u, v)
      array[i] = isHalf(dtype) ? halfBits(value, dtype) : kind === 'int' && !special ? Math.trunc(value * 3) : value
    }
    return array
  }

  input(shape: Shape, dtype: DType = this.dtype, domain: Domain = GENERAL): Node {
    const name = 'abcdefghijkl'[Object.keys(this.inputs).length]
    this.inputs[name] = this.values(sizeOf(shape), dtype, domain)
    return this.builder.input(name, { dtype, shape })
  }

  state(name: string, shape: Shape, trainable = false): Node {
    this.states[name] = this.values(sizeOf(shape), this.dtype, GENERAL)
    return this.builder.state({ name, dtype: this.dtype, shape, init: ZEROS, trainable, owner: this })
  }

  /** An input of this shape, or a view of one: flipped (negative strides), permuted, stretched (stride 0), every second element. */
  operand(shape: Shape = this.shape, dtype: DType = this.dtype, domain: Domain = GENERAL): Node {
    const b = this.builder
    const axes = shape.map((_, i) => i)
    switch (shape.length ? this.int(0, 5) : 0) {
      case 1:
        return b.make('flip', [this.input(shape, dtype, domain)], { axes: axes.filter(() => this.next() < 0.6) })
      case 2: {
        const perm = [...axes].reverse()
        return b.make('permute', [this.input(perm.map((p) => shape[p]), dtype, domain)], { perm })
      }
      case 3:
        return b.make('broadcast', [this.input(shape.map((d) => (this.next() < 0.5 ? 1 : d)), dtype, domain)], { shape })
      case 4:
        return b.make('slice', [this.input(shape.map((d) => 2 * d + 1), dtype, domain)], { start: axes.map(() => 1), size: shape, step: axes.map(() => 2) })
      default:
        return this.input(shape, dtype, domain)
    }
  }

  make(operands: readonly Node[], attrs: Attrs = {}): Node {
    return this.builder.make(this.op, operands, attrs)
  }
}

const FLOATS: readonly DType[] = ['f32', 'f64']
const NUMBERS: readonly DType[] = ['f32', 'f64', 'i32', 'u32']
const ALL: readonly DType[] = [...NUMBERS, 'bool']
/** What can be kept and moved; f16 and bf16 are not computed with. */
const STORED: readonly DType[] = [...ALL, 'f16', 'bf16']
const LOGICAL: readonly DType[] = ['i32', 'u32', 'bool']
const INTS: readonly DType[] = ['i32', 'u32']

const one = (dtypes: readonly DType[], domain: Domain = GENERAL): Recipe => ({ dtypes, domains: [domain] })
const two = (dtypes: readonly DType[], x: Domain = GENERAL, y: Domain = GENERAL): Recipe => ({ dtypes, domains: [x, y] })
const by = (dtypes: readonly DType[], build: (c: Context) => Node): Recipe => ({ dtypes, build })

const axisOf = (c: Context): number => c.int(0, c.shape.length - 1)
const ranked = (c: Context): Shape => (c.shape.length ? c.shape : [c.int(1, 5)])
const full = (shape: Shape): Shape => shape.map((d) => Math.max(d, 1))
const reduce = (nonEmpty: boolean, exactlyOne: boolean, dtypes: readonly DType[] = NUMBERS): Recipe =>
  by(dtypes, (c) => {
    const shape = nonEmpty ? full(ranked(c)) : ranked(c)
    const axes = exactlyOne ? [c.int(0, shape.length - 1)] : shape.map((_, i) => i).filter(() => c.next() < 0.6)
    return c.make([c.operand(shape, c.dtype, c.op === 'prod' ? signed(0.5, 1.5) : GENERAL)], { axes })
  })

/** Windows that fit: shape of what they slide over, and attributes. */
function windows(c: Context): { shape: Shape; attrs: Attrs; patches: Shape } {
  const rank = Math.min(3, Math.max(1, c.shape.length))
  const axes = Array.from({ length: rank }, (_, i) => i).filter((i) => i === 0 || c.next() < 0.7)
  const [size, stride, dilation] = [axes.map(() => c.int(1, 3)), axes.map(() => c.int(1, 3)), axes.map(() => c.int(1, 2))]
  const positions = axes.map(() => c.int(1, 4))
  const shape = Array.from({ length: rank }, (_, a) => {
    const i = axes.indexOf(a)
    return i < 0 ? c.int(1, 5) : (positions[i] - 1) * stride[i] + (size[i] - 1) * dilation[i] + 1 + c.int(0, stride[i] - 1)
  })
  return { shape, attrs: { axes, size, stride, dilation }, patches: [...shape.map((d, a) => (axes.includes(a) ? positions[axes.indexOf(a)] : d)), ...size] }
}

const SPECS = ['ik,kj->ij', 'ik,jk->ij', 'ki,kj->ij', 'bik,bkj->bij', 'i,j->ij', 'i,i->', 'k,kj->j', 'bhqd,bhkd->bhqk', 'ij,ij->ij', 'ik,kj->ji', 'abk,kcd->acbd', 'ikl,jkl->ij']

/** Every op's recipe. An op that is missing here fails the suite. */
const RECIPES: { readonly [op: string]: Recipe } = {
  input: by(STORED, (c) => c.input(c.shape)),
  state: by(STORED, (c) => c.state('s', c.shape)),
  constant: by(STORED, (c) => c.builder.constant(c.values(sizeOf(c.shape), c.dtype, GENERAL), { dtype: c.dtype, shape: c.shape })),
  literal: by(STORED, (c) => c.builder.literal(c.values(1, c.dtype, GENERAL)[0], { dtype: c.dtype, shape: c.shape })),
  iota: by(NUMBERS, (c) => c.builder.iota(ranked(c), c.int(0, ranked(c).length - 1), c.dtype)),
  neg: one(NUMBERS), abs: one(NUMBERS), sign: one(NUMBERS), floor: one(FLOATS, fractional), ceil: one(FLOATS, fractional), round: one(FLOATS, (u, v) => Math.floor(v * 6) - 3 + 0.4 * u),
  exp: one(FLOATS), expm1: one(FLOATS), log: one(FLOATS, between(0.1, 4)), log1p: one(FLOATS, between(-0.8, 3)), sqrt: one(FLOATS, between(0.1, 4)), rsqrt: one(FLOATS, between(0.2, 4)),
  sin: one(FLOATS), cos: one(FLOATS), tanh: one(FLOATS), sigmoid: one(FLOATS), erf: one(FLOATS),
  normalPdf: one(FLOATS), normalCdf: one(FLOATS), gelu: one(FLOATS), silu: one(FLOATS), geluTanh: one(FLOATS), not: one(LOGICAL), stopGradient: one(STORED),
  cast: by(STORED, (c) => c.make([c.operand()], { to: c.draw.smooth ? 'f64' : STORED[c.int(0, STORED.length - 1)] })),
  bitcast: by(['f32', 'i32', 'u32'], (c) => c.make([c.operand()], { to: (['f32', 'i32', 'u32'] as const)[c.int(0, 2)] })),
  add: two(NUMBERS), sub: two(NUMBERS), mul: two(NUMBERS), div: two(NUMBERS, GENERAL, signed(0.5, 2)), rem: two(NUMBERS, signed(0.2, 0.9), signed(1, 2)),
  pow: two(FLOATS, between(0.2, 3), signed(0.1, 2)), max: two(NUMBERS), min: two(NUMBERS), atan2: two(FLOATS),
  eq: two(ALL), ne: two(ALL), lt: two(NUMBERS), le: two(NUMBERS), gt: two(NUMBERS), ge: two(NUMBERS),
  and: two(LOGICAL), or: two(LOGICAL), xor: two(LOGICAL), shl: two(INTS), shr: two(INTS),
  select: by(ALL, (c) => c.make([c.operand(c.shape, 'bool'), c.operand(), c.operand()])),
  reshape: by(STORED, (c) => c.make([c.operand()], { shape: [[sizeOf(c.shape)], [1, sizeOf(c.shape), 1], [...c.shape].reverse()][c.int(0, 2)] })),
  permute: by(STORED, (c) => c.make([c.operand()], { perm: c.shape.map((_, i) => (i + 1) % c.shape.length) })),
  broadcast: by(STORED, (c) => c.make([c.operand(c.shape.map((d) => (c.next() < 0.5 ? 1 : d)))], { shape: c.shape })),
  slice: by(STORED, (c) => {
    const step = c.shape.map(() => c.int(1, 3))
    const start = c.shape.map(() => c.int(0, 2))
    return c.make([c.operand(c.shape.map((d, i) => start[i] + d * step[i] + c.int(0, 1)))], { start, size: c.shape, step })
  }),
  flip: by(STORED, (c) => c.make([c.operand()], { axes: c.shape.map((_, i) => i).filter(() => c.next() < 0.7) })),
  pad: by(STORED, (c) => {
    const some = (): number[] => c.shape.map(() => c.int(0, 2))
    return c.make([c.operand()], { low: some(), high: some(), interior: some(), value: c.dtype === 'bool' ? 1 : c.int(0, 2) })
  }),
  concat: by(STORED, (c) => {
    const shape = ranked(c)
    const axis = c.int(0, shape.length - 1)
    return c.make(Array.from({ length: c.int(1, 3) }, () => c.operand(shape.map((d, i) => (i === axis ? c.int(0, 4) : d)))), { axis })
  }),
  window: by(STORED, (c) => {
    const w = windows(c)
    return c.make([c.operand(w.shape)], w.attrs)
  }),
  sum: reduce(false, false), prod: reduce(false, false), reduceMax: reduce(true, false), reduceMin: reduce(true, false), argmax: reduce(true, true), argmin: reduce(true, true),
  cumsum: by(NUMBERS, (c) => c.make([c.operand(ranked(c))], { axis: c.shape.length ? axisOf(c) : 0 })),
  contract: by(NUMBERS, (c) => {
    const spec = SPECS[c.int(0, SPECS.length - 1)]
    const extent = new Map<string, number>()
    const shapes = spec.split('->')[0].split(',').map((l) => [...l].map((x) => extent.get(x) ?? (extent.set(x, c.next() < 0.05 ? 0 : c.int(1, c.next() < 0.3 ? 19 : 5)), extent.get(x)!)))
    return c.make(shapes.map((s) => c.operand(s)), { spec })
  }),
  gather: by(STORED, (c) => {
    const shape = full(ranked(c))
    const axis = c.int(0, shape.length - 1)
    return c.make([c.operand(shape), c.operand(c.next() < 0.3 ? [] : [c.int(1, 4)], 'i32', signed(0, 2))], { axis })
  }),
  scatterAdd: by(NUMBERS, (c) => {
    const shape = full(ranked(c))
    const axis = c.int(0, shape.length - 1)
    const index = c.operand([c.int(1, 5)], 'i32', signed(0, 2))
    return c.make([c.operand(shape), index, c.operand([...shape.slice(0, axis), ...index.shape, ...shape.slice(axis + 1)])], { axis })
  }),
  overlapAdd: by(NUMBERS, (c) => {
    const w = windows(c)
    return c.make([c.operand(w.patches)], { ...w.attrs, shape: w.shape })
  }),
  randomBits: by(['u32'], (c) => c.make([c.input([2], 'u32'), c.input([], 'u32')], { shape: c.shape })),
  scan: by(STORED, randomScan),
  custom: by(ALL, randomCustom),
}

/** Ops that a function can be made of. What has no loops at all exists only while derivatives are taken. */
export const computed = (): string[] => ops().filter((d) => d.lowering.kind !== 'opaque').map((d) => d.name)

/** Ops of the table that have no recipe, and recipes of no op: both must be empty. */
export const unmatched = (): string[] => [...computed().filter((n) => !Object.hasOwn(RECIPES, n)), ...Object.keys(RECIPES).filter((n) => !isOp(n))]

const shapes = (smooth: boolean): fc.Arbitrary<number[]> => {
  const small = fc.constantFrom(1, 2, 3, 4, 5)
  return smooth ? fc.array(small, { maxLength: 3 }) : fc.array(fc.oneof({ weight: 8, arbitrary: small }, { weight: 3, arbitrary: fc.constantFrom(8, 9, 17, 20) }, { weight: 1, arbitrary: fc.constant(0) }), { maxLength: 3 })
}

/** Draws one op with operands of random shapes: empty, single, broadcast, flipped, strided among them. */
export function generatorOf(op: string, draw: Draw = {}): fc.Arbitrary<Sample> {
  if (!Object.hasOwn(RECIPES, op)) throw new Error(`op ${op} has no generator: add a recipe to tests/generators.ts`)
  const recipe = RECIPES[op]
  const dtypes = draw.smooth ? recipe.dtypes.filter((d) => d === 'f64') : recipe.dtypes
  return fc.record({ shape: shapes(draw.smooth ?? false), dtype: fc.constantFrom(...dtypes), seed: fc.nat() }).map(({ shape, dtype, seed }) => {
    const c = new Context(op, shape, dtype, seed, draw)
    const node = recipe.build ? recipe.build(c) : c.make(recipe.domains!.map((d) => c.operand(shape, dtype, d)))
    return sampleOf(c, node)
  })
}

function sampleOf(c: Context, node: Node): Sample {
  const { builder, inputs, states } = c
  const graph: Graph = { name: 'f', builder, inputs: builder.inputs, states: builder.states, results: [{ name: 'y', node }], updates: [] }
  return { builder, node, inputs, states, graph }
}

/** Ops that a gradient flows through: those with a derivative that take f64. */
export const differentiable = (): string[] =>
  ops().filter((d) => d.derivative === undefined && d.lowering.kind !== 'leaf' && d.lowering.kind !== 'opaque' && (RECIPES[d.name]?.dtypes.includes('f64') ?? true)).map((d) => d.name)

/** Ops of whose tangent nothing is known but its transpose: forward mode refuses them. */
export const reverseOnly = (op: string): boolean => op === 'custom'

/** A random function of f32 inputs and states, with its values. */
export interface Program {
  readonly graph: Graph
  readonly inputs: Readonly<Record<string, TypedArray>>
  readonly states: Readonly<Record<string, TypedArray>>
}

const TAME = ['tanh', 'sigmoid', 'sin', 'neg', 'abs', 'cos'] as const
const JOINING = ['add', 'sub', 'mul', 'max', 'min'] as const
const COMPARING = ['lt', 'le', 'gt', 'ge'] as const

/** One more value from those there are: ops that keep values small, so that rounding does not grow. */
function grow(c: Context, pool: Node[], b: Builder = c.builder, depth = 0): Node {
  const x = pool[c.int(0, pool.length - 1)]
  const axes = x.shape.map((_, i) => i)
  const fits = pool.filter((y) => y.shape.length === x.shape.length && y.shape.every((d, i) => d === x.shape[i]))
  const y = fits[c.int(0, fits.length - 1)]
  const bounded = (n: Node): Node => b.make('tanh', [n])
  const half = (n: Node): Node => b.make('mul', [n, b.literal(0.5, n)])
  switch (c.int(0, 18)) {
    case 0: case 1:
      return b.make(TAME[c.int(0, TAME.length - 1)], [x])
    case 2: case 3: case 4:
      return b.make(JOINING[c.int(0, JOINING.length - 1)], [x, y])
    case 5:
      return b.make('select', [b.make(COMPARING[c.int(0, 3)], [x, b.literal(0.1, x)]), x, half(y)])
    case 6: {
      if (!axes.length) return half(x)
      const axis = c.int(0, axes.length - 1)
      const total = b.make(c.next() < 0.5 || x.shape[axis] === 0 ? 'sum' : 'reduceMax', [x], { axes: [axis] })
      const kept = b.make('reshape', [total], { shape: x.shape.map((d, i) => (i === axis ? 1 : d)) })
      return c.next() < 0.5 ? bounded(total) : b.make('sub', [x, b.make('broadcast', [bounded(kept)], { shape: x.shape })])
    }
    case 7:
      return b.make('permute', [x], { perm: [...axes].reverse() })
    case 8:
      return b.make('flip', [x], { axes: axes.filter(() => c.next() < 0.5) })
    case 9:
      return b.make('reshape', [x], { shape: c.next() < 0.5 ? [sizeOf(x.shape)] : [1, ...x.shape] })
    case 10:
      return b.make('pad', [x], { low: axes.map(() => c.int(0, 1)), high: axes.map(() => c.int(0, 1)), interior: axes.map(() => 0), value: 0 })
    case 11:
      return axes.length ? b.make('concat', [x, y], { axis: c.int(0, axes.length - 1) }) : x
    case 12:
      return b.make('slice', [x], { start: axes.map(() => 0), size: x.shape.map((d) => Math.ceil(d / 2)), step: axes.map((i) => (x.shape[i] > 1 ? 2 : 1)) })
    case 13: case 14: {
      if (axes.length < 2) return axes.length ? b.make('contract', [x, bounded(y)], { spec: 'i,j->ij' }) : half(x)
      const rest = 'abcd'.slice(0, axes.length - 2)
      return bounded(b.make('contract', [x, half(y)], { spec: `${rest}ik,${rest}jk->${rest}ij` }))
    }
    case 15:
      return axes.length && x.shape[0] > 0 ? b.make('gather', [x, b.iota([3], 0)], { axis: 0 }) : half(x)
    case 16: {
      if (!axes.length || x.shape[0] < 2) return half(x)
      const attrs = { axes: [0], size: [2], stride: [1], dilation: [1] }
      const patches = b.make('window', [x], attrs)
      return c.next() < 0.5 ? bounded(b.make('overlapAdd', [patches], { ...attrs, shape: x.shape })) : half(patches)
    }
    case 17:
      return depth < 2 ? growLoop(c, pool, b, depth + 1) : half(x)
    default:
      return axes.length ? bounded(b.make('cumsum', [x], { axis: c.int(0, axes.length - 1) })) : bounded(x)
  }
}

/** A loop over values there are, with a body of the same kind; all its results join the pool. */
function growLoop(c: Context, pool: Node[], b: Builder, depth: number): Node {
  const draw = (): Node => pool[c.int(0, pool.length - 1)]
  const carries = Array.from({ length: c.int(0, 2) }, draw)
  const first = pool.find((n) => n.shape.length > 0)
  const scanned = first && (c.next() < 0.8 || !carries.length) ? [first, draw()].filter((n) => n.shape[0] === first.shape[0]) : []
  const captured = [draw()]
  if (!carries.length && !scanned.length) carries.push(draw())
  const own = new Builder()
  const types = [...carries, ...scanned.map((n) => ({ dtype: n.dtype, shape: n.shape.slice(1) })), ...captured]
  const inputs = types.map((type, i) => ({ name: `a${i}`, node: own.input(`a${i}`, type) }))
  const inside = inputs.map((i) => i.node)
  for (let i = c.int(1, 5); i > 0; i--) {
    const next = grow(c, inside, own, depth)
    if (sizeOf(next.shape) <= 256 && next.shape.length <= 3) inside.push(next)
  }
  const like = (x: Node): Node => inside.filter((n) => n.shape.join() === x.shape.join() && n.shape.length === x.shape.length).at(-1)!
  const results = [...carries.map((x) => own.make('tanh', [like(x)])), inside.at(-1)!, inside[c.int(0, inside.length - 1)]]
  const body: Graph = { name: 'body', builder: own, inputs, states: [], results: results.map((node, i) => ({ name: `r${i}`, node })), updates: [] }
  const made = loop(b, { body, carries, scanned, captured, length: scanned.length ? scanned[0].shape[0] : c.int(1, 3), reverse: c.next() < 0.5 })
  pool.push(...made.filter((n) => sizeOf(n.shape) <= 1024 && n.shape.length <= 4))
  return made[c.int(0, made.length - 1)]
}

/** Draws a whole function: a few inputs and states, `size` ops, several results, and updates of the states. */
export const arbitraryGraph = ({ size = 24 }: { readonly size?: number } = {}): fc.Arbitrary<Program> =>
  fc.record({ shape: fc.array(fc.constantFrom(1, 2, 3, 4, 5, 8, 17), { minLength: 1, maxLength: 3 }), seed: fc.nat(), steps: fc.integer({ min: 1, max: size }) }).map(({ shape, seed, steps }) => {
    const c = new Context('add', shape, 'f32', seed, {})
    const names = ['w', 'm'].filter(() => c.next() < 0.7)
    const states = names.map((name) => c.state(name, shape, true))
    const pool: Node[] = [c.operand(), c.operand(shape.slice(-1)), ...states]
    for (let i = 0; i < steps; i++) {
      const next = grow(c, pool)
      if (sizeOf(next.shape) <= 4096 && next.shape.length <= 4) pool.push(next)
    }
    const same = pool.filter((n) => n.shape.length === shape.length && n.shape.every((d, i) => d === shape[i]))
    const pick = (from: readonly Node[]): Node => from[c.int(Math.floor(from.length / 2), from.length - 1)]
    const results = [pool.at(-1)!, pick(pool), pick(pool)].map((node, i) => ({ name: `r${i}`, node }))
    const updates = names.map((name) => ({ name, node: pick(same) }))
    const { builder, inputs } = c
    return { graph: { name: 'f', builder, inputs: builder.inputs, states: builder.states, results, updates }, inputs, states: c.states }
  })
