// Where the JavaScript target leaves out Math.fround: the bits must be those of arithmetic that rounds everything, for any words.
import { describe, expect, test } from 'vitest'
import { emitJs } from '../../src/codegen/js/emit.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { Expr } from '../../src/ir/expression.ts'
import type { LoweredProgram } from '../../src/codegen/nest.ts'
import { cast, einsum } from '../../src/ir/lang/index.ts'
import type { ScalarOp } from '../../src/ir/scalar.ts'
import { stream } from '../generators.ts'
import { interpret } from './interpreter.ts'
import { canonical, Desk, foldNest, mapNest, runJs } from './memory.ts'
import { Machine, sameBits } from './run.ts'

/** Few bits, so that sums are exact or tie; near the ends of the range, where products over- and underflow; and anything at all. */
const WORDS: readonly ((u: number) => number)[] = [
  (u) => Math.floor(u * 2 ** 32),
  (u) => 0x3f000000 + (Math.floor(u * 512) << 15),
  (u) => Math.floor(u * 2 ** 24) | 0x80000000,
  (u) => Math.floor(u * 2 ** 24),
  (u) => 0x7e800000 + Math.floor(u * 2 ** 24),
  (u) => [0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 1, 0x7f7fffff, 0x00800000][Math.floor(u * 8)],
]

/** Runs on memories of random words; gives the emitted text. */
function sameOnWords(program: LoweredProgram): string {
  let text = ''
  for (let seed = 0; seed < 9; seed++) {
    const next = stream(seed)
    const words = new Uint32Array(Math.ceil(program.memoryBytes / 4) + 4)
    for (let i = 0; i < words.length; i++) words[i] = WORDS[seed < 6 ? seed : Math.floor(next() * WORDS.length)](next())
    const [expected, actual] = [words.slice().buffer, words.slice().buffer]
    interpret(program, expected)
    text = runJs(program, actual)
    const [got, want] = [canonical(actual), canonical(expected)]
    const at = got.findIndex((w, i) => w !== want[i])
    expect(at, `seed ${seed}: word ${at} is ${got[at]?.toString(16)}, not ${want[at]?.toString(16)}\n${text}`).toBe(-1)
  }
  return text
}

const N = 1000
/** The value over arrays of f32, stored as it is. */
function mapOf(value: (d: Desk, x: Expr, y: Expr, z: Expr) => Expr): string {
  const d = new Desk()
  const [x, y, z] = [0, 1, 2].map(() => d.load(d.node('f32', [N])))
  const v = value(d, x, y, z)
  return sameOnWords(d.program(mapNest([N], d.store(d.node(v.dtype, [N]), v))))
}

describe('no rounding', () => {
  test.each(['add', 'sub', 'mul', 'div'] as const)('of %s into an array', (op) => {
    expect(mapOf((d, x, y) => d.x.arith[op](x, y))).not.toContain('fround')
  })
  test('of a root into an array', () => expect(mapOf((d, x) => d.x.arith.sqrt(x))).not.toContain('fround'))
  test.each(['neg', 'abs', 'sign', 'floor', 'ceil', 'round'] as const satisfies readonly ScalarOp[])('of %s', (op) => {
    expect(mapOf((d, x, y) => d.x.arith.add(d.x.scalar(op, 'f32', [x]), y))).not.toContain('fround')
  })
  test.each(['max', 'min', 'rem'] as const satisfies readonly ScalarOp[])('of %s', (op) => {
    expect(mapOf((d, x, y, z) => d.x.arith.add(d.x.scalar(op, 'f32', [x, y]), z))).not.toContain('fround')
  })
  test('of what a comparison chooses', () => {
    expect(mapOf((d, x, y, z) => d.x.arith.mul(d.x.arith.select(d.x.arith.lt(x, y), x, y), z))).not.toContain('fround')
  })
  test('of a value that two stores write', () => {
    const d = new Desk()
    const v = d.x.arith.mul(d.load(d.node('f32', [N])), d.load(d.node('f32', [N])))
    sameOnWords(d.program(mapNest([N], d.store(d.node('f32', [N]), v), d.store(d.node('f32', [N]), d.x.arith.neg(v)))))
  })
})

test('no rounding of the products of two f16, any of them', () => {
  const b = new Builder()
  const [x, y] = [b.input('x', { dtype: 'f16', shape: [64, 6] }), b.input('y', { dtype: 'f16', shape: [6, 50] })]
  const node = einsum('ik,kj->ij', cast(x, 'f32'), cast(y, 'f32'))
  const machine = new Machine({ name: 'f', builder: b, inputs: b.inputs, states: [], updates: [], results: [{ name: 'p', node }] })
  expect(emitJs(machine.program)).toMatch(/sum_0 = fround\(sum_0 \+ \(\w+ \* \w+\)\)/)
  // Every second time finite numbers only, so that sums are numbers too.
  for (let seed = 0; seed < 8; seed++) {
    const next = stream(seed)
    const limit = seed % 2 ? 0x7bff : 0xffff
    const words = (n: number): Uint16Array => Uint16Array.from({ length: n }, () => Math.floor(next() * limit))
    const inputs = { x: words(64 * 6), y: words(6 * 50) }
    expect(sameBits(machine.run('js', { inputs }).results.p, machine.run('nests', { inputs }).results.p), `seed ${seed}`).toBe(true)
  }
})

describe('rounding', () => {
  test.each(['add', 'sub', 'mul', 'div'] as const)('of each operation that %s follows', (op) => {
    for (const first of ['add', 'sub', 'mul', 'div'] as const) {
      expect(mapOf((d, x, y, z) => d.x.arith[op](d.x.arith[first](x, y), z)).match(/= fround\(f32\[/g)).toHaveLength(1)
    }
  })
  test('of each product and each sum of a contraction', () => {
    const d = new Desk()
    const [a, b] = [d.node('f32', [23, 17]), d.node('f32', [17, 22])]
    const product = d.x.arith.mul(d.load(a, [17, 0, 1]), d.load(b, [0, 1, 22]))
    sameOnWords(d.program(foldNest('sum', [23, 22], [17], product, d.store(d.node('f32', [23, 22]), d.x.core('f32')))))
  })
  test('of each partial sum', () => {
    const d = new Desk()
    const store = d.store(d.node('f32', [60]), d.x.core('f32'))
    sameOnWords(d.program(foldNest('sum', [60], [50], d.load(d.node('f32', [60, 50])), store)))
  })
})
