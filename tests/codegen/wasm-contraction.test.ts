import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Scope } from '../../src/codegen/wasm/scope.ts'
import type { Expr } from '../../src/ir/expression.ts'
import { sizeOf } from '../../src/ir/types.ts'
import { tilingOf } from '../../src/codegen/wasm/contraction.ts'
import type { Module } from '../../src/codegen/wasm/evaluate.ts'
import type { LoweredProgram } from '../../src/codegen/nest.ts'
import { arbitraryAccess, arbitraryExpr, arbitraryStore, rows, runs } from './wasm-generators.ts'
import { agree, Bench, disagreements, fill, form, instantiate, nest } from './wasm-reference.ts'

const LAYOUTS = ['ab', 'abt', 'atb', 'atbt'] as const
type Layout = (typeof LAYOUTS)[number]
type Epilogue = (b: Bench, core: Expr) => Expr

interface Product {
  readonly b: Bench
  readonly program: LoweredProgram
}

/** out[i, j] = Σ_k a[i, k] · b[k, j], each operand possibly stored transposed. */
function matmul(m: number, n: number, k: number, layout: Layout, epilogue: Epilogue = (_, core) => core, more = 0): Product {
  const b = new Bench(more + Math.ceil((4 * (m * k + k * n + m * n)) / 65536))
  const [x, y, z] = [b.buffer('f32', m * k), b.buffer('f32', k * n), b.buffer('f32', m * n)]
  const a = layout.startsWith('at') ? form(0, 1, 0, m) : form(0, k, 0, 1)
  const w = layout.endsWith('bt') ? form(0, 0, k, 1) : form(0, 0, 1, n)
  const value = b.x.arith.mul(b.x.load(x, a), b.x.load(y, w))
  const stores = [b.store(z, form(0, n, 1), epilogue(b, b.x.core('f32')))]
  return { b, program: b.program(nest([m, n], stores, { reduced: [k], combine: 'sum', value })) }
}

/** Where the emitted product differs from plain loops with one f32 accumulator an element. */
function wrongProducts(m: number, n: number, k: number, layout: Layout, special = 0): string[] {
  const { b, program } = matmul(m, n, k, layout)
  const memory = fill(b, program, 11, special)
  const wasm = instantiate(program, memory)
  wasm.run()
  const [x, y, z] = b.buffers.map(({ address, length }) => new Float32Array(memory, address, length))
  const got = new Float32Array(wasm.bytes.buffer, wasm.bytes.byteOffset + b.buffers[2].address, m * n)
  const wrong: string[] = []
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0
      for (let t = 0; t < k; t++) {
        const p = x[layout.startsWith('at') ? t * m + i : i * k + t]
        const q = y[layout.endsWith('bt') ? j * k + t : t * n + j]
        sum = Math.fround(sum + Math.fround(p * q))
      }
      z[i * n + j] = sum
      if (!Object.is(got[i * n + j], z[i * n + j])) wrong.push(`[${i}, ${j}]: got ${got[i * n + j]}, want ${sum}`)
    }
  }
  return wrong
}

/** The tiling that the first nest of a program gets. */
function tiling({ program }: Product): ReturnType<typeof tilingOf> {
  const [kernel] = program.functions[0].kernels
  return tilingOf(new Scope(), kernel, kernel.nests[0], {} as Module)
}

describe('sums are those of one sequential accumulator, bit for bit', () => {
  test.each(LAYOUTS)('%s: every shape from 1 to 17', (layout) => {
    for (let m = 1; m <= 17; m++) {
      for (let n = 1; n <= 17; n++) {
        const k = 1 + ((m * 5 + n * 3) % 17)
        expect(wrongProducts(m, n, k, layout), `${m}×${n}×${k}`).toEqual([])
      }
    }
  })

  test.each(LAYOUTS)('%s: larger shapes', (layout) => {
    const shapes = [
      [64, 128, 784], [33, 70, 41], [10, 128, 64], [1, 50, 130], [2, 200, 30], [128, 1, 64], [61, 10, 128], [3, 3, 300],
    ]
    for (const [m, n, k] of shapes) {
      expect(wrongProducts(m, n, k, layout), `${m}×${n}×${k}`).toEqual([])
    }
  })

  test('NaN, infinities and denormals', () => {
    for (const layout of LAYOUTS) expect(wrongProducts(9, 13, 6, layout, 0.2)).toEqual([])
  })

  test('nothing to add gives +0, nothing to write writes nothing', () => {
    for (const [m, n, k] of [[3, 5, 0], [0, 5, 3], [3, 0, 3]]) {
      for (const layout of ['ab', 'abt'] as const) {
        const { b, program } = matmul(m, n, k, layout)
        expect(disagreements(b, program)).toEqual([])
      }
    }
  })
})

