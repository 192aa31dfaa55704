// f16 and bf16 in loops: the same bits in the evaluator, in JavaScript, in WebAssembly and in the interpreter of nests.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { evaluate } from '../../src/ir/evaluate.ts'
import type { Graph, Node } from '../../src/ir/graph.ts'
import { halfBits, halfValue, type HalfType } from '../../src/ir/half.ts'
import * as g from '../../src/ir/lang/index.ts'
import type { DType, TypedArray } from '../../src/ir/types.ts'
import { vjp } from '../../src/passes/differentiate/gradient.ts'
import { stream } from '../generators.ts'
import { Machine, sameBits, type Arrays, type Target } from './run.ts'
import { runs } from './wasm-generators.ts'

const TYPES: readonly HalfType[] = ['f16', 'bf16']
const TARGETS: readonly Target[] = ['js', 'wasm', 'nests']

/** A graph of one result, and the type of each input. */
function graphOf(inputs: Readonly<Record<string, readonly [DType, ...number[]]>>, body: (x: Record<string, Node>) => Node): Graph {
  const b = new Builder()
  const nodes = Object.fromEntries(Object.entries(inputs).map(([name, [dtype, ...shape]]) => [name, b.input(name, { dtype, shape })]))
  return { name: 'f', builder: b, inputs: b.inputs, states: [], updates: [], results: [{ name: 'y', node: body(nodes) }] }
}

/** Runs on these targets, which must agree with the evaluator in every bit; gives the result. */
function same(graph: Graph, inputs: Arrays, targets: readonly Target[] = TARGETS): TypedArray {
  const machine = new Machine(graph)
  const want = evaluate(graph, { inputs }).results.y
  for (const target of targets) {
    const got = machine.run(target, { inputs }).results.y
    if (sameBits(got, want)) continue
    const at = Array.from(want).findIndex((w, i) => !Object.is(w, got[i]))
    expect.unreachable(`${target}: element ${at} is ${got[at]}, not ${want[at]}`)
  }
  return want
}

const f32 = new Float32Array(1)
const word = new Uint32Array(f32.buffer)
/** The f32 of these bits. */
const ofBits = (bits: number): number => ((word[0] = bits), f32[0])
const bitsOf = (value: number): number => ((f32[0] = value), word[0])

const all = Uint16Array.from({ length: 65536 }, (_, i) => i)

/** Every number of the type as f32, every tie between two of them, what lies next to both, and random words. */
function edges(dtype: HalfType): Float32Array {
  const words: number[] = []
  const infinity = dtype === 'f16' ? 0x7c00 : 0x7f80
  for (let b = 0; b < infinity; b++) {
    const value = bitsOf(halfValue(b, dtype))
    // The tie above it: for bf16 the next bit of the word; for f16, denormals included, the mean, which is an f32.
    const beyond = b + 1 === infinity ? 65536 : halfValue(b + 1, dtype)
    const tie = dtype === 'bf16' ? value | 0x8000 : bitsOf((halfValue(b, dtype) + beyond) / 2)
    for (const w of [value, tie - 1, tie, tie + 1]) words.push(w, w | 0x80000000)
  }
  const next = stream(7)
  for (let i = 0; i < 20_000; i++) words.push(Math.floor(next() * 2 ** 32))
  words.push(0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff, 0x7f7fffff, 1, 0x80000001, 0x007fffff)
  const array = new Float32Array(words.length)
  new Uint32Array(array.buffer).set(words.map((w) => w >>> 0))
  return array
}

