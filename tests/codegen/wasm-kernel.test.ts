// Kernels of several nests, which run one after the other over one memory.
import { expect, test } from 'vitest'
import type { Expr } from '../../src/ir/expression.ts'
import type { LoweredProgram } from '../../src/codegen/nest.ts'
import { emitWasm } from '../../src/codegen/wasm/emit.ts'
import { Bench, disagreements, form, nest } from './wasm-reference.ts'

test('what one nest writes the next one reads, also where both read it once for the whole loop', () => {
  const n = 9
  const b = new Bench()
  const [x, s, y, z] = [b.buffer('f32', n), b.buffer('f32', 1), b.buffer('f32', n), b.buffer('f32', n)]
  const scaled = b.x.arith.mul(b.x.load(x, form(0, 1)), b.x.load(s, form(0, 0)))
  const program = b.program(
    nest([n], [b.store(y, form(0, 1), scaled)]),
    nest([], [b.store(s, form(0), b.x.core('f32'))], { reduced: [n], combine: 'sum', value: b.x.load(y, form(0, 1)) }),
    nest([n], [b.store(z, form(0, 1), scaled)]),
  )
  expect(disagreements(b, program)).toEqual([])
})

test('a product, the softmax of its rows in place, and a product of that', () => {
  const [m, n, k, o] = [9, 21, 5, 6]
  const b = new Bench()
  const [p, q, x, v] = [b.buffer('f32', m * k), b.buffer('f32', n * k), b.buffer('f32', m * n), b.buffer('f32', n * o)]
  const [most, total, out] = [b.buffer('f32', m), b.buffer('f32', m), b.buffer('f32', m * o)]
  const { arith: a } = b.x
  const core = b.x.core('f32')
  const here = form(0, n, 1)
  const load = b.x.load(x, here)
  const shifted = a.sub(load, b.x.load(most, form(0, 1, 0)))
  // A stand-in for exp that all targets compute alike.
  const bump = (d: Expr): Expr => a.div(b.x.lit(1, 'f32'), a.add(b.x.lit(1, 'f32'), a.mul(d, d)))
  const program = b.program(
    nest(
      [m, n],
      [b.store(x, here, core)],
      { reduced: [k], combine: 'sum', value: a.mul(b.x.load(p, form(0, k, 0, 1)), b.x.load(q, form(0, 0, k, 1))) },
    ),
    nest([m], [b.store(most, form(0, 1), core)], { reduced: [n], combine: 'max', value: load }),
    nest([m, n], [b.store(x, here, bump(shifted))]),
    nest([m], [b.store(total, form(0, 1), core)], { reduced: [n], combine: 'sum', value: load }),
    nest([m, n], [b.store(x, here, a.div(load, b.x.load(total, form(0, 1, 0))))]),
    nest(
      [m, o],
      [b.store(out, form(0, o, 1), core)],
      { reduced: [n], combine: 'sum', value: a.mul(b.x.load(x, form(0, n, 0, 1)), b.x.load(v, form(0, 0, 1, o))) },
    ),
  )
  expect(disagreements(b, program)).toEqual([])
})

test('a borrowed memory is written like an own one, and scratch lies behind the program', () => {
  const [m, n, k] = [8, 12, 16]
  const b = new Bench(1)
  const [x, y, z] = [b.buffer('f32', m * k), b.buffer('f32', n * k), b.buffer('f32', m * n)]
  const value = b.x.arith.mul(b.x.load(x, form(0, k, 0, 1)), b.x.load(y, form(0, 0, k, 1)))
  const program: LoweredProgram = b.program(
    nest([m, n], [b.store(z, form(0, n, 1), b.x.core('f32'))], { reduced: [k], combine: 'sum', value }),
  )
  const { bytes, scratchBytes } = emitWasm(program, { memory: 'import' })
  expect(scratchBytes).toBeGreaterThan(0)
  const memory = new WebAssembly.Memory({ initial: 2 })
  new Float32Array(memory.buffer, 0, 16384).fill(1)
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { m: { memory } })
  ;(exports.f0 as () => void)()
  expect([...new Float32Array(memory.buffer, b.address(z), m * n)]).toEqual(Array.from({ length: m * n }, () => k))
  expect([...new Float32Array(memory.buffer, 65536 + scratchBytes)].every((v) => v === 0)).toBe(true)
})

test('constants come with the module', () => {
  const b = new Bench(1)
  const x = b.buffer('f32', 4)
  const program = b.program(nest([4], [b.store(x, form(0, 1), b.x.arith.add(b.x.load(x, form(0, 1)), b.x.lit(1, 'f32')))]))
  const { bytes } = emitWasm(
    program,
    { segments: [{ offset: b.address(x), bytes: new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer) }], names: true },
  )
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes))
  ;(exports.f0 as () => void)()
  expect([...new Float32Array((exports.memory as WebAssembly.Memory).buffer, b.address(x), 4)]).toEqual([2, 3, 4, 5])
})

test('the same program gives the same bytes', () => {
  const build = (): Uint8Array => {
    const b = new Bench(1)
    const [x, y] = [b.buffer('f32', 40), b.buffer('f32', 8)]
    const fold = { reduced: [5], combine: 'max' as const, value: b.x.load(x, form(0, 5, 1)) }
    return emitWasm(b.program(nest([8], [b.store(y, form(0, 1), b.x.core('f32'))], fold))).bytes
  }
  expect(build()).toEqual(build())
})
