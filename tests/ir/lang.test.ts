import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { evaluateNodes } from '../../src/ir/evaluate.ts'
import type { Node } from '../../src/ir/graph.ts'
import * as g from '../../src/ir/lang/index.ts'
import { rowMajor, sizeOf, type DType } from '../../src/ir/types.ts'

/** A nested index into a row-major array, where extents of 1 and missing leading axes repeat: NumPy's broadcasting. */
const at = (values: ArrayLike<number>, shape: readonly number[], index: readonly number[]): number => {
  const own = index.slice(index.length - shape.length)
  return values[rowMajor(shape).reduce((s, stride, i) => s + stride * (shape[i] === 1 ? 0 : own[i]), 0)]
}
function* everyIndex(shape: readonly number[]): Generator<number[]> {
  for (let i = 0; i < sizeOf(shape); i++) yield rowMajor(shape).map((stride, a) => Math.floor(i / stride) % shape[a])
}
const value = (n: Node): number[] => [...evaluateNodes([n], {}).get(n)!]
const extents = fc.constantFrom(0, 1, 2, 3)
const integers = (size: number, seed: number): Float64Array =>
  Float64Array.from({ length: size }, (_, i) => ((i * 7 + seed) % 11) - 5)
const constant = (b: Builder, shape: readonly number[], seed: number): Node<'f64'> =>
  b.constant(integers(sizeOf(shape), seed), { dtype: 'f64', shape }) as Node<'f64'>

/** Two shapes that broadcast together, and what they broadcast to. */
const axis = fc.record({ extent: extents, form: fc.constantFrom('both', 'left', 'right') })
const broadcastable = fc.array(axis, { maxLength: 3 }).chain((axes) =>
  fc.record({ cut: fc.nat(axes.length), which: fc.boolean() }).map(({ cut, which }) => {
    const side = (own: string): number[] => axes.map((a) => (a.form === 'both' || a.form === own ? a.extent : 1))
    const [left, right] = [side('left'), side('right')]
    // Leading axes of one side may be missing; those are stretched from nothing.
    const shape = axes.map((_, i) => (i < cut ? (which ? left[i] : right[i]) : left[i] === 1 ? right[i] : left[i]))
    return which ? { left, right: right.slice(cut), shape } : { left: left.slice(cut), right, shape }
  }))

describe('broadcasting', () => {
  it('is NumPy’s, for shapes of any rank and extents of 0 and 1', () => {
    fc.assert(fc.property(broadcastable, fc.nat(20), ({ left, right, shape }, seed) => {
      const b = new Builder()
      const [x, y] = [constant(b, left, seed), constant(b, right, seed + 3)]
      const z = g.sub(x, y)
      expect(z.shape).toEqual(shape)
      const [xs, ys] = [integers(sizeOf(left), seed), integers(sizeOf(right), seed + 3)]
      expect(value(z)).toEqual([...everyIndex(shape)].map((i) => at(xs, left, i) - at(ys, right, i)))
    }))
  })

  it('of where covers the condition too', () => {
    const b = new Builder()
    const c = g.greater(constant(b, [3, 1], 0), -4)
    const z = g.where(c, constant(b, [1, 2], 1), 9)
    expect(z.shape).toEqual([3, 2])
    expect(value(z)).toEqual([9, 9, -4, 3, -4, 3])
  })

  it('adds no view where shapes agree, and gives numbers the tensor’s dtype and shape', () => {
    const b = new Builder()
    const x = b.input('x', { dtype: 'f32', shape: [2, 3] })
    expect(g.add(x, x).operands).toEqual([x, x])
    const [, two] = g.mul(x, 2).operands
    expect([two.op, two.dtype, two.shape]).toEqual(['literal', 'f32', [2, 3]])
    expect(g.sub(1, x).operands[1]).toBe(x)
  })
})

describe('matmul', () => {
  it('is the sum of products, with batches broadcast', () => {
    const core = fc.record({ m: extents, k: extents, n: extents, row: fc.boolean(), column: fc.boolean() })
    fc.assert(fc.property(broadcastable, core, fc.nat(20), (batch, { m, k, n, row, column }, seed) => {
      const b = new Builder()
      // A vector has no batch: only matrices get the leading axes.
      const [left, right] = [row ? [k] : [...batch.left, m, k], column ? [k] : [...batch.right, k, n]]
      const lead = row && column ? [] : row ? batch.right : column ? batch.left : batch.shape
      const shape = [...lead, ...(row ? [] : [m]), ...(column ? [] : [n])]
      const [x, y] = [integers(sizeOf(left), seed), integers(sizeOf(right), seed + 3)]
      const z = g.matmul(constant(b, left, seed), constant(b, right, seed + 3))
      expect(z.shape).toEqual(shape)
      const want = [...everyIndex(shape)].map((i) => {
        const [outer, j] = [i.slice(0, lead.length), i.at(-1)!]
        let sum = 0
        for (let c = 0; c < k; c++) {
          sum += at(x, left, row ? [c] : [...outer, i[lead.length], c]) * at(y, right, column ? [c] : [...outer, c, j])
        }
        return sum + 0
      })
      expect(value(z).map((v) => v + 0)).toEqual(want)
    }))
  })

  it('stretches a batch of 1 without repeating it', () => {
    const b = new Builder()
    const z = g.matmul(constant(b, [1, 2, 3], 0), constant(b, [5, 3, 4], 1))
    expect(z.operands.map((o) => o.shape)).toEqual([[2, 3], [5, 3, 4]])
  })
})