test('random products of affine accesses over up to four free and two contracted axes, with an epilogue', () => {
  const extent = fc.constantFrom(1, 2, 3, 4, 5, 6, 8, 9, 11)
  const axes = (min: number, max: number): fc.Arbitrary<number[]> => fc.array(extent, { minLength: min, maxLength: max })
  const space = fc.tuple(axes(0, 4), axes(1, 2)).filter(([f, r]) => sizeOf(f) * sizeOf(r) <= 4000)
  const product = fc.tuple(space, fc.nat(3)).chain(([[free, reduced], depth]) => {
    const b = new Bench()
    const all = [...free, ...reduced]
    const parts = fc.tuple(arbitraryAccess(all), arbitraryAccess(all), arbitraryExpr(b, free, 'f32', depth, 'f32'))
    return parts.chain(([p, q, e]) => {
      const value = b.x.arith.mul(b.x.load(b.buffer('f32', p.length), p.index), b.x.load(b.buffer('f32', q.length), q.index))
      const plain = b.store(b.buffer('f32', sizeOf(free)), rows(free), b.x.core('f32'))
      return arbitraryStore(b, free, e).map((s) => ({ b, n: nest(free, [s, plain], { reduced, combine: 'sum', value }) }))
    })
  })
  fc.assert(fc.property(product, fc.nat(1000), agree), runs(400))
})

test('a convolution by overlapping windows, and its gradient by the filter', () => {
  const [n, h, w, c, o, kh, kw, s] = [2, 7, 9, 3, 10, 3, 2, 2]
  const [oh, ow] = [Math.floor((h - kh) / s) + 1, Math.floor((w - kw) / s) + 1]
  const forward = new Bench()
  const [x, f, y] = [
    forward.buffer('f32', n * h * w * c),
    forward.buffer('f32', kh * kw * c * o),
    forward.buffer('f32', n * oh * ow * o),
  ]
  // free: n, oh, ow, o; contracted: kh, kw, c
  const patch = form(0, h * w * c, s * w * c, s * c, 0, w * c, c, 1)
  const filter = form(0, 0, 0, 0, 1, kw * c * o, c * o, o)
  const value = forward.x.arith.mul(forward.x.load(x, patch), forward.x.load(f, filter))
  const out = forward.store(y, form(0, oh * ow * o, ow * o, o, 1), forward.x.core('f32'))
  expect(
    disagreements(forward, forward.program(nest([n, oh, ow, o], [out], { reduced: [kh, kw, c], combine: 'sum', value }))),
  ).toEqual([])

  const backward = new Bench()
  const [x2, dy, df] = [
    backward.buffer('f32', n * h * w * c),
    backward.buffer('f32', n * oh * ow * o),
    backward.buffer('f32', kh * kw * c * o),
  ]
  // free: kh, kw, c, o; contracted: n, oh, ow
  const patch2 = form(0, w * c, c, 1, 0, h * w * c, s * w * c, s * c)
  const value2 = backward.x.arith.mul(
    backward.x.load(x2, patch2),
    backward.x.load(dy, form(0, 0, 0, 0, 1, oh * ow * o, ow * o, o)),
  )
  const out2 = backward.store(df, form(0, kw * c * o, c * o, o, 1), backward.x.core('f32'))
  expect(
    disagreements(
      backward,
      backward.program(nest([kh, kw, c, o], [out2], { reduced: [n, oh, ow], combine: 'sum', value: value2 })),
    ),
  ).toEqual([])
})

test('columns that a tile does not have are not read: the operand may end where memory ends', () => {
  const [n, k] = [126, 200]
  const b = new Bench(2)
  const [w, x, z] = [b.buffer('f32', n * k), b.buffer('f32', k), b.buffer('f32', n)]
  const value = b.x.arith.mul(b.x.load(x, form(0, 0, 1)), b.x.load(w, form(0, k, 1)))
  const program = b.program(nest([n], [b.store(z, form(0, 1), b.x.core('f32'))], { reduced: [k], combine: 'sum', value }))
  expect(tiling({ b, program })).toMatchObject({ feed: 'turned', vectors: 2 })
  expect(disagreements(b, program)).toEqual([])
})

