// Pooling, flatten and upsampling: values against plain loops, gradients against differences, ties, extremes and refusals.
// GRADC_SEED=n draws other samples. PyTorch's own numbers are in tests/golden/convolution.test.ts.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { topological, type Node } from '../../src/ir/graph.ts'
import { mul } from '../../src/ir/lang/pointwise.ts'
import { sum } from '../../src/ir/lang/reduce.ts'
import { sizeOf, type Shape } from '../../src/ir/types.ts'
import * as nn from '../../src/nn/index.ts'
import { grad } from '../../src/passes/differentiate/gradient.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'

const RUNS = { seed: Number(process.env.GRADC_SEED ?? 20261121), numRuns: 80 }
const f64 = (...shape: number[]) => ({ dtype: 'f64', shape }) as const
const input = (...shape: number[]): Node => new Builder().input('x', { dtype: 'f32', shape })
const list = <T>(n: number, f: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => f(i))
/** Distinct numbers without a pattern, at least 1/n apart, so that small steps change no order. */
const distinct = (n: number, seed: number): number[] => {
  const keys = list(n, (i) => ({ i, key: Math.sin(seed * 12.9898 + i * 78.233) * 1e4 % 1 })).sort((a, b) => a.key - b.key)
  return keys.reduce<number[]>((out, { i }, rank) => ((out[i] = (rank - n / 2) / n * 3), out), [])
}
const values = (f: (x: Node) => Node, x: readonly number[], shape: Shape): number[] =>
  numbersOf([f(new Builder().input('x', { dtype: 'f64', shape }))], { x })[0]

const LAYERS: readonly (readonly [string, (x: Node) => Node, Shape])[] = [
  ['maxPool2d, side by side', nn.maxPool2d(2), [2, 2, 4, 2]],
  ['maxPool2d, with a rest', nn.maxPool2d(2), [1, 2, 5, 3]],
  ['maxPool2d, overlapping', nn.maxPool2d(3, { stride: 2, padding: 1 }), [1, 2, 5, 4]],
  ['maxPool1d, dilated', nn.maxPool1d(3, { stride: 1, dilation: 2, padding: 2 }), [2, 2, 6]],
  ['maxPool1d, ceilMode', nn.maxPool1d(3, { stride: 2, ceilMode: true }), [1, 2, 6]],
  ['avgPool2d', nn.avgPool2d([2, 3], { stride: [1, 2], padding: [1, 0] }), [1, 2, 3, 5]],
  ['avgPool2d, uncounted', nn.avgPool2d(3, { stride: 2, padding: 1, countIncludePad: false, ceilMode: true }), [1, 1, 4, 5]],
  ['avgPool3d', nn.avgPool3d(2), [1, 2, 2, 4, 2]],
  ['adaptiveAveragePool1d', nn.adaptiveAveragePool1d(3), [1, 2, 5]],
  ['adaptiveAveragePool2d', nn.adaptiveAveragePool2d([4, 2]), [1, 1, 3, 4]],
  ['adaptiveMaxPool2d', nn.adaptiveMaxPool2d([3, 2]), [1, 1, 5, 4]],
  ['globalAveragePool', nn.globalAveragePool, [2, 3, 2, 2]],
  ['globalMaxPool', nn.globalMaxPool, [2, 3, 5]],
  ['flatten', nn.flatten(), [2, 3, 2, 2]],
  ['upsample nearest', nn.upsample({ scale: [2, 1] }), [1, 2, 2, 3]],
  ['upsample nearest to a size', nn.upsample({ size: 5 }), [1, 2, 3]],
  ['upsample bilinear', nn.upsample({ size: [5, 2], mode: 'bilinear' }), [1, 1, 3, 4]],
  ['upsample to corners', nn.upsample({ scale: 3, mode: 'linear', alignCorners: true }), [1, 2, 3]],
]

