import { describe, expect, test } from 'vitest'
import { lowerPlan } from '../../src/codegen/lower.ts'
import { Builder } from '../../src/ir/builder.ts'
import { InternalError } from '../../src/ir/errors.ts'
import type { Attrs, Node } from '../../src/ir/graph.ts'
import type { DType, Shape } from '../../src/ir/types.ts'
import { BASES, lowered, planOf, showKernel, type Step } from './plans.ts'

class Lab {
  readonly b: Builder = new Builder()
  input(name: string, ...shape: Shape): Node {
    return this.b.input(name, { dtype: 'f32', shape })
  }
  of(dtype: DType, name: string, ...shape: Shape): Node {
    return this.b.input(name, { dtype, shape })
  }
  make(op: string, operands: readonly Node[], attrs: Attrs = {}): Node {
    return this.b.make(op, operands, attrs)
  }
}

/** Nests of one kernel as text; buffers are placed in the order: loads, stores. */
function show(core: Node | null, loads: readonly Node[], stores: readonly Node[], alias?: ReadonlyMap<Node, Node>): string {
  return showKernel(lowered([{ core, loads, stores }], alias).program.functions[0].kernels[0])
}

describe('maps', () => {
  test('a chain over contiguous tensors is one flat loop', () => {
    const l = new Lab()
    const [x, y] = [l.input('x', 2, 3, 4), l.input('y', 2, 3, 4)]
    const z = l.make('add', [l.make('mul', [x, y]), x])
    expect(show(null, [x, y], [z])).toMatchInlineSnapshot(`
      "for i0 < 24
        @192[i0] = add(mul(@0[i0], @96[i0]), @0[i0])"
    `)
  })
  test('what is spread over windows that touch, below a reshape that joins them: a loop over their elements', () => {
    const l = new Lab()
    const [x, m] = [l.input('x', 6, 4), l.input('m', 3, 1, 2, 1)]
    const spread = l.make('mul', [l.make('reshape', [x], { shape: [3, 2, 2, 2] }), l.make('broadcast', [m], { shape: [3, 2, 2, 2] })])
    const y = l.make('add', [l.make('reshape', [spread], { shape: [6, 4] }), x])
    expect(show(null, [x, m], [y])).toMatchInlineSnapshot(`
      "for i0 < 3, i1 < 2, i2 < 2, i3 < 2
        @128[8 i0 + 4 i1 + 2 i2 + i3] = add(mul(@0[8 i0 + 4 i1 + 2 i2 + i3], @96[2 i0 + i2]), @0[8 i0 + 4 i1 + 2 i2 + i3])"
    `)
  })
  test('a broadcast bias keeps two axes; extents of 1 go', () => {
    const l = new Lab()
    const [x, b] = [l.input('x', 2, 1, 3, 4), l.input('b', 1, 1, 1, 4)]
    const y = l.make('add', [x, l.make('broadcast', [b], { shape: [2, 1, 3, 4] })])
    expect(show(null, [x, b], [y])).toMatchInlineSnapshot(`
      "for i0 < 6, i1 < 4
        @112[4 i0 + i1] = add(@0[4 i0 + i1], @96[i1])"
    `)
  })
  test('a transpose is read with other strides', () => {
    const l = new Lab()
    const x = l.input('x', 2, 3)
    expect(show(null, [x], [l.make('neg', [l.make('permute', [x], { perm: [1, 0] })])])).toMatchInlineSnapshot(`
      "for i0 < 3, i1 < 2
        @32[2 i0 + i1] = neg(@0[i0 + 3 i1])"
    `)
  })
  test('a flip is read with a negative stride', () => {
    const l = new Lab()
    const x = l.input('x', 4, 3)
    expect(show(null, [x], [l.make('neg', [l.make('flip', [x], { axes: [0] })])])).toMatchInlineSnapshot(`
      "for i0 < 4, i1 < 3
        @48[3 i0 + i1] = neg(@0[-3 i0 + i1 + 9])"
    `)
    expect(show(null, [x], [l.make('neg', [l.make('flip', [x], { axes: [0, 1] })])])).toMatchInlineSnapshot(`
      "for i0 < 12
        @48[i0] = neg(@0[-1 i0 + 11])"
    `)
  })
  test('a scalar has no axis', () => {
    const l = new Lab()
    const x = l.input('x')
    expect(show(null, [x], [l.make('neg', [x])])).toMatchInlineSnapshot(`
      "for
        @16[0] = neg(@0[0])"
    `)
  })
  test('a store of what is loaded is a copy', () => {
    const l = new Lab()
    const x = l.input('x', 3, 3)
    const { plan } = planOf([{ core: null, loads: [x], stores: [] }])
    const buffers = [...plan.buffers, { ...plan.buffers[0], id: 1, offset: 48 }]
    const kernels = [{ ...plan.kernels[0], stores: [{ node: x, buffer: 1 }] }]
    expect(showKernel(lowerPlan({ ...plan, buffers, kernels }, BASES).kernels[0])).toMatchInlineSnapshot(`
      "for i0 < 9
        @48[i0] = @0[i0]"
    `)
  })
  test('nothing is left of an empty space', () => {
    const l = new Lab()
    const x = l.input('x', 3, 0)
    expect(show(null, [x], [l.make('neg', [x])])).toBe('')
  })
  test('gather, iota and random are expressions', () => {
    const l = new Lab()
    const [table, at, key] = [l.input('t', 10, 4), l.of('i32', 'i', 3), l.of('u32', 'k', 2)]
    const stream = l.of('u32', 's')
    const g = l.make('gather', [table, at], { axis: 0 })
    expect(show(null, [table, at], [l.make('neg', [g])])).toMatchInlineSnapshot(`
      "for i0 < 3, i1 < 4
        @176[4 i0 + i1] = neg(@0[i1 + clamp(@160[i0], 10) * 4])"
    `)
    expect(show(null, [], [l.b.iota([3, 4], 1)])).toMatchInlineSnapshot(`
      "for i0 < 3, i1 < 4
        @0[4 i0 + i1] = i32(i1)"
    `)
    expect(show(null, [key, stream], [l.make('randomBits', [key, stream], { shape: [3, 4] })])).toMatchInlineSnapshot(`
      "for i0 < 12
        @32[i0] = random(@0[0], @0[1], @16[0], i0)"
    `)
  })
})

