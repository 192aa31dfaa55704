import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compile, f32, fn, grad, mul, sum, type Tensor } from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { Node } from '../../src/ir/graph.ts'
import * as nn from '../../src/nn/index.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'
import { expectSlopes, given, numbers, slopesOf } from './slopes.ts'

const input = (...shape: number[]): Node => new Builder().input('x', { dtype: 'f32', shape })

/** Of pieces without curvature: no second derivative depends on x. */
const LINEAR = new Set(['relu', 'leakyRelu', 'leakyRelu, steep', 'relu6', 'hardTanh', 'hardSigmoid'])

/** Element by element; where there is a kink. */
const POINTWISE: Readonly<Record<string, readonly [(x: any) => any, readonly number[]]>> = {
  relu: [nn.relu, [0]],
  leakyRelu: [nn.leakyRelu, [0]],
  'leakyRelu, steep': [(x) => nn.leakyRelu(x, { slope: 0.3 }), [0]],
  relu6: [nn.relu6, [0, 6]],
  hardTanh: [nn.hardTanh, [-1, 1]],
  hardSigmoid: [nn.hardSigmoid, [-3, 3]],
  hardSwish: [nn.hardSwish, [-3, 3]],
  elu: [nn.elu, [0]],
  selu: [nn.selu, [0]],
  celu: [(x) => nn.celu(x, { alpha: 0.6 }), [0]],
  gelu: [nn.gelu, []],
  'gelu by tanh': [(x) => nn.gelu(x, { approximate: 'tanh' }), []],
  silu: [nn.silu, []],
  mish: [nn.mish, []],
  softplus: [nn.softplus, []],
  'softplus, steep': [(x) => nn.softplus(x, { beta: 3 }), []],
  softsign: [nn.softsign, [0]],
  logSigmoid: [nn.logSigmoid, []],
}

describe.each(Object.entries(POINTWISE))('%s', (name, [f, kinks]) => {
  test('gradients agree with differences', () => {
    fc.assert(fc.property(fc.double({ min: -9, max: 9, noNaN: true }), (x) => {
      fc.pre(kinks.every((k) => Math.abs(x - k) > 0.01))
      expectSlopes(f, [given([x])])
    }), { seed: 7, numRuns: 25 })
  })

  test('second derivatives agree with differences of the first', () => {
    const x = numbers(6, 3, 4).map((v) => v + (kinks.some((k) => Math.abs(v - k) < 0.02) ? 0.05 : 0))
    if (!LINEAR.has(name)) expectSlopes((node: Node) => grad(sum(f(node) as Tensor), node), [given(x)])
  })

  test('far out neither value nor gradient is lost, NaN stays', () => {
    const x = [-1e4, -100, -40, 40, 100, 1e4, -3e30, 3e30]
    for (const stable of [false, true]) {
      const { value, gradients: [g] } = slopesOf(f, [given(x)], stable)
      value.concat(g).forEach((v) => expect(Number.isFinite(v), `${value} ${g}`).toBe(true))
    }
    expect(slopesOf(f, [given([NaN])]).value).toEqual([NaN])
  })

  test('takes floats only', () => {
    const words = new Builder().input('i', { dtype: 'i32', shape: [3] })
    if (f !== nn.relu) expect(['dtype/unsupported', 'dtype/mismatch']).toContain(refusal(() => f(words)).code)
    expect(refusal(() => f([1, 2] as never)).code).toBe('operand/invalid')
  })
})