describe('axes and options', () => {
  const b = new Builder()
  const x = constant(b, [2, 3, 4], 0)
  it('count from the end when negative, in any order', () => {
    expect(g.sum(x, { axis: [-1, 0] })).toBe(g.sum(x, { axis: [0, 2] }))
    expect(g.argmax(x, { axis: -2 })).toBe(g.argmax(x, { axis: 1 }))
    expect(g.expandDims(x, -1).shape).toEqual([2, 3, 4, 1])
    expect(g.stack([x, x], -2).shape).toEqual([2, 3, 2, 4])
    expect(g.gather(x, b.constant(new Int32Array(5), { dtype: 'i32', shape: [5] }), { axis: -1 }).shape).toEqual([2, 3, 5])
  })
  it('keepdims leaves extents of 1, so that the result broadcasts back', () => {
    for (const fold of [g.sum, g.mean, g.max, g.min, g.prod]) {
      expect(fold(x, { axis: [0, 2], keepdims: true }).shape).toEqual([1, 3, 1])
    }
    expect(g.sub(x, g.mean(x, { axis: 1, keepdims: true })).shape).toEqual([2, 3, 4])
  })
  it('reductions without axes give scalars', () => {
    for (const n of [g.sum(x), g.mean(x), g.max(x), g.argmin(x)]) expect(n.shape).toEqual([])
  })
  it('mean divides by what it folded, also beside empty axes', () => {
    const empty = constant(b, [0, 4], 0)
    expect(g.mean(empty, { axis: 1 }).shape).toEqual([0])
    expect(value(g.mean(empty, { axis: 0 }))).toEqual([NaN, NaN, NaN, NaN])
  })
  it('any and all, over nothing too', () => {
    const flags = b.constant(Uint8Array.of(0, 1, 0, 0, 1, 1), { dtype: 'bool', shape: [3, 2] }) as Node<'bool'>
    expect([value(g.any(flags, { axis: 0 })), value(g.all(flags, { axis: 1 }))]).toEqual([[1, 1], [0, 0, 1]])
    expect([value(g.any(flags)), value(g.all(flags))]).toEqual([[1], [0]])
    const none = b.constant(new Uint8Array(0), { dtype: 'bool', shape: [0] }) as Node<'bool'>
    expect([value(g.any(none)), value(g.all(none))]).toEqual([[0], [1]])
  })
})

it('a slice takes what Array.prototype.slice takes, every step-th of it', () => {
  const bound = fc.option(fc.integer({ min: -9, max: 9 }), { nil: undefined })
  fc.assert(fc.property(fc.nat(6), bound, bound, fc.integer({ min: 1, max: 4 }), (length, start, stop, step) => {
    const values = integers(length, 0)
    const x = new Builder().constant(values, { dtype: 'f64', shape: [length] })
    const want = values.slice(start, stop).filter((_, i) => i % step === 0)
    expect(value(g.slice(x, { start, stop, step }))).toEqual(Array.from(want))
  }))
})

it('a contraction over a window is a convolution', () => {
  const few = fc.integer({ min: 1, max: 3 })
  const shapes = fc.record({ k: few, stride: few, dilation: fc.integer({ min: 1, max: 2 }), rest: fc.nat(4) })
  fc.assert(fc.property(shapes, fc.nat(20), ({ k, stride, dilation, rest }, seed) => {
    const length = (k - 1) * dilation + 1 + rest
    const b = new Builder()
    const x = constant(b, [2, length], seed)
    const w = constant(b, [3, k], seed + 1)
    const y = g.einsum('nok,ck->nco', g.window(x, { axes: [1], size: [k], stride: [stride], dilation: [dilation] }), w)
    const [xs, ws] = [integers(2 * length, seed), integers(3 * k, seed + 1)]
    const want: number[] = []
    for (let n = 0; n < 2; n++) for (let c = 0; c < 3; c++) for (let o = 0; o * stride + (k - 1) * dilation < length; o++) {
      let sum = 0
      for (let i = 0; i < k; i++) sum += xs[n * length + o * stride + i * dilation] * ws[c * k + i]
      want.push(sum)
    }
    expect(value(y).map((v) => v + 0)).toEqual(want.map((v) => v + 0))
  }))
})

it('types tell dtype and rank: what these lines say is checked by the compiler', () => {
  const b = new Builder()
  const x = b.input('x', { dtype: 'f32', shape: [3] }) as Node<'f32'>
  const any: Node<DType> = x
  const loss: g.Scalar<'f32'> = g.mean(g.square(g.sub(x, 1)))
  const wider: g.Tensor<'f32'> = g.add(any, x)
  const flags: g.Tensor<'bool'> = g.less(x, 0)
  const scaled: g.Scalar<'f32'> = g.mul(loss, 0.5)
  // @ts-expect-error numbers alone
  expect(() => g.add(1, 2)).toThrow(/dtype\/mismatch/)
  // @ts-expect-error not statically a scalar
  const notScalar: g.Scalar<'f32'> = g.sum(x, { axis: 0 })
  expect([loss, wider, flags, scaled, notScalar].map((n) => n.dtype)).toEqual(['f32', 'f32', 'bool', 'f32', 'f32'])
})