describe('folds', () => {
  test('a matmul with bias', () => {
    const l = new Lab()
    const [x, w, b] = [l.input('x', 64, 784), l.input('w', 128, 784), l.input('b', 128)]
    const c = l.make('contract', [x, w], { spec: 'ik,jk->ij' })
    const bias = l.make('broadcast', [l.make('reshape', [b], { shape: [1, 128] })], { shape: [64, 128] })
    expect(show(c, [x, w, b], [l.make('add', [c, bias])])).toMatchInlineSnapshot(`
      "for i0 < 64, i1 < 128
        sum over r0 < 784: mul(@0[784 i0 + r0], @200704[784 i1 + r0])
        @602624[128 i0 + i1] = add(core, @602112[i1])"
    `)
  })
  test('batch and rows that step alike are one axis', () => {
    const l = new Lab()
    const [x, w] = [l.input('x', 5, 6, 7), l.input('w', 7, 8)]
    const c = l.make('contract', [x, w], { spec: 'bik,kj->bij' })
    expect(show(c, [x, w], [c])).toMatchInlineSnapshot(`
      "for i0 < 30, i1 < 8
        sum over r0 < 7: mul(@0[7 i0 + r0], @848[i1 + 8 r0])
        @1072[8 i0 + i1] = core"
    `)
  })
  test('a convolution: a contraction over a window', () => {
    const l = new Lab()
    const [x, w] = [l.input('x', 2, 9, 9, 3), l.input('w', 3, 3, 3, 8)]
    const p = l.make('window', [x], { axes: [1, 2], size: [3, 3], stride: [2, 1], dilation: [1, 1] })
    const c = l.make('contract', [p, w], { spec: 'nhwcxy,xycd->nhwd' })
    expect(show(c, [x, w], [c])).toMatchInlineSnapshot(`
      "for i0 < 2, i1 < 4, i2 < 7, i3 < 8
        sum over r0 < 3, r1 < 9: mul(@0[243 i0 + 54 i1 + 3 i2 + 27 r0 + r1], @1952[i3 + 72 r0 + 8 r1])
        @2816[224 i0 + 56 i1 + 8 i2 + i3] = core"
    `)
  })
  test('a sum over leading axes, with an epilogue', () => {
    const l = new Lab()
    const x = l.input('x', 4, 5, 6)
    const s = l.make('sum', [l.make('mul', [x, x])], { axes: [0, 1] })
    expect(show(s, [x], [l.make('sqrt', [s])])).toMatchInlineSnapshot(`
      "for i0 < 6
        sum over r0 < 20: mul(@0[i0 + 6 r0], @0[i0 + 6 r0])
        @480[i0] = sqrt(core)"
    `)
  })
  test('a sum over all', () => {
    const l = new Lab()
    const x = l.input('x', 4, 5, 6)
    const s = l.make('sum', [x], { axes: [0, 1, 2] })
    expect(show(s, [x], [s])).toMatchInlineSnapshot(`
      "for
        sum over r0 < 120: @0[r0]
        @480[0] = core"
    `)
  })
  test('folds over one element, and over no axis, still run once', () => {
    const l = new Lab()
    const x = l.input('x', 4, 1)
    const s = l.make('sum', [x], { axes: [1] })
    expect(show(s, [x], [s])).toMatchInlineSnapshot(`
      "for i0 < 4
        sum over r0 < 1: @0[i0]
        @16[i0] = core"
    `)
    const t = l.make('sum', [x], { axes: [] })
    expect(show(t, [x], [t])).toMatchInlineSnapshot(`
      "for i0 < 4
        sum over r0 < 1: @0[i0]
        @16[i0] = core"
    `)
    const [a, b] = [l.input('a', 2), l.input('b', 3)]
    const outer = l.make('contract', [a, b], { spec: 'i,j->ij' })
    expect(show(outer, [a, b], [outer])).toMatchInlineSnapshot(`
      "for i0 < 2, i1 < 3
        sum over r0 < 1: mul(@0[i0], @16[i1])
        @32[3 i0 + i1] = core"
    `)
  })
  test('a fold of nothing stores its neutral element', () => {
    const l = new Lab()
    const x = l.input('x', 4, 0)
    const s = l.make('prod', [x], { axes: [1] })
    expect(show(s, [x], [l.make('neg', [s])])).toMatchInlineSnapshot(`
      "for i0 < 4
        @0[i0] = neg(1)"
    `)
  })
  test('argmax', () => {
    const l = new Lab()
    const x = l.input('x', 4, 3)
    const s = l.make('argmax', [x], { axes: [0] })
    expect(show(s, [x], [s])).toMatchInlineSnapshot(`
      "for i0 < 3
        argmax over r0 < 4: @0[i0 + 3 r0]
        @48[i0] = core"
    `)
  })
  test('a running sum stores at every step', () => {
    const l = new Lab()
    const x = l.input('x', 4, 5, 6)
    const along = (axis: number): string => {
      const s = l.make('cumsum', [x], { axis })
      return show(s, [x], [s])
    }
    expect(along(0)).toMatchInlineSnapshot(`
      "for i0 < 30
        running sum over r0 < 4: @0[i0 + 30 r0]
        @480[i0 + 30 r0] = core"
    `)
    expect(along(2)).toMatchInlineSnapshot(`
      "for i0 < 20
        running sum over r0 < 6: @0[6 i0 + r0]
        @480[6 i0 + r0] = core"
    `)
  })
})

