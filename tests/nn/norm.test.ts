import { describe, expect, test } from 'vitest'
import { compile, f32, fn, grad, mse, nn, optim, sum, type Tensor } from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import { square } from '../../src/ir/lang/pointwise.ts'
import { sizeOf, type DType, type Shape } from '../../src/ir/types.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'
import { draw, expectSlopes } from './norm-slopes.ts'

const input = (shape: Shape, dtype: DType = 'f32'): Tensor => new Builder().input('x', { dtype, shape })
const dtype = 'f64'
const TARGETS = ['wasm', 'js'] as const

describe('gradients', () => {
  const layers: Readonly<Record<string, [nn.Layer, Shape]>> = {
    'batchNorm1d': [nn.batchNorm1d(3, { dtype }), [4, 3]],
    'batchNorm2d': [nn.batchNorm2d(2, { dtype }), [2, 2, 3, 2]],
    'batchNorm1d, all batches alike': [nn.batchNorm1d(2, { dtype, momentum: null }), [2, 2, 2]],
    'instanceNorm2d': [nn.instanceNorm2d(2, { dtype, affine: true, trackRunningStats: true }), [2, 2, 2, 2]],
    'layerNorm': [nn.layerNorm([2, 3], { dtype }), [2, 2, 3]],
    'rmsNorm': [nn.rmsNorm(4, { dtype }), [3, 4]],
    'groupNorm': [nn.groupNorm(2, 4, { dtype }), [2, 4, 2]],
  }
  test.each(Object.entries(layers))('%s', (_, [layer, shape]) => {
    expectSlopes({ inputs: { x: shape }, of: ({ x }) => layer(x), layers: [layer] })
  })
  test.each(['batchNorm1d', 'batchNorm2d', 'instanceNorm2d'])('%s in evaluation', (name) => {
    const [layer, shape] = layers[name]
    expectSlopes({ inputs: { x: shape }, of: ({ x }) => layer.evaluation(x), layers: [layer] })
  })
  test('evaluation of a single example', () => {
    const layer = nn.batchNorm1d(3, { dtype })
    expectSlopes({ inputs: { x: [1, 3] }, of: ({ x }) => layer.evaluation(x), layers: [layer] })
  })
})

describe('values', () => {
  const values = (layer: nn.Layer, x: readonly number[], shape: Shape): number[] => {
    const y = layer(input(shape, 'f64'))
    const first = (p: nn.Parameter): number[] => Array<number>(sizeOf(p.type.shape)).fill(p.name === 'bias' ? 0 : 1)
    const ones = Object.fromEntries(layer.parameters.map((p) => [p.name, first(p)]))
    return numbersOf([y], { ...ones, x: [...x] })[0]
  }

  test('mean 0 and variance 1, also far from 0', () => {
    for (const shift of [0, 1e8]) {
      const y = values(nn.layerNorm(4, { dtype, eps: 0 }), [1, 2, 3, 6].map((v) => v + shift), [4])
      // mean 3, variance 3.5
      y.forEach((v, i) => expect(v).toBeCloseTo([-2, -1, 0, 3][i] / Math.sqrt(3.5), 12))
    }
  })

  test('two passes keep in f32 what E[x²] − E[x]² would lose', async () => {
    const eps = 0
    const norms = { layer: nn.layerNorm(4, { eps }), batch: nn.batchNorm1d(1, { eps }), group: nn.groupNorm(1, 1, { eps }) }
    const net = nn.model(norms, ({ layer }, x) => layer(x))
    const expected = [-2, -1, 0, 3].map((v) => v / Math.sqrt(3.5))
    const specs = { x: f32(1, 4), b: f32(4, 1), g: f32(1, 1, 4) }
    const f = fn(specs, ({ x, b, g }) => ({ layer: net(x), batch: norms.batch(b), group: norms.group(g) }))
    for (const target of TARGETS) {
      const model = await compile({ f }, { target }).load()
      const far = Float32Array.of(1, 2, 3, 6).map((v) => v + 2 ** 16)
      const results = Object.values(model.f({ x: far, b: far, g: far }))
      for (const y of results) y.forEach((v, i) => expect(v).toBeCloseTo(expected[i], 5))
    }
  })

  test('a constant row is 0, with a finite gradient', () => {
    const layer = nn.layerNorm(3, { dtype })
    const x = input([2, 3], 'f64')
    const given = { x: [7, 7, 7, 1, 2, 3], weight: [1, 1, 1], bias: [0, 0, 0] }
    const [y, g] = numbersOf([layer(x), grad(sum(square(layer(x))), x)], given)
    expect(y.slice(0, 3)).toEqual([0, 0, 0])
    expect(g.every(Number.isFinite)).toBe(true)
    expect(values(nn.rmsNorm(2, { dtype }), [0, 0], [2])).toEqual([0, 0])
  })

  test('NaN spreads over what it is normalised with, and no further', () => {
    expect(values(nn.layerNorm(2, { dtype, eps: 0 }), [NaN, 1, -1, 1], [2, 2])).toEqual([NaN, NaN, -1, 1])
    expect(values(nn.batchNorm1d(2, { dtype, eps: 0 }), [NaN, 1, 2, 3], [2, 2])).toEqual([NaN, -1, NaN, 1])
    expect(values(nn.groupNorm(2, 2, { dtype, eps: 0 }), [NaN, 1, 2, 4], [1, 2, 2])).toEqual([NaN, NaN, -1, 1])
  })

  test('one group is layer norm, a group a channel instance norm', () => {
    const x = draw(16)
    const near = (a: number[], b: number[]): void => a.forEach((v, i) => expect(v).toBeCloseTo(b[i], 12))
    const whole = nn.layerNorm([4, 2], { dtype, elementwiseAffine: false })
    near(values(nn.groupNorm(1, 4, { dtype }), x, [2, 4, 2]), values(whole, x, [2, 4, 2]))
    near(values(nn.groupNorm(4, 4, { dtype }), x, [2, 4, 2]), values(nn.instanceNorm1d(4, { dtype }), x, [2, 4, 2]))
  })

  test('rmsNorm\'s default eps is the machine epsilon of the dtype', () => {
    expect(values(nn.rmsNorm(1, { dtype }), [2 ** -26], [1])[0]).toBeCloseTo(1 / Math.sqrt(2), 12)
    const x = input([1])
    expect(numbersOf([nn.rmsNorm(1)(x)], { x: [2 ** -11.5], weight: [1] })[0][0]).toBeCloseTo(1 / Math.sqrt(2), 6)
  })

  test('an empty batch gives nothing', () => {
    expect(values(nn.layerNorm(2, { dtype }), [], [0, 2])).toEqual([])
    expect(values(nn.groupNorm(1, 2, { dtype }), [], [0, 2, 3])).toEqual([])
    expect(values(nn.groupNorm(1, 2, { dtype }), [], [1, 2, 0])).toEqual([])
  })
})

