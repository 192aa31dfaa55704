import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import {
  add, cast, concat, cumsum, flip, gather, matmul, mul, reshape, scatterAdd, slice, sub, sum, tanh, transpose,
} from '../../src/ir/lang/index.ts'
import { graphOf, input, planned, state } from './plans.ts'

describe('results', () => {
  test('that are reshapes alias the bytes of what they reshape', () => {
    const b = new Builder()
    const y = tanh(input(b, 'x', [4, 3]))
    const { kernels, plan } = planned(graphOf(b, { y, flat: reshape(y, [12]), z: reshape(y, [3, 4]) }))
    expect(kernels).toEqual(['tanh: x -> y f32[4, 3]'])
    expect(new Set(plan.results.map((r) => r.buffer)).size).toBe(1)
    expect(plan.results.map((r) => r.node.shape)).toEqual([[4, 3], [12], [3, 4]])
  })

  test('that are inputs are read where the caller wrote them, and nothing overwrites them', () => {
    const b = new Builder()
    const x = input(b, 'x', [4])
    const { kernels, plan } = planned(graphOf(b, { x, flat: reshape(x, [2, 2]), y: tanh(add(x, 1)) }))
    expect(kernels).toEqual(['add_tanh: x -> y f32[4]'])
    expect(plan.results[0].buffer).toBe(plan.inputs[0].buffer)
    expect(plan.results[2].buffer).not.toBe(plan.inputs[0].buffer)
  })

  test('that are states are copies with the old value', () => {
    const b = new Builder()
    const w = state(b, 'w', [4])
    expect(planned(graphOf(b, { old: w }, { w: add(w, 1) })).kernels).toEqual(['add: w -> w f32[4], old f32[4]'])
  })

  test('that are constants or literals are written', () => {
    const b = new Builder()
    const c = b.constant(Float32Array.of(1, 2), { dtype: 'f32', shape: [2] })
    planned(graphOf(b, { c, l: b.literal(3, { dtype: 'i32', shape: [2] }), p: b.iota([3], 0) }))
  })

  test('of one node under two names share their bytes', () => {
    const b = new Builder()
    const y = tanh(input(b, 'x', [4]))
    expect(planned(graphOf(b, { p: y, q: y })).kernels).toEqual(['tanh: x -> p f32[4]'])
  })
})