describe('gradients', () => {
  test.each(LAYERS)('%s', (_, layer, shape) => {
    const b = new Builder()
    const x = b.input('x', f64(...shape))
    const y = layer(x)
    const loss = sum(mul(y, b.input('ct', y)))
    const given = { x: distinct(sizeOf(shape), 1), ct: distinct(sizeOf(y.shape), 2) }
    const [g] = numbersOf([grad(loss, x)], given)
    // Linear between ties, so that central differences are exact but for rounding.
    const h = 2 ** -10
    given.x.forEach((v, i) => {
      const moved = (by: number): number => numbersOf([loss], { ...given, x: given.x.with(i, v + by) })[0][0]
      expect(g[i]).toBeCloseTo((moved(h) - moved(-h)) / (2 * h), 9)
    })
  })

  test('split evenly at a tie', () => {
    const tie = (layer: (x: Node) => Node, x: number[]): number[] => {
      const node = new Builder().input('x', f64(1, 1, x.length))
      return numbersOf([grad(sum(layer(node)), node)], { x })[0]
    }
    expect(tie(nn.maxPool1d(2), [3, 3, 1, 2])).toEqual([0.5, 0.5, 0, 1])
    expect(tie(nn.maxPool1d(3, { stride: 1 }), [3, 3, 3, 1])).toEqual([1 / 3, 1 / 3 + 0.5, 1 / 3 + 0.5, 0])
    expect(tie(nn.adaptiveMaxPool1d(2), [1, 4, 4])).toEqual([0, 1.5, 0.5])
    expect(tie(nn.globalMaxPool, [7, 7, 7, 7])).toEqual([0.25, 0.25, 0.25, 0.25])
  })
})

/** One axis of windows; PyTorch's conditions hold. */
const windows = fc.record({
  extent: fc.integer({ min: 1, max: 9 }),
  size: fc.integer({ min: 1, max: 4 }),
  stride: fc.integer({ min: 1, max: 5 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  padding: fc.integer({ min: 0, max: 3 }),
  ceilMode: fc.boolean(),
  countIncludePad: fc.boolean(),
})

describe('windows as plain loops', () => {
  test('maximum and mean', () => {
    fc.assert(fc.property(windows, ({ extent, size, stride, dilation, padding, ceilMode, countIncludePad }) => {
      const reach = (size - 1) * dilation + 1
      const fits = (r: number): boolean => padding <= Math.floor(r / 2) && extent + 2 * padding >= r
      const x = distinct(extent, 3)
      /** Starts of all windows: whole ones, and with ceilMode those that begin before the end and reach over it. */
      const starts = (r: number): number[] => list(50, (p) => p * stride - padding).filter((s, p) => {
        const whole = s + r <= extent + padding
        const before = p === 0 || s - stride + r < extent + padding
        return whole || (ceilMode && s < extent && before)
      })
      if (fits(reach)) {
        const expected = starts(reach).map((s) => Math.max(...list(size, (k) => x[s + k * dilation] ?? -Infinity)))
        expect(values(nn.maxPool1d(size, { stride, dilation, padding, ceilMode }), x, [1, 1, extent])).toEqual(expected)
      }
      if (fits(size)) {
        const expected = starts(size).map((s) => {
          const places = list(size, (k) => s + k).filter((i) => i < extent + padding)
          const inside = places.filter((i) => i >= 0 && i < extent)
          return inside.reduce((t, i) => t + x[i], 0) / (countIncludePad ? places : inside).length
        })
        const actual = values(nn.avgPool1d(size, { stride, padding, ceilMode, countIncludePad }), x, [1, 1, extent])
        expect(actual.length).toBe(expected.length)
        actual.forEach((v, i) => expect(v).toBeCloseTo(expected[i], 12))
      }
    }), RUNS)
  })

  test('adaptive parts', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), (extent, size) => {
      const x = distinct(extent, 4)
      const parts = list(size, (i) => x.slice(Math.floor((i * extent) / size), Math.ceil(((i + 1) * extent) / size)))
      expect(values(nn.adaptiveMaxPool1d(size), x, [1, 1, extent])).toEqual(parts.map((p) => Math.max(...p)))
      const means = values(nn.adaptiveAveragePool1d(size), x, [1, 1, extent])
      parts.forEach((p, i) => expect(means[i]).toBeCloseTo(p.reduce((a, b) => a + b) / p.length, 12))
    }), RUNS)
  })
})

