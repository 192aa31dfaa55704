import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InternalError } from '../../src/ir/errors.ts'
import { CODE_OF, Func, type Code, type ModuleParts, type ValueType } from '../../src/codegen/wasm/encoder/assembler.ts'
import { Bytes } from '../../src/codegen/wasm/encoder/bytes.ts'
import { encode } from '../../src/codegen/wasm/encoder/encode.ts'
import { LANE, MEMORY, MEMORY_LANE, PLAIN } from '../../src/codegen/wasm/encoder/opcodes.ts'
import type { LaneOp, MemoryLaneOp, MemoryOp, PlainOp } from '../../src/codegen/wasm/encoder/opcodes.ts'
import { toWat } from '../../src/codegen/wasm/encoder/wat.ts'

function moduleOf(functions: readonly Func[], more: Partial<ModuleParts> = {}): ModuleParts {
  const exports = functions.map((func) => ({ name: func.name, func }))
  return { imports: [], functions, exports, memory: { pages: 1, from: null }, segments: [], names: false, ...more }
}

/** Runs `body` as the only function of a module. */
function run(body: (c: Code) => void, results: ValueType[], params: ValueType[] = [], args: unknown[] = []): unknown {
  const f = new Func('f', params, results)
  body(f.body)
  const instance = new WebAssembly.Instance(new WebAssembly.Module(encode(moduleOf([f]))))
  return (instance.exports.f as Function)(...args)
}

const hex = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join(' ')

describe('numbers', () => {
  test('LEB128 as in the specification of DWARF', () => {
    expect(hex(new Bytes().unsigned(624485).toUint8Array())).toBe('e5 8e 26')
    expect(hex(new Bytes().signed(-123456, 32).toUint8Array())).toBe('c0 bb 78')
    expect(hex(new Bytes().signed(64, 32).toUint8Array())).toBe('c0 00')
    expect(hex(new Bytes().signed(-64, 32).toUint8Array())).toBe('40')
    expect(hex(new Bytes().unsigned(2 ** 32 - 1).toUint8Array())).toBe('ff ff ff ff 0f')
    expect(hex(new Bytes().signed(2 ** 32 - 1, 32).toUint8Array())).toBe('7f')
  })

  test('every i32, i64, f32 and f64 comes out of a module as it went in', () => {
    fc.assert(fc.property(fc.integer(), (v) => Object.is(run((c) => c.i32(v), ['i32']), v)))
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (v) => Object.is(run((c) => c.i64(v), ['i64']), v)),
    )
    fc.assert(fc.property(fc.float(), (v) => Object.is(run((c) => c.f32(v), ['f32']), v)))
    fc.assert(fc.property(fc.double(), (v) => Object.is(run((c) => c.f64(v), ['f64']), v)))
  })
})

