import { expect, test } from 'vitest'
import { compile, f32, fn, grad, mse, mul, nn, optim, type Tensor } from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'
import { draw } from './norm-slopes.ts'

const input = (): Tensor => new Builder().input('x', { dtype: 'f64', shape: [2, 2] })

test('mean, standard deviation and share of zeros', () => {
  const statistics = nn.activationStatistics('h', input())
  expect(Object.keys(statistics)).toEqual(['h:mean', 'h:std', 'h:zeros'])
  expect(statistics['h:std'].dtype).toBe('f32')
  expect(numbersOf(Object.values(statistics), { x: [0, 0, 2, 6] })).toEqual([[2], [Math.sqrt(6)], [0.5]])
  expect(numbersOf(Object.values(statistics), { x: [NaN, 0, 0, 6] })).toEqual([[NaN], [NaN], [0.5]])
})

test('statistics take no part in gradients', () => {
  const x = input()
  for (const s of Object.values(nn.activationStatistics('h', x))) expect(refusal(() => grad(s, x)).code).toMatch(/^grad\//)
})

const watch = nn.watch()
const head = nn.model({ out: nn.linear(16, 1) }, ({ out }, x) => watch('out', out(x)))
const net = nn.sequential(nn.linear(3, 16), watch('hidden', nn.relu), head)
const inputs = { x: f32(8, 3), y: f32(8, 1) } as const
const given = { x: Float32Array.from(draw(24)), y: Float32Array.from(draw(8, 2)) }
const sgd = optim.sgd({ lr: 0.1 })

test('beside the loss, the same bits on both targets, and the same training as without', async () => {
  const watched = fn(inputs, ({ x, y }) => ({ loss: mse(net(x), y), ...watch.results(x) })).minimize('loss', sgd)
  const plain = fn(inputs, ({ x, y }) => ({ loss: mse(net(x), y) })).minimize('loss', sgd)
  const runs = await Promise.all((['wasm', 'js'] as const).map(async (target) => {
    const [a, b] = await Promise.all([watched, plain].map((train) => compile({ train }, { target, verify: true }).load()))
    const results = Array.from({ length: 5 }, () => {
      const result = a.train(given)
      expect(b.train(given).loss).toBe(result.loss)
      return result as Record<string, number>
    })
    expect(a.state).toEqual(b.state)
    return results
  }))
  expect(runs[1]).toEqual(runs[0])
  const [first] = runs[0]
  expect(Object.keys(first)).toEqual(['loss', 'hidden:mean', 'hidden:std', 'hidden:zeros', 'out:mean', 'out:std', 'out:zeros'])
  expect(first['hidden:zeros'] * 128).toBe(Math.round(first['hidden:zeros'] * 128))
  expect(first['hidden:zeros']).toBeGreaterThan(0.1)
  expect(first['hidden:zeros']).toBeLessThan(0.9)
  expect(first['out:zeros']).toBe(0)
})

test('costs nothing unless asked: not one node', () => {
  const bare = nn.sequential(nn.linear(3, 16), nn.relu, nn.model({ out: nn.linear(16, 1) }, ({ out }, x) => out(x)))
  const nodes = (layer: nn.Layer): number => fn(inputs, ({ x, y }) => ({ loss: mse(layer(x), y) })).graph.builder.size
  expect(nodes(net)).toBe(nodes(bare))
})

test('names of parameters stay as they are', () => {
  expect(net.parameters.map((p) => p.name)).toEqual(['0.weight', '0.bias', '2.out.weight', '2.out.bias'])
})

test('each function has its own', () => {
  const [a, b] = [input(), input()]
  watch('once', a)
  expect(Object.keys(watch.results(a))).toEqual(['once:mean', 'once:std', 'once:zeros'])
  expect(watch.results(b)).toEqual({})
})

test.each([
  ['one name for two tensors', () => watch('twice', mul(watch('twice', input()), 2)), 'name/duplicate', '"twice"'],
  ['a layer with parameters', () => watch('fc', nn.linear(3, 2)), 'option/invalid', 'watch("fc", layer(x))'],
  ['an empty name', () => watch('', nn.relu), 'name/invalid', '""'],
  ['no name', () => nn.activationStatistics(undefined as unknown as string, input()), 'name/invalid', 'undefined'],
  ['integers', () => watch('n', new Builder().input('n', { dtype: 'i32', shape: [] })), 'dtype/unsupported', 'cast'],
  ['what is no tensor', () => watch('n', 3 as unknown as Tensor), 'operand/invalid', '3'],
] as const)('refuses %s', (_, body, code, tells) => {
  const error = refusal(body)
  expect(error.code).toBe(code)
  expect(`${error.message} ${error.hint}`).toContain(tells)
})
