import { describe, expect, test } from 'vitest'
import { compile, f32, fn, grad, mse, mul, nn, optim, sum, type Tensor } from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { DType, Shape } from '../../src/ir/types.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'
import { draw } from './norm-slopes.ts'

const TARGETS = ['wasm', 'js'] as const
const input = (shape: Shape, dtype: DType = 'f32'): Tensor => new Builder().input('x', { dtype, shape })

/** Value and gradient of Σ y of a layer, several steps, equal on both targets. */
async function steps(
  layer: nn.Layer, shape: readonly [number, ...number[]], x: Float32Array, count = 2, seed = 1,
): Promise<{ y: number[]; g: number[] }[]> {
  const f = fn({ x: f32(...shape) }, ({ x }) => {
    const y = layer(x)
    return { y, g: grad(sum(y), x) }
  })
  const runs = await Promise.all(TARGETS.map(async (target) => {
    const model = await compile({ f }, { target, verify: true }).load({ seed })
    return Array.from({ length: count }, () => {
      const { y, g } = model.f({ x })
      return { y: [...y], g: [...g] }
    })
  }))
  expect(runs[1]).toEqual(runs[0])
  return runs[0]
}
const ones = (n: number): Float32Array => new Float32Array(n).fill(1)

describe('dropout', () => {
  test.each([0.1, 0.5, 0.9])('keeps a share 1 − %s, scaled to the same mean', async (p) => {
    const n = 20_000
    const [{ y }] = await steps(nn.dropout(p), [n], ones(n), 1)
    const scale = Math.fround(1 / (1 - p))
    expect(new Set(y)).toEqual(new Set([0, scale]))
    const kept = y.filter((v) => v !== 0).length / n
    // Five standard errors of a share.
    expect(Math.abs(kept - (1 - p))).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / n))
  })

  test('the gradient is the mask of the same step', async () => {
    for (const { y, g } of await steps(nn.dropout(0.3), [7, 11], ones(77), 5)) expect(g).toEqual(y)
  })

  test('other masks in each step, for each use and for each seed; the same for the same seed', async () => {
    const layer = nn.dropout()
    const [a, b] = await steps(layer, [200], ones(200))
    const differ = (p: number[], q: number[]): number => p.filter((v, i) => v !== q[i]).length
    // Half of them; five standard errors.
    const isOther = (p: number[], q: number[]): void => expect(Math.abs(differ(p, q) - 100)).toBeLessThan(36)
    isOther(a.y, b.y)
    const [c] = await steps(layer, [200], ones(200), 1, 2)
    isOther(a.y, c.y)
    expect((await steps(layer, [200], ones(200), 1))[0]).toEqual(a)
    const f = fn({ x: f32(200) }, ({ x }) => ({ first: layer(x), second: layer(x) }))
    const { first, second } = (await compile({ f }).load()).f({ x: ones(200) })
    isOther([...first], [...second])
  })

  test('identity in evaluation, without random states', () => {
    const x = input([3])
    const net = nn.sequential(nn.dropout(0.5), nn.model({ inner: nn.dropout2d(0.5) }, (_, t) => t), nn.stochasticDepth(0.5))
    expect(net.evaluation(x)).toBe(x)
    expect(x.builder.states).toEqual([])
    expect(nn.dropout(0)(x)).toBe(x)
    expect(x.builder.updates).toEqual([])
  })

  test('p = 1 drops all, also what is not finite', async () => {
    const [{ y, g }] = await steps(nn.dropout(1), [3], Float32Array.of(1, NaN, Infinity), 1)
    expect([y, g]).toEqual([[0, 0, 0], [0, 0, 0]])
  })

  test('what is dropped plays no part, what is kept does', async () => {
    const [{ y, g }] = await steps(nn.dropout(0.5), [64], new Float32Array(64).fill(NaN), 1)
    expect(new Set(y)).toEqual(new Set([0, NaN]))
    expect(g.map((v) => v === 0)).toEqual(y.map((v) => v === 0))
  })

  test('restored training continues with the masks it would have drawn', async () => {
    const layer = nn.dropout()
    const f = fn({ x: f32(100) }, ({ x }) => ({ y: layer(x) }))
    const program = compile({ f })
    const model = await program.load({ seed: 5 })
    model.f({ x: ones(100) })
    const saved = model.save()
    const next = [...model.f({ x: ones(100) }).y]
    const other = await program.load({ seed: 6 })
    other.restore(saved)
    expect([...other.f({ x: ones(100) }).y]).toEqual(next)
  })

  test('a net trains with it and predicts without', async () => {
    const net = nn.sequential(nn.linear(3, 32), nn.tanh, nn.dropout(0.2), nn.linear(32, 1))
    const loss = fn({ x: f32(8, 3), y: f32(8, 1) }, ({ x, y }) => ({ loss: mse(net(x), y) }))
    const program = {
      train: loss.minimize('loss', optim.adam({ lr: 0.02 })),
      test: fn({ x: f32(8, 3), y: f32(8, 1) }, ({ x, y }) => ({ loss: mse(net.evaluation(x), y) })),
    }
    const given = { x: Float32Array.from(draw(24, 3)), y: Float32Array.from(draw(8, 4)) }
    const runs = await Promise.all(TARGETS.map(async (target) => {
      const model = await compile(program, { target, verify: true }).load({ checkFinite: true })
      const before = model.test(given).loss
      const losses = Array.from({ length: 150 }, () => model.train(given).loss)
      expect(model.test(given)).toEqual(model.test(given))
      expect(model.test(given).loss).toBeLessThan(before / 4)
      return { losses, state: model.save() }
    }))
    expect(runs[1]).toEqual(runs[0])
  })

  test('the mask is made again, not kept: training takes no byte for it', () => {
    const memory = (p: number): number => {
      const net = nn.sequential(nn.linear(16, 16), nn.dropout(p), nn.tanh, nn.linear(16, 1))
      const train = fn({ x: f32(64, 16) }, ({ x }) => ({ loss: sum(net(x)) })).minimize('loss', optim.sgd({ lr: 0.1 }))
      return compile({ train }).memory.arenaBytes
    }
    expect(memory(0.5)).toBeLessThanOrEqual(memory(0) + 64)
  })
})