describe('modules', () => {
  test('the binary format, byte by byte', () => {
    const f = new Func('add', ['i32', 'i32'], ['i32'])
    const sum = { type: 'i32' as const }
    f.body.get(f.params[0]).get(f.params[1]).op('i32.add').set(sum).get(sum)
    expect(hex(encode(moduleOf([f])))).toBe(
      [
        '00 61 73 6d 01 00 00 00', // magic, version
        '01 07 01 60 02 7f 7f 01 7f', // types: (i32, i32) → i32
        '03 02 01 00', // function 0 has type 0
        '05 04 01 01 01 01', // one memory of exactly one page
        '07 10 02 06 6d 65 6d 6f 72 79 02 00 03 61 64 64 00 00', // exports "memory" and "add"
        '0a 0d 01 0b 01 01 7f 20 00 20 01 6a 22 02 0b', // one local i32; set and get are one tee
      ].join(' '),
    )
  })

  test('imports come before functions; blocks, branches, calls, data, names', () => {
    const host = { module: 'm', name: 'sq', params: [{ type: 'f64' as const }], results: ['f64' as const] }
    const f = new Func('f', ['i32'], ['f64'])
    const [x] = [{ type: 'f64' as const }]
    f.body.f64(2).set(x)
    f.body.within('block', (out) => {
      f.body.within('loop', (again) => {
        f.body.get(f.params[0]).op('i32.eqz').brIf(out)
        f.body.get(x).call(host).set(x)
        f.body.get(f.params[0]).i32(1).op('i32.sub').set(f.params[0]).br(again)
      })
    })
    f.body.get(x)
    const bytes = encode(
      moduleOf([f], { imports: [host], names: true, segments: [{ offset: 300, bytes: Uint8Array.of(1, 2, 3) }] }),
    )
    const module = new WebAssembly.Module(bytes)
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: 'm', name: 'sq', kind: 'function' }])
    expect(WebAssembly.Module.customSections(module, 'name')).toHaveLength(1)
    const { exports } = new WebAssembly.Instance(module, { m: { sq: (v: number) => v * v } })
    expect((exports.f as Function)(4)).toBe(2 ** 16)
    expect([...new Uint8Array((exports.memory as WebAssembly.Memory).buffer, 299, 5)]).toEqual([0, 1, 2, 3, 0])
  })

  test('memory that comes from the host', () => {
    const f = new Func('f', [], ['i32'])
    f.body.i32(4).memory('i32.load', 4, 4)
    const memory = new WebAssembly.Memory({ initial: 1 })
    new Int32Array(memory.buffer)[2] = 77
    const module = new WebAssembly.Module(encode(moduleOf([f], { memory: { pages: 1, from: { module: 'm', name: 'memory' } } })))
    const { exports } = new WebAssembly.Instance(module, { m: { memory } })
    expect((exports.f as Function)()).toBe(77)
    expect(exports.memory).toBe(memory)
  })

  test('what is not well formed is refused', () => {
    const open = new Func('f')
    open.body.list.push({ kind: 'structure', op: 'block', label: { kind: 'block' } })
    expect(() => encode(moduleOf([open]))).toThrow(InternalError)
    const closed = new Func('f')
    closed.body.op('end')
    expect(() => encode(moduleOf([closed]))).toThrow(InternalError)
    const lost = new Func('f')
    lost.body.br({ kind: 'loop' })
    expect(() => encode(moduleOf([lost]))).toThrow(InternalError)
    const stranger = new Func('f')
    stranger.body.call(new Func('g'))
    expect(() => encode(moduleOf([stranger]))).toThrow(InternalError)
    const below = new Func('f', [], ['i32'])
    below.body.i32(0).memory('i32.load', -4, 4)
    expect(() => encode(moduleOf([below]))).toThrow(InternalError)
  })
})

/** Operand and result types of an instruction, read off its name. */
function typeOf(op: string): [ValueType[], ValueType[]] {
  const [shape, name] = op.split('.') as [string, string]
  const one: ValueType = /x|v128/.test(shape) ? 'v128' : (shape as ValueType)
  const lane = ({ i8x16: 'i32', i32x4: 'i32', f32x4: 'f32', f64x2: 'f64' } as { [shape: string]: ValueType })[shape]
  const conversion = /_(i32|i64|f32|f64)(_[su])?$/.exec(name)
  if (conversion && one !== 'v128') return [[conversion[1] as ValueType], [one]]
  if (name === 'eqz') return [[one], ['i32']]
  if (name === 'splat') return [[lane], [one]]
  if (name === 'any_true') return [[one], ['i32']]
  if (name === 'bitselect') return [[one, one, one], [one]]
  if (one === 'v128' && /^sh[lr]/.test(name)) return [[one, 'i32'], [one]]
  if (/^(eq|ne|lt|gt|le|ge)(_[su])?$/.test(name)) return [[one, one], [one === 'v128' ? one : 'i32']]
  if (/^(abs|neg|ceil|floor|trunc|nearest|sqrt|not|extend_.*|convert_.*|trunc_sat_.*)$/.test(name)) return [[one], [one]]
  return [[one, one], [one]]
}

