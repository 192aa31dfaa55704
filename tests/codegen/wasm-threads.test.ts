// What threads need of the encoder, which loops they divide, and where they meet.
import { describe, expect, test } from 'vitest'
import type { LoweredKernel, Nest } from '../../src/codegen/nest.ts'
import { emitWasm, wasmText } from '../../src/codegen/wasm/emit.ts'
import { Code, Func, type Global, type ModuleParts } from '../../src/codegen/wasm/encoder/assembler.ts'
import { encode } from '../../src/codegen/wasm/encoder/encode.ts'
import { ATOMIC, type AtomicOp } from '../../src/codegen/wasm/encoder/opcodes.ts'
import { toWat } from '../../src/codegen/wasm/encoder/wat.ts'
import { axesToShare, balanceOf, operations, touchedBy } from '../../src/codegen/wasm/partition.ts'
import { Sequence, type Step } from '../../src/codegen/wasm/sequence.ts'
import { Team } from '../../src/codegen/wasm/threads.ts'
import { Desk, foldNest, mapNest } from './memory.ts'

describe('the encoder', () => {
  const parts = (functions: readonly Func[], more: Partial<ModuleParts> = {}): ModuleParts => ({
    imports: [], functions, exports: functions.map((func) => ({ name: func.name, func })), segments: [], names: false,
    memory: { pages: 2, from: { module: 'm', name: 'memory', shared: true } }, ...more,
  })
  const shared = (): WebAssembly.Memory => new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true })
  const start = (p: ModuleParts, memory = shared()): Record<string, (...given: number[]) => number> =>
    new WebAssembly.Instance(new WebAssembly.Module(encode(p)), { m: { memory } as never }).exports as never

  test('knows globals of an instance', () => {
    const [a, b]: Global[] = [{ name: 'a', type: 'i32' }, { name: 'b', type: 'i32' }]
    const put = new Func('put', ['i32'])
    put.body.get(put.params[0]).setGlobal(b)
    const take = new Func('take', [], ['i32'])
    take.body.getGlobal(b).getGlobal(a).op('i32.sub')
    const made = parts([put, take], { globals: [a, b] })
    const [one, two] = [start(made), start(made)]
    one.put(7)
    expect([one.take(), two.take()]).toEqual([7, 0])
    expect(toWat(made)).toContain('(import "m" "memory" (memory 2 2 shared))\n  (global $a (mut i32) (i32.const 0))')
    expect(toWat(made)).toContain('global.set $b')
  })

  test('asks for a memory that is shared', () => {
    const f = new Func('f', [], ['i32'])
    f.body.i32(1)
    expect(start(parts([f])).f()).toBe(1)
    expect(() => start(parts([f]), new WebAssembly.Memory({ initial: 2, maximum: 2 }))).toThrow(WebAssembly.LinkError)
  })

  const GIVEN: { readonly [O in AtomicOp]: [more: (c: Code) => void, results: ['i32'] | []] } = {
    'i32.atomic.load': [() => {}, ['i32']],
    'i32.atomic.store': [(c) => c.i32(5), []],
    'i32.atomic.rmw.add': [(c) => c.i32(5), ['i32']],
    'memory.atomic.notify': [(c) => c.i32(1), ['i32']],
    'memory.atomic.wait32': [(c) => c.i32(1).i64(0), ['i32']],
  }
  test.each(Object.keys(ATOMIC) as AtomicOp[])('%s', (op) => {
    const [more, results] = GIVEN[op]
    const f = new Func('f', [], results)
    f.body.i32(16)
    more(f.body)
    f.body.atomic(op, 8)
    const memory = shared()
    const words = new Int32Array(memory.buffer)
    words[6] = 3
    const result = start(parts([f]), memory).f()
    const told = { 'i32.atomic.load': 3, 'i32.atomic.rmw.add': 3, 'memory.atomic.notify': 0, 'memory.atomic.wait32': 1, 'i32.atomic.store': undefined }
    expect([result, words[6]]).toEqual([told[op], { 'i32.atomic.store': 5, 'i32.atomic.rmw.add': 8 }[op as string] ?? 3])
  })
})