describe('training and evaluation over one state', () => {
  test('learns, predicts by running statistics, with the same bits on both targets', async () => {
    const net = nn.sequential(nn.linear(3, 8), nn.batchNorm1d(8), nn.relu, nn.linear(8, 1))
    const loss = fn({ x: f32(8, 3), y: f32(8, 1) }, ({ x, y }) => ({ loss: mse(net(x), y) }))
    const program = {
      train: loss.minimize('loss', optim.adam({ lr: 0.02 })),
      predict: fn({ x: f32(1, 3) }, ({ x }) => ({ y: net.evaluation(x) })),
    }
    const [x, y] = [Float32Array.from(draw(24, 3)), Float32Array.from(draw(8, 4))]
    const runs = await Promise.all(TARGETS.map(async (target) => {
      const model = await compile(program, { target, verify: true }).load({ checkFinite: true })
      const state = model.state as Record<string, Float32Array | Int32Array>
      expect([...state['1.running_mean']]).toEqual(Array(8).fill(0))
      expect([...state['1.running_var']]).toEqual(Array(8).fill(1))
      const losses = Array.from({ length: 100 }, () => model.train({ x, y }).loss)
      expect([...state['1.num_batches_tracked']]).toEqual([100])
      const trained = model.save()
      const predicted = Array.from({ length: 8 }, (_, i) => model.predict({ x: x.subarray(3 * i, 3 * i + 3) }).y[0])
      expect(model.save()).toEqual(trained)
      expect(losses[99]).toBeLessThan(losses[0] / 4)
      // The last batches all had the statistics that the running ones came close to.
      const error = predicted.reduce((s, p, i) => s + (p - y[i]) ** 2, 0) / 8
      expect(error).toBeLessThan(losses[0] / 3)
      return { losses, trained, predicted }
    }))
    expect(runs[1]).toEqual(runs[0])
  })

  test('buffers are not trained', () => {
    expect(nn.batchNorm2d(4).parameters.map((p) => [p.name, p.trainable, p.type.dtype])).toEqual([
      ['weight', true, 'f32'], ['bias', true, 'f32'],
      ['running_mean', false, 'f32'], ['running_var', false, 'f32'], ['num_batches_tracked', false, 'i32'],
    ])
    expect(nn.instanceNorm2d(4).parameters).toEqual([])
    expect(nn.groupNorm(2, 4, { affine: false }).parameters).toEqual([])
  })

  test('applied twice in a training step is refused, in evaluation not', () => {
    const norm = nn.batchNorm1d(2)
    const x = input([3, 2])
    expect(refusal(() => norm(norm(x))).code).toBe('state/duplicate')
    expect(norm.evaluation(norm.evaluation(input([3, 2]))).shape).toEqual([3, 2])
    const bare = nn.batchNorm1d(2, { trackRunningStats: false })
    expect(bare(bare(input([3, 2]))).shape).toEqual([3, 2])
  })
})

