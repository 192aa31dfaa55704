import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { add, cumsum, exp, matmul, mul, sum, tanh } from '../../src/ir/lang/index.ts'
import { layoutOf } from '../../src/passes/allocate/layout.ts'
import { pack } from '../../src/passes/allocate/pack.ts'
import { bound, interval, intervalsFrom, overlapping } from './intervals.ts'
import { graphOf, input, planned, state } from './plans.ts'

describe('packing', () => {
  test('gives bytes again as soon as they are free', () => {
    const intervals = [interval(0, 1, 64), interval(1, 2, 32), interval(2, 3, 64), interval(3, 4, 32)]
    const { offsets, total } = pack(intervals)
    expect(total).toBe(96)
    expect(overlapping(intervals, offsets)).toBe(0)
  })

  test('finds what no single greedy order finds by all of them', () => {
    // By start, the second interval lands on the first and blocks the long one; by size or length all is well.
    const early = [interval(0, 1, 16), interval(0, 3, 16), interval(2, 5, 32)]
    const intervals = [...early, interval(4, 5, 16), interval(4, 7, 16), interval(6, 7, 32)]
    const { offsets, total } = pack(intervals)
    expect(total).toBe(bound(intervals))
    expect(overlapping(intervals, offsets)).toBe(0)
  })

  test('never overlaps what is in use together, stays near the bound, and comes out the same again', () => {
    fc.assert(
      fc.property(intervalsFrom(40), (intervals) => {
        const { offsets, total } = pack(intervals)
        expect(overlapping(intervals, offsets)).toBe(0)
        expect(total).toBe(Math.max(0, ...intervals.map((i, k) => (i.bytes ? offsets[k] + i.bytes : 0))))
        expect(total).toBeGreaterThanOrEqual(bound(intervals))
        expect(total).toBeLessThanOrEqual(bound(intervals) * 1.25)
        expect(pack(intervals)).toEqual({ offsets, total })
      }),
      { seed: Number(process.env.GRADC_SEED ?? 1), numRuns: 300 },
    )
  })

  test('takes many intervals that are all in use together', () => {
    const intervals = Array.from({ length: 3000 }, (_, i) => interval(i % 7, 10 + (i % 5), 16 + (i % 11) * 16))
    const { offsets, total } = pack(intervals)
    expect(total).toBe(bound(intervals))
    expect(new Set(offsets).size).toBe(3000)
  })
})

describe('the arena', () => {
  test('takes a dying operand’s bytes for a result that is made of it element by element', () => {
    const b = new Builder()
    const x = input(b, 'x', [64])
    const { plan } = planned(graphOf(b, { y: exp(cumsum(tanh(cumsum(x, { axis: 0 })), { axis: 0 })) }))
    expect(plan.arenaBytes).toBe(512)
    expect(plan.lowerBound).toBe(512)
  })

  test('but not of an operand that is read elsewhere too, later, or in another order', () => {
    const b = new Builder()
    const x = input(b, 'x', [8, 8])
    const y = tanh(matmul(x, x))
    const { plan } = planned(graphOf(b, { z: add(matmul(y, y), y) }))
    const buffers = new Set(plan.kernels.flatMap((k) => k.stores.map((s) => s.buffer)))
    expect(buffers.size).toBe(2)
  })

  test('has no bytes for what has no elements', () => {
    const b = new Builder()
    expect(planned(graphOf(b, { y: exp(input(b, 'x', [0, 4])) })).plan.arenaBytes).toBe(0)
  })

  test('holds inputs that nobody reads until the caller has written all', () => {
    const b = new Builder()
    const x = input(b, 'x', [4])
    input(b, 'unused', [4])
    const { plan } = planned(graphOf(b, { y: exp(x) }))
    const [p, q] = plan.inputs.map((i) => plan.buffers[i.buffer])
    expect(Math.abs(p.offset - q.offset)).toBeGreaterThanOrEqual(16)
  })
})

describe('the layout of a program', () => {
  test('has each state once, in order of declaration, aligned', () => {
    const [a, b] = [new Builder(), new Builder()]
    const w = state(a, 'w', [3])
    state(a, 'm', [5])
    state(b, 'v', [2], 'f64')
    const w2 = state(b, 'w', [3])
    const layout = layoutOf([graphOf(a, { y: w }), graphOf(b, { y: w2 })])
    expect([...layout.states].map(([name, s]) => `${name}@${s.offset}`)).toEqual(['w@0', 'm@16', 'v@48'])
    expect(layout.stateBytes).toBe(64)
  })

  test('has each array of constants once', () => {
    const [a, b] = [new Builder(), new Builder()]
    const values = Float32Array.of(1, 2, 3, 4, 5, 6)
    const c = a.constant(values, { dtype: 'f32', shape: [6] })
    const d = a.constant(Float32Array.of(7), { dtype: 'f32', shape: [1] })
    a.constant(Float32Array.of(8), { dtype: 'f32', shape: [1] })
    const e = b.constant(values, { dtype: 'f32', shape: [2, 3] })
    const layout = layoutOf([graphOf(a, { y: add(sum(c), sum(d)) }), graphOf(b, { y: mul(e, 2) })])
    expect(layout.constants.map((k) => k.offset)).toEqual([0, 32])
    expect(layout.constantBytes).toBe(48)
  })

  test('refuses two owners of one name', () => {
    const [a, b] = [new Builder(), new Builder()]
    state(a, 'w', [3])
    b.state({ name: 'w', dtype: 'f32', shape: [3], init: (c, t) => c.zeros(t), trainable: true, owner: {} })
    expect(() => layoutOf([graphOf(a, {}), graphOf(b, {})])).toThrow('state/duplicate')
  })
})
