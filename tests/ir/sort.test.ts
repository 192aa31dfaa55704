import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  argsort, cast, compile, f16, f32, f64, fn, grad, i32, median, mul, quantile, sort, sum, takeAlongAxis, topK, u32, type Tensor,
} from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import { DTYPES, sizeOf, type DType, type Shape, type TypedArray } from '../../src/ir/types.ts'
import { draw, expectSlopes } from '../nn/recurrent-slopes.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'

const TARGETS = ['wasm', 'js'] as const
const seed = Number(process.env.GRADC_SEED ?? 20261121)

/** What sorting means: stable, NaN above all, −0 = 0. Places along the axis. */
function expected(row: readonly number[], descending: boolean): number[] {
  const rank = (v: number): number => (Number.isNaN(v) ? 1 : 0)
  const compare = (a: number, b: number): number => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0)
  return row.map((_, i) => i).sort((i, j) => (descending ? compare(row[j], row[i]) : compare(row[i], row[j])) || i - j)
}

/** Rows along an axis: the flat places of each. */
function rowsOf(shape: Shape, axis: number): number[][] {
  const width = sizeOf(shape.slice(axis + 1))
  return Array.from({ length: sizeOf(shape.slice(0, axis)) * width }, (_, r) =>
    Array.from({ length: shape[axis] }, (_, i) => (Math.floor(r / width) * shape[axis] + i) * width + (r % width)))
}

const SPECIAL: Readonly<Record<string, readonly number[]>> = {
  f32: [NaN, 0, -0, Infinity, -Infinity, 1, -1, 1e-45, 3.4e38], f64: [NaN, 0, -0, Infinity, -Infinity, 1, -1, 5e-324, 1.7e308],
  i32: [0, -1, 1, 2 ** 31 - 1, -(2 ** 31)], u32: [0, 1, 2 ** 31, 2 ** 32 - 1], bool: [0, 1],
}
const value = (dtype: DType): fc.Arbitrary<number> => {
  const special = fc.constantFrom(...SPECIAL[dtype])
  return dtype === 'bool' ? special : fc.oneof(special, dtype === 'u32' ? fc.nat(9) : fc.integer({ min: -5, max: 5 }))
}
const sample = (dtype: DType): fc.Arbitrary<{ shape: number[]; axis: number; values: number[]; descending: boolean }> =>
  fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 3 }).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      axis: fc.nat(shape.length - 1),
      values: fc.array(value(dtype), { minLength: sizeOf(shape), maxLength: sizeOf(shape) }),
      descending: fc.boolean(),
    }))

describe('sort', () => {
  test.each(['f32', 'f64', 'i32', 'u32', 'bool'] as const)('of %s is that of Array.sort, stable, NaN above all', (dtype) => {
    fc.assert(fc.property(sample(dtype), ({ shape, axis, values, descending }) => {
      const x = new Builder().input('x', { dtype, shape })
      const sorted = sort(x, { axis, descending })
      expect([sorted.values.dtype, sorted.values.shape, sorted.indices.dtype, sorted.indices.shape]).toEqual([dtype, shape, 'i32', shape])
      const rounded = [...(DTYPES[dtype].array as unknown as { from(v: readonly number[]): TypedArray }).from(values)]
      const [ordered, places, same] = numbersOf([sorted.values, sorted.indices, argsort(x, { axis, descending })], { x: rounded })
      for (const row of rowsOf(shape, axis)) {
        const at = expected(row.map((i) => rounded[i]), descending)
        expect(row.map((i) => places[i])).toEqual(at)
        expect(row.map((i) => ordered[i])).toEqual(at.map((i) => rounded[row[i]]))
      }
      expect(same).toEqual(places)
    }), { seed, numRuns: 25 })
  })
})

/** Runs on both targets; the bits must be the same. */
async function onBoth(f: ReturnType<typeof fn>, inputs: Record<string, TypedArray>): Promise<Record<string, number[]>> {
  const runs = await Promise.all(TARGETS.map(async (target) => {
    const model = await compile({ f }, { target, verify: true }).load() as unknown as { f(given: typeof inputs): Record<string, TypedArray> }
    return Object.fromEntries(Object.entries(model.f(inputs)).map(([name, v]) => [name, [...v]]))
  }))
  expect(runs[1]).toEqual(runs[0])
  return runs[0]
}
const tensor = (shape: Shape, dtype: DType = 'f32'): Tensor => new Builder().input('x', { dtype, shape })