describe.each(TYPES)('%s', (dtype) => {
  test('all 65536 patterns widen to the same f32, in lanes and one by one', () => {
    const wide = same(graphOf({ x: [dtype, 65536] }, ({ x }) => g.cast(x, 'f32')), { x: all })
    expect([0, 1, 0x3c00, 0x3f80, 0x8000].map((b) => wide[b])).toEqual([0, 1, 0x3c00, 0x3f80, 0x8000].map((b) => halfValue(b, dtype)))
    // A step of 5 and a rest of 1: no vector of neighbours.
    same(graphOf({ x: [dtype, 65536] }, ({ x }) => g.cast(g.slice(x, { step: 5 }), 'f32')), { x: all }, ['js', 'wasm'])
    same(graphOf({ x: [dtype, 65536] }, ({ x }) => g.cast(x, 'f64')), { x: all }, ['js', 'wasm'])
    same(graphOf({ x: [dtype, 65536] }, ({ x }) => g.cast(x, 'i32')), { x: all }, ['js', 'wasm'])
    same(graphOf({ x: [dtype, 65536] }, ({ x }) => g.cast(x, 'bool')), { x: all }, ['js', 'wasm'])
  })

  test('f32 is rounded alike: numbers, ties, their neighbours, denormals, infinities, NaNs, random words', () => {
    const x = edges(dtype)
    const y = same(graphOf({ x: ['f32', x.length] }, ({ x: v }) => g.cast(v, dtype)), { x }, ['js', 'wasm'])
    // The evaluator rounds by another algorithm, which tests/ir/half.test.ts holds; here a few by hand.
    expect([...y.subarray(-10)]).toEqual([Infinity, -Infinity, NaN, NaN, NaN, NaN, ofBits(0x7f7fffff), 0, -0, ofBits(0x007fffff)].map((v) => halfBits(v, dtype)))
    const few = x.filter((_, i) => i % 997 < 3)
    same(graphOf({ x: ['f32', few.length] }, ({ x: v }) => g.cast(v, dtype)), { x: few })
    // Single values: f64 has no lanes, and a column of 3 is stepped through.
    same(graphOf({ x: ['f32', 3, 5] }, ({ x: v }) => g.cast(g.transpose(v), dtype)), { x: x.slice(-15) })
  })

  test('NaNs that are computed are one NaN', () => {
    const graph = graphOf({ x: ['f32', 5] }, ({ x }) => g.cast(g.sub(x, x), dtype))
    expect([...same(graph, { x: Float32Array.of(Infinity, 1, -Infinity, NaN, 2) })]).toEqual([NaN, 0, NaN, NaN, 0].map((v) => halfBits(v, dtype)))
  })

  test('f64 and integers are rounded once', () => {
    const doubles: number[] = [1e300, -1e300, 5e-324, -0, NaN, Infinity, 65519.99999999999, 65520, 3.3961775292304e38, 3.4028235677973366e38]
    for (let b = 1; b < (dtype === 'f16' ? 0x7bff : 0x7f7f); b += 97) {
      const tie = (halfValue(b, dtype) + halfValue(b + 1, dtype)) / 2
      for (const by of [0, 2 ** -50, -(2 ** -50), 2 ** -25, -(2 ** -25), 2 ** -24]) doubles.push(tie * (1 + by), -tie * (1 + by))
    }
    same(graphOf({ x: ['f64', doubles.length] }, ({ x }) => g.cast(x, dtype)), { x: doubles })
    const next = stream(3)
    const words = Array.from({ length: 2000 }, () => Math.floor(next() * 2 ** 32) >> Math.floor(next() * 31))
    for (let e = 8; e < 31; e++) for (const by of [-1, 0, 1]) words.push(2 ** e + 2 ** (e - 8) + by, -(2 ** e + 2 ** (e - 8) + by))
    words.push(2 ** 31 - 1, -(2 ** 31), 65519, 65520)
    for (const from of ['i32', 'u32'] as const) {
      const x = from === 'i32' ? Int32Array.from(words) : Uint32Array.from(words)
      same(graphOf({ x: [from, x.length] }, ({ x: n }) => g.cast(n, dtype)), { x })
    }
    same(graphOf({ x: ['bool', 5] }, ({ x }) => g.cast(x, dtype)), { x: [0, 1, 1, 0, 1] })
    same(graphOf({ x: [dtype, 65536] }, ({ x }) => g.cast(x, dtype === 'f16' ? 'bf16' : 'f16')), { x: all }, ['js', 'wasm'])
  })

  test('views, pads, concatenations and gathers move the bits, of NaNs too', () => {
    const shape = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 9 }))
    const moves: readonly ((x: Node, at: Node) => Node)[] = [
      (x) => g.transpose(x), (x) => g.flip(x), (x) => g.flip(x, 1), (x) => g.reshape(x, [x.shape[0] * x.shape[1]]),
      (x) => g.pad(x, [[1, 0], [0, 2]], 1 / 3), (x) => g.pad(g.transpose(x), [[0, 1, 1], [2, 0]], -Infinity), (x) => g.concat([x, g.flip(x)], 1),
      (x) => g.concat([g.transpose(x), g.transpose(x)], 0), (x) => g.broadcastTo(x, [3, ...x.shape]), (x) => g.slice(x, null, { step: 2 }),
      (x, at) => g.gather(x, at, { axis: 0 }), (x, at) => g.gather(x, at, { axis: 1 }), (x, at) => g.gather(g.transpose(x), at, { axis: 1 }),
      (x) => g.concat([x, g.onesLike(x)], 0), (x) => g.stopGradient(g.transpose(x)), (x) => g.window(x, { axes: [1], size: [1], stride: [2] }),
    ]
    fc.assert(fc.property(shape, fc.constantFrom(...moves.keys()), fc.nat(1000), ([n, m], which, seed) => {
      const next = stream(seed)
      const x = Uint16Array.from({ length: n * m }, () => Math.floor(next() * 65536))
      // stopGradient is the one op here that computes; it may quiet a NaN.
      if (which === 14) x.forEach((b, i) => (x[i] = Number.isNaN(halfValue(b, dtype)) ? 0 : b))
      const at = Int32Array.from({ length: 5 }, () => Math.floor(next() * 12) - 2)
      same(graphOf({ x: [dtype, n, m], at: ['i32', 5] }, (v) => moves[which](v.x, v.at)), { x, at })
    }), runs(150))
  })
})

