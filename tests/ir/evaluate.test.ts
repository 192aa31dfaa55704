import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { evaluateNodes } from '../../src/ir/evaluate.ts'
import type { Node } from '../../src/ir/graph.ts'
import * as g from '../../src/ir/lang/index.ts'
import { numeric, type Num } from '../../src/ir/numeric.ts'
import { philox, randomWord } from '../../src/ir/philox.ts'
import { erf, gelu, normalCdf, normalPdf } from '../../src/ir/special.ts'
import { DTYPES, sizeOf, type DType, type TypedArray } from '../../src/ir/types.ts'

/** The value of an expression over constants. */
const value = (node: Node): number[] => [...evaluateNodes([node], {}).get(node)!]
const builder = (): ((values: readonly number[], shape?: readonly number[], dtype?: DType) => Node) => {
  const b = new Builder()
  return (values, shape = [values.length], dtype = 'f32') => {
    const array = new DTYPES[dtype].array(sizeOf(shape))
    values.forEach((v, i) => (array[i] = v))
    return b.constant(array as TypedArray, { dtype, shape })
  }
}

describe('values from elsewhere', () => {
  const t = builder()
  const m = t([1, 2, 3, 4, 5, 6], [2, 3])

  // Left: the op. Right: its value, worked out by hand.
  const cases: readonly (readonly [string, Node, readonly number[]])[] = [
    ['matmul', g.matmul(m, g.transpose(m)), [14, 32, 32, 77]],
    ['matmul of a vector', g.matmul(m, t([1, 0, -1])), [-2, -2]],
    ['matmul, batched', g.matmul(t([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]), t([1, 1, 1, 1], [2, 2])), [3, 3, 7, 7, 11, 11, 15, 15]],
    ['einsum', g.einsum('ij,kj->ki', m, m), [14, 32, 32, 77]],
    ['einsum that drops an axis', g.einsum('ij,k->i', m, t([1, 2])), [18, 45]],
    ['sum', g.sum(m, { axis: 0 }), [5, 7, 9]],
    ['sum, keepdims', g.sum(m, { axis: -1, keepdims: true }), [6, 15]],
    ['mean', g.mean(m), [3.5]],
    ['prod', g.prod(m, { axis: 1 }), [6, 120]],
    ['max', g.max(m, { axis: 0 }), [4, 5, 6]],
    ['min', g.min(m), [1]],
    ['argmax, the first of equals', g.argmax(t([3, 7, 7, 1])), [1]],
    ['argmax, NaN wins', g.argmax(t([3, NaN, 7, NaN])), [1]],
    ['argmin, NaN wins', g.argmin(t([3, NaN, 1])), [1]],
    ['argmax along an axis', g.argmax(m, { axis: 0 }), [1, 1, 1]],
    ['max with NaN', g.max(t([1, NaN, 3])), [NaN]],
    ['cumsum', g.cumsum(m, { axis: 1 }), [1, 3, 6, 4, 9, 15]],
    ['transpose', g.transpose(m), [1, 4, 2, 5, 3, 6]],
    ['reshape', g.reshape(m, [3, -1]), [1, 2, 3, 4, 5, 6]],
    ['slice', g.slice(m, null, { start: 0, stop: 3, step: 2 }), [1, 3, 4, 6]],
    ['slice from the end', g.slice(m, { start: -1 }), [4, 5, 6]],
    ['flip', g.flip(m, 1), [3, 2, 1, 6, 5, 4]],
    ['pad', g.pad(t([1, 2]), [[1, 2, 1]], 9), [9, 1, 9, 2, 9, 9]],
    ['concat', g.concat([m, m], 1), [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]],
    ['stack', g.stack([t([1, 2]), t([3, 4])], 1), [1, 3, 2, 4]],
    ['window', g.window(t([1, 2, 3, 4, 5]), { axes: [0], size: [2], stride: [1], dilation: [2] }), [1, 3, 2, 4, 3, 5]],
    ['gather, clamped', g.gather(m, t([1, -5, 9], [3], 'i32'), { axis: 1 }), [2, 1, 3, 5, 4, 6]],
    ['scatterAdd, meeting', g.scatterAdd(t([0, 0, 0]), t([1, 1, 7], [3], 'i32'), t([1, 2, 4])), [0, 3, 4]],
    ['oneHot', g.oneHot(t([2, 0, 5], [3], 'i32'), 3), [0, 0, 1, 1, 0, 0, 0, 0, 0]],
    ['where', g.where(g.greater(m, 3), m, 0), [0, 0, 0, 4, 5, 6]],
    ['broadcasting', g.add(t([10, 20], [2, 1]), t([1, 2, 3])), [11, 12, 13, 21, 22, 23]],
    ['round half to even', g.round(t([0.5, 1.5, 2.5, -0.5, -1.5])), [0, 2, 2, -0, -2]],
    ['rem has the dividend’s sign', g.rem(t([7, -7, 7, -7]), t([3, 3, -3, -3])), [1, -1, 1, -1]],
    ['integer division truncates, and by zero gives zero', g.div(t([7, -7, 7], [3], 'i32'), t([2, 2, 0], [3], 'i32')), [3, -3, 0]],
    ['integer remainder', g.rem(t([7, -7, 7], [3], 'i32'), t([2, 2, 0], [3], 'i32')), [1, -1, 0]],
    ['wrapping product', g.mul(t([65536, 3], [2], 'i32'), t([65536, 5], [2], 'i32')), [0, 15]],
    ['saturating casts', g.cast(t([1e10, -1e10, NaN, 2.9, -2.9]), 'i32'), [2 ** 31 - 1, -(2 ** 31), 0, 2, -2]],
    ['casts to u32', g.cast(t([-1, 3e9, 5e9]), 'u32'), [0, 3e9, 2 ** 32 - 1]],
    ['cast to bool', g.cast(t([0, -0, 0.1, NaN]), 'bool'), [0, 0, 1, 1]],
    ['bitcast', g.bitcast(t([1, -2]), 'u32'), [0x3f800000, 0xc0000000]],
    ['shifts', g.rightShift(t([-8, 8], [2], 'i32'), t([1, 33], [2], 'i32')), [-4, 4]],
    ['logical shift', g.rightShift(t([0xfffffff0], [1], 'u32'), t([4], [1], 'u32')), [0x0fffffff]],
    ['bits flipped', g.bitwiseNot(t([0], [1], 'u32')), [2 ** 32 - 1]],
    ['not', g.logicalNot(t([0, 1], [2], 'bool')), [1, 0]],
    ['sum of nothing', g.sum(t([], [0, 2]), { axis: 0 }), [0, 0]],
    ['product of nothing', g.prod(t([], [0])), [1]],
    ['contraction of nothing', g.matmul(t([], [2, 0]), t([], [0, 1])), [0, 0]],
  ]
  for (const [name, node, want] of cases) it(name, () => expect(value(node)).toEqual([...want]))

  it('overlapAdd undoes window up to how often each element was read', () => {
    const x = t([1, 2, 3, 4])
    const patches = g.window(x, { axes: [0], size: [3] })
    const back = x.builder.make('overlapAdd', [patches], { shape: [4], axes: [0], size: [3], stride: [1], dilation: [1] })
    expect(value(back)).toEqual([1, 4, 6, 4])
  })
})

