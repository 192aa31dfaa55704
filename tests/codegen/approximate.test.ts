import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { expand } from '../../src/codegen/approximate.ts'
import { Expressions, inOrder } from '../../src/ir/expression.ts'
import { numeric } from '../../src/ir/numeric.ts'
import type { Num } from '../../src/ir/numeric.ts'
import type { ScalarOp } from '../../src/ir/scalar.ts'
import { fold } from '../../src/passes/rewrite/rules/fold.ts'
import { EXACT, around, floatAt, floatOf, formulaOf, positionOf, sweep, ulpError, worstOf } from './ulp.ts'
import type { BinaryFormula, UnaryFormula } from './ulp.ts'

/** The floats nearest to multiples of π/2, by their exponents: odd multiples, and even ones. Found by trying all floats in fixed point. */
const NEAR_ODD = [16367173 * 2 ** 72, 10741887 * 2 ** 11, 10057457 * 2 ** 62]
const NEAR_EVEN = [16367173 * 2 ** 73, 10741887 * 2 ** 12, 16367173 * 2 ** 74]

/** Promised errors in ulps, and where a formula changes its ways. */
const UNARY: { readonly [op in UnaryFormula]: { readonly ulps: number; readonly seams: readonly number[] } } = {
  exp: { ulps: 1, seams: [0, 0.34657359, -0.34657359, 1.0397208, 88.72284, 89, -87.33655, -103.27893, -103.97208, -104] },
  expm1: { ulps: 1, seams: [0, 2 ** -25, 0.34657359, -0.34657359, 16.98, 17.5, -17.32868, -20, 88.37626, 88.72284, 89] },
  log: { ulps: 1, seams: [0, 2 ** -126, Math.SQRT1_2, 1, Math.SQRT2, 2, Infinity] },
  log1p: { ulps: 1, seams: [-1, Math.SQRT1_2 - 1, 0, Math.SQRT2 - 1, 1, 2 ** 24, 3.4028235e38] },
  sin: { ulps: 2, seams: [0, 1, 2, 3, 22, 16384, 32767, 32768, -32768].map((n) => n * Math.PI).concat(Math.PI / 2, -Math.PI / 2, 102943, 2 ** 40, 3.4028235e38, ...NEAR_EVEN) },
  cos: { ulps: 2, seams: [0.5, 1, 1.5, 2, 22.5, 16383.5, 32767.5, -32768.5].map((n) => n * Math.PI).concat(0, -Math.PI / 2, 102943, 2 ** 40, 3.4028235e38, ...NEAR_ODD) },
  tanh: { ulps: 3, seams: [0, 0.17328680, -0.17328680, 0.5, 8.66434, 9.010913, 10, -9.010913] },
  sigmoid: { ulps: 3, seams: [0, 0.34657359, -0.34657359, 16.6355, -16.639687, -88.72284, -87.33655, -103.97208, -104] },
  erf: { ulps: 3, seams: [0, 1.125, -1.125, 2.25, 3.8325, 3.93, -3.93] },
  normalPdf: { ulps: 3, seams: [0, 0.83, -1.44, -12.9, 14.17, 14.4, -14.4] },
  normalCdf: { ulps: 4, seams: [0, 0.9375, -0.9375, -1.235, 5.4, -12.9, -14.17, -14.4] },
  gelu: { ulps: 4, seams: [0, 2 ** -126, -(2 ** -126), 0.9375, -0.9375, -3.645, -13.1, -14.2, -14.4] },
}
const BINARY: { readonly [op in BinaryFormula]: number } = { pow: 2, atan2: 2 }
const ALL = [...Object.keys(UNARY), ...Object.keys(BINARY)] as (UnaryFormula | BinaryFormula)[]
const EACH = Object.entries(UNARY).map(([op, { ulps, seams }]) => [op as UnaryFormula, ulps, seams] as const)

const SPECIAL = [
  0, -0, 1, -1, NaN, Infinity, -Infinity, 2, -2, 3, -3, 0.5, -0.5, 1.5, -2.5, 2 ** -149, -(2 ** -149), 2 ** -126, 2 ** 23 + 1,
  -(2 ** 23) - 1, 2 ** 24 - 1, 1 - 2 ** -24, 1 + 2 ** -23, 2 ** 31, -(2 ** 31), 3.4028234663852886e38, -3.4028234663852886e38,
]
const PAIRS = SPECIAL.flatMap((x) => SPECIAL.map((y) => [x, y]))

const one = (op: UnaryFormula, x: number): number => formulaOf(op).run(Float32Array.of(x))[0]