describe('compiled', () => {
  test('the same bits on both targets, finite far out in f32', async () => {
    const x = Float32Array.of(-1e4, -100, -12.5, -3, -1, -1e-3, 0, 1e-3, 1, 3, 12.5, 100, 1e4, -1e30, 1e30)
    const f = fn({ x: f32(x.length) }, (inputs) => Object.fromEntries(Object.entries(POINTWISE).flatMap(([name, [act]]) => {
      const y = act(inputs.x)
      return [[name, y], [`d ${name}`, grad(sum(y), inputs.x)]]
    })))
    const runs = await Promise.all((['wasm', 'js'] as const).map(async (target) => {
      const results: any = (await compile({ f }, { target, verify: true }).load()).f({ x })
      return Object.fromEntries(Object.entries(results).map(([k, v]) => [k, [...(v as Float32Array)]]))
    }))
    expect(runs[1]).toEqual(runs[0])
    for (const [name, values] of Object.entries(runs[0])) {
      values.forEach((v, i) => expect(Number.isFinite(v), `${name} at ${x[i]}: ${v}`).toBe(true))
    }
  })
})

describe('values from elsewhere', () => {
  test.each<[string, (x: any) => any, number, number]>([
    ['gelu', nn.gelu, 1, 0.8413447460685429],
    ['mish', nn.mish, 1, 0.8650983882673103],
    ['silu', nn.silu, 1, 0.7310585786300049],
    ['selu', nn.selu, -1, -1.1113307378125625],
    ['softplus', nn.softplus, 0, Math.LN2],
    ['logSigmoid', nn.logSigmoid, -1e4, -1e4],
    ['softsign', nn.softsign, -3, -0.75],
    ['hardSwish', nn.hardSwish, 1, 2 / 3],
  ])('%s', (_, f, x, wanted) => {
    expect(slopesOf(f, [given([x])]).value[0]).toBeCloseTo(wanted, 14)
  })

  test('softplus keeps its second derivative at 0, where logits start', () => {
    const { gradients } = slopesOf((x: Node) => grad(sum(nn.softplus(x)), x), [given([0])])
    expect(gradients[0][0]).toBeCloseTo(0.25, 15)
  })

  test('softplus with a threshold is x above it', () => {
    expect(slopesOf((x) => nn.softplus(x, { threshold: 1 }), [given([0.5, 1.5])]).value).toEqual([Math.log1p(Math.exp(0.5)), 1.5])
  })
})

describe('along an axis', () => {
  const AXIS = { softmax: nn.softmax, softmin: nn.softmin, logSoftmax: nn.logSoftmax, glu: nn.glu } as const
  test.each(Object.entries(AXIS))('%s: gradients', (_, f) => {
    expectSlopes(f, [given(numbers(12, 5), 3, 4)])
    expectSlopes((x) => f(x, { axis: 0 }), [given(numbers(12, 6), 4, 3)])
    const { value, gradients } = slopesOf(f, [given([-1e4, 0, 100, 1e4], 1, 4)])
    expect(value.concat(gradients[0]).every(Number.isFinite)).toBe(true)
  })

  test('glu halves an axis, the first half gated by the second', () => {
    expect(slopesOf(nn.glu, [given([3, 5, 0, 1e4])]).value).toEqual([1.5, 5])
    expect(nn.glu(input(2, 6, 3), { axis: 1 }).shape).toEqual([2, 3, 3])
    expect(refusal(() => nn.glu(input(2, 5))).code).toBe('shape/mismatch')
    expect(refusal(() => nn.glu(input(2, 4), { axis: 2 })).code).toBe('shape/axis')
  })
})