describe('places and scatters', () => {
  test('pad fills, then writes the inside', () => {
    const l = new Lab()
    const x = l.input('x', 2, 3)
    const p = l.make('pad', [x], { low: [1, 0], high: [0, 2], interior: [0, 1], value: -1 })
    expect(show(p, [x], [p])).toMatchInlineSnapshot(`
      "for i0 < 21
        @32[i0] = -1
      for i0 < 2, i1 < 3
        @32[7 i0 + 2 i1 + 7] = @0[3 i0 + i1]"
    `)
  })
  test('concat needs no fill', () => {
    const l = new Lab()
    const [x, y] = [l.input('x', 2, 3), l.input('y', 2, 4)]
    const c = l.make('concat', [x, l.make('neg', [y])], { axis: 1 })
    expect(show(c, [x, y], [c])).toMatchInlineSnapshot(`
      "for i0 < 2, i1 < 3
        @64[7 i0 + i1] = @0[3 i0 + i1]
      for i0 < 2, i1 < 4
        @64[7 i0 + i1 + 3] = neg(@32[4 i0 + i1])"
    `)
  })
  test('scatterAdd copies, then adds', () => {
    const l = new Lab()
    const [x, at, u] = [l.input('x', 5, 3), l.of('i32', 'i', 4), l.input('u', 4, 3)]
    const s = l.make('scatterAdd', [x, at, u], { axis: 0 })
    expect(show(s, [x, at, u], [s])).toMatchInlineSnapshot(`
      "for i0 < 15
        @128[i0] = @0[i0]
      for i0 < 4, i1 < 3
        @128[i1 + clamp(@64[i0], 5) * 3] += @80[3 i0 + i1]"
    `)
  })
  test('scatterAdd in place only adds', () => {
    const l = new Lab()
    const [x, at, u] = [l.input('x', 5, 3), l.of('i32', 'i', 2, 2), l.input('u', 5, 2, 2)]
    const s = l.make('scatterAdd', [x, at, u], { axis: 1 })
    expect(show(s, [x, at, u], [s], new Map([[s, x]]))).toMatchInlineSnapshot(`
      "for i0 < 5, i1 < 4
        @0[3 i0 + clamp(@64[i1], 3) * 1] += @80[4 i0 + i1]"
    `)
  })
  test('overlapAdd clears, then adds where windows overlap: positions innermost, in an order that is theirs', () => {
    const l = new Lab()
    const w = l.input('w', 2, 7, 3)
    const o = l.make('overlapAdd', [w], { shape: [2, 9], axes: [1], size: [3], stride: [1], dilation: [1] })
    expect(show(o, [w], [o])).toMatchInlineSnapshot(`
      "for i0 < 18
        @176[i0] = 0
      for i0 < 2, i1 < 3, i2 < 7
        @176[9 i0 + -1 i1 + i2 + 2] += @0[21 i0 + -1 i1 + 3 i2 + 2]"
    `)
  })
  test('channels that lie innermost stay there', () => {
    const l = new Lab()
    const w = l.input('w', 2, 3, 5, 2)
    const o = l.make('overlapAdd', [w], { shape: [2, 7, 5], axes: [1], size: [2], stride: [2], dilation: [2] })
    expect(show(o, [w], [o])).toContain('for i0 < 2, i1 < 2, i2 < 3, i3 < 5')
  })
})

