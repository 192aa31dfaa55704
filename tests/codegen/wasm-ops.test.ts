import { describe, expect, test } from 'vitest'
import type { Expr } from '../../src/ir/expression.ts'
import type { Node } from '../../src/ir/graph.ts'
import type { Arith, ScalarOp } from '../../src/ir/scalar.ts'
import { DTYPES, type DType } from '../../src/ir/types.ts'
import type { LoweredProgram, Nest } from '../../src/codegen/nest.ts'
import { emitWasm, wasmText } from '../../src/codegen/wasm/emit.ts'
import { HOST } from '../../src/codegen/wasm/host.ts'
import { hostText } from '../../src/runtime/load.ts'
import { agree, Bench, differences, form, instantiate, interpret, nest, philox, write } from './wasm-reference.ts'

const FLOATS = [
  NaN, Infinity, -Infinity, 0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 3.7, -3.2, 7, 1e-42, -1e-42, 3e38, 8388609.5, 2 ** 31,
  -(2 ** 31), 2 ** 32, 5e9, -5e9,
]
const VALUES: { readonly [D in DType]?: readonly number[] } = {
  f32: FLOATS.map(Math.fround),
  f64: [...FLOATS, 1e300, 5e-324, 0.1, 2 ** 51 + 0.5],
  i32: [0, 1, -1, 2, -2, 7, -7, 31, 32, 33, 100, -(2 ** 31), 2 ** 31 - 1, -(2 ** 31) + 1],
  u32: [0, 1, 2, 7, 31, 32, 33, 100, 2 ** 31, 2 ** 31 - 1, 2 ** 32 - 1, 2 ** 32 - 2],
  bool: [0, 1],
}

const FLOAT_OPS: ScalarOp[] = [
  'neg', 'abs', 'sign', 'floor', 'ceil', 'round', 'sqrt', 'add', 'sub', 'mul', 'div', 'rem', 'max', 'min', 'eq', 'ne', 'lt', 'le',
  'gt', 'ge',
]
const INT_OPS: ScalarOp[] = [...FLOAT_OPS.filter((op) => op !== 'sqrt'), 'and', 'or', 'xor', 'not', 'shl', 'shr']
const BOOL_OPS: ScalarOp[] = ['and', 'or', 'xor', 'not', 'max', 'min', 'eq', 'ne', 'lt', 'le', 'gt', 'ge']
const F64_OPS: ScalarOp[] = ['exp', 'expm1', 'log', 'log1p', 'sin', 'cos', 'tanh', 'pow', 'atan2']
const OPS: { readonly [D in DType]?: ScalarOp[] } = {
  f32: FLOAT_OPS,
  f64: [...FLOAT_OPS, ...F64_OPS],
  i32: INT_OPS,
  u32: INT_OPS,
  bool: BOOL_OPS,
}
const UNARY = new Set<string>(
  ['neg', 'abs', 'sign', 'floor', 'ceil', 'round', 'sqrt', 'not', 'exp', 'expm1', 'log', 'log1p', 'sin', 'cos', 'tanh'],
)

const apply = (k: Arith<Expr>, op: ScalarOp, args: Expr[]): Expr => (k[op] as (...xs: Expr[]) => Expr)(...args)

/** All pairs of values, in two buffers; the formula is computed for all of them at once, and for each on its own. */
function everyPair(dtypes: readonly [DType, DType], formula: (k: Arith<Expr>, x: Expr, y: Expr) => Expr): string[] {
  const pairs = VALUES[dtypes[0]]!.flatMap((x) => VALUES[dtypes[1]]!.map((y) => [x, y] as const))
  const b = new Bench()
  const inputs = dtypes.map((d) => b.buffer(d, pairs.length))
  const at = (...c: number[]): Expr => formula(
    b.x.arith,
    b.x.load(inputs[0], form(c[0], ...c.slice(1))),
    b.x.load(inputs[1], form(c[0], ...c.slice(1))),
  )
  const together = b.buffer(at(0, 1).dtype, pairs.length)
  const apart = b.buffer(at(0, 1).dtype, pairs.length)
  const nests: Nest[] = [nest([pairs.length], [b.store(together, form(0, 1), at(0, 1))])]
  pairs.forEach((_, i) => nests.push(nest([], [b.store(apart, form(i), at(i))])))
  const program = b.program(...nests)
  const memory = new ArrayBuffer(program.memoryBytes)
  const view = new DataView(memory)
  pairs.forEach(
    (pair, i) => pair.forEach((v, j) => write(view, dtypes[j], b.buffers[j].address + i * DTYPES[dtypes[j]].bytes, v)),
  )
  const wasm = instantiate(program, memory)
  wasm.run()
  interpret(program, memory)
  return differences(b, wasm.bytes, new Uint8Array(memory))
}