test('the measure itself', () => {
  expect(ulpError(1, 1)).toBe(0)
  expect(ulpError(1 + 2 ** -23, 1)).toBe(1)
  expect(ulpError(1, 1 - 2 ** -25)).toBe(0.5)
  expect(ulpError(2 ** -149, 2 ** -148)).toBe(1)
  expect(ulpError(Infinity, 2 ** 128)).toBe(0)
  expect(ulpError(Infinity, (2 - 2 ** -23) * 2 ** 127)).toBe(1)
  expect(ulpError(NaN, NaN)).toBe(0)
  for (const [got, exact] of [[0, -0], [-0, 0], [-1, 1], [NaN, 1], [1, NaN], [3e38, Infinity], [0, -1e-50]])
    expect(ulpError(got, exact)).toBe(Infinity)
  for (const x of [0, 1, -1, 1e-45, -3e38, Infinity]) expect(floatAt(positionOf(x))).toBe(Math.fround(x))
  // Values from Abramowitz & Stegun, table 7.1.
  for (const [x, y] of [[0.5, 0.5204998778], [1, 0.8427007929], [2, 0.9953222650]]) expect(EXACT.erf(x, 0)).toBeCloseTo(y, 10)
})

describe('expand', () => {
  test('leaves basic operations and f64 alone', () => {
    const { arith: k } = new Expressions()
    const single = k.lit(0.5, 'f32')
    const double = k.lit(0.5, 'f64')
    for (const op of ['add', 'sqrt', 'floor', 'max', 'rem', 'select', 'sign'] as ScalarOp[])
      expect(expand(k, op, [single, single, single])).toBeNull()
    for (const op of ALL) expect(expand(k, op, [double, double])).toBeNull()
  })

  test.each(ALL)('%s: basic operations only, of one width, in few registers', (op) => {
    const { arith: k } = new Expressions()
    const root = expand(k, op, [k.lit(0.5, 'f32'), k.lit(2, 'f32')])!
    expect(root.dtype).toBe('f32')
    for (const e of inOrder([root])) expect(['f32', 'i32', 'bool']).toContain(e.dtype)
    // The tracer throws at anything that is not basic.
    const { operations, live } = formulaOf(op)
    expect(operations).toBeLessThanOrEqual(op === 'pow' ? 130 : op === 'gelu' || op === 'normalCdf' ? 72 : 51)
    expect(live).toBeLessThanOrEqual(op === 'pow' ? 16 : 12)
  })
})

test('no op whose formula is approximated is folded, which could change its bits', () => {
  const folded = new Set(fold.map((r) => r.name))
  expect(folded).toContain('fold-mul')
  for (const op of ALL) expect(folded).not.toContain(`fold-${op}`)
})

test.each(ALL)('%s: the reference arithmetic agrees bit by bit', (op) => {
  const k = numeric('declared')
  const xs = Float32Array.from({ length: 499 }, (_, i) => floatOf(i * 8607091))
  const ys = xs.map((x, i) => (i % 3 ? Math.sin(i) * 40 : -x))
  const results = formulaOf(op).run(xs, ys)
  const num = (value: number): Num => ({ value, dtype: 'f32' })
  xs.forEach((x, i) => expect([x, expand(k, op, [num(x), num(ys[i])])!.value]).toEqual([x, results[i]]))
})

describe.each(EACH)('%s', (op, ulps, seams) => {
  test(`within ${ulps} ulp over all floats, sampled`, () => {
    const worst = sweep(op, 9973)
    expect(worst.ulps, `at ${worst.at}: ${worst.got}`).toBeLessThan(ulps)
    expect(worst.count).toBeGreaterThan(430_000)
  })

  test('and densely where the formula changes', () => {
    const worst = worstOf(op, around(seams, 3000))
    expect(worst.ulps, `at ${worst.at}: ${worst.got}`).toBeLessThan(ulps)
  })

  test('special values', () => {
    for (const x of SPECIAL) {
      const got = one(op, x)
      const exact = EXACT[op](Math.fround(x), 0)
      if (Math.fround(exact) === exact || Number.isNaN(exact)) expect([x, got]).toEqual([x, exact])
      else expect(ulpError(got, exact), `of ${x}: ${got}`).toBeLessThan(ulps)
    }
  })
})

test('sines and cosines where they are smallest', () => {
  // mpmath with 600 bits.
  const smallest = [
    ['cos', NEAR_ODD[0], -1.6147697982476211e-9], ['cos', NEAR_ODD[1], -2.0126460319185528e-9],
    ['sin', NEAR_EVEN[0], -3.2295395964952422e-9], ['sin', NEAR_EVEN[1], -4.0252920638371055e-9],
  ] as const
  for (const [op, x, exact] of smallest) {
    expect(ulpError(one(op, x), exact), `${op} ${x}`).toBeLessThan(1)
    expect(ulpError(one(op, -x), op === 'sin' ? -exact : exact), `${op} ${-x}`).toBeLessThan(1)
  }
})

test('gelu among subnormals, where a rounded Φ(x) has too few bits to be multiplied', () => {
  // mpmath with 200 bits.
  for (const [x, exact] of [[-13, -7.952313719414843e-38], [-13.5, -1.0555389862638154e-40], [-14, -1.091095154686992e-43]] as const)
    expect(ulpError(one('gelu', x), exact), `of ${x}`).toBeLessThan(1.5)
})