describe('compiled', () => {
  test.each([['f32', f32], ['f64', f64], ['i32', i32], ['u32', u32]] as const)('%s, along both axes, on both targets', async (dtype, type) => {
    const [rows, columns] = [5, 19]
    const special = SPECIAL[dtype]
    const numbers = draw(rows * columns).map((v, i) => (i % 7 === 0 ? special[(i / 7) % special.length] : dtype[0] === 'f' ? v : Math.round(Math.abs(4 * v))))
    const x = (DTYPES[dtype].array as unknown as { from(v: readonly number[]): TypedArray }).from(numbers)
    const f = fn({ x: type(rows, columns) }, ({ x }) => {
      const [right, down] = [sort(x), sort(x, { axis: 0, descending: true })]
      return { right: right.values, rightAt: right.indices, down: down.values, downAt: down.indices }
    })
    const y = await onBoth(f as never, { x })
    for (const [name, axis] of [['right', 1], ['down', 0]] as const) {
      for (const row of rowsOf([rows, columns], axis)) {
        const at = expected(row.map((i) => x[i]), axis === 0)
        expect(row.map((i) => y[`${name}At`][i])).toEqual(at)
        expect(row.map((i) => y[name][i])).toEqual(at.map((i) => x[row[i]]))
      }
    }
  })

  test('f16 keeps its bits', async () => {
    const x = Uint16Array.of(0x3c00, 0xc000, 0x7c00, 0x0000, 0x3800)
    const y = await onBoth(fn({ x: f16(5) }, ({ x }) => sort(x)) as never, { x })
    expect(y).toEqual({ values: [0xc000, 0, 0x3800, 0x3c00, 0x7c00], indices: [1, 3, 4, 0, 2] })
  })

  test('values and their gradient come back to where the elements stood', async () => {
    const f = fn({ x: f32(2, 5), w: f32(2, 3) }, ({ x, w }) => {
      const { values, indices } = topK(x, 3)
      return { values, indices, g: grad(sum(mul(values, w)), x) }
    })
    const y = await onBoth(f as never, { x: Float32Array.of(1, 5, 3, 5, 2, 9, -1, -2, 0, 4), w: Float32Array.of(10, 20, 30, 40, 50, 60) })
    expect(y).toEqual({ values: [5, 5, 3, 9, 4, 0], indices: [1, 3, 2, 0, 4, 3], g: [0, 10, 30, 20, 0, 40, 0, 0, 60, 50] })
  })

  test('code does not grow with the elements', () => {
    const bytes = (n: number): number => compile({ f: fn({ x: f32(n) }, ({ x }) => ({ y: argsort(x) })) }).emit().js.length
    expect(bytes(1024) / bytes(64)).toBeLessThan(1.02)
  })
})

describe('gradients', () => {
  test.each([[[7], 0], [[3, 4], 0], [[2, 3, 2], 1]] as const)('of sorted values of %j along %d', (shape, axis) => {
    expectSlopes({ inputs: { x: shape }, of: ({ x }) => sort(x, { axis }).values })
    expectSlopes({ inputs: { x: shape }, of: ({ x }) => topK(x, 2, { axis }).values })
    expectSlopes({ inputs: { x: shape }, of: ({ x }) => quantile(x, 0.3, { axis }) })
    expectSlopes({ inputs: { x: shape }, of: ({ x }) => median(x, { axis }) })
  })

  test('meeting places add up', () => {
    const x = tensor([3])
    const index = x.builder.constant(Int32Array.of(0, 2, 2, 5, -1), { dtype: 'i32', shape: [5] })
    expect(numbersOf([takeAlongAxis(x, index), grad(sum(takeAlongAxis(x, index)), x)], { x: [5, 6, 7] })).toEqual([[5, 7, 7, 7, 5], [2, 0, 3]])
  })

  test('through places there is none', () => {
    for (const of of [(x: Tensor) => argsort(x), (x: Tensor) => sort(x).indices, (x: Tensor) => topK(x, 2).indices]) {
      const x = tensor([4])
      expect(refusal(() => grad(sum(cast(of(x), 'f32')), x)).code).toBe('grad/dtype')
    }
  })
})

describe('edges', () => {
  test('one element, none, no rows', () => {
    const cases: [Shape, number][] = [[[1], 0], [[0], 0], [[0, 3], 1], [[3, 0], 1], [[2, 1], 1]]
    for (const [shape, axis] of cases) {
      const x = tensor(shape)
      const { values, indices } = sort(x, { axis })
      const numbers = draw(sizeOf(shape))
      expect(numbersOf([values, indices], { x: numbers })).toEqual([numbers, numbers.map(() => 0)])
      expect(values.shape).toEqual(shape)
      expect(topK(x, 0, { axis }).values.shape).toEqual(shape.with(axis, 0))
    }
  })

  test('quantiles of what is not finite', () => {
    const at = (x: readonly number[], q: number): number => numbersOf([quantile(tensor([x.length], 'f64'), q)], { x })[0][0]
    expect([at([3, 1, 2, 4], 0.5), at([3, 1, 2, 4], 0), at([3, 1, 2, 4], 1), at([5], 0.7), at([1, 2, 4], 0.25)]).toEqual([2.5, 1, 4, 5, 1.5])
    expect([at([1, NaN, 2], 0.5), at([1, NaN, 2], 0), at([1, NaN, 2], 1)]).toEqual([NaN, NaN, NaN])
    expect([at([Infinity, Infinity, 1], 0.75), at([1.7e308, -1.7e308], 0.5)]).toEqual([Infinity, 0])
    expect(numbersOf([median(tensor([2, 3], 'f64'), { axis: 0 })], { x: [1, 2, 3, 5, 8, 9] })).toEqual([[3, 5, 6]])
  })

  test.each([
    ['operand/invalid', () => sort([3, 1] as never)],
    ['shape/axis', () => sort(tensor([]))],
    ['shape/axis', () => argsort(tensor([2]), { axis: 1 })],
    ['option/invalid', () => argsort(tensor([2]), { order: 'up' } as never)],
    ['option/invalid', () => sort(tensor([2]), { descending: 1 } as never)],
    ['option/invalid', () => topK(tensor([2]), 3)],
    ['option/invalid', () => topK(tensor([2]), 1.5)],
    ['option/invalid', () => topK(tensor([2]), 1, { descending: true } as never)],
    ['option/invalid', () => quantile(tensor([2]), 50)],
    ['dtype/unsupported', () => median(tensor([2], 'i32'))],
    ['shape/invalid', () => median(tensor([2, 0]))],
    ['dtype/mismatch', () => { const x = tensor([2]); takeAlongAxis(x, x) }],
    ['shape/mismatch', () => { const x = tensor([2, 2]); takeAlongAxis(x, argsort(sum(x, { axis: 0 }))) }],
    ['shape/invalid', () => { const x = tensor([0]); takeAlongAxis(x, x.builder.literal(0, { dtype: 'i32', shape: [1] })) }],
  ] as const)('%s: %s', (code, run) => {
    expect(refusal(run).code).toBe(code)
  })
})
