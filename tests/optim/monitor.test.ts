import { expect, test } from 'vitest'
import { compile, f32, fn, mul, nn, optim, square, sum } from '../../src/index.ts'
import { minimise } from '../../src/passes/differentiate/minimise.ts'
import { refusal, run } from '../passes/numbers.ts'
import { C, gradients, problem, START, statesAtStart } from './stepping.ts'

const norm = (...x: number[]): number => Math.hypot(...x)
const g = gradients(START.w, START.v)
const results = (optimizer: optim.Optimizer) => {
  const graph = minimise(problem(), { loss: 'loss', optimizer, monitor: ['gradientNorm', 'updateRatio'] })
  return run(graph, { c: C, lr: [0] }, statesAtStart(graph)).results
}

test('norms of gradients, in total and each', () => {
  const expected = { gradientNorm: norm(...g.w, ...g.v), 'gradientNorm:w': norm(...g.w), 'gradientNorm:v': norm(...g.v) }
  const { chain, clipByGlobalNorm, lossScale, masterWeights, sgd } = optim
  const plain = sgd({ lr: 1 })
  for (const o of [plain, chain(clipByGlobalNorm(0.1), plain), lossScale(plain), masterWeights(plain)]) {
    const seen = results(o)
    for (const [name, value] of Object.entries(expected)) expect(seen[name][0], name).toBeCloseTo(value, 12)
  }
})

test('ratios of updates to weights', () => {
  const seen = results(optim.sgd({ lr: 0.1 }))
  expect(seen['updateRatio:w'][0]).toBeCloseTo((0.1 * norm(...g.w)) / norm(...START.w), 12)
  expect(seen['updateRatio:v'][0]).toBeCloseTo((0.1 * norm(...g.v)) / norm(...START.v), 12)
  expect(results(optim.groups([['v', optim.frozen]], { otherwise: optim.sgd({ lr: 0.1 }) }))['updateRatio:v']).toEqual([0])
  const rounded = results(optim.masterWeights(optim.sgd({ lr: 0.1 })))
  expect(rounded['updateRatio:w'][0]).toBeCloseTo(seen['updateRatio:w'][0], 12)
})

test('a weight that starts at zero has a finite ratio', async () => {
  const w = new nn.Parameter('w', [2], nn.init.zeros)
  const f = fn({ x: f32(2) }, ({ x }) => ({ loss: sum(mul(w.of(x), x)) }))
    .minimize('loss', optim.sgd({ lr: 0 }), { monitor: ['updateRatio'] })
  const model = await compile({ f }).load({ checkFinite: true })
  expect(model.f({ x: Float32Array.of(1, 2) })['updateRatio:w']).toBe(0)
})

test.each(['wasm', 'js'] as const)('results are typed and numbers, %s', async (target) => {
  const net = nn.linear(2, 1)
  const base = fn({ x: f32(4, 2) }, ({ x }) => ({ loss: sum(square(net(x))) }))
  const train = base.minimize('loss', optim.adam(), { monitor: ['gradientNorm', 'updateRatio'] })
  const model = await compile({ train }, { target, verify: true }).load()
  const { loss, gradientNorm, ...more } = model.train({ x: new Float32Array(8).fill(0.5) })
  expect([loss, gradientNorm, more['gradientNorm:weight'], more['updateRatio:weight']].every((x: number) => x > 0)).toBe(true)
  expect(gradientNorm).toBeCloseTo(norm(more['gradientNorm:weight'], more['gradientNorm:bias']), 5)
  // Off unless asked.
  expect(base.minimize('loss', optim.adam()).graph.results.map((r) => r.name)).toEqual(['loss'])
})

test('refusals', () => {
  const net = nn.linear(2, 1)
  const base = fn({ x: f32(4, 2) }, ({ x }) => ({ loss: sum(net(x)), gradientNorm: sum(x) }))
  expect(refusal(() => base.minimize('loss', optim.adam(), { monitor: ['gradientNorm'] })).code).toBe('name/duplicate')
  expect(refusal(() => base.minimize('loss', optim.adam(), { monitor: ['loss'] as never })).code).toBe('option/invalid')
  expect(refusal(() => base.minimize('loss', optim.adam(), { monitor: 'updateRatio' as never })).code).toBe('attr/invalid')
})