describe.each(['f32', 'f64', 'i32', 'u32', 'bool'] as const)('every operation on %s, in lanes and one by one', (d) => {
  test.each(OPS[d]!)('%s', (op) => {
    expect(everyPair([d, d], (k, x, y) => apply(k, op, UNARY.has(op) ? [x] : [x, y]))).toEqual([])
  })

  test('select', () => {
    expect(everyPair([d, d], (k, x, y) => k.select(k.lt(x, y), x, y))).toEqual([])
  })

  test.each(['f32', 'f64', 'i32', 'u32', 'bool'] as const)('cast to %s', (to) => {
    expect(everyPair([d, 'bool'], (k, x) => k.cast(x, to))).toEqual([])
  })
})

const SAME_WIDTH = [['f32', 'i32'], ['f32', 'u32'], ['i32', 'f32'], ['u32', 'f32'], ['i32', 'u32'], ['u32', 'i32']] as const
test.each(SAME_WIDTH)('the bits of %s as %s', (from, to) => {
  expect(everyPair([from, 'bool'], (k, x) => k.bitcast(x, to))).toEqual([])
})

test('one count for all lanes shifts in lanes', () => {
  for (const count of [0, 1, 5, 31, 32, 40]) {
    for (const op of ['shl', 'shr'] as const) {
      for (const d of ['i32', 'u32'] as const) expect(everyPair([d, 'bool'], (k, x) => k[op](x, k.lit(count, d)))).toEqual([])
    }
  }
})

test('host functions are imported when they are used, and only then', () => {
  const b = new Bench()
  const x = b.buffer('f64', 3)
  const { arith: k } = b.x
  const n = nest(
    [3],
    [b.store(x, form(0, 1), k.add(k.exp(b.x.load(x, form(0, 1))), k.rem(b.x.load(x, form(0, 1)), k.lit(2, 'f64'))))],
  )
  expect(emitWasm(b.program(n)).imports.toSorted()).toEqual(['exp', 'rem'])
  const plain = nest([3], [b.store(x, form(0, 1), k.neg(b.x.load(x, form(0, 1))))])
  expect(emitWasm(b.program(plain)).imports).toEqual([])
  for (const name of HOST) expect(hostText(name)).toMatch(/^Math\.\w+$|^\(x, y\) => x % y$/)
})

// --- Random words --------------------------------------------------------------------------------------------------------

test('the known answers of Philox 4×32-10 (Random123, kat_vectors)', () => {
  expect([0, 1, 2, 3].map((i) => philox(i, 0, 0, 0))).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8])
})

test('random words by element index: aligned, shifted, strided, one by one', () => {
  const shapes: { free: number[]; index: ReturnType<typeof form> }[] = [
    { free: [23], index: form(0, 1) },
    { free: [3, 8], index: form(0, 8, 1) },
    { free: [3, 7], index: form(0, 7, 1) },
    { free: [9], index: form(2, 1) },
    { free: [10], index: form(0, 1) },
    { free: [9], index: form(30, -3) },
    { free: [], index: form(6) },
    { free: [6], index: form(2 ** 32 - 8, 1) },
  ]
  for (const { free, index } of shapes) {
    const b = new Bench()
    const key = b.buffer('u32', 3)
    const size = free.reduce((n, d) => n * d, 1)
    const out = b.buffer('u32', size)
    const zeros = free.map(() => 0)
    const word = (i: number): Expr => b.x.load(key, form(i, ...zeros))
    const strides = free.length === 2 ? [free[1], 1] : free.map(() => 1)
    let value: Expr = b.x.random(word(0), word(1), word(2), index)
    agree({ b, n: nest(free, [b.store(out, form(0, ...strides), value)]) }, 5)
    // A longer body, which is emitted only once if that is possible.
    for (let i = 0; i < 12; i++) value = b.x.arith.mul(value, b.x.arith.add(value, b.x.lit(i, 'u32')))
    agree({ b, n: nest(free, [b.store(out, form(0, ...strides), value)]) }, 5)
  }
})

