// A routine for rare arguments: sines and cosines beyond 2¹⁵π. What it computes is held in approximate.test.ts.
import { describe, expect, test } from 'vitest'
import { emitJs } from '../../src/codegen/js/emit.ts'
import { wasmText } from '../../src/codegen/wasm/emit.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { Node } from '../../src/ir/graph.ts'
import { add, broadcastTo, cos, exp, sin } from '../../src/ir/lang/index.ts'
import { numeric } from '../../src/ir/numeric.ts'
import { Machine } from './run.ts'
import { formulaOf } from './ulp.ts'

const LARGE = Math.fround(1e20)

function machineOf(length: number, formula: (x: Node, s: Node) => Node): Machine {
  const builder = new Builder()
  const x = builder.input('x', { dtype: 'f32', shape: [length] })
  const s = builder.input('s', { dtype: 'f32', shape: [] })
  return new Machine({ name: 'f', builder, inputs: builder.inputs, states: [], results: [{ name: 'y', node: formula(x, s) }], updates: [] })
}
const exactly = (op: 'sin' | 'cos', xs: readonly number[]): number[] => [...formulaOf(op).run(Float32Array.from(xs))]

test('numbers take the routine only where the condition holds', () => {
  const k = numeric('declared')
  const [one, two] = [k.lit(1, 'f32'), k.lit(2, 'f32')]
  let calls = 0
  const routine = { name: 'r', formula: <V>(_: unknown, x: V): V => (calls++, x) }
  expect(k.rarely(k.lit(0, 'bool'), one, two, routine)).toBe(one)
  expect(calls).toBe(0)
  expect(k.rarely(k.lit(1, 'bool'), one, two, routine)).toBe(two)
  expect(calls).toBe(1)
})

describe.each(['js', 'wasm', 'nests'] as const)('%s', (target) => {
  // Lengths with and without four lanes and rests of them; the large one in each place.
  test.each([1, 3, 4, 7])('a large argument among %i changes its own result only', (length) => {
    const machine = machineOf(length, (x, s) => add(sin(x), s))
    for (let at = -1; at < length; at++) {
      const xs = Array.from({ length }, (_, i) => (i === at ? LARGE : i + 0.5))
      expect([...machine.run(target, { inputs: { x: xs, s: [0] } }).results.y]).toEqual(exactly('sin', xs))
    }
  })

  test('an argument that all lanes share', () => {
    const machine = machineOf(8, (x, s) => add(broadcastTo(cos(s), [8]), x))
    for (const s of [2, LARGE]) {
      const y = Math.fround(exactly('cos', [s])[0] + 0)
      expect([...machine.run(target, { inputs: { x: new Array(8).fill(0), s: [s] } }).results.y]).toEqual(new Array(8).fill(y))
    }
  })

  test('large arguments everywhere, of both functions in one loop', () => {
    const xs = Array.from({ length: 9 }, (_, i) => Math.fround((i % 2 ? -1 : 1) * 10 ** (4 * i)))
    const y = machineOf(9, (x) => add(sin(x), cos(x))).run(target, { inputs: { x: xs, s: [0] } }).results.y
    const [sines, cosines] = [exactly('sin', xs), exactly('cos', xs)]
    expect([...y]).toEqual(sines.map((v, i) => Math.fround(v + cosines[i])))
  })
})

test('only modules that use it hold the routine, once', () => {
  const text = (formula: (x: Node) => Node): string[] => {
    const { program } = machineOf(8, formula)
    return [emitJs(program), wasmText(program)]
  }
  for (const code of text((x) => exp(x))) expect(code).not.toMatch(/Angle/)
  const [js, wat] = text((x) => add(sin(x), sin(add(x, 1))))
  expect(js.match(/function sineAngle\(/g)).toHaveLength(1)
  expect(js).not.toMatch(/cosineAngle/)
  expect(wat.match(/\(func \$sineAngle\b/g)).toHaveLength(1)
  expect(wat).not.toMatch(/cosineAngle/)
})
