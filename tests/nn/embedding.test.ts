import { describe, expect, test } from 'vitest'
import { compile, fn, grad, i32, mean, mul, nn, optim, softmaxCrossEntropy, sum, type Tensor } from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { DType } from '../../src/ir/types.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'

const index = (shape: readonly number[] = [3], dtype: DType = 'i32'): Tensor<'i32'> =>
  new Builder().input('index', { dtype, shape }) as Tensor<'i32'>
const TABLE = [1, 2, 3, 4, 5, 6]

test('rows by number, any shape of indices', () => {
  const layer = nn.embedding(3, 2, { dtype: 'f64' })
  for (const shape of [[4], [2, 2], [1, 4]]) {
    const y = layer(index(shape))
    expect([y.shape, y.dtype]).toEqual([[...shape, 2], 'f64'])
    expect(numbersOf([y], { weight: TABLE, index: [2, 0, 0, 1] })).toEqual([[5, 6, 1, 2, 1, 2, 3, 4]])
  }
  expect(numbersOf([layer(index([]))], { weight: TABLE, index: [1] })).toEqual([[3, 4]])
  expect(layer(index([0])).shape).toEqual([0, 2])
})

test('indices outside the table are clamped into it', () => {
  expect(numbersOf([nn.embedding(3, 2)(index())], { weight: TABLE, index: [-5, 3, 2 ** 31 - 1] })).toEqual([[1, 2, 5, 6, 5, 6]])
})

describe('gradients add up over the uses of a row', () => {
  const gradient = (layer: nn.Embedding): number[] => {
    const x = index([4])
    const y = layer(x)
    const weights = x.builder.input('w', { dtype: 'f32', shape: [4, 2] })
    const w = layer.parameters[0].of(x)
    return numbersOf([grad(sum(mul(y, weights)), w)], { weight: TABLE, index: [2, 0, 2, 1], w: [1, 2, 3, 4, 5, 6, 7, 8] })[0]
  }
  test('of all', () => expect(gradient(nn.embedding(3, 2))).toEqual([3, 4, 7, 8, 6, 8]))
  test('but not of padding', () => {
    expect(gradient(nn.embedding(3, 2, { paddingIdx: 2 }))).toEqual([3, 4, 7, 8, 0, 0])
    expect(gradient(nn.embedding(3, 2, { paddingIdx: -3 }))).toEqual([0, 0, 7, 8, 6, 8])
  })
})

test('starts normal(0, 1), with zeros for padding, and keeps them while it learns', async () => {
  const words = nn.embedding(50, 40, { paddingIdx: 7 })
  const head = nn.linear(40, 3)
  const net = nn.model({ words, head }, ({ words, head }, x) => head(mean(words(x), { axis: 1 })))
  const loss = fn({ x: i32(4, 5), y: i32(4) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) }))
  const train = loss.minimize('loss', optim.adam({ lr: 0.05 }))
  const given = { x: Int32Array.from({ length: 20 }, (_, i) => (i * 5) % 21), y: Int32Array.of(0, 2, 1, 2) }
  const runs = await Promise.all((['wasm', 'js'] as const).map(async (target) => {
    const model = await compile({ train }, { target, verify: true }).load({ checkFinite: true })
    const table = (model.state as Record<string, Float32Array>)['words.weight']
    const row = (r: number): number[] => [...table.subarray(40 * r, 40 * r + 40)]
    expect(row(7)).toEqual(Array(40).fill(0))
    const others = [...table].filter((_, i) => i < 280 || i >= 320)
    const std = Math.sqrt(others.reduce((s, v) => s + v * v, 0) / others.length)
    expect(Math.abs(std - 1)).toBeLessThan(5 / Math.sqrt(2 * others.length))
    const before = row(30)
    const losses = Array.from({ length: 30 }, () => model.train(given).loss)
    expect(row(7)).toEqual(Array(40).fill(0))
    expect(row(30)).toEqual(before)
    expect(losses[29]).toBeLessThan(losses[0] / 5)
    return model.save()
  }))
  expect(runs[1]).toEqual(runs[0])
})

test.each([
  ['floats as indices', () => nn.embedding(3, 2)(index([3], 'f32')), 'dtype/mismatch', "cast(index, 'i32')"],
  ['numbers as indices', () => nn.embedding(3, 2)([1, 2] as unknown as Tensor<'i32'>), 'operand/invalid', 'an array'],
  ['an empty table', () => nn.embedding(0, 2), 'option/invalid', 'nn.embedding(10000, 64)'],
  ['a fractional dimension', () => nn.embedding(3, 2.5), 'option/invalid', '2.5'],
  ['padding outside the table', () => nn.embedding(3, 2, { paddingIdx: 3 }), 'option/invalid', 'rows are -3 to 2'],
  ['fractional padding', () => nn.embedding(3, 2, { paddingIdx: 0.5 }), 'option/invalid', '0.5'],
  ['a first value that is none', () => nn.embedding(3, 2, { weightInit: 0 } as {}), 'option/invalid', 'init.normal'],
  ['an unknown option', () => nn.embedding(3, 2, { padding: 0 } as object), 'option/invalid', 'paddingIdx'],
  ['integers in the table', () => nn.embedding(3, 2, { dtype: 'i32' }), 'option/invalid', 'dtype'],
] as const)('refuses %s', (_, body, code, tells) => {
  const error = refusal(body)
  expect(error.code).toBe(code)
  expect(`${error.message} ${error.hint}`).toContain(tells)
})
