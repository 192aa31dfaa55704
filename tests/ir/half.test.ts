import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { evaluate, evaluateNodes, firstNonFinite } from '../../src/ir/evaluate.ts'
import type { Graph, Node } from '../../src/ir/graph.ts'
import { halfBits, halfValue, roundHalf, type HalfType } from '../../src/ir/half.ts'
import * as g from '../../src/ir/lang/index.ts'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'

const TYPES: readonly HalfType[] = ['f16', 'bf16']
const INFINITE = { f16: 0x7c00, bf16: 0x7f80 } as const
/** What would come after the largest number if exponents went on. */
const BEYOND = { f16: 2 ** 16, bf16: 2 ** 128 } as const

describe.each(TYPES)('%s', (dtype) => {
  test('known patterns (IEEE 754 table 3.5, bfloat16)', () => {
    const table: readonly (readonly [number, number])[] = dtype === 'f16'
      ? [[0x3c00, 1], [0xc000, -2], [0x7bff, 65504], [0x0400, 2 ** -14], [0x03ff, 2 ** -14 - 2 ** -24], [0x0001, 2 ** -24], [0x3555, 0.333251953125]]
      : [[0x3f80, 1], [0xc000, -2], [0x7f7f, 3.3895313892515355e38], [0x0080, 2 ** -126], [0x0001, 2 ** -133], [0x3eab, 0.333984375]]
    for (const [bits, value] of [...table, [0, 0], [0x8000, -0], [INFINITE[dtype], Infinity], [INFINITE[dtype] | 0x8000, -Infinity]] as const) {
      expect(halfValue(bits, dtype)).toBe(value)
      expect(halfBits(value, dtype)).toBe(bits)
    }
    expect(halfBits(1 / 3, dtype)).toBe(dtype === 'f16' ? 0x3555 : 0x3eab)
    expect(halfValue(INFINITE[dtype] + 1, dtype)).toBeNaN()
    expect(halfBits(NaN, dtype)).toBe(dtype === 'f16' ? 0x7e00 : 0x7fc0)
  })

  test('every number, every tie and what lies next to it, in both signs', () => {
    const wrong: string[] = []
    const check = (value: number, bits: number): void => {
      for (const [v, b] of [[value, bits], [-value, bits | 0x8000]]) {
        if (halfBits(v, dtype) !== b) wrong.push(`${v}: ${halfBits(v, dtype).toString(16)}, not ${b.toString(16)}`)
      }
    }
    for (let b = 0; b < INFINITE[dtype]; b++) {
      const value = halfValue(b, dtype)
      const next = b + 1 < INFINITE[dtype] ? halfValue(b + 1, dtype) : BEYOND[dtype]
      const tie = (value + next) / 2
      check(value, b)
      check(tie, b + (b & 1))
      check(tie * (1 - 2 ** -52), b)
      check(tie * (1 + 2 ** -52), b + 1)
      if (!(value < next)) wrong.push(`${value} is not below ${next}`)
    }
    check(1e300, INFINITE[dtype])
    check(5e-324, 0)
    expect(wrong).toEqual([])
    expect(roundHalf(NaN, dtype)).toBeNaN()
  })

  test('literals are rounded, and read back from text', () => {
    const b = new Builder()
    const third = b.literal(1 / 3, { dtype, shape: [2] })
    expect(third.attrs.value).toBe(roundHalf(1 / 3, dtype))
    expect(third).toBe(b.literal(roundHalf(1 / 3, dtype), { dtype, shape: [2] }))
    expect(b.literal(1e39, { dtype, shape: [] }).attrs.value).toBe(Infinity)
    const graph = graphOf(b, g.pad(g.mul(b.input('x', { dtype: 'f32', shape: [2] }), g.cast(third, 'f32')), [[1, 0]], 0.1))
    expect(print(parse(print(graph)))).toBe(print(graph))
  })

  test('the evaluator rounds in the declared types, and computes in doubles in f64', () => {
    const b = new Builder()
    const x = b.input('x', { dtype: 'f32', shape: [5] })
    const half = g.cast(x, dtype)
    const y = g.cast(half, 'f32')
    const values = [1 / 3, 1e6, -0, NaN, 3e-8]
    const got = evaluateNodes([y], { inputs: { x: values } })
    expect(got.get(half)).toEqual(Uint16Array.from(values, (v) => halfBits(Math.fround(v), dtype)))
    expect(got.get(y)).toEqual(Float32Array.from(values, (v) => roundHalf(Math.fround(v), dtype)))
    expect(evaluateNodes([y], { inputs: { x: values } }, { precision: 'f64' }).get(y)).toEqual(Float64Array.from(values))
  })

  test('the evaluator takes bits in a Uint16Array and numbers in any other; copies keep the bits of a NaN', () => {
    const b = new Builder()
    const x = b.input('x', { dtype, shape: [4] })
    const y = g.concat([g.flip(x, 0), g.slice(x, { stop: 2 }), b.constant(Uint16Array.of(1), { dtype, shape: [1] }), b.zeros({ dtype, shape: [1] })], 0)
    const bits = Uint16Array.of(INFINITE[dtype] + 1, 0x8000, 0xffff, 1)
    const graph = graphOf(b, g.pad(y, [[1, 0]], -1))
    const minusOne = halfBits(-1, dtype)
    expect(evaluate(graph, { inputs: { x: bits } }).results.y)
      .toEqual(Uint16Array.of(minusOne, 1, 0xffff, 0x8000, INFINITE[dtype] + 1, INFINITE[dtype] + 1, 0x8000, 1, 0))
    const numbers = [-1, 1 / 3, 2, 3]
    expect([...evaluate(graph, { inputs: { x: numbers } }, { precision: 'f64' }).results.y].slice(0, 5)).toEqual([-1, 3, 2, 1 / 3, -1])
    expect(evaluate(graph, { inputs: { x: bits } }, { precision: 'f64' }).results.y[3]).toBe(-0)
    expect(evaluate(graph, { inputs: { x: numbers } }).results.y.subarray(1, 5)).toEqual(Uint16Array.from([3, 2, 1 / 3, -1], (v) => halfBits(v, dtype)))
  })

  test('a value that overflows is found', () => {
    const b = new Builder()
    const x = b.input('x', { dtype: 'f32', shape: [2] })
    const graph = graphOf(b, g.cast(g.cast(x, dtype), 'f32'))
    expect(firstNonFinite(graph, { x: [1, 3.4e38] }, {})).toMatch(new RegExp(`^Infinity first in cast ${dtype}\\[2\\].*, element 1`))
    expect(firstNonFinite(graph, { x: [1, 2] }, {})).toBeNull()
  })

  test('arithmetic, comparisons and reductions are refused with what to write', () => {
    const b = new Builder()
    const x = b.input('x', { dtype, shape: [2, 2] })
    const hint = new RegExp(`dtype/unsupported: .*does not take ${dtype}[^]*storage type: cast\\(x, 'f32'\\) first.*cast\\(y, '${dtype}'\\)`)
    for (const make of [() => g.add(x, x), () => g.mul(x, 2), () => g.exp(x), () => g.greater(x, 0), () => g.sum(x), () => g.matmul(x, x), () => g.cumsum(x, { axis: 0 })]) {
      expect(make).toThrow(hint)
    }
  })

  test('stopGradient keeps the type', () => {
    const b = new Builder()
    const x = b.input('x', { dtype: 'f32', shape: [2] })
    expect(g.stopGradient(g.cast(x, dtype)).dtype).toBe(dtype)
  })
})

test('one rounding, not two: f64 and integers', () => {
  const b = new Builder()
  const x = b.input('x', { dtype: 'f64', shape: [1] })
  const n = b.input('n', { dtype: 'i32', shape: [1] })
  const at = (node: Node, inputs: Record<string, number[]>): number => evaluateNodes([node], { inputs }).get(node)![0]
  expect(at(g.cast(x, 'f16'), { x: [1 + 2 ** -11 + 2 ** -40] })).toBe(0x3c01)
  expect(at(g.cast(n, 'bf16'), { n: [2 ** 30 + 2 ** 22 + 1] })).toBe(halfBits(2 ** 30 + 2 ** 23, 'bf16'))
})

function graphOf(b: Builder, y: Node): Graph {
  return { name: 'f', builder: b, inputs: b.inputs, states: [], updates: [], results: [{ name: 'y', node: y }] }
}