test.each(LAYOUTS)('%s: a weight is updated in place, with its moment, by the gradient that was just computed', (layout) => {
  for (const [m, n] of [[13, 22], [3, 5], [8, 16]]) {
    const k = 6
    const b = new Bench()
    const [x, y, w, v] = [b.buffer('f32', m * k), b.buffer('f32', k * n), b.buffer('f32', m * n), b.buffer('f32', m * n)]
    const p = layout.startsWith('at') ? form(0, 1, 0, m) : form(0, k, 0, 1)
    const q = layout.endsWith('bt') ? form(0, 0, k, 1) : form(0, 0, 1, n)
    const here = form(0, n, 1)
    const { arith: a } = b.x
    const lit = (z: number): Expr => b.x.lit(z, 'f32')
    const g = b.x.core('f32')
    const moment = a.add(a.mul(lit(0.9), b.x.load(v, here)), a.mul(lit(0.1), a.mul(g, g)))
    const weight = a.sub(b.x.load(w, here), a.div(a.mul(lit(0.01), g), a.add(a.sqrt(moment), lit(1e-8))))
    const value = a.mul(b.x.load(x, p), b.x.load(y, q))
    const update = nest([m, n], [b.store(v, here, moment), b.store(w, here, weight)], { reduced: [k], combine: 'sum', value })
    expect(disagreements(b, b.program(update))).toEqual([])
  }
})

test('the operand that does not lie along the columns is packed when it is used often, and not when rows are few', () => {
  const shown = (p: Product): unknown => {
    const t = tiling(p)!
    return [t.feed, t.rows * t.vectors]
  }
  expect(shown(matmul(64, 128, 784, 'ab'))).toEqual(['direct', 8])
  expect(shown(matmul(64, 128, 784, 'abt'))).toEqual(['packed', 8])
  expect(shown(matmul(128, 784, 64, 'atb'))).toEqual(['direct', 8])
  expect(shown(matmul(65, 512, 784, 'ab'))).toEqual(['packed', 10])
  expect(tiling(matmul(1, 128, 784, 'ab'))).toMatchObject({ feed: 'direct', rows: 1, vectors: 8 })
})

test('terms come in blocks where a panel of all of them would leave the caches near the core', () => {
  for (const layout of ['ab', 'atb'] as const) expect(tiling(matmul(128, 128, 1024, layout, undefined, 64))!.termBlock).toBe(0)
  const t = tiling(matmul(128, 128, 8192, 'atb', undefined, 128))!
  expect(8192 % t.termBlock).toBe(0)
  expect(16 * t.vectors * t.termBlock).toBeLessThan(16_000)
  expect(t.rowBlock).toBeGreaterThan(0)
  expect(wrongProducts(44, 35, 6000, 'atb')).toEqual([])
  expect(wrongProducts(44, 35, 6000, 'ab')).toEqual([])
})

describe("an optimiser's states", () => {
  const momentum: Epilogue = (b, core) => {
    const [w, m, v] = [0, 1, 2].map(() => b.x.load(b.buffer('f32', 256 * 64), form(0, 64, 1)))
    return b.x.arith.add(core, b.x.arith.mul(w, b.x.arith.mul(m, v)))
  }

  test('are walked as they lie, if that is hardly dearer', () => {
    for (const terms of [512, 8192]) expect(tiling(matmul(256, 64, terms, 'atb', momentum, 8))).toMatchObject({ column: 1 })
  })

  test('are not walked along the three taps of a convolution', () => {
    const [n, o, c, h] = [32, 64, 32, 14]
    const b = new Bench(512)
    const [x, dy] = [b.buffer('f32', n * c * 256), b.buffer('f32', n * o * h * h)]
    const here = form(0, c * 9, 9, 3, 1)
    const loads = [0, 1, 2].map(() => b.x.load(b.buffer('f32', o * c * 9), here))
    const { arith: a } = b.x
    const value = a.mul(b.x.load(dy, form(0, h * h, 0, 0, 0, o * h * h, h, 1)), b.x.load(x, form(0, 0, 256, 16, 1, c * 256, 16, 1)))
    const update = a.add(b.x.core('f32'), a.mul(loads[0], a.mul(loads[1], loads[2])))
    const stores = [b.store(b.buffer('f32', o * c * 9), here, update)]
    const program = b.program(nest([o, c, 3, 3], stores, { reduced: [n, h, h], combine: 'sum', value }))
    expect(tiling({ b, program })!.column).toBeLessThan(2)
  })
})