describe('values', () => {
  test('two axes, several channels', () => {
    const x = [1, 2, 3, 4, 5, 6, 7, 8, -1, -2, -3, -4, -5, -6, -7, -8]
    expect(values(nn.maxPool2d(2), x, [1, 2, 2, 4])).toEqual([6, 8, -1, -3])
    expect(values(nn.avgPool2d([2, 4]), x, [1, 2, 2, 4])).toEqual([4.5, -4.5])
    expect(values(nn.globalAveragePool, x, [1, 2, 2, 4])).toEqual([4.5, -4.5])
    expect(values(nn.globalMaxPool, x, [2, 1, 2, 4])).toEqual([8, -1])
  })

  test('NaN and infinities reach the windows that see them, no others', () => {
    const x = [NaN, 1, -Infinity, 2, Infinity]
    expect(values(nn.maxPool1d(2, { stride: 1 }), x, [1, 1, 5])).toEqual([NaN, 1, 2, Infinity])
    const means = values(nn.avgPool1d(2, { stride: 1, padding: 1 }), x, [1, 1, 5])
    expect(means).toEqual([NaN, NaN, -Infinity, -Infinity, Infinity, Infinity])
    expect(values(nn.adaptiveAveragePool1d(3), x, [1, 1, 5])).toEqual([NaN, -Infinity, Infinity])
    expect(values(nn.adaptiveMaxPool1d(3), x, [1, 1, 5])).toEqual([NaN, 2, Infinity])
  })

  test('padding is −∞ for the maximum, and 0 that may count for the mean', () => {
    expect(values(nn.maxPool1d(3, { padding: 1 }), [-5, -6], [1, 1, 2])).toEqual([-5])
    expect(values(nn.avgPool1d(2, { padding: 1 }), [4, 6], [1, 1, 2])).toEqual([2, 3])
    expect(values(nn.avgPool1d(2, { padding: 1, countIncludePad: false }), [4, 6], [1, 1, 2])).toEqual([4, 6])
  })

  test('upsample', () => {
    const large = [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]
    expect(values(nn.upsample({ scale: 2 }), [1, 2, 3, 4], [1, 1, 2, 2])).toEqual(large)
    expect(values(nn.upsample({ size: 4 }), [1, 2, 3], [1, 1, 3])).toEqual([1, 1, 2, 3])
    expect(values(nn.upsample({ scale: 2, mode: 'linear' }), [0, 4], [1, 1, 2])).toEqual([0, 1, 3, 4])
    expect(values(nn.upsample({ size: 3, mode: 'linear', alignCorners: true }), [0, 4], [1, 1, 2])).toEqual([0, 2, 4])
    expect(values(nn.upsample({ size: 1, mode: 'linear', alignCorners: true }), [5, 4], [1, 1, 2])).toEqual([5])
  })

  test('flatten and unflatten', () => {
    expect(nn.flatten()(input(2, 3, 4, 5)).shape).toEqual([2, 60])
    expect(nn.flatten(0)(input(2, 3, 4)).shape).toEqual([24])
    expect(nn.flatten(1, 2)(input(2, 3, 4, 5)).shape).toEqual([2, 12, 5])
    expect(nn.flatten()(input(0, 3, 4)).shape).toEqual([0, 12])
    expect(nn.unflatten(1, [3, -1, 2])(input(2, 12)).shape).toEqual([2, 3, 2, 2])
    expect(nn.unflatten(-1, [3, 4])(input(2, 12)).shape).toEqual([2, 3, 4])
    expect(nn.unflatten(0, [0, 4])(input(0, 2)).shape).toEqual([0, 4, 2])
  })
})

describe('the graph', () => {
  const opsOf = (y: Node): string[] => topological([y]).map((n) => n.op)

  test('windows side by side are blocks: their gradient adds no overlaps', () => {
    const x = input(2, 3, 8, 8)
    const g = grad(sum(nn.maxPool2d(2)(x)), x)
    expect(opsOf(g)).not.toContain('window')
    expect(opsOf(g)).not.toContain('overlapAdd')
  })

  test('others are a view', () => {
    const ops = opsOf(nn.avgPool2d(3, { stride: 2 })(input(2, 3, 9, 9)))
    expect(ops.filter((op) => op === 'window').length).toBe(1)
    expect(ops).not.toContain('pad')
  })

  test('an empty batch, and keepdims', () => {
    expect(nn.maxPool2d(2)(input(0, 3, 4, 4)).shape).toEqual([0, 3, 2, 2])
    expect(nn.adaptiveAveragePool2d(3)(input(0, 3, 4, 4)).shape).toEqual([0, 3, 3, 3])
    expect(nn.globalAveragePool(input(2, 3, 4, 4), { keepdims: true }).shape).toEqual([2, 3, 1, 1])
    expect(nn.maxPool3d(2)(input(1, 1, 5, 4, 3)).shape).toEqual([1, 1, 2, 2, 1])
  })
})