// --- Memory --------------------------------------------------------------------------------------------------------------

test('an element may be replaced by what is computed from it; all values come before any store', () => {
  for (const n of [1, 3, 4, 7, 16]) {
    const b = new Bench()
    const [w, m] = [b.buffer('f32', n), b.buffer('f32', n)]
    const { arith: k } = b.x
    const [x, y] = [b.x.load(w, form(0, 1)), b.x.load(m, form(0, 1))]
    // Both are swapped, then changed: neither store may see the other one's result.
    agree({ b, n: nest([n], [b.store(w, form(0, 1), y), b.store(m, form(0, 1), x)]) }, 2)
    agree({ b, n: nest([n], [b.store(w, form(0, 1), k.add(y, x)), b.store(m, form(0, 1), k.sub(x, y))]) }, 1)
  }
})

test('rows are gathered by indices out of range, which are clamped', () => {
  type Gather = { b: Bench; program: LoweredProgram; index: Node }
  const gather = (rows: number, width: number, dtype: DType, indices: readonly number[]): Gather => {
    const b = new Bench()
    const [table, index] = [b.buffer('f32', rows * width), b.buffer(dtype, indices.length)]
    const out = b.buffer('f32', indices.length * width)
    const value = b.x.gather(table, form(0, 0, 1), width, rows, b.x.load(index, form(0, 1, 0)))
    return { b, program: b.program(nest([indices.length, width], [b.store(out, form(0, width, 1), value)])), index }
  }
  for (const dtype of ['i32', 'u32'] as const) {
    for (const width of [1, 3, 8]) {
      const indices = dtype === 'i32' ? [0, 4, 5, -1, 2, -(2 ** 31), 2 ** 31 - 1, 3, 1] : [0, 4, 5, 2 ** 32 - 1, 2 ** 31, 1]
      const { b, program, index } = gather(5, width, dtype, indices)
      const memory = new ArrayBuffer(program.memoryBytes)
      new Float32Array(memory, b.address(b.buffers[0].node), 5 * width).forEach((_, i, all) => (all[i] = i + 1))
      indices.forEach((v, i) => write(new DataView(memory), dtype, b.address(index) + 4 * i, v))
      const wasm = instantiate(program, memory)
      wasm.run()
      interpret(program, memory)
      expect(differences(b, wasm.bytes, new Uint8Array(memory)), `${dtype} rows of ${width}`).toEqual([])
    }
  }
})

test('kernels of several functions, one of them shared, share one memory; every function is exported', () => {
  const b = new Bench()
  const x = b.buffer('f32', 6)
  const { arith: k } = b.x
  const by = (f: (v: Expr) => Expr): ReturnType<Bench['kernel']> => b.kernel(
    nest([6], [b.store(x, form(0, 1), f(b.x.load(x, form(0, 1))))]),
  )
  const one = by((v) => k.add(v, k.lit(1, 'f32')))
  const double = by((v) => k.mul(v, k.lit(2, 'f32')))
  const { memoryBytes } = b.program()
  const program = {
    functions: [{ name: 'a', kernels: [one, double] }, { name: 'b "\n*/', kernels: [double, one] }, { name: 'c', kernels: [] }],
    memoryBytes,
  }
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(emitWasm(program).bytes))
  expect(Object.keys(exports).toSorted()).toEqual(['f0', 'f1', 'f2', 'memory'])
  const memory = (exports.memory as WebAssembly.Memory).buffer
  expect(memory.byteLength).toBe(memoryBytes)
  const values = new Float32Array(memory, b.address(x), 6)
  ;(exports.f0 as () => void)()
  ;(exports.f1 as () => void)()
  ;(exports.f2 as () => void)()
  expect([...values]).toEqual([5, 5, 5, 5, 5, 5])
})

test('what titles say stays inside comments of the text', () => {
  const b = new Bench()
  const x = b.buffer('f32', 4)
  const kernel = { ...b.kernel(nest([4], [b.store(x, form(0, 1), b.x.lit(1, 'f32'))])), title: 'evil\n(unreachable)\u2028;)' }
  const text = wasmText({ functions: [{ name: 'n\nx', kernels: [kernel] }], memoryBytes: 262144 })
  expect(text.split('\n').filter((l) => l.includes('evil'))).toEqual(['  ;; k: evil (unreachable) ;)'])
  expect(text).toContain('v128.store')
})