describe('every instruction of the table is what its name says', () => {
  const plain = Object.keys(PLAIN).filter((op) => op.includes('.')) as PlainOp[]
  const valid = (params: ValueType[], results: ValueType[], body: (c: Code) => void): boolean => {
    const f = new Func('f', params, results)
    for (const p of f.params) f.body.get(p)
    body(f.body)
    return WebAssembly.validate(encode({ ...moduleOf([f]), exports: [] }))
  }

  test.each(plain)('%s', (op) => {
    const [params, results] = typeOf(op)
    expect(valid(params, results, (c) => c.op(op))).toBe(true)
  })

  test.each(Object.keys(MEMORY) as MemoryOp[])('%s', (op) => {
    const one = op.split('.')[0] as ValueType
    // `load16x4_u` reads four halves: 8 bytes.
    const named = /(8|16|32|64)(?:x(\d))?(_|$)/.exec(op.split('.')[1])
    const width = named ? (Number(named[1]) / 8) * Number(named[2] ?? 1) : { i32: 4, f32: 4, f64: 8, v128: 16, i64: 8 }[one]
    const params: ValueType[] = op.includes('store') ? ['i32', one] : ['i32']
    expect(valid(params, op.includes('store') ? [] : [one], (c) => c.memory(op, 1000, width))).toBe(true)
    expect(valid(params, op.includes('store') ? [] : [one], (c) => c.memory(op, 1000, 2 * width))).toBe(false)
  })

  test.each(Object.keys(MEMORY_LANE) as MemoryLaneOp[])('%s', (op) => {
    const width = Number(/(8|16|32|64)_/.exec(op)![1]) / 8
    const body = (lane: number) => (c: Code) => c.memoryLane(op, 1000, width, lane)
    expect(valid(['i32', 'v128'], op.includes('store') ? [] : ['v128'], body(16 / width - 1))).toBe(true)
    expect(valid(['i32', 'v128'], op.includes('store') ? [] : ['v128'], body(16 / width))).toBe(false)
  })

  test.each(Object.keys(LANE) as LaneOp[])('%s', (op) => {
    const lane = ({ i: 'i32', f: op.startsWith('f64') ? 'f64' : 'f32' } as const)[op[0] as 'i' | 'f']
    const extracts = op.includes('extract')
    expect(valid(extracts ? ['v128'] : ['v128', lane], extracts ? [lane] : ['v128'], (c) => c.lane(op, 1))).toBe(true)
  })

  test('codes are distinct', () => {
    const codes = Object.values(CODE_OF)
    expect(new Set(codes).size).toBe(codes.length)
  })

  test('shuffles and vector constants', () => {
    const lane = (l: number): unknown =>
      run((c) => {
        c.v128([...new Uint8Array(Int32Array.of(10, 11, 12, 13).buffer)]).v128(
          [...new Uint8Array(Int32Array.of(20, 21, 22, 23).buffer)],
        )
        c.shuffle32([3, 4, 0, 7]).lane('i32x4.extract_lane', l)
      }, ['i32'])
    expect([0, 1, 2, 3].map(lane)).toEqual([13, 20, 10, 23])
  })
})

test('the text format', () => {
  const f = new Func('k0', ['i32'], ['f32'], 'a title\n(func $evil) \u2028 ;; with line breaks')
  f.body.get(f.params[0]).within('if', (l) => f.body.br(l))
  f.body.f32(-0).i32(0).memory('f32.load', 8, 4).op('f32.add')
  const segments = [{ offset: 16, bytes: new Uint8Array(4) }]
  expect(toWat(moduleOf([f], { segments, exports: [{ name: 'f"0\n', func: f }] }))).toBe(`(module
  (memory 1 1)
  (export "memory" (memory 0))
  (export "f\\220\\0a" (func $k0))

  ;; a title (func $evil)   ;; with line breaks
  (func $k0 (param $i0 i32) (result f32)
    local.get $i0
    if $l0
      br $l0
    end
    f32.const -0
    i32.const 0
    f32.load offset=8 align=4
    f32.add
  )
  (data (i32.const 16) "…") ;; 4 bytes
)
`)
})
