import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { rootsOf, topological, type Graph, type Node } from '../../src/ir/graph.ts'
import { add, broadcastTo, div, einsum, exp, expandDims, log, matmul, maximum, mean, mul, reshape, slice, sub, sum, transpose, where,
  window } from '../../src/ir/lang/index.ts'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { grad } from '../../src/passes/differentiate/gradient.ts'
import { runPasses } from '../../src/passes/runner.ts'
import { simplification } from '../../src/passes/simplify.ts'

const f32 = (...shape: number[]) => ({ dtype: 'f32' as const, shape })
const rewritten = (graph: Graph): Graph => runPasses(graph, simplification, { verify: true })

/** The lines of nodes, inputs left out, after all exact rewriting. */
function lines(build: (b: Builder) => Node): string[] {
  const b = new Builder()
  const node = build(b)
  const text = print(rewritten({ name: 'g', builder: b, inputs: b.inputs, states: [], results: [{ name: 'y', node }],
    updates: [] }))
  return text.split('\n').filter((l) => / = (?!input)/.test(l)).map((l) => l.trim())
}
const opsAfter = (build: (b: Builder) => Node): string[] => lines(build).map((l) => l.split(' ')[2])

describe('what rewriting makes of usual formulas', () => {
  test('transposes vanish into contractions, on both sides and around', () => {
    expect(lines((b) => transpose(matmul(transpose(b.input('x', f32(3, 2))), transpose(b.input('y', f32(4, 3))))))).toEqual([
      '%2 = contract f32[4, 2] %0, %1 {spec = "ki,jk->ji"}',
    ])
  })

  test('a transpose that must keep the order of several sums stays', () => {
    const both = (b: Builder): Node => einsum('ikl,jkl->ij', transpose(b.input('x', f32(2, 4, 3)), [0, 2, 1]),
      b.input('y', f32(5, 3, 4)))
    expect(opsAfter(both)).toEqual(['permute', 'contract'])
  })

  test('nothing is left of a unit axis beside a repeated one: it is cut, not repeated', () => {
    const cut = (b: Builder): Node => slice(broadcastTo(b.input('x', f32(1, 1)), [1, 5]), { start: 1 })
    expect(lines(cut)).toEqual([
      '%1 = slice f32[0, 1] %0 {start = [1, 0], size = [0, 1], step = [1, 1]}',
      '%2 = broadcast f32[0, 5] %1',
    ])
  })

  test('functions are computed before their argument is repeated', () => {
    expect(lines((b) => log(broadcastTo(expandDims(b.input('x', f32(3)), 1), [3, 5])))).toEqual([
      '%1 = log f32[3] %0',
      '%2 = reshape f32[3, 1] %1',
      '%3 = broadcast f32[3, 5] %2',
    ])
    expect(lines((b) => mul(add(broadcastTo(b.input('x', f32(1, 5)), [3, 5]), 1), b.input('y', f32(3, 5))))).toEqual([
      '%2 = literal f32[1, 5] {value = 1}',
      '%3 = add f32[1, 5] %0, %2',
      '%4 = broadcast f32[3, 5] %3',
      '%5 = mul f32[3, 5] %1, %4',
    ])
  })

  test('log of a softmax that was written out is x − log Σ e^x, shifted', () => {
    const ops = opsAfter((b) => {
      const e = exp(b.input('x', f32(4, 3)))
      return log(div(e, sum(e, { axis: 1, keepdims: true })))
    })
    expect(ops.filter((op) => ['exp', 'log', 'div', 'reduceMax'].includes(op)).sort()).toEqual(['exp', 'log', 'reduceMax'])
  })

  test('a sum over a repeated axis is a product, a repeated factor is summed first', () => {
    expect(lines((b) => sum(broadcastTo(b.input('x', f32(1, 3)), [5, 3]), { axis: 0 }))).toEqual([
      '%1 = literal f32[1, 3] {value = 5}',
      '%2 = mul f32[1, 3] %0, %1',
      '%3 = reshape f32[3] %2',
    ])
    expect(opsAfter((b) => einsum('ik,kj->ij', broadcastTo(b.input('x', f32(4, 1)), [4, 9]),
      b.input('y', f32(9, 7))))).not.toContain('contract')
  })

  test('a batch that is repeated is no batch', () => {
    const [line] = lines((b) => einsum('bik,bkj->bij', b.input('x', f32(8, 2, 3)),
      broadcastTo(b.input('w', f32(1, 3, 4)), [8, 3, 4]))).slice(-1)
    expect(line).toBe('%3 = contract f32[8, 2, 4] %0, %2 {spec = "bik,kj->bij"}')
  })

  test('an outer product is pointwise', () => {
    expect(opsAfter((b) => einsum('i,j->ij', b.input('x', f32(3)), b.input('y', f32(4))))).not.toContain('contract')
  })

  test('a mean scales by 1/n where that is exact, and divides where it is not', () => {
    expect(opsAfter((b) => mean(b.input('x', f32(64))))).toEqual(['sum', 'literal', 'mul'])
    expect(opsAfter((b) => mean(b.input('x', f32(63))))).toEqual(['sum', 'literal', 'div'])
  })

  test('the mask of a maximum with a number is decided where it can be', () => {
    const ops = opsAfter((b) => {
      const x = b.input('x', f32(5))
      return grad(sum(maximum(x, 0)), x)
    })
    expect(ops.filter((op) => op === 'eq').length).toBe(2) // x = x (NaN) and x = 0, but not 0 = 0
  })

  test('views of views, and slices of concatenations, are what they read', () => {
    const [x, y] = ['f32[4] "x"', 'f32[6] "y"']
    const text = `graph "g" {
      %0 = input ${x}  %1 = input ${y}
      %2 = concat f32[10] %0, %1 {axis = 0}
      %3 = slice f32[3] %2 {start = [5], size = [3], step = [2]}
      %4 = slice f32[2] %3 {start = [1], size = [2], step = [1]}
      result "y" %4
    }`
    expect(print(rewritten(parse(text)))).toContain('%2 = slice f32[2] %1 {start = [3], size = [2], step = [2]}')
  })
})