describe('contractions widen as they read', () => {
  const SPECS = ['ik,kj->ij', 'ik,jk->ij', 'ki,kj->ij', 'bik,bkj->bij', 'k,kj->j', 'ik,k->i', 'i,j->ij'] as const
  const kinds = fc.constantFrom<DType>('f16', 'bf16', 'f32')
  const extents = fc.record({ i: fc.integer({ min: 1, max: 19 }), j: fc.integer({ min: 1, max: 37 }), k: fc.integer({ min: 1, max: 21 }), b: fc.integer({ min: 1, max: 3 }) })
  const widened = (x: Node): Node => (x.dtype === 'f32' ? x : g.cast(x, 'f32'))
  const bitsOfNumbers = (dtype: DType, values: readonly number[]): TypedArray =>
    dtype === 'f32' ? Float32Array.from(values) : Uint16Array.from(values, (v) => halfBits(v, dtype as HalfType))

  test('the same bits as from f32 operands of these values, on all targets, without a buffer for them', () => {
    fc.assert(fc.property(fc.constantFrom(...SPECS), kinds, kinds, extents, fc.nat(1000), fc.boolean(), (spec, p, q, n, seed, turned) => {
      const [left, right] = spec.split('->')[0].split(',')
      const shape = (labels: string): number[] => [...labels].map((c) => n[c as keyof typeof n])
      const next = stream(seed)
      const draw = (labels: string, dtype: DType): number[] => Array.from({ length: shape(labels).reduce((s, d) => s * d, 1) }, () => {
        const v = (next() - 0.5) * 4
        return dtype === 'f32' ? Math.fround(v) : halfValue(halfBits(v, dtype as HalfType), dtype as HalfType)
      })
      const [x, y] = [draw(left, p), draw(right, q)]
      const graph = (a: DType, b: DType): Graph => graphOf({ x: [a, ...shape(left)], y: [b, ...shape(right)] }, (v) => {
        const product = g.einsum(spec, widened(v.x), widened(v.y))
        return turned ? g.tanh(product) : product
      })
      const half = new Machine(graph(p, q))
      const inputs = { x: bitsOfNumbers(p, x), y: bitsOfNumbers(q, y) }
      const want = new Machine(graph('f32', 'f32')).run('wasm', { inputs: { x, y } }).results.y
      for (const target of TARGETS) expect(sameBits(half.run(target, { inputs }).results.y, want), target).toBe(true)
      // One buffer an input and the result: nothing is kept in f32.
      expect(half.program.functions[0].kernels).toHaveLength(1)
    }), runs(50))
  })

  test('a larger product, by every way in which an operand is fed', () => {
    const next = stream(5)
    for (const [spec, x, y] of [['ik,kj->ij', [33, 70], [70, 65]], ['ik,jk->ij', [33, 70], [65, 70]], ['ki,kj->ij', [70, 33], [70, 65]]] as const) {
      for (const [p, q] of [['bf16', 'f32'], ['f32', 'bf16'], ['f16', 'bf16']] as const) {
        const graph = graphOf({ x: [p, ...x], y: [q, ...y] }, (v) => g.einsum(spec, widened(v.x), widened(v.y)))
        const inputs = {
          x: bitsOfNumbers(p, Array.from({ length: x[0] * x[1] }, () => next() - 0.5)),
          y: bitsOfNumbers(q, Array.from({ length: y[0] * y[1] }, () => next() - 0.5)),
        }
        const machine = new Machine(graph)
        expect(sameBits(machine.run('js', { inputs }).results.y, machine.run('wasm', { inputs }).results.y), `${spec} ${p} ${q}`).toBe(true)
      }
    }
  })
})