describe('prelu', () => {
  const x = () => new Builder().input('x', { dtype: 'f64', shape: [2, 3, 2] })
  test('one slope for all, or one a channel', () => {
    const values = { x: numbers(12, 1), weight: [0.5] }
    const one = nn.prelu(1, { dtype: 'f64' })
    expect(numbersOf([one(x())], values)[0]).toEqual(values.x.map((v) => (v > 0 ? v : 0.5 * v)))
    const some = { ...values, weight: [0.5, -1, 2] }
    const channels = nn.prelu(3, { dtype: 'f64' })
    const wanted = values.x.map((v, i) => (v > 0 ? v : some.weight[Math.floor(i / 2) % 3] * v))
    expect(numbersOf([channels(x())], some)[0]).toEqual(wanted)
    expect(numbersOf([nn.prelu(2, { dtype: 'f64', axis: -1 })(x())], { ...values, weight: [3, 4] })[0])
      .toEqual(values.x.map((v, i) => (v > 0 ? v : [3, 4][i % 2] * v)))
  })

  test('its slopes are a parameter that starts at 0.25, and learn', () => {
    const node = x()
    const layer = nn.prelu(3, { dtype: 'f64' })
    const y = sum(layer(node))
    const weight = layer.parameters[0]
    expect([weight.name, weight.trainable, weight.type.shape]).toEqual(['weight', true, [3]])
    const values = numbers(12, 1)
    const [g] = numbersOf([grad(y, weight.of(node))], { x: values, weight: [0.25, 0.25, 0.25] })
    g.forEach((v, c) => {
      expect(v).toBeCloseTo(values.filter((w, i) => w < 0 && Math.floor(i / 2) % 3 === c).reduce((a, b) => a + b, 0), 14)
    })
    const b = new Builder()
    const first = weight.init(b, weight.type, b.input('key', { dtype: 'u32', shape: [2] }))
    expect(numbersOf([first], { key: [1, 2] })[0]).toEqual([0.25, 0.25, 0.25])
  })

  test('refuses other channels', () => {
    expect(refusal(() => nn.prelu(4)(input(2, 3))).code).toBe('shape/mismatch')
    expect(refusal(() => nn.prelu(4)(input(4))).code).toBe('shape/axis')
  })
})

describe('gumbelSoftmax', () => {
  const logits = Math.log(0.7)
  const draw = async (options: nn.GumbelSoftmaxOptions, target: 'wasm' | 'js', calls: number): Promise<number[][]> => {
    const f = fn({ x: f32(256, 3) }, ({ x }) => ({ y: nn.gumbelSoftmax(x, options) }))
    const model: any = await compile({ f }, { target, seed: 5 }).load()
    const x = Float32Array.from({ length: 768 }, (_, i) => [logits, Math.log(0.2), Math.log(0.1)][i % 3])
    return Array.from({ length: calls }, () => [...model.f({ x }).y])
  }

  test('hard samples are exactly one-hot and follow the distribution, others in every step', async () => {
    const runs = await draw({ hard: true }, 'wasm', 40)
    expect(runs[0]).not.toEqual(runs[1])
    expect(await draw({ hard: true }, 'js', 2)).toEqual(runs.slice(0, 2))
    const all = runs.flat()
    expect(all.every((v) => v === 0 || v === 1)).toBe(true)
    const share = [0, 1, 2].map((c) => all.filter((v, i) => i % 3 === c && v === 1).length / (all.length / 3))
    // 10240 draws: five standard errors are below 0.024.
    share.forEach((s, c) => expect(Math.abs(s - [0.7, 0.2, 0.1][c])).toBeLessThan(0.024))
    expect(share.reduce((a, b) => a + b)).toBeCloseTo(1, 12)
  })

  test('soft samples are distributions, flatter with a higher temperature', async () => {
    const [[cold], [hot]] = [await draw({ tau: 0.1 }, 'wasm', 1), await draw({ tau: 10 }, 'wasm', 1)]
    const peaks = (y: number[]): number[] => Array.from({ length: 256 }, (_, r) => Math.max(...y.slice(3 * r, 3 * r + 3)))
    const peak = (y: number[]): number => peaks(y).reduce((a, b) => a + b) / 256
    expect(peak(cold)).toBeGreaterThan(0.9)
    expect(peak(hot)).toBeLessThan(0.5)
    for (let r = 0; r < 256; r++) expect(cold[3 * r] + cold[3 * r + 1] + cold[3 * r + 2]).toBeCloseTo(1, 5)
  })

  test('hard ones have the gradient of the soft ones', () => {
    const of = (hard: boolean): number[] => {
      const b = new Builder()
      const [x, w] = ['x', 'w'].map((k) => b.input(k, { dtype: 'f64', shape: [4, 3] }))
      const loss = sum(mul(nn.gumbelSoftmax(x, { tau: 0.7, hard, axis: 0 }), w))
      return numbersOf([grad(loss, x)], { x: numbers(12, 2), w: numbers(12, 8), 'random:key': [3, 4], 'random:step': [9] })[0]
    }
    expect(of(true)).toEqual(of(false))
    expect(of(true).some((v) => v !== 0)).toBe(true)
  })

  test('draws in evaluation too', () => {
    const x = input(4, 3)
    expect(nn.sequential((y: Tensor) => nn.gumbelSoftmax(y)).evaluation(x).shape).toEqual([4, 3])
    expect(x.builder.states.map((s) => s.name)).toEqual(['random:key', 'random:step'])
  })
})

