// Patches that a contraction made and that are added where they overlap: what rewriting makes of them, and that it means the same.
// GRADC_SEED=n draws other samples. Values are small integers: sums of their products are exact in any order.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { rootsOf, topological, type Graph, type Node } from '../../src/ir/graph.ts'
import { einsum, mul, slice, square, sum } from '../../src/ir/lang/index.ts'
import { apply } from '../../src/ir/lang/tensor.ts'
import { evaluate } from '../../src/ir/evaluate.ts'
import { sizeOf, type DType } from '../../src/ir/types.ts'
import * as nn from '../../src/nn/index.ts'
import { grad } from '../../src/passes/differentiate/gradient.ts'
import { rewriteNodes } from '../../src/passes/rewrite/engine.ts'
import { phasesOf } from '../../src/passes/rewrite/rules/phases.ts'
import { rangeOf } from '../../src/passes/rewrite/rules/slices.ts'
import { spreadOf } from '../../src/passes/rewrite/rules/spread.ts'
import { runPasses } from '../../src/passes/runner.ts'
import { allRules, simplification } from '../../src/passes/simplify.ts'
import { Machine } from '../codegen/run.ts'
import { numbersOf } from './numbers.ts'

const RUNS = { seed: Number(process.env.GRADC_SEED ?? 20261121), numRuns: 150 }
const tensor = (dtype: DType, ...shape: number[]) => ({ dtype, shape })
const numbers = (n: number, seed: number): number[] => Array.from({ length: n }, (_, i) => Math.round(Math.sin(seed * 12.9898 + i * 78.233) * 9))

const graphOf = (b: Builder, node: Node): Graph =>
  runPasses({ name: 'g', builder: b, inputs: b.inputs, states: [], results: [{ name: 'y', node }], updates: [] }, simplification, { verify: true })
const opsOf = (g: Graph): string[] => topological(rootsOf(g)).map((n) => n.op).filter((op) => op !== 'input')

/** A convolution's extents along one axis, and what is cut off the sum of its patches. */
const axis = fc.record({
  positions: fc.integer({ min: 1, max: 4 }),
  size: fc.integer({ min: 1, max: 5 }),
  stride: fc.constantFrom(1, 2, 2, 3, 4),
  dilation: fc.constantFrom(1, 1, 1, 2),
  beyond: fc.nat(3),
  low: fc.nat(4),
  high: fc.nat(4),
})

describe('what overlaps', () => {
  test('means the same as one contraction, whole or cut', () => {
    const seen = { rewritten: 0, kept: 0, phased: 0 }
    fc.assert(fc.property(
      fc.array(axis, { minLength: 1, maxLength: 2 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 4 }), fc.boolean(), fc.boolean(),
      (axes, c, o, swapped, cuts) => {
        const b = new Builder()
        const [p, k] = ['xy'.slice(0, axes.length), 'ij'.slice(0, axes.length)]
        const [size, stride, dilation] = [axes.map((a) => a.size), axes.map((a) => a.stride), axes.map((a) => a.dilation)]
        const u = b.input('u', tensor('f64', 2, c, ...axes.map((a) => a.positions)))
        const depthwise = o === c
        const v = b.input('v', tensor('f64', c, ...(depthwise ? [] : [o]), ...size))
        const [mine, other, out] = [`nc${p}`, depthwise ? `c${k}` : `co${k}`, `n${depthwise ? 'c' : 'o'}${p}${k}`]
        const patches = swapped ? einsum(`${other},${mine}->${out}`, v, u) : einsum(`${mine},${other}->${out}`, u, v)
        const extents = axes.map((a) => (a.positions - 1) * a.stride + (a.size - 1) * a.dilation + 1 + Math.min(a.beyond, a.stride - 1))
        const shape = [2, o, ...extents]
        const whole = apply('overlapAdd', [patches], { shape, axes: axes.map((_, i) => i + 2), size, stride, dilation })
        const part = axes.map((a, i) => {
          const start = Math.min(a.low, extents[i] - 1)
          return { start, stop: Math.max(start + 1, extents[i] - a.high) }
        })
        const y = cuts ? slice(whole, null, null, ...part) : whole
        const rewritten = rewriteNodes([y], allRules.filter((r) => r.exact), { check: true }).get(y)!
        const given = { u: numbers(sizeOf(u.shape), 1), v: numbers(sizeOf(v.shape), 2) }
        // A sum of nothing but −0 is 0, a product alone is −0.
        const values = (node: Node): number[] => numbersOf([node], given)[0].map((value) => value + 0)
        expect(values(rewritten)).toEqual(values(y))
        // Phases pay for many patches only: here whatever the cost model says.
        const spread = patches.op === 'contract' ? spreadOf(patches, whole) : null
        const phased = spread && cuts && y.op === 'slice' ? phasesOf(spread, rangeOf(y)) : null
        if (phased) expect(values(phased.whole)).toEqual(values(y))
        seen.phased += Number(phased !== null)
        const kept = topological([rewritten]).some((n) => n.op === 'overlapAdd')
        seen[kept ? 'kept' : 'rewritten']++
        // Stride and dilation on one axis stay a sum of patches.
        if (axes.some((a) => a.stride > 1 && a.dilation > 1 && a.size > 1 && a.positions > 1)) expect(kept).toBe(true)
      }), RUNS)
    expect(seen.rewritten).toBeGreaterThan(seen.kept / 4)
    expect(seen.kept).toBeGreaterThan(0)
    expect(seen.phased).toBeGreaterThan(0)
  })
})

