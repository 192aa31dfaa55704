import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import type { Node } from '../../src/ir/graph.ts'
import {
  add, argmax, broadcastTo, cast, concat, cumsum, div, einsum, equal, exp, expandDims, flip, gather, less, lessEqual, log, matmul, max,
  mul, pad, randomBits, reshape, scatterAdd, slice, sub, sum, tanh, transpose, where, window,
} from '../../src/ir/lang/index.ts'
import { fuse } from '../../src/passes/fuse/index.ts'
import { graphOf, input, planned, state } from './plans.ts'

const relu = (x: Node): Node => where(lessEqual(x, 0), 0, x)

describe('what becomes one kernel', () => {
  test('a chain of elementwise ops', () => {
    const b = new Builder()
    const [x, y] = [input(b, 'x', [4, 3]), input(b, 'y', [3])]
    expect(planned(graphOf(b, { z: tanh(mul(add(x, y), 2)) })).kernels).toEqual(['add_mul_tanh: x y -> z f32[4, 3]'])
  })

  test('a contraction with bias and activation', () => {
    const b = new Builder()
    const h = relu(add(matmul(input(b, 'x', [4, 3]), input(b, 'w', [3, 5])), input(b, 'b', [5])))
    expect(planned(graphOf(b, { h })).kernels).toEqual(['contract_add_le_select: x w b -> h f32[4, 5]'])
  })

  test('what is spread over windows that touch, through the reshape that joins them', () => {
    const b = new Builder()
    const [x, m, d] = [input(b, 'x', [4, 8]), input(b, 'm', [2, 1, 4, 1]), input(b, 'd', [2, 1, 4, 1])]
    const hits = cast(equal(reshape(x, [2, 2, 4, 2]), m), 'f32')
    const dx = where(lessEqual(x, 0), 0, reshape(mul(hits, d), [4, 8]))
    expect(planned(graphOf(b, { dx })).kernels).toEqual(['eq_cast_le_mul_select: x m d -> dx f32[4, 8]'])
  })

  test('what is dear and spread over four points each is stored', () => {
    const b = new Builder()
    const [x, n, d] = [input(b, 'x', [5, 4]), input(b, 'n', [5, 1]), input(b, 'd', [5, 1])]
    expect(planned(graphOf(b, { y: mul(x, div(exp(d), n)) })).kernels).toHaveLength(2)
  })

  test('a reduction with what is made of its result', () => {
    const b = new Builder()
    const x = input(b, 'x', [4, 3])
    expect(planned(graphOf(b, { y: log(add(sum(exp(x), { axis: 1 }), 1)) })).kernels).toEqual(['sum_exp_add_log: x -> y f32[4]'])
  })

  test('an optimiser step with the contraction that makes its gradient, which is not stored', () => {
    const b = new Builder()
    const [x, dy] = [input(b, 'x', [8, 3]), input(b, 'dy', [8, 5])]
    const [w, m] = [state(b, 'w', [3, 5]), state(b, 'm', [3, 5])]
    const g = einsum('bi,bj->ij', x, dy)
    const m1 = add(mul(m, 0.9), mul(g, 0.1))
    const { kernels, plan } = planned(graphOf(b, {}, { w: sub(w, div(m1, add(mul(g, g), 1))), m: m1 }))
    expect(kernels).toEqual(['contract_mul_add_div_sub: x dy m w -> m f32[3, 5], w f32[3, 5]'])
    expect(plan.kernels[0].stores.map((s) => s.node)).not.toContain(g)
  })

  test('a residual goes to the later of two contractions', () => {
    const b = new Builder()
    const x = input(b, 'x', [4, 4])
    const h = matmul(x, input(b, 'w', [4, 4]))
    const y = add(h, matmul(relu(h), input(b, 'v', [4, 4])))
    expect(planned(graphOf(b, { y })).kernels).toEqual([
      'contract_le_select: x w -> t0 f32[4, 4], t1 f32[4, 4]',
      'contract_add: t1 v t0 -> y f32[4, 4]',
    ])
  })

  test('maps side by side that read one tensor', () => {
    const b = new Builder()
    const [x, y] = [input(b, 'x', [6]), input(b, 'y', [6])]
    expect(planned(graphOf(b, { p: add(x, 1), q: mul(x, y) })).kernels).toEqual(['add_mul: x y -> p f32[6], q f32[6]'])
  })

  test('but not maps that have nothing in common', () => {
    const b = new Builder()
    expect(planned(graphOf(b, { p: add(input(b, 'x', [6]), 1), q: mul(input(b, 'y', [6]), 2) })).kernels).toHaveLength(2)
  })

  test('but not what reads other elements of what the kernel makes', () => {
    const b = new Builder()
    const x = input(b, 'x', [6])
    const y = tanh(x)
    expect(planned(graphOf(b, { y, z: add(y, flip(y)) })).kernels).toEqual(['tanh: x -> y f32[6]', 'add: y -> z f32[6]'])
    expect(planned(graphOf(b, { y, z: add(x, flip(y)) })).kernels).toEqual(['tanh: x -> y f32[6]', 'add: x y -> z f32[6]'])
  })

  test('but not what waits for a kernel that waits for it', () => {
    const b = new Builder()
    const x = input(b, 'x', [6])
    const e = exp(x)
    const p = div(e, sum(e))
    expect(planned(graphOf(b, { e, p })).kernels).toEqual([
      'exp: x -> e f32[6]',
      'sum: e -> t0 f32[]',
      'div: e t0 -> p f32[6]',
    ])
  })

  test('an expression never reads more than a dozen tensors', () => {
    const b = new Builder()
    const xs = Array.from({ length: 40 }, (_, i) => input(b, `x${i}`, [5]))
    const { plan } = planned(graphOf(b, { y: xs.reduce((s, x) => add(s, x)) }))
    expect(Math.max(...plan.kernels.map((k) => k.loads.length))).toBeLessThanOrEqual(12)
    expect(plan.kernels.length).toBeLessThanOrEqual(4)
  })

  test('long chains are cut before they are too deep for recursion', () => {
    const b = new Builder()
    let x = input(b, 'x', [5])
    for (let i = 0; i < 3000; i++) x = add(x, i % 3)
    expect(planned(graphOf(b, { x })).plan.kernels.length).toBeGreaterThan(10)
  })

  test('without fusion every op has its own kernel', () => {
    const b = new Builder()
    const x = input(b, 'x', [4, 3])
    const y = tanh(mul(add(transpose(x), 1), 2))
    expect(planned(graphOf(b, { y }), { fuse: false }).kernels).toEqual([
      'add: x -> t0 f32[3, 4]',
      'mul: t0 -> t1 f32[3, 4]',
      'tanh: t1 -> y f32[3, 4]',
    ])
  })
})