describe('refusals', () => {
  test.each([
    ['no kernel', () => nn.maxPool2d(undefined as unknown as number), 'undefined'],
    ['kernel 0', () => nn.avgPool1d(0), 'kernel cannot be 0'],
    ['three sizes', () => nn.maxPool2d([1, 2, 3]), '[1, 2, 3]'],
    ['much padding', () => nn.maxPool2d(3, { padding: 2 }), 'padding 2 is more than half'],
    ['stride', () => nn.maxPool2d(3, { stride: [1, 0] }), 'stride cannot be [1, 0]'],
    ['dilation of a mean', () => nn.avgPool2d(3, { dilation: 2 } as object), 'no option "dilation"'],
    ['ceilMode', () => nn.avgPool2d(3, { ceilMode: 'yes' as unknown as boolean }), 'ceilMode cannot be "yes"'],
    ['countIncludePad', () => nn.avgPool2d(3, { countIncludePad: 0 as unknown as boolean }), 'countIncludePad cannot be 0'],
    ['an adaptive size', () => nn.adaptiveMaxPool2d([2, 0]), '[2, 0]'],
    ['flatten of a tensor', () => nn.flatten(input(2, 2) as unknown as number), 'is no axis'],
    ['upsample by nothing', () => nn.upsample({}), 'either scale or size'],
    ['upsample by both', () => nn.upsample({ scale: 2, size: 4 }), 'either scale or size'],
    ['upsample by a fraction', () => nn.upsample({ scale: 1.5 }), 'scale cannot be 1.5'],
    ['upsample, unknown mode', () => nn.upsample({ scale: 2, mode: 'cubic' as 'linear' }), 'mode cannot be "cubic"'],
    ['upsample, corners of nearest', () => nn.upsample({ scale: 2, alignCorners: true }), 'alignCorners'],
  ] as const)('made with %s', (_, make, text) => {
    const error = refusal(make)
    expect(error.code).toBe('option/invalid')
    expect(error.message).toContain(text)
  })

  test.each([
    ['another rank', () => nn.maxPool2d(2)(input(3, 4, 4)), 'shape/mismatch', 'expandDims(x, 0)'],
    ['a large window', () => nn.maxPool2d(5, { padding: 1 })(input(1, 3, 9, 2)), 'shape/mismatch', 'must be at least 3'],
    ['an empty axis', () => nn.avgPool1d(2, { padding: 1 })(input(1, 3, 0)), 'shape/mismatch', 'without elements'],
    ['an empty axis, adaptive', () => nn.adaptiveAveragePool1d(2)(input(1, 3, 0)), 'shape/mismatch', 'without elements'],
    ['an empty axis, global', () => nn.globalAveragePool(input(1, 3, 0)), 'shape/mismatch', 'without elements'],
    ['no spatial axes', () => nn.globalMaxPool(input(1, 3)), 'shape/mismatch', 'pool before flatten'],
    ['integers', () => nn.maxPool1d(2)(new Builder().input('x', { dtype: 'i32', shape: [1, 1, 4] })), 'dtype/unsupported', 'i32'],
    ['flatten of a scalar', () => nn.flatten()(input()), 'shape/axis', 'axis 1'],
    ['flatten backwards', () => nn.flatten(2, 1)(input(1, 2, 3)), 'shape/axis', 'startAxis'],
    ['unflatten', () => nn.unflatten(1, [5, 2])(input(2, 12)), 'shape/mismatch', 'must be 10'],
    ['unflatten with a rest', () => nn.unflatten(1, [5, -1])(input(2, 12)), 'shape/mismatch', 'a multiple of 5'],
    ['unflatten of two unknowns', () => nn.unflatten(1, [-1, -1]), 'shape/invalid', '-1'],
    ['bilinear of one axis', () => nn.upsample({ scale: 2, mode: 'bilinear' })(input(1, 1, 4)), 'shape/mismatch', 'height'],
    ['two scales for one axis', () => nn.upsample({ scale: [2, 2] })(input(1, 1, 4)), 'option/invalid', '[2, 2]'],
    ['a layer as operand', () => nn.maxPool2d(2)(nn.relu as unknown as Node), 'operand/invalid', 'no tensor'],
  ] as const)('of %s', (_, call, code, text) => {
    const error = refusal(call)
    expect(error.code).toBe(code)
    expect(error.message).toContain(text)
    expect(error.hint).toBeTruthy()
  })
})