describe('refusals', () => {
  test.each([
    ['too few values in training', () => nn.batchNorm1d(2)(input([1, 2])), 'shape/mismatch', 'net.evaluation(x)'],
    ['too few values of an instance', () => nn.instanceNorm1d(2)(input([3, 2, 1])), 'shape/mismatch', 'larger'],
    ['an empty batch in training', () => nn.batchNorm1d(2)(input([0, 2])), 'shape/mismatch', 'evaluation'],
    ['another rank', () => nn.batchNorm2d(3)(input([2, 3, 4])), 'shape/mismatch', '[N, C, H, W]'],
    ['a vector', () => nn.batchNorm1d(3)(input([3])), 'shape/mismatch', '[N, C] or [N, C, L]'],
    ['channels elsewhere', () => nn.batchNorm2d(3)(input([2, 4, 4, 3])), 'shape/mismatch', 'axis 1'],
    ['other channels of groups', () => nn.groupNorm(2, 4)(input([2, 6])), 'shape/mismatch', 'x must be [N, 4]'],
    ['integers', () => nn.batchNorm1d(2)(input([3, 2], 'i32')), 'dtype/unsupported', 'cast'],
    ['integers by groups', () => nn.groupNorm(1, 2)(input([3, 2], 'i32')), 'dtype/unsupported', 'cast'],
    ['integers by layers', () => nn.layerNorm(2)(input([3, 2], 'i32')), 'dtype/unsupported', 'cast'],
    ['doubles by f32 parameters', () => nn.layerNorm(2)(input([3, 2], 'f64')), 'dtype/mismatch', 'f64'],
    ['another last extent', () => nn.layerNorm(3)(input([3, 2])), 'shape/mismatch', 'x must be [..., 3]'],
    ['too few axes', () => nn.rmsNorm([2, 3])(input([3])), 'shape/mismatch', 'x must be [..., 2, 3]'],
    ['groups that do not divide', () => nn.groupNorm(4, 6), 'option/invalid', 'divide'],
    ['no groups', () => nn.groupNorm(0, 6), 'option/invalid', 'nn.groupNorm(4, 16)'],
    ['fractional features', () => nn.batchNorm1d(2.5), 'option/invalid', 'nn.batchNorm1d(64)'],
    ['nothing to normalise over', () => nn.layerNorm([]), 'option/invalid', 'nn.layerNorm(64)'],
    ['nothing in a row', () => nn.rmsNorm(0), 'option/invalid', 'nn.rmsNorm(64)'],
    ['a negative extent', () => nn.layerNorm(-2), 'shape/invalid', '-2'],
    ['negative eps', () => nn.layerNorm(2, { eps: -1 }), 'option/invalid', 'eps'],
    ['NaN eps', () => nn.batchNorm1d(2, { eps: NaN }), 'option/invalid', 'eps'],
    ['momentum above 1', () => nn.batchNorm1d(2, { momentum: 2 }), 'option/invalid', 'momentum'],
    ['no momentum for instances', () => nn.instanceNorm2d(2, { momentum: null } as {}), 'option/invalid', 'momentum'],
    ['an unknown option', () => nn.batchNorm1d(2, { epsilon: 1 } as object), 'option/invalid', 'eps, momentum'],
    ['a flag that is none', () => nn.batchNorm1d(2, { affine: 1 as unknown as boolean }), 'option/invalid', 'affine'],
    ['a storage type', () => nn.layerNorm(2, { dtype: 'bf16' }), 'option/invalid', 'dtype'],
  ] as const)('%s', (_, body, code, tells) => {
    const error = refusal(body)
    expect(error.code).toBe(code)
    expect(`${error.message} ${error.hint}`).toContain(tells)
  })

  test('nothing is declared by a refused use', () => {
    const x = input([2, 4, 4, 3])
    refusal(() => nn.batchNorm2d(3)(x))
    refusal(() => nn.layerNorm(4)(x))
    expect(x.builder.states).toEqual([])
  })
})