describe('signs and bounds', () => {
  const sampled = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => floatOf(i * 2097143 + 77))

  test.each(['sin', 'tanh', 'erf'] as const)('%s is odd, bit by bit', (op) => {
    const xs = sampled(2048)
    expect(formulaOf(op).run(xs.map((x) => -x))).toEqual(formulaOf(op).run(xs).map((y) => -y))
  })

  test('cos is even', () => {
    const xs = sampled(1024).filter(Number.isFinite)
    const [left, right] = [xs.map((x) => -x), xs].map((x) => formulaOf('cos').run(x))
    left.forEach((y, i) => expect(Math.abs(y - right[i])).toBeLessThanOrEqual(2 ** -22 * Math.abs(y)))
  })

  test.each(['sin', 'cos', 'tanh', 'erf', 'sigmoid', 'normalCdf'] as const)('%s stays within ±1 everywhere', (op) => {
    expect(sweep(op, 99_991).largest).toBeLessThanOrEqual(1)
  })

  test.each(['sin', 'cos'] as const)('%s of infinite arguments is no number', (op) => {
    for (const x of [Infinity, -Infinity, NaN]) expect(one(op, x)).toBeNaN()
  })

  test.each(['exp', 'expm1', 'log', 'log1p', 'tanh', 'sigmoid', 'erf', 'normalCdf'] as const)('%s rises', (op) => {
    const start = op === 'log' ? 0 : positionOf(op === 'log1p' ? -1 : -Infinity)
    const step = 3_000_017
    const xs = Float32Array.from({ length: Math.floor((0x7f800000 - start) / step) }, (_, i) => floatAt(start + i * step))
    const ys = formulaOf(op).run(xs)
    expect(xs.length).toBeGreaterThan(700)
    for (let i = 1; i < ys.length; i++) expect(ys[i], `${op} of ${xs[i]}`).toBeGreaterThanOrEqual(ys[i - 1])
  })
})

describe.each(Object.entries(BINARY) as [BinaryFormula, number][])('%s', (op, ulps) => {
  const check = (x: number, y: number): void => {
    const got = formulaOf(op).run(Float32Array.of(x), Float32Array.of(y))[0]
    expect(ulpError(got, EXACT[op](x, y)), `${op}(${x}, ${y}) = ${got}`).toBeLessThan(ulps)
  }

  test('special values in all pairs', () => {
    const single = PAIRS.map((p) => p.map(Math.fround))
    for (const [x, y] of single) check(x, y)
  })

  test('any two floats', () => {
    const float = fc.float()
    fc.assert(fc.property(float, float, check), { numRuns: 2000 })
  })
})

test('pow within 2 ulp where results are finite', () => {
  const any = fc.float({ noDefaultInfinity: true, noNaN: true }).map(Math.abs)
  const base = fc.oneof(fc.float({ min: 0.5, max: 2, noNaN: true }), any)
  const tuples = fc.sample(fc.tuple(base, fc.double({ min: -149, max: 128, noNaN: true })), { numRuns: 20_000, seed: 20261121 })
    .map(([x, p]) => [x, Math.fround(p / Math.log2(x))])
    .filter(([x, y]) => x > 0 && Number.isFinite(y))
  const worst = worstOf('pow', tuples)
  expect(worst.count).toBeGreaterThan(15_000)
  expect(worst.ulps, `at ${worst.at}: ${worst.got}`).toBeLessThan(2)
})

test('pow of whole numbers is exact where the result is an f32', () => {
  const formula = formulaOf('pow')
  for (const x of [2, -2, 4, 0.5]) {
    for (let n = -40; n <= 40; n++)
      expect(formula.run(Float32Array.of(x), Float32Array.of(n))[0], `${x}^${n}`).toBe(x ** n)
  }
})

test('pow of a negative base has the size of the positive one, and an odd exponent its sign', () => {
  const n = fc.integer({ min: -300, max: 300 })
  const pow = (x: number, y: number): number => formulaOf('pow').run(Float32Array.of(x), Float32Array.of(y))[0]
  const same = (x: number, y: number): void => {
    expect(pow(-x, y)).toBe(y % 2 === 0 ? pow(x, y) : -pow(x, y))
  }
  fc.assert(fc.property(fc.float({ min: 0, noNaN: true }), n, same))
})

test('atan2 within 2 ulp in every direction', () => {
  const circle = Array.from({ length: 40_001 }, (_, i) => {
    const angle = (i / 20_000 - 1) * Math.PI
    return [Math.sin(angle), Math.cos(angle)].map((v) => Math.fround(v * 10 ** ((i % 61) - 30)))
  })
  const worst = worstOf('atan2', circle)
  expect(worst.ulps, `at ${worst.at}: ${worst.got}`).toBeLessThan(2)
  // Where π is added and dominates, its second part keeps the sum within one ulp.
  const behind = worstOf('atan2', circle.filter(([y, x]) => Math.abs(y) < -x))
  expect(behind.count).toBeGreaterThan(9_000)
  expect(behind.ulps, `at ${behind.at}: ${behind.got}`).toBeLessThan(1)
})