describe('what is stored', () => {
  test('cheap values are computed again for each reader', () => {
    const b = new Builder()
    const x = input(b, 'x', [4, 3])
    const y = add(mul(x, 2), 1)
    const { kernels } = planned(graphOf(b, { s: sum(y), c: sum(y, { axis: 0 }) }))
    expect(kernels).toEqual(['sum_mul_add: x -> s f32[]', 'sum_mul_add: x -> c f32[3]'])
  })

  test('dear values are not', () => {
    const b = new Builder()
    const e = exp(input(b, 'x', [4, 3]))
    expect(planned(graphOf(b, { s: sum(e), c: sum(e, { axis: 0 }) })).kernels).toEqual([
      'exp: x -> t0 f32[4, 3]',
      'sum: t0 -> s f32[]',
      'sum: t0 -> c f32[3]',
    ])
  })

  test('a value that is spread over many points is computed once', () => {
    const b = new Builder()
    const scale = div(1, tanh(input(b, 's', [8])))
    expect(planned(graphOf(b, { y: mul(input(b, 'x', [64, 8]), scale) })).kernels).toEqual([
      'tanh_div: s -> t0 f32[8]',
      'mul: x t0 -> y f32[64, 8]',
    ])
  })

  test('a transcendental is not evaluated once for every window that it is in', () => {
    const b = new Builder()
    const w = window(tanh(input(b, 'x', [9])), { axes: [0], size: [3] })
    expect(planned(graphOf(b, { y: max(w, { axis: 1 }) })).kernels).toEqual(['tanh: x -> t0 f32[9]', 'reduceMax: t0 -> y f32[7]'])
  })

  test('the very value that a maximum was taken of is what it is subtracted from', () => {
    const b = new Builder()
    const z = add(matmul(input(b, 'x', [4, 3]), input(b, 'w', [3, 5])), input(b, 'b', [5]))
    const shifted = sub(z, max(z, { axis: 1, keepdims: true }))
    const { kernels } = planned(graphOf(b, { y: sum(exp(shifted), { axis: 1 }), i: argmax(z, { axis: 1 }) }))
    expect(kernels.filter((k) => k.includes('contract'))).toEqual(['contract_add: x w b -> t0 f32[4, 5]'])
    expect(kernels).toContain('reduceMax: t0 -> t1 f32[4]')
  })

  test('the mask of a relu is stored instead of what it is the mask of', () => {
    const b = new Builder()
    const [x, w, bias] = [input(b, 'x', [4, 3]), input(b, 'w', [3, 5]), input(b, 'b', [5])]
    const [v, d] = [input(b, 'v', [5, 2]), input(b, 'd', [4, 2])]
    const z = add(matmul(x, w), bias)
    const y = matmul(relu(z), v)
    const dz = where(lessEqual(z, 0), 0, einsum('ik,jk->ij', add(y, d), v))
    expect(planned(graphOf(b, { dw: einsum('ki,kj->ij', x, dz) })).kernels).toEqual([
      'contract_add_le_select: x w b -> t0 f32[4, 5], t1 bool[4, 5]',
      'contract_add: t0 v d -> t2 f32[4, 2]',
      'contract_select: t2 v t1 -> t3 f32[4, 5]',
      'contract: x t3 -> dw f32[3, 5]',
    ])
  })

  test('so does the last reader, where an earlier one wants the value itself', () => {
    const b = new Builder()
    const [x, w, v] = [input(b, 'x', [4, 3]), input(b, 'w', [3, 5]), input(b, 'v', [7, 2])]
    const bias = state(b, 'b', [5])
    const z = add(matmul(x, w), bias)
    const y = matmul(pad(relu(z), [[0, 0], [1, 1]]), v)
    const dz = where(lessEqual(z, 0), 0, slice(einsum('ik,jk->ij', y, v), {}, { start: 1, stop: 6 }))
    expect(planned(graphOf(b, { dw: einsum('ki,kj->ij', x, dz) }, { b: sub(bias, sum(dz, { axis: 0 })) })).kernels).toEqual([
      'contract_add_le: x w b -> t0 f32[4, 5], t1 bool[4, 5]',
      'pad_select: t1 t0 -> t2 f32[4, 7]',
      'contract: t2 v -> t3 f32[4, 2]',
      'contract: t3 v -> t4 f32[4, 7]',
      'select: t1 t4 -> t5 f32[4, 5]',
      'sum_sub: t5 b -> b f32[5]',
      'contract: x t5 -> dw f32[3, 5]',
    ])
  })

  test('a random mask is drawn again wherever it is wanted, and never stored', () => {
    const b = new Builder()
    const [key, x, w] = [input(b, 'key', [2], 'u32'), input(b, 'x', [6, 4]), input(b, 'w', [4, 4])]
    const keep = less(cast(randomBits(key, b.literal(7, { dtype: 'u32', shape: [] }), [6, 4]), 'f32'), 2 ** 31)
    const y = where(keep, x, 0)
    const { kernels } = planned(graphOf(b, { dw: einsum('ki,kj->ij', y, where(keep, matmul(y, w), 0)) }))
    const drawing = kernels.filter((k) => k.includes('random'))
    expect(drawing).toEqual(['randomBits_cast_lt_select: key x -> t0 f32[6, 4]', 'contract_randomBits_cast_lt_select: t0 w key -> t1 f32[6, 4]'])
  })

  test('views of stored values are not copied for a contraction, others once', () => {
    const b = new Builder()
    const [x, y] = [input(b, 'x', [4, 6]), input(b, 'y', [3, 8, 2])]
    const strided = slice(x, null, { start: 1, stop: 5, step: 2 })
    expect(planned(graphOf(b, { p: matmul(transpose(x), strided) })).kernels).toEqual(['contract: x -> p f32[6, 2]'])
    const flat = reshape(transpose(y, [1, 0, 2]), [8, 6])
    const odd = reshape(transpose(x), [8, 3])
    expect(planned(graphOf(b, { q: matmul(transpose(flat), flat), r: matmul(odd, transpose(odd)) })).kernels).toEqual([
      'permute: y -> t0 f32[8, 3, 2]',
      'contract: t0 -> q f32[6, 6]',
      'permute: x -> t1 f32[6, 4]',
      'contract: t1 -> r f32[8, 8]',
    ])
  })

  test('a contraction takes literals and positions from memory, maps do not', () => {
    const b = new Builder()
    const ones = b.one({ dtype: 'f32', shape: [4, 3] })
    const ramp = b.iota([3, 4], 1, 'f32')
    const x = input(b, 'x', [4, 3])
    const t = add(matmul(ones, transpose(x)), 1)
    const { kernels } = planned(graphOf(b, { y: matmul(ones, ramp), z: add(add(x, ones), transpose(ramp)), t }))
    expect(kernels).toContain('add: x -> z f32[4, 3]')
    expect(kernels.filter((k) => k.startsWith('contract'))).toHaveLength(2)
  })

  test('a reshape that does not compose demands what is below it', () => {
    const b = new Builder()
    const x = input(b, 'x', [4, 6])
    const y = sum(reshape(transpose(tanh(x)), [8, 3]), { axis: 1 })
    const ramp = sum(reshape(transpose(b.iota([4, 6], 1, 'f32')), [8, 3]), { axis: 1 })
    planned(graphOf(b, { y, ramp }))
  })

  test('lookups read tables from memory, indices in place', () => {
    const b = new Builder()
    const [t, i, d] = [input(b, 't', [5, 3]), input(b, 'i', [4], 'i32'), input(b, 'd', [4, 3])]
    const rows = gather(tanh(t), add(i, 1))
    const { kernels } = planned(graphOf(b, { y: mul(rows, 2), g: scatterAdd(b.zeros(t), add(i, 1), mul(d, 2)) }))
    expect(kernels).toContain('add_gather_mul: i t0 -> y f32[4, 3]')
    expect(kernels).toContain('scatterAdd_add_mul: d i -> g f32[5, 3]')
  })

  test('running sums, padding and concatenation take elementwise operands and give whole results', () => {
    const b = new Builder()
    const x = input(b, 'x', [4, 3])
    const c = concat([mul(x, 2), pad(add(x, 1), [[1, 1], [0, 0]])], 0)
    expect(planned(graphOf(b, { y: add(cumsum(mul(c, c), { axis: 0 }), 1) })).kernels).toEqual([
      'pad_add: x -> t0 f32[6, 3]',
      'concat_mul: x t0 -> t1 f32[10, 3]',
      'cumsum_mul: t1 -> t2 f32[10, 3]',
      'add: t2 -> y f32[10, 3]',
    ])
  })

  test('tensors without elements', () => {
    const b = new Builder()
    const x = input(b, 'x', [0, 3])
    const y = matmul(x, input(b, 'w', [3, 2]))
    planned(graphOf(b, { s: add(sum(x, { axis: 0 }), 1), y, z: matmul(transpose(x), x), e: exp(x) }))
  })

  test('broadcast reads of everything at once', () => {
    const b = new Builder()
    const x = input(b, 'x', [3])
    const outer = mul(expandDims(x, 1), expandDims(x, 0))
    planned(graphOf(b, { y: sum(mul(outer, broadcastTo(sum(outer), [3, 3]))), outer }))
  })
})

test('a graph without results is a plan without kernels', () => {
  const b = new Builder()
  input(b, 'x', [3])
  const { plan } = planned(graphOf(b, {}))
  expect(plan.kernels).toEqual([])
  expect(plan.inputs.map((i) => i.name)).toEqual(['x'])
})

test('planning is deterministic', () => {
  const build = (): string[] => {
    const b = new Builder()
    const x = input(b, 'x', [4, 3])
    return planned(graphOf(b, { y: sum(exp(x)), z: add(exp(x), max(x)) })).kernels
  }
  expect(build()).toEqual(build())
})

test('fused kernels hold only what somebody reads', () => {
  const b = new Builder()
  const x = input(b, 'x', [4])
  const fused = fuse(graphOf(b, { y: add(exp(x), exp(mul(exp(x), 2))) }))
  expect(fused.kernels.map((k) => k.stores.length)).toEqual([1])
})