describe('arithmetic of numbers', () => {
  const f32 = numeric('declared')
  const of = (value: number, dtype: DType = 'f32'): Num => ({ value, dtype })

  it('rounds every f32 operation, and no f64 one', () => {
    expect(f32.add(of(1), of(2 ** -30)).value).toBe(1)
    expect(f32.add(of(1, 'f64'), of(2 ** -30, 'f64')).value).toBe(1 + 2 ** -30)
    expect(numeric('f64').add(of(1), of(2 ** -30)).value).toBe(1 + 2 ** -30)
    fc.assert(fc.property(fc.float(), fc.float(), (a, b) => {
      expect(f32.mul(of(a), of(b)).value).toBe(Math.fround(a * b))
    }))
  })

  it('max and min propagate NaN and order the zeros', () => {
    expect(f32.max(of(1), of(NaN)).value).toBeNaN()
    expect(f32.min(of(NaN), of(1)).value).toBeNaN()
    expect(f32.max(of(-0), of(0)).value).toBe(0)
    expect(f32.min(of(0), of(-0)).value).toBe(-0)
  })
})

describe('philox', () => {
  // The known answers that the authors publish with Random123 (kat_vectors, philox4x32 10).
  it('gives the published words', () => {
    const hex = (words: readonly number[]): string => words.map((w) => w.toString(16).padStart(8, '0')).join(' ')
    const ones = 0xffffffff
    expect(hex(philox([0, 0, 0, 0], [0, 0]))).toBe('6627e8d5 e169c58d bc57ac4c 9b00dbd8')
    expect(hex(philox([ones, ones, ones, ones], [ones, ones]))).toBe('408f276d 41c83b0e a20bc7c6 6d5451fd')
    expect(hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe('d16cfe09 94fdcceb 5001e420 24126ea1')
  })

  it('randomBits reads the words of consecutive blocks', () => {
    const t = builder()
    const bits = value(g.randomBits(t([5, 6], [2], 'u32'), t([7], [], 'u32'), [3, 3]))
    expect(bits).toEqual([...philox([0, 0, 7, 0], [5, 6]), ...philox([1, 0, 7, 0], [5, 6]), philox([2, 0, 7, 0], [5, 6])[0]])
    expect(randomWord(5, 7, [5, 6])).toBe(bits[5])
  })
})

it('erf agrees with values from tables to the last digits', () => {
  // mpmath.erf of the double nearest to x, rounded to a double
  const table = [[0.1, 0.1124629160182849], [0.5, 0.5204998778130465], [1, 0.8427007929497149],
    [1.49, 0.9648978648432042], [1.51, 0.9672767481287117], [1.74, 0.9861345949966329], [1.76, 0.9871902752311301], [2, 0.9953222650189527], [3, 0.9999779095030014], [6, 1.0]]
  const k = numeric('f64')
  for (const [x, want] of table) {
    for (const s of [1, -1]) expect(Math.abs(erf(k, { value: s * x, dtype: 'f64' }).value / (s * want) - 1)).toBeLessThan(9e-16)
  }
  for (const [x, want] of [[0, 0], [-0, -0], [Infinity, 1], [-Infinity, -1], [NaN, NaN]]) expect(erf(k, { value: x, dtype: 'f64' }).value).toBe(want)
})

it('the normal distribution keeps its accuracy in the left tail', () => {
  // mpmath: x, φ(x), Φ(x) and x·Φ(x), rounded to doubles
  const table = [
    [-37, 2.1200065515246056e-298, 5.725571222524577e-300, -2.1184613523340935e-298],
    [-20, 5.520948362159764e-88, 2.7536241186062337e-89, -5.507248237212468e-88],
    [-12.5, 4.695195357975146e-35, 3.732564298877713e-36, -4.665705373597142e-35],
    [-5, 1.4867195147342977e-6, 2.866515718791939e-7, -1.4332578593959695e-6],
    [-1.5, 0.12951759566589174, 0.06680720126885807, -0.1002108019032871],
    [2, 0.05399096651318805, 0.9772498680518208, 1.9544997361036416], [9, 1.0279773571668915e-18, 1, 9],
  ]
  const k = numeric('f64')
  for (const [x, ...wanted] of table) {
    [normalPdf, normalCdf, gelu].forEach((f, i) => expect(Math.abs(f(k, { value: x, dtype: 'f64' }).value / wanted[i] - 1), `${x}, ${i}`).toBeLessThan(9e-16))
  }
  for (const [x, ...wanted] of [[Infinity, 0, 1, Infinity], [-Infinity, 0, 0, -0], [NaN, NaN, NaN, NaN], [1e300, 0, 1, 1e300], [-0, 1 / Math.sqrt(2 * Math.PI), 0.5, -0]])
    expect([normalPdf, normalCdf, gelu].map((f) => f(k, { value: x, dtype: 'f64' }).value)).toEqual(wanted)
})