describe('new states', () => {
  test('are written in place', () => {
    const b = new Builder()
    const w = state(b, 'w', [4])
    expect(planned(graphOf(b, {}, { w: mul(w, 0.5) })).kernels).toEqual(['mul: w -> w f32[4]'])
  })

  test('wait for the readers of the old value', () => {
    const b = new Builder()
    const [w, x] = [state(b, 'w', [3, 3]), input(b, 'x', [3, 3])]
    const { kernels } = planned(graphOf(b, { y: matmul(x, w) }, { w: add(w, 1) }))
    expect(kernels).toEqual(['contract: x w -> y f32[3, 3]', 'add: w -> w f32[3, 3]'])
  })

  test('that are also results or read on are stored twice at most', () => {
    const b = new Builder()
    const w = state(b, 'w', [4])
    const next = mul(w, 0.5)
    const { kernels } = planned(graphOf(b, { next, s: sum(next) }, { w: next }))
    expect(kernels[0]).toBe('mul: w -> next f32[4], w f32[4]')
    expect(planned(graphOf(b, { s: sum(mul(next, tanh(next))) }, { w: next })).kernels[0]).toBe('mul: w -> w f32[4]')
  })

  test('two that change places are right', () => {
    const b = new Builder()
    const [p, q] = [state(b, 'p', [4]), state(b, 'q', [4])]
    expect(planned(graphOf(b, {}, { p: q, q: p })).plan.kernels.length).toBeLessThanOrEqual(3)
    planned(graphOf(b, {}, { p: add(q, 1), q: mul(p, 2) }))
    planned(graphOf(b, {}, { p: flip(q), q: flip(p) }))
    planned(graphOf(b, { s: sum(mul(p, q)) }, { p: flip(q), q: add(p, sum(q)) }))
  })

  test('three that go around are right', () => {
    const b = new Builder()
    const [p, q, r] = [state(b, 'p', [4]), state(b, 'q', [4]), state(b, 'r', [2, 2])]
    planned(graphOf(b, {}, { p: q, q: reshape(r, [4]), r: reshape(p, [2, 2]) }))
    planned(graphOf(b, {}, { p: q, q: flip(p), r: reshape(flip(q), [2, 2]) }))
  })

  test('that read other elements of the old value go through a temporary', () => {
    const b = new Builder()
    const w = state(b, 'w', [4])
    expect(planned(graphOf(b, {}, { w: flip(w) })).kernels).toEqual(['flip: w -> t0 f32[4]', 'copy: t0 -> w f32[4]'])
    planned(graphOf(b, {}, { w: add(w, sum(w)) }))
    planned(graphOf(b, {}, { w: concat([slice(w, { start: 1 }), slice(w, { stop: 1 })]) }))
  })

  test('of a matrix that its own product updates are right', () => {
    const b = new Builder()
    const [w, x] = [state(b, 'w', [3, 3]), input(b, 'x', [3, 3])]
    const { kernels } = planned(graphOf(b, {}, { w: sub(w, mul(matmul(w, x), 0.1)) }))
    expect(kernels).toEqual(['contract_mul: w x -> t0 f32[3, 3]', 'sub: w t0 -> w f32[3, 3]'])
    planned(graphOf(b, {}, { w: matmul(w, transpose(w)) }))
  })

  test('that are scattered into add to the old rows in place', () => {
    const b = new Builder()
    const [w, i, d] = [state(b, 'w', [5, 3]), input(b, 'i', [4], 'i32'), input(b, 'd', [4, 3])]
    expect(planned(graphOf(b, {}, { w: scatterAdd(w, i, d) })).kernels).toEqual(['scatterAdd: w d i -> w f32[5, 3]'])
    const own = scatterAdd(w, i, gather(w, i))
    expect(planned(graphOf(b, {}, { w: own })).kernels.at(-1)).toBe('copy: t0 -> w f32[5, 3]')
  })

  test('of one value for two states', () => {
    const b = new Builder()
    const [p, q] = [state(b, 'p', [4]), state(b, 'q', [2, 2])]
    const next = tanh(add(p, reshape(q, [4])))
    planned(graphOf(b, {}, { p: next, q: reshape(next, [2, 2]) }))
    planned(graphOf(b, { next }, { p: next, q: reshape(next, [2, 2]) }))
    const whole = concat([slice(p, { start: 2 }), slice(p, { stop: 2 })])
    planned(graphOf(b, { whole }, { p: whole, q: reshape(whole, [2, 2]) }))
  })

  test('of one running sum for two states, one of which cannot be written in place', () => {
    const b = new Builder()
    const p = state(b, 'p', [4])
    state(b, 'q', [4])
    const next = cumsum(p, { axis: 0 })
    const { plan } = planned(graphOf(b, {}, { p: next, q: next }))
    expect(plan.kernels[0].stores).toHaveLength(1)
  })

  test('that are inputs, other states, constants or themselves', () => {
    const b = new Builder()
    const [p, q, x] = [state(b, 'p', [2]), state(b, 'q', [2]), input(b, 'x', [2])]
    const c = b.constant(Float32Array.of(1, 2), { dtype: 'f32', shape: [2] })
    planned(graphOf(b, {}, { p: x, q: p }))
    planned(graphOf(b, {}, { p: c, q: b.one(q) }))
    expect(planned(graphOf(b, {}, { p, q: reshape(reshape(q, [1, 2]), [2]) })).kernels).toEqual([])
  })

  test('a step count and what is made of it', () => {
    const b = new Builder()
    const [t, w] = [state(b, 't', [], 'i32'), state(b, 'w', [6])]
    const next = add(t, 1)
    const rate = tanh(cast(next, 'f32'))
    expect(planned(graphOf(b, {}, { t: next, w: mul(w, rate) })).kernels).toEqual([
      'add_cast_tanh: t -> t i32[], t0 f32[]',
      'mul: w t0 -> w f32[6]',
    ])
  })
})
