import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import type { Graph, Init, Node } from '../../src/ir/graph.ts'
import { add, cast, einsum, mul, sum } from '../../src/ir/lang/index.ts'
import { print, showAround, showLine } from '../../src/ir/print.ts'

const zeros: Init = (b, type) => b.zeros(type)

/** A graph over its builder's inputs and states. */
function graphOf(builder: Builder, results: Record<string, Node>, updates: Record<string, Node> = {}): Graph {
  const named = (nodes: Record<string, Node>) => Object.entries(nodes).map(([name, node]) => ({ name, node }))
  return { name: 'g', builder, inputs: builder.inputs, states: builder.states, results: named(results), updates: named(updates) }
}

/** The line of the only node that is not an input. */
const lineOf = (make: (b: Builder) => Node): string => {
  const b = new Builder()
  const root = make(b)
  const line = print(graphOf(b, { root })).split('\n').find((l) => l.includes(`%${b.inputs.length} =`))
  return line!.trim()
}

describe('print', () => {
  test('tells inputs, states, nodes, results and updates in order', () => {
    const b = new Builder()
    const x = b.input('x', { dtype: 'f32', shape: [4, 3] })
    const w = b.state({ name: 'w', dtype: 'f32', shape: [2, 3], init: zeros, trainable: true, owner: {} })
    b.state({ name: 'step', dtype: 'i32', shape: [], init: zeros, trainable: false, owner: {} })
    const y = einsum('ik,jk->ij', x, w)
    const graph = graphOf(b, { loss: sum(y) }, { w: add(w, mul(w, 0.5)) })
    expect(print(graph)).toBe(`graph "g" {
  state "w" f32[2, 3] trainable
  state "step" i32[]
  %0 = input f32[4, 3] "x"
  %1 = state f32[2, 3] "w"
  %2 = contract f32[4, 2] %0, %1 {spec = "ik,jk->ij"}
  %3 = sum f32[] %2 {axes = [0, 1]}
  %4 = literal f32[2, 3] {value = 0.5}
  %5 = mul f32[2, 3] %1, %4
  %6 = add f32[2, 3] %1, %5
  result "loss" %3
  update "w" %6
}
`)
  })

  test('numbers nodes densely, whatever else the builder has made', () => {
    const text = (noise: number): string => {
      const b = new Builder()
      const x = b.input('x', { dtype: 'f32', shape: [2] })
      for (let i = 0; i < noise; i++) mul(x, i + 5)
      return print(graphOf(b, { y: add(x, x) }))
    }
    expect(text(7)).toBe(text(0))
  })

  test('declared inputs are told though nothing reads them', () => {
    const b = new Builder()
    b.input('unused', { dtype: 'i32', shape: [] })
    expect(print(graphOf(b, {}))).toContain('%0 = input i32[] "unused"')
  })

  test.each([
    [NaN, 'NaN'], [Infinity, 'Infinity'], [-Infinity, '-Infinity'], [-0, '-0'], [0, '0'], [0.1, '0.1'], [1e-45, '1e-45'],
    [3.4028234663852886e38, '3.4028235e+38'], [16777217, '16777216'], [1 / 3, '0.33333334'],
  ])('f32 number %s', (value, text) => {
    expect(lineOf((b) => b.literal(value, { dtype: 'f32', shape: [] }))).toBe(`%0 = literal f32[] {value = ${text}}`)
  })

  test.each([[1 / 3, '0.3333333333333333'], [5e-324, '5e-324'], [0.1, '0.1'], [-0, '-0']])('f64 number %s', (value, text) => {
    expect(lineOf((b) => b.literal(value, { dtype: 'f64', shape: [2] }))).toBe(`%0 = literal f64[2] {value = ${text}}`)
  })

  test('small constants are lists, large ones bytes, and so are NaNs with a payload', () => {
    const f32 = (values: Float32Array<ArrayBuffer>): string =>
      lineOf((b) => b.constant(values, { dtype: 'f32', shape: [values.length] }))
    expect(f32(new Float32Array([1, -0, NaN, 0.1]))).toBe('%0 = constant f32[4] {values = f32[1, -0, NaN, 0.1]}')
    expect(f32(new Float32Array(33).fill(1))).toBe(`%0 = constant f32[33] {values = f32"${'0000803f'.repeat(33)}"}`)
    const payload = new Float32Array(new Uint32Array([0x7fc00001]).buffer)
    expect(f32(payload)).toBe('%0 = constant f32[1] {values = f32"0100c07f"}')
    expect(lineOf((b) => b.constant(new Uint16Array([0x3c00]), { dtype: 'bf16', shape: [] })))
      .toBe('%0 = constant bf16[] {values = bf16"003c"}')
    expect(lineOf((b) => b.constant(new Uint8Array([0, 1]), { dtype: 'bool', shape: [2] })))
      .toBe('%0 = constant bool[2] {values = bool[0, 1]}')
    expect(f32(new Float32Array(0))).toBe('%0 = constant f32[0] {values = f32[]}')
  })

  test('names are JSON strings', () => {
    const b = new Builder()
    const x = b.input('a"b\n\u2028\ud800__proto__', { dtype: 'f32', shape: [] })
    expect(print(graphOf(b, { '': x }))).toContain('%0 = input f32[] "a\\"b\\n\u2028\\ud800__proto__"')
  })

  test('attributes that only repeat the type are left out', () => {
    expect(lineOf((b) => b.iota([2, 3], 1, 'u32'))).toBe('%0 = iota u32[2, 3] {axis = 1}')
    expect(lineOf((b) => cast(b.input('x', { dtype: 'f32', shape: [2] }), 'i32'))).toBe('%1 = cast i32[2] %0 {to = "i32"}')
  })

  test('integers among attributes are exact, not rounded to the dtype', () => {
    const big = 2 ** 30 + 128
    const line = lineOf((b) => b.make('slice', [b.input('x', { dtype: 'f32', shape: [2 ** 31 - 1] })],
      { start: [big], size: [1], step: [1] }))
    expect(line).toContain(`start = [${big}]`)
  })

  test('a node for a message, and its neighbourhood', () => {
    const b = new Builder()
    const x = b.input('x', { dtype: 'f32', shape: [2] })
    const y = mul(x, x)
    const z = add(y, x)
    expect(showLine(z)).toBe(`%${z.id} = add f32[2] %${y.id}, %${x.id}`)
    expect(showAround(z, 1).split('\n')).toEqual([showLine(x), showLine(y), showLine(z)])
  })

  test('a chain of 100,000 nodes does not overflow the stack', () => {
    const b = new Builder()
    let x = b.input('x', { dtype: 'f32', shape: [] }) as Node
    for (let i = 0; i < 100_000; i++) x = b.make('neg', [x])
    expect(print(graphOf(b, { x })).split('\n').length).toBe(100_000 + 5)
  })
})
