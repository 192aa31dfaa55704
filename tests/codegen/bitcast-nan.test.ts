// WebAssembly leaves the sign and the payload of a NaN open; bits that are read as an integer must not depend on them.
import { describe, expect, test } from 'vitest'
import { bitcast, compile, f32, fn, i32 } from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import { evaluate } from '../../src/ir/evaluate.ts'
import type { Graph } from '../../src/ir/graph.ts'
import { bitcast as cast4, concat, div, sub } from '../../src/ir/lang/index.ts'
import { Machine, type Target } from './run.ts'

const NAN = 0x7fc00000

/** Bits of ∞ − ∞ and 0 / 0 (negative NaNs on x86), of NaNs that came in as they are, and of −1. */
function graphOf(to: 'i32' | 'u32'): Graph {
  const b = new Builder()
  const x = b.input('x', { dtype: 'f32', shape: [9] })
  const zero = b.input('zero', { dtype: 'f32', shape: [9] })
  const y = cast4(concat([sub(x, x), div(zero, zero), x], 0), to)
  return { name: 'f', builder: b, inputs: b.inputs, states: [], updates: [], results: [{ name: 'y', node: y }] }
}

const x = new Float32Array(9).fill(Infinity)
new Uint32Array(x.buffer).set([0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff, 0xbf800000], 4)
const inputs = { x, zero: new Float32Array(9) }

describe.each(['i32', 'u32'] as const)('a NaN as %s is 0x7fc00000', (to) => {
  const graph = graphOf(to)
  const check = (y: ArrayLike<number>): void => {
    const words = Array.from(y, (v) => v >>> 0)
    expect(words.slice(0, 8)).toEqual(new Array(8).fill(NAN))
    expect(words[8]).toBe(0) // −1 − −1
    expect(words.slice(9, 18)).toEqual(new Array(9).fill(NAN))
    expect(words.slice(18)).toEqual([0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000, NAN, NAN, NAN, NAN, 0xbf800000])
  }
  test('in the evaluator', () => check(evaluate(graph, { inputs }).results.y))
  test.each<Target>(['js', 'wasm', 'nests'])('on target %s', (target) => {
    check(new Machine(graph).run(target, { inputs }).results.y)
  })
})

test.each(['js', 'wasm'] as const)('no rule sees bits through a float: %s', async (target) => {
  const through = fn({ x: i32(3), y: f32(3) }, ({ x: words, y }) => ({
    words: bitcast(bitcast(words, 'f32'), 'i32'),
    there: bitcast(bitcast(y, 'i32'), 'f32'),
    signed: bitcast(bitcast(y, 'u32'), 'i32'),
  }))
  const model = await compile({ through }, { target }).load()
  const given = { x: Int32Array.of(0x7f800001, -1, 5), y: Float32Array.of(NaN, -0, 2) }
  const { words, there, signed } = model.through(given)
  expect([...words]).toEqual([NAN, NAN, 5])
  expect([...there]).toEqual([NaN, -0, 2])
  expect([...signed]).toEqual([NAN, -0x80000000, 0x40000000])
})