describe('whole parts', () => {
  const parts = (y: readonly number[], size: number): number[] => {
    const means = Array.from({ length: y.length / size }, (_, i) => new Set(y.slice(i * size, (i + 1) * size)))
    for (const values of means) expect(values.size).toBe(1)
    return means.map((values) => [...values][0])
  }

  test('dropout2d and dropout1d drop whole channels', async () => {
    for (const [layer, shape] of [[nn.dropout2d(0.5), [4, 50, 2, 3]], [nn.dropout1d(0.5), [4, 50, 6]]] as const) {
      for (const { y, g } of await steps(layer, shape, ones(1200))) {
        const channels = parts(y, 6)
        expect(new Set(channels)).toEqual(new Set([0, 2]))
        expect(Math.abs(channels.filter(Boolean).length - 100)).toBeLessThan(36)
        expect(g).toEqual(y)
      }
    }
  })

  test('stochasticDepth drops examples or the batch', async () => {
    const [{ y, g }] = await steps(nn.stochasticDepth(0.5), [100, 3], ones(300), 1)
    expect(Math.abs(parts(y, 3).filter(Boolean).length - 50)).toBeLessThan(26)
    expect(g).toEqual(y)
    const batches = (await steps(nn.stochasticDepth(0.5, 'batch'), [5, 3], ones(15), 20)).map((s) => parts(s.y, 15)[0])
    expect(new Set(batches)).toEqual(new Set([0, 2]))
  })
})

describe('residual', () => {
  const values = (layer: nn.Layer, given: Record<string, number[]>): number[] =>
    numbersOf([layer(input([2, 2], 'f64'))], { x: [1, 2, 3, 4], ...given })[0]

  const scale = new nn.Parameter('scale', [1], nn.init.zeros)

  test('x + layer(x), named by its branches', () => {
    expect(values(nn.residual((x) => mul(x, 10)), {})).toEqual([11, 22, 33, 44])
    const dtype = 'f64'
    const layer = nn.residual(nn.linear(2, 1, { bias: false, dtype }), { shortcut: nn.linear(2, 1, { bias: false, dtype }) })
    expect(layer.parameters.map((p) => p.name)).toEqual(['layer.weight', 'shortcut.weight'])
    expect(values(layer, { 'layer.weight': [1, 0], 'shortcut.weight': [0, 10] })).toEqual([21, 43])
  })

  test('evaluation reaches its branches', () => {
    const x = input([2, 2])
    nn.residual(nn.sequential(nn.dropout(), nn.stochasticDepth(0.3))).evaluation(x)
    expect(x.builder.states).toEqual([])
  })

  test.each([
    ['another shape', () => nn.residual(nn.linear(2, 1))(input([2, 2])), 'shape/mismatch', 'shortcut'],
    ['no layer', () => nn.residual(undefined as unknown as nn.Layer), 'option/invalid', 'layer'],
    ['a parameter', () => nn.residual(scale as unknown as nn.Layer), 'option/invalid', 'parameter'],
    ['an unknown option', () => nn.residual(nn.relu, { skip: nn.relu } as object), 'option/invalid', 'shortcut'],
  ] as const)('refuses %s', (_, body, code, tells) => {
    const error = refusal(body)
    expect(error.code).toBe(code)
    expect(`${error.message} ${error.hint}`).toContain(tells)
  })
})

describe('refusals', () => {
  test.each([
    ['a share above 1', () => nn.dropout(1.1), 'option/invalid', 'p must be a number from 0 to 1'],
    ['a negative share', () => nn.dropout2d(-0.1), 'option/invalid', 'from 0 to 1'],
    ['NaN', () => nn.stochasticDepth(NaN), 'option/invalid', 'from 0 to 1'],
    ['options', () => nn.dropout({ p: 0.5 } as unknown as number), 'option/invalid', 'an object'],
    ['an unknown mode', () => nn.stochasticDepth(0.5, 'rows' as 'row'), 'option/invalid', '"row" or "batch"'],
    ['integers', () => nn.dropout()(input([3], 'i32')), 'dtype/unsupported', 'cast'],
    ['integers, even if nothing is dropped', () => nn.dropout(0)(input([3], 'i32')), 'dtype/unsupported', 'cast'],
    ['another rank', () => nn.dropout2d()(input([3, 4, 5])), 'shape/mismatch', '[N, C, H, W]'],
    ['a scalar', () => nn.stochasticDepth(0.5)(input([])), 'shape/mismatch', 'batch axis'],
    ['a layer that is not called', () => nn.dropout()(nn.relu as unknown as Tensor), 'operand/invalid', 'call the function'],
  ] as const)('%s', (_, body, code, tells) => {
    const error = refusal(body)
    expect(error.code).toBe(code)
    expect(`${error.message} ${error.hint}`).toContain(tells)
  })
})