/** The axes of a nest that is the only one of its kernel. */
const axesOf = (desk: Desk, nest: Nest): number[] => axesToShare(desk.kernel([nest]), nest)
const form = (offset: number, ...coefficients: number[]): { offset: number; coefficients: number[] } => ({ offset, coefficients })

describe('an axis is divided', () => {
  test('if elements of its points lie apart: any of a map, the free ones of a sum', () => {
    const d = new Desk()
    const [x, y, z] = [d.node('f32', [6, 8]), d.node('f32', [6, 8]), d.node('f32', [6])]
    expect(axesOf(d, mapNest([6, 8], d.store(y, d.load(x))))).toEqual([0, 1])
    expect(axesOf(d, foldNest('sum', [6], [8], d.load(x), d.store(z, d.x.core('f32'), { index: form(0, 1) })))).toEqual([0])
  })

  test('the one along which the larger operand moves goes first', () => {
    const d = new Desk()
    const [a, b, c] = [d.node('f32', [4, 50]), d.node('f32', [50, 90]), d.node('f32', [4, 90])]
    const product = d.x.arith.mul(d.load(a, [50, 0, 1]), d.load(b, [0, 1, 90]))
    expect(axesOf(d, foldNest('sum', [4, 90], [50], product, d.store(c, d.x.core('f32'), { index: form(0, 90, 1) })))).toEqual([1, 0])
  })

  test('also where what is stored is read at the same element, or backwards', () => {
    const d = new Desk()
    const x = d.node('f32', [6, 8])
    expect(axesOf(d, mapNest([6, 8], d.store(x, d.x.arith.mul(d.load(x), d.load(x)))))).toEqual([0, 1])
    const y = d.node('f32', [6, 8])
    expect(axesOf(d, mapNest([6, 8], d.store(y, d.load(x), { index: form(47, -8, -1) })))).toEqual([0, 1])
  })

  test('not if points read what others store', () => {
    const d = new Desk()
    const x = d.node('f32', [6, 8])
    expect(axesOf(d, mapNest([6, 8], d.store(x, d.load(x, [8, -1], 7))))).toEqual([0])
    expect(axesOf(d, mapNest([6, 8], d.store(x, d.load(x, [-8, 1], 40))))).toEqual([])
  })

  test('not if windows meet in an element, or an index may bring points together', () => {
    const d = new Desk()
    const [x, y, at] = [d.node('f32', [5, 10, 3]), d.node('f32', [5, 12]), d.node('i32', [5])]
    const windows = d.store(y, d.load(x), { index: form(0, 12, 1, 1), accumulate: true })
    expect(axesOf(d, mapNest([5, 10, 3], windows))).toEqual([0])
    const indirect = { at: d.load(at, [1, 0]), stride: 12, limit: 5 }
    const z = d.node('f32', [5, 12])
    expect(axesOf(d, mapNest([5, 12], d.store(y, d.load(z), { index: form(0, 0, 1), indirect, accumulate: true })))).toEqual([1])
  })

  test('not if it is where a running sum runs', () => {
    const d = new Desk()
    const [x, y] = [d.node('f32', [6, 8]), d.node('f32', [6, 8])]
    const nest = { ...foldNest('sum', [6], [8], d.load(x), d.store(y, d.x.core('f32'), { index: form(0, 8, 1) })), running: true }
    expect(axesOf(d, nest)).toEqual([0])
  })
})

