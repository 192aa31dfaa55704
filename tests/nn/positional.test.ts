import { describe, expect, test } from 'vitest'
import { add, compile, f32, fn, mul, nn, sum, type Tensor } from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { DType, Shape } from '../../src/ir/types.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'
import { draw, expectSlopes } from './norm-slopes.ts'

const input = (shape: Shape, dtype: DType = 'f64'): Tensor => new Builder().input('x', { dtype, shape })

test('learned positions: added row by row, the first of a longer table', () => {
  const layer = nn.learnedPositionalEmbedding(4, 2, { dtype: 'f64' })
  expect(layer.parameters.map((p) => [p.name, p.type.shape])).toEqual([['weight', [4, 2]]])
  const [y] = numbersOf([layer(input([2, 3, 2]))], { x: [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1], weight: [1, 2, 3, 4, 5, 6, 7, 8] })
  expect(y).toEqual([1, 2, 3, 4, 5, 6, 2, 3, 4, 5, 6, 7])
  expectSlopes({ inputs: { x: [2, 3, 2] }, of: ({ x }) => layer(x), layers: [layer] })
})

test('sinusoidal positions are those of the paper', () => {
  const [y] = numbersOf([nn.sinusoidalPositions(input([2, 5, 6]))], {})
  for (let p = 0; p < 5; p++) {
    for (let i = 0; i < 3; i++) {
      const angle = p / 10000 ** ((2 * i) / 6)
      expect(y[6 * p + 2 * i]).toBeCloseTo(Math.sin(angle), 13)
      expect(y[6 * p + 2 * i + 1]).toBeCloseTo(Math.cos(angle), 13)
    }
  }
})

describe('rotary', () => {
  const turn = (x: readonly number[], options: nn.RotaryOptions = {}): number[] =>
    numbersOf([nn.rotary(input([x.length / 4, 4]), options)], { x: [...x] })[0]

  test.each(['neighbours', 'halves'] as const)('%s: turns by position / base^(2i/E)', (pairs) => {
    const x = draw(12)
    const y = turn(x, { pairs, base: 100, offset: 5 })
    for (let p = 0; p < 3; p++) {
      for (let i = 0; i < 2; i++) {
        const [a, b] = pairs === 'halves' ? [i, i + 2] : [2 * i, 2 * i + 1]
        const angle = (p + 5) / 100 ** ((2 * i) / 4)
        const [c, s] = [Math.cos(angle), Math.sin(angle)]
        expect(y[4 * p + a]).toBeCloseTo(x[4 * p + a] * c - x[4 * p + b] * s, 12)
        expect(y[4 * p + b]).toBeCloseTo(x[4 * p + a] * s + x[4 * p + b] * c, 12)
      }
    }
  })

  test('products depend on the distance only', () => {
    const [q, k] = [draw(4, 1), draw(4, 2)]
    const product = (i: number, j: number): number => {
      const [a, b] = [turn(q, { offset: i }), turn(k, { offset: j })]
      return a.reduce((s, v, e) => s + v * b[e], 0)
    }
    expect(product(7, 3)).toBeCloseTo(product(4, 0), 12)
    expect(product(7, 3)).toBeCloseTo(product(104, 100), 12)
    expect(Math.abs(product(7, 3) - product(7, 4))).toBeGreaterThan(1e-3)
  })

  test.each(['neighbours', 'halves'] as const)('gradients, %s', (pairs) => {
    expectSlopes({ inputs: { x: [2, 3, 4] }, of: ({ x }) => nn.rotary(x, { pairs }) })
  })
})

describe('alibi', () => {
  const bias = (heads: number, queries: number, keys?: number): number[] =>
    numbersOf([nn.alibi(input([1]), heads, queries, keys)], {})[0]

  test('slopes of a power of two heads', () => {
    expect(bias(8, 1, 2).filter((_, i) => i % 2 === 1)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((h) => -(2 ** -h)))
  })
  test('slopes of other numbers, as in the paper\'s code', () => {
    const expected = [2 ** -2, 2 ** -4, 2 ** -6, 2 ** -8, 2 ** -1, 2 ** -3].map((s) => -s)
    expect(bias(6, 1, 2).filter((_, i) => i % 2 === 1)).toEqual(expected)
  })
  test('grow with the distance', () => {
    expect(bias(1, 3).map((v) => v * -256 + 0)).toEqual([0, 1, 2, 1, 0, 1, 2, 1, 0])
  })
})

test('causal masks', () => {
  expect(numbersOf([nn.causalMask(input([1]), 2, 3)], {})).toEqual([[1, 0, 0, 1, 1, 0]])
})

test('both targets give the same bits', async () => {
  const learned = nn.learnedPositionalEmbedding(8, 6)
  const f = fn({ x: f32(2, 7, 6) }, ({ x }) => ({
    y: nn.rotary(add(learned(x), nn.sinusoidalPositions(x))),
    z: nn.rotary(x, { pairs: 'halves' }),
    a: mul(nn.alibi(x, 3, 7), sum(x)),
  }))
  const given = { x: Float32Array.from(draw(84)) }
  const runs = await Promise.all((['wasm', 'js'] as const).map(async (target) => {
    const { y, z, a } = (await compile({ f }, { target, verify: true }).load()).f(given)
    return [y, z, a].map((t) => [...t])
  }))
  expect(runs[1]).toEqual(runs[0])
})

test.each([
  ['a sequence that is too long', () => nn.learnedPositionalEmbedding(4, 2)(input([5, 2], 'f32')), 'shape/mismatch', 'L up to 4'],
  ['another width', () => nn.learnedPositionalEmbedding(4, 2)(input([3, 3], 'f32')), 'shape/mismatch', '[..., L, 2]'],
  ['doubles', () => nn.learnedPositionalEmbedding(4, 2)(input([3, 2])), 'dtype/mismatch', 'f64'],
  ['no length', () => nn.learnedPositionalEmbedding(0, 2), 'option/invalid', 'positive integer'],
  ['odd features', () => nn.rotary(input([3, 3])), 'shape/mismatch', 'even E'],
  ['a vector', () => nn.sinusoidalPositions(input([4])), 'shape/mismatch', '[..., L, E]'],
  ['no features', () => nn.sinusoidalPositions(input([4, 0])), 'shape/mismatch', 'even E'],
  ['integers', () => nn.sinusoidalPositions(input([4, 2], 'i32')), 'dtype/unsupported', 'cast'],
  ['base 0', () => nn.rotary(input([4, 2]), { base: 0 }), 'option/invalid', 'base'],
  ['unknown pairs', () => nn.rotary(input([4, 2]), { pairs: 'interleaved' as 'halves' }), 'option/invalid', 'neighbours'],
  ['half an offset', () => nn.rotary(input([4, 2]), { offset: 0.5 }), 'option/invalid', 'offset'],
  ['no heads', () => nn.alibi(input([1]), 0, 3), 'option/invalid', 'heads'],
  ['an integer bias', () => nn.alibi(input([1], 'i32'), 2, 3), 'dtype/unsupported', 'cast'],
] as const)('refuses %s', (_, body, code, tells) => {
  const error = refusal(body)
  expect(error.code).toBe(code)
  expect(`${error.message} ${error.hint}`).toContain(tells)
})
