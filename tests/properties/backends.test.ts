import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../src/ir/evaluate.ts'
import type { Node } from '../../src/ir/graph.ts'
import { opNamed } from '../../src/ir/ops/index.ts'
import { contractSpace } from '../../src/ir/resolve.ts'
import { sizeOf, type TypedArray } from '../../src/ir/types.ts'
import { Machine, sameBits } from '../codegen/run.ts'
import { arbitraryGraph, computed, generatorOf, type Sample } from '../generators.ts'

/** Results of f32 formulas against correctly rounded ones, in units in the last place; see src/codegen/approximate. */
const ULP: { readonly [op: string]: number } = {
  exp: 1, expm1: 1, log: 1, log1p: 1, sin: 2, cos: 2, tanh: 3, sigmoid: 3, erf: 3, normalPdf: 3, normalCdf: 4, gelu: 4, silu: 4, geluTanh: 4, pow: 2, atan2: 2,
}

/** How many terms, at most, are added or multiplied into one element of the result; 0 for ops that add nothing. */
function termsOf(node: Node): number {
  const { lowering } = opNamed(node.op)
  const [x] = node.operands
  switch (lowering.kind) {
    case 'reduce':
      return lowering.combine === 'sum' || lowering.combine === 'prod' ? Math.max(1, sizeOf(x.shape)) : 0
    case 'contract':
      return sizeOf(contractSpace(node).extents.slice(contractSpace(node).free)) + 1
    case 'cumulate':
      return x.shape[node.attrs.axis as number]
    case 'scatter':
      return 1 + sizeOf(lowering.scatter === 'indexed' ? node.operands[1].shape : (node.attrs.size as readonly number[]))
    default:
      return 0
  }
}

const f32 = new Float32Array(1)
const bits = new Int32Array(f32.buffer)
function ordered(v: number): number {
  f32[0] = v
  return bits[0] < 0 ? -(bits[0] & 0x7fffffff) : bits[0]
}

/** Distance in f32 values; zeros of both signs are one, so are all NaN. */
const ulps = (a: number, b: number): number => (Number.isNaN(a) && Number.isNaN(b) ? 0 : Math.abs(ordered(a) - ordered(b)))

const absolute = (v: TypedArray): TypedArray => (v instanceof Int32Array ? v : v.map((x: number) => Math.abs(x)))
const magnitudes = (inputs: Sample['inputs']): Record<string, TypedArray> =>
  Object.fromEntries(Object.entries(inputs).map(([name, v]) => [name, absolute(v)]))

/**
 * Is this what the reference evaluator says? Exactly, where every operation is exact; else within a bound that grows
 * with the number and size of the terms.
 */
function expectReference({ graph, node, inputs, states }: Sample, actual: TypedArray, special: boolean): void {
  const expected = evaluate(graph, { inputs, states }).results.y
  const terms = node.dtype === 'f32' || node.dtype === 'f64' ? termsOf(node) : 0
  if (terms && special) return // another order of terms may overflow elsewhere
  if (terms) {
    const exact = evaluate(graph, { inputs }, { precision: 'f64' }).results.y
    const scale = evaluate(graph, { inputs: magnitudes(inputs) }, { precision: 'f64' }).results.y
    const epsilon = node.dtype === 'f32' ? 2 ** -23 : 2 ** -52
    actual.forEach((v, i) => {
      expect(Math.abs(v - exact[i]), `element ${i}: ${v}, not ${exact[i]}`).toBeLessThanOrEqual(terms * epsilon * scale[i])
    })
  } else if (node.dtype === 'f32' && Object.hasOwn(ULP, node.op)) {
    actual.forEach((v, i) => {
      // One more than the formula's bound: the reference is rounded itself.
      expect(ulps(v, expected[i]), `element ${i}: ${v}, not ${expected[i]}`).toBeLessThanOrEqual(ULP[node.op] + 1)
    })
  } else {
    expect(sameBits(actual, expected), `${show(actual)}\nnot ${show(expected)}`).toBe(true)
  }
}

const show = (a: TypedArray): string => [...a].map((v) => (Object.is(v, -0) ? '-0' : String(v))).join(' ')

function check(sample: Sample, special: boolean): void {
  const machine = new Machine(sample.graph)
  const [nests, js, wasm] = (['nests', 'js', 'wasm'] as const).map((target) => machine.run(target, sample).results.y)
  expect(sameBits(js, nests), `js    ${show(js)}\nnests ${show(nests)}`).toBe(true)
  expect(sameBits(wasm, js), `wasm ${show(wasm)}\njs   ${show(js)}`).toBe(true)
  expectReference(sample, js, special)
}

describe.each(computed())('%s', (op) => {
  test('evaluator, nests, JS and WebAssembly agree', () => {
    fc.assert(fc.property(generatorOf(op), (s) => check(s, false)), { numRuns: 30 })
  })
  test('also on NaN, infinities, zeros of both signs and denormals', () => {
    fc.assert(fc.property(generatorOf(op, { special: true }), (s) => check(s, true)), { numRuns: 20 })
  })
})

describe('a whole program', () => {
  test.each([true, false])('has the same bits on every target, fused: %s', (fuse) => {
    fc.assert(
      fc.property(arbitraryGraph(), ({ graph, inputs, states }) => {
        const machine = new Machine(graph, { fuse })
        const [nests, js, wasm] = (['nests', 'js', 'wasm'] as const).map((target) => machine.run(target, { inputs, states }))
        for (const part of ['results', 'states'] as const) {
          for (const [name, values] of Object.entries(nests[part])) {
            expect(sameBits(js[part][name], values), `js, ${name}`).toBe(true)
            expect(sameBits(wasm[part][name], values), `wasm, ${name}`).toBe(true)
          }
        }
      }),
      { numRuns: 40 },
    )
  })
})