test('balance: the share of all time that is of use', () => {
  expect(balanceOf([[{ start: 0, count: 8, step: 4 }]], 2)).toBe(1)
  expect(balanceOf([[{ start: 0, count: 3, step: 4 }]], 2)).toBe(12 / 16)
  // What is left over goes to the first thread, which has less to do.
  expect(balanceOf([[{ start: 0, count: 3, step: 4 }, { start: 12, count: 1, step: 4 }]], 2)).toBe(1)
  expect(balanceOf([[{ start: 0, count: 1, step: 64 }]], 2)).toBe(0.5)
  expect(balanceOf([[]], 2)).toBe(0)
  // Several loops over the same elements must be divided alike.
  const twice = { start: 0, count: 8, step: 4 }
  expect(balanceOf([[twice, twice]], 2)).toBe(1)
  expect(balanceOf([[twice, { start: 0, count: 16, step: 2 }]], 2)).toBe(0)
  expect(balanceOf([[twice], [{ start: 0, count: 4, step: 8 }]], 2)).toBe(0)
})

test('what a nest touches is whole buffers that it reads, and all that it may write', () => {
  const d = new Desk()
  const [x, y] = [d.node('f32', [4, 8]), d.node('f32', [16, 8])]
  const indirect = { at: d.x.lit(2, 'i32'), stride: 8, limit: 16 }
  const nest = mapNest([4, 8], d.store(y, d.load(x), { index: form(0, 0, 1), indirect }))
  const kernel: LoweredKernel = d.kernel([nest])
  expect(touchedBy(kernel, nest)).toEqual({ reads: [{ from: 0, to: 128 }], writes: [{ from: 128, to: 640 }] })
  expect(operations(nest)).toBe(32 * 2)
})

describe('barriers stand', () => {
  const team = new Team(0, 2)
  const step = (shared: boolean, reads: number, writes: number): Step => {
    const one = (at: number): { from: number; to: number }[] => (at < 0 ? [] : [{ from: 16 * at, to: 16 * at + 16 }])
    return { shared, reads: one(reads), writes: one(writes), emit: (code) => void code.i32(0).op('drop') }
  }
  const barriers = (...steps: Step[]): number => {
    const code = new Code()
    const sequence = new Sequence(code, team)
    for (const s of steps) sequence.add(s)
    sequence.finish()
    return code.list.filter((i) => i.kind === 'call').length
  }

  test('between a divided step and one that needs it, and at the end', () => {
    expect(barriers(step(true, 0, 1))).toBe(1)
    expect(barriers(step(true, 0, 1), step(true, 1, 2))).toBe(2)
    expect(barriers(step(true, 0, 1), step(false, 1, 2))).toBe(1)
    expect(barriers(step(false, 0, 1), step(true, 1, 2))).toBe(2)
  })

  test('before what is read is overwritten', () => {
    expect(barriers(step(true, 0, 1), step(true, 2, 0))).toBe(2)
    expect(barriers(step(true, 0, 1), step(true, 2, 1))).toBe(2)
  })

  test('not between steps of one thread, nor those that have nothing to do with each other', () => {
    expect(barriers(step(false, 0, 1), step(false, 1, 2))).toBe(0)
    expect(barriers(step(true, 0, 1), step(true, 0, 2), step(false, 0, 3))).toBe(1)
  })
})

test('a small nest is not divided, a large one is', () => {
  const d = new Desk()
  const [x, y] = [d.node('f32', [64, 1024]), d.node('f32', [64, 1024])]
  const small = d.program(mapNest([8, 8], d.store(y, d.load(x, [1024, 1]), { index: form(0, 1024, 1) })))
  const large = d.program(mapNest([64, 1024], d.store(y, d.load(x))))
  const divided = (program: typeof small): boolean => wasmText(program, { threads: 2 }).includes('call $bound')
  expect([divided(small), divided(large)]).toEqual([false, true])
  expect(wasmText(large)).not.toMatch(/atomic|global|shared/)
  // Each thread has its own scratch memory.
  const [two, four] = [2, 4].map((threads) => emitWasm(large, { threads }).scratchBytes)
  expect(four).toBeGreaterThanOrEqual(two)
})