describe('expansion', () => {
  test('f32 functions become basic arithmetic, f64 ones stay the host\'s', () => {
    const l = new Lab()
    const x = l.input('x', 3)
    expect(show(null, [x], [l.make('exp', [x])])).not.toContain('exp(')
    const y = l.of('f64', 'y', 3)
    expect(show(null, [y], [l.make('exp', [y])])).toMatchInlineSnapshot(`
      "for i0 < 3
        @32[i0] = exp(@0[i0])"
    `)
    expect(show(null, [y], [l.make('sigmoid', [y])])).toMatchInlineSnapshot(`
      "for i0 < 3
        @32[i0] = div(1, add(1, exp(neg(@0[i0]))))"
    `)
    expect(show(null, [y], [l.make('erf', [y])])).not.toContain('erf(')
  })
})

describe('errors', () => {
  const lower = (step: Step) => (): unknown => lowered([step])
  test('a plan that does not store what it must is our defect', () => {
    const l = new Lab()
    const x = l.input('x', 3)
    const s = l.make('sum', [x], { axes: [0] })
    expect(lower({ core: null, loads: [x], stores: [l.make('neg', [s])] })).toThrow(InternalError)
    expect(lower({ core: x, loads: [x], stores: [x] })).toThrow(InternalError)
  })
})