describe('a transposed convolution', () => {
  const upsampled = (c: number, o: number, extent: number, kernel: number, options: nn.ConvolveTransposedOptions): Graph => {
    const b = new Builder()
    const [x, w] = [b.input('x', tensor('f32', 2, c, extent, extent)), b.input('w', tensor('f32', c, o, kernel, kernel))]
    return graphOf(b, nn.convolveTransposed(x, w, options))
  }
  const contractionOf = (g: Graph): Node => topological(rootsOf(g)).find((n) => n.op === 'contract')!

  test('of kernels that touch is a product, and stores nothing else', () => {
    const g = upsampled(8, 4, 5, 2, { stride: 2 })
    expect(opsOf(g)).toEqual(['contract', 'reshape'])
    expect(contractionOf(g).shape).toEqual([2, 4, 5, 2, 5, 2])
  })

  test('of stride 2 that begins between blocks computes no more than it gives', () => {
    const g = upsampled(8, 16, 7, 4, { stride: 2, padding: 1 })
    expect(opsOf(g)).not.toContain('overlapAdd')
    expect(opsOf(g).filter((op) => op === 'slice' || op === 'pad')).toEqual(['pad'])
    expect(contractionOf(g).shape).toEqual([2, 16, 7, 2, 7, 2])
  })

  test('whole blocks that are cut off are not computed', () => {
    const g = upsampled(4, 16, 6, 6, { stride: 3, padding: 3 })
    expect(opsOf(g)).not.toContain('slice')
    expect(contractionOf(g).shape).toEqual([2, 16, 5, 3, 5, 3])
  })

  test('a kernel smaller than its stride leaves zeros, and takes no more products', () => {
    const g = upsampled(8, 4, 5, 1, { stride: 2, outputPadding: 1 })
    expect(opsOf(g)).not.toContain('overlapAdd')
    expect(contractionOf(g).shape).toEqual([2, 4, 5, 1, 5, 1])
  })

  test('of single channels, and the gradient of such a convolution, is one contraction over windows', () => {
    const b = new Builder()
    const [x, w] = [b.input('x', tensor('f32', 2, 6, 28, 28)), b.input('w', tensor('f32', 6, 1, 3, 3))]
    for (const stride of [1, 2]) {
      const y = nn.convolve(x, w, { stride, padding: 1, groups: 6 })
      const ops = opsOf(graphOf(b, grad(sum(mul(y, b.input(`d${stride}`, y))), x)))
      expect(ops).not.toContain('overlapAdd')
      expect(ops.filter((op) => op === 'contract')).toHaveLength(1)
    }
  })

  test('fills its kernel up with zeros where they are little work, and makes phases of much, each with its own part of the kernel', () => {
    const options = { stride: 2, padding: 1, outputPadding: 1 }
    const few = opsOf(upsampled(2, 16, 7, 3, options))
    expect(few).not.toContain('overlapAdd')
    expect(few.filter((op) => op === 'contract')).toHaveLength(1)
    const g = upsampled(64, 64, 28, 3, options)
    expect(opsOf(g)).not.toContain('overlapAdd')
    const terms = topological(rootsOf(g)).filter((n) => n.op === 'contract').map((n) => sizeOf(n.operands[1].shape) / 64 / 64)
    expect(terms.sort()).toEqual([1, 2, 2, 4])
  })

  test('keeps patches where few channels would share their terms, or there is little to gain', () => {
    const options = { stride: 2, padding: 1, outputPadding: 1 }
    expect(opsOf(upsampled(64, 3, 56, 3, options))).toContain('overlapAdd')
    expect(opsOf(upsampled(64, 64, 7, 3, options))).toContain('overlapAdd')
  })

  test.each([[4, 2, 1], [2, 2, 0], [5, 2, 2], [1, 3, 0], [6, 3, 1]])(
    'kernel %i, stride %i, padding %i: all targets give the same bits, forward and backward', (kernel, stride, padding) => {
      const b = new Builder()
      const x = b.input('x', tensor('f32', 2, 3, 6, 5))
      const w = b.input('w', tensor('f32', 3, 9, kernel, kernel))
      const bias = b.input('bias', tensor('f32', 9))
      const y = square(nn.convolveTransposed(x, w, { stride, padding, bias }))
      const d = b.input('d', y)
      const image = nn.convolve(d, w, { stride, padding })
      const graph: Graph = {
        name: 'g', builder: b, inputs: b.inputs, states: [], updates: [],
        results: [{ name: 'y', node: y }, { name: 'dw', node: grad(sum(mul(y, d)), w) }, { name: 'dd', node: grad(sum(mul(image, image)), d) }],
      }
      const optimised = runPasses(graph, simplification, { verify: true })
      const inputs = Object.fromEntries(b.inputs.map(({ name, node }, i) =>
        [name, Float32Array.from(numbers(sizeOf(node.shape), i + 1), (v) => v / 7)]))
      const machine = new Machine(optimised)
      const [wasm, js, nests] = (['wasm', 'js', 'nests'] as const).map((target) => machine.run(target, { inputs }).results)
      const exact = evaluate(graph, { inputs, states: {} }, { precision: 'f64' }).results
      for (const { name } of graph.results) {
        expect(js[name]).toEqual(wasm[name])
        expect(nests[name]).toEqual(wasm[name])
        const scale = Math.max(...exact[name].map(Math.abs))
        const errors = [...wasm[name]].map((v, i) => Math.abs(v - exact[name][i]))
        expect(Math.max(...errors)).toBeLessThanOrEqual(1e-5 * scale)
      }
    })
})