// Values by mpmath. Forms with 1 + erf or 1 + tanh give zero here, or noise. What rounding does to the cubic of tanh grows with it.
test.each<['none' | 'tanh', number, number[], number[], number[] | null]>([
  ['none', 5e-7, [-10, -8, -5], [-7.619853024160526e-23, -4.976768459417427e-15, -1.4332578593959695e-6], [-7.618400096464814e-22, -3.979607261086796e-14, -7.146946001792295e-6]],
  ['tanh', 5e-5, [-8, -6, -5], [-3.107782937501111e-21, -8.439646700762297e-11, -2.291796196629506e-7], null],
])('gelu, approximate: %s, keeps its relative accuracy for negative x', async (approximate, within, at, values, slopes) => {
  const f = fn({ x: f32(3) }, ({ x }) => {
    const y = nn.gelu(x, { approximate })
    return { y, slope: grad(sum(y), x) }
  })
  for (const target of ['js', 'wasm'] as const) {
    const { y, slope } = (await compile({ f }, { target, name: 'gelu' }).load()).f({ x: Float32Array.from(at) })
    values.forEach((v, i) => expect(Math.abs(y[i] / v - 1), `${target} at ${at[i]}`).toBeLessThan(within))
    slopes?.forEach((v, i) => expect(Math.abs(slope[i] / v - 1), `${target}, slope at ${at[i]}`).toBeLessThan(within))
  }
})

test('activations with options stand in a sequential', () => {
  const leaky = (x: Tensor): Tensor => nn.leakyRelu(x, { slope: 0.2 })
  const net = nn.sequential(nn.linear(3, 4), leaky, nn.linear(4, 4), nn.prelu(), nn.gelu, nn.glu)
  expect(net(input(2, 3)).shape).toEqual([2, 2])
  expect(net.parameters.map((p) => p.name)).toEqual(['0.weight', '0.bias', '2.weight', '2.bias', '3.weight'])
})

test.each<[string, () => unknown]>([
  ['leakyRelu slope', () => nn.leakyRelu(input(2), { slope: NaN })],
  ['a bare number', () => nn.leakyRelu(input(2), 0.2 as never)],
  ['an unknown option', () => nn.elu(input(2), { slope: 1 } as never)],
  ['elu alpha', () => nn.elu(input(2), { alpha: Infinity })],
  ['celu alpha', () => nn.celu(input(2), { alpha: 0 })],
  ['gelu approximate', () => nn.gelu(input(2), { approximate: 'erf' as never })],
  ['softplus beta', () => nn.softplus(input(2), { beta: 0 })],
  ['softplus threshold', () => nn.softplus(input(2), { threshold: '20' as never })],
  ['hardTanh bounds', () => nn.hardTanh(input(2), { low: 1, high: 1 })],
  ['prelu count', () => nn.prelu(0)],
  ['prelu axis', () => nn.prelu(3, { axis: 0.5 })],
  ['prelu init', () => nn.prelu(3, { init: NaN })],
  ['gumbel tau', () => nn.gumbelSoftmax(input(2), { tau: 0 })],
  ['gumbel hard', () => nn.gumbelSoftmax(input(2), { hard: 1 as never })],
])('refuses %s', (_, body) => {
  expect(refusal(body).code).toBe('option/invalid')
})