describe('the gradient of a convolution by its input', () => {
  /** A valid convolution of x [n, h, w, c] with kernels [o, c, kh, kw]. */
  const gradientOf = (stride: number): Graph => {
    const b = new Builder()
    const [x, k] = [b.input('x', f32(2, 7, 7, 3)), b.input('k', f32(4, 3, 3, 3))]
    const patches = window(x, { axes: [1, 2], size: [3, 3], stride: [stride, stride] })
    const y = einsum('nhwcij,ocij->nhwo', patches, k)
    const node = grad(sum(mul(y, y)), x)
    return rewritten({ name: 'g', builder: b, inputs: b.inputs, states: [], results: [{ name: 'g', node }], updates: [] })
  }
  const count = (g: Graph, op: string): number => topological(rootsOf(g)).filter((n) => n.op === op).length

  test('is a convolution with the flipped kernel for stride 1', () => {
    const g = gradientOf(1)
    expect([count(g, 'overlapAdd'), count(g, 'contract'), count(g, 'window'), count(g, 'flip'), count(g, 'pad')])
      .toEqual([0, 2, 2, 1, 1])
  })

  test('adds overlapping patches for larger strides', () => {
    const g = gradientOf(2)
    expect([count(g, 'overlapAdd'), count(g, 'contract')]).toEqual([1, 2])
  })
})

test('selections that were decided, or choose between equals, are gone', () => {
  const ops = opsAfter((b) => {
    const x = b.input('x', f32(5))
    const yes = b.literal(1, { dtype: 'bool', shape: [5] })
    return where(yes, where(b.input('c', { dtype: 'bool', shape: [5] }), x, x), sub(reshape(x, [5]), 1))
  })
  expect(ops).toEqual([])
})