describe('whole programs that keep some of their values in 16 bits', () => {
  /** A random function of two matrices, n×n, with its derivative: products, views, sums, and values that are kept. */
  const programOf = (n: number, seed: number): Graph => {
    const b = new Builder()
    const next = stream(seed)
    const x = b.input('x', { dtype: 'f32', shape: [n, n] })
    const i = b.input('i', { dtype: 'i32', shape: [n] })
    const values: Node[] = [x, b.input('w', { dtype: 'f32', shape: [n, n] })]
    const any = (): Node => values[Math.floor(next() * values.length)]
    const keep = (v: Node): Node => g.cast(v, next() < 0.5 ? 'f16' : 'bf16')
    const moved = (v: Node): Node => {
      const moves = [() => v, () => g.transpose(v), () => g.flip(v), () => g.gather(v, i, { axis: 1 }), () => g.reshape(g.reshape(v, [n * n]), [n, n])]
      return moves[Math.floor(next() * moves.length)]()
    }
    const makes: readonly (() => Node)[] = [
      () => g.cast(moved(keep(any())), 'f32'), () => g.cast(moved(keep(any())), 'f32'), () => g.matmul(any(), any()), () => g.add(any(), any()),
      () => g.mul(any(), any()), () => g.where(g.greater(any(), 0), any(), 0), () => g.sub(any(), g.mean(any(), { axis: 1, keepdims: true })),
      () => g.slice(g.cast(g.pad(keep(any()), [[1, 0], [0, 1]], 1 / 3), 'f32'), { stop: n }, { start: 1 }),
    ]
    for (let k = 0; k < 8; k++) values.push(makes[Math.floor(next() * makes.length)]())
    const loss = g.sum(values.slice(-3).reduce((s, v) => g.add(s, v)))
    const results = [{ name: 'loss', node: loss }, { name: 'kept', node: keep(values.at(-1)!) }]
    const [dx] = vjp([loss], [x], [b.one(loss)])
    if (dx) results.push({ name: 'dx', node: dx })
    return { name: 'f', builder: b, inputs: b.inputs, states: [], updates: [], results }
  }

  test.each([true, false])('have the same bits on every target, fused: %s', (fuse) => {
    fc.assert(fc.property(fc.constantFrom(1, 2, 3, 5, 8, 9), fc.nat(), (n, seed) => {
      const graph = programOf(n, seed)
      const next = stream(seed + 1)
      const draw = (): Float32Array => Float32Array.from({ length: n * n }, () => (next() - 0.5) * 2)
      const inputs = { x: draw(), w: draw(), i: Int32Array.from({ length: n }, () => Math.floor(next() * (n + 2)) - 1) }
      const machine = new Machine(graph, { fuse })
      const [nests, js, wasm] = TARGETS.toReversed().map((target) => machine.run(target, { inputs }).results)
      const want = evaluate(graph, { inputs }).results
      for (const { name, node } of graph.results) {
        expect(sameBits(js[name], nests[name]), `js, ${name}`).toBe(true)
        expect(sameBits(wasm[name], nests[name]), `wasm, ${name}`).toBe(true)
        // Sums of another order may round to a neighbour; but nothing is lost or misplaced.
        const number = (of: TypedArray, k: number): number => (node.dtype === 'f16' || node.dtype === 'bf16' ? halfValue(of[k], node.dtype) : of[k])
        const scale = Math.max(1, ...Array.from(want[name], (_, k) => Math.abs(number(want[name], k))).filter(Number.isFinite))
        want[name].forEach((_: number, k: number) => {
          const [p, q] = [number(js[name], k), number(want[name], k)]
          if (Number.isFinite(p) && Number.isFinite(q)) expect(Math.abs(p - q), `${name} ${k}`).toBeLessThanOrEqual(scale / 64)
        })
      }
    }), runs(25))
  })
})
