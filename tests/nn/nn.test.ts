import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import type { Init, Node } from '../../src/ir/graph.ts'
import { mul, tanh } from '../../src/ir/lang/pointwise.ts'
import type { DType, Shape } from '../../src/ir/types.ts'
import * as nn from '../../src/nn/index.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'

const { init } = nn
const f64 = (...shape: number[]) => ({ dtype: 'f64', shape }) as const
const input = (...shape: number[]): Node => new Builder().input('x', { dtype: 'f32', shape })
const namesOf = (layer: nn.Layer): string[] => layer.parameters.map((p) => p.name)

describe('names', () => {
  test('a bare layer', () => {
    expect(namesOf(nn.linear(3, 2))).toEqual(['weight', 'bias'])
    expect(namesOf(nn.linear(3, 2, { bias: false }))).toEqual(['weight'])
  })

  test('sequential numbers layers and plain functions, as PyTorch', () => {
    const net = nn.sequential(nn.linear(4, 3), nn.relu, nn.linear(3, 2))
    expect(namesOf(net)).toEqual(['0.weight', '0.bias', '2.weight', '2.bias'])
  })

  test('nested', () => {
    const net = nn.sequential(nn.sequential(nn.relu, nn.linear(4, 3)), nn.sequential(nn.sequential(nn.linear(3, 2))))
    expect(namesOf(net)).toEqual(['0.1.weight', '0.1.bias', '1.0.0.weight', '1.0.0.bias'])
  })

  test('model gives names', () => {
    const net = nn.model({ fc1: nn.linear(4, 3), act: nn.relu, head: nn.sequential(nn.linear(3, 2)) })
    expect(namesOf(net)).toEqual(['fc1.weight', 'fc1.bias', 'head.0.weight', 'head.0.bias'])
    expect(namesOf(nn.sequential(net))).toEqual(['0.fc1.weight', '0.fc1.bias', '0.head.0.weight', '0.head.0.bias'])
  })

  test('a shared layer keeps its first name and appears once', () => {
    const tied = nn.linear(3, 3)
    const net = nn.sequential(tied, nn.relu, tied)
    expect(namesOf(net)).toEqual(['0.weight', '0.bias'])
    expect(namesOf(nn.model({ other: tied, encoder: net }))).toEqual(['encoder.0.weight', 'encoder.0.bias'])
  })

  test('the first use fixes the name', () => {
    const layer = nn.linear(3, 2)
    const x = input(1, 3)
    layer(x)
    const net = nn.sequential(layer)
    net(x)
    expect(x.builder.states.map((s) => s.name)).toEqual(['weight', 'bias'])
  })

  test('plain functions may be shared freely', () => {
    expect(namesOf(nn.sequential(tanh, nn.linear(2, 2), tanh))).toEqual(['1.weight', '1.bias'])
    expect(namesOf(nn.sequential(tanh, nn.relu, nn.linear(2, 2)))).toEqual(['2.weight', '2.bias'])
  })

  test('a layer of one\'s own, with a parameter', () => {
    const scale = new nn.Parameter('scale', [3], init.ones)
    const net = nn.model({ gamma: scale, fc: nn.linear(3, 2) }, ({ gamma, fc }, x) => fc(mul(x, gamma.of(x))))
    expect(namesOf(net)).toEqual(['gamma', 'fc.weight', 'fc.bias'])
    const x = input(5, 3)
    expect(net(x).shape).toEqual([5, 2])
    expect(x.builder.states.map((s) => [s.name, s.trainable])).toEqual([['gamma', true], ['fc.weight', true], ['fc.bias', true]])
  })

  test('two bare layers in one function clash', () => {
    const x = input(1, 3)
    nn.linear(3, 3)(x)
    expect(refusal(() => nn.linear(3, 3)(x)).code).toBe('state/duplicate')
  })

  test('one layer in two functions is one state', () => {
    const layer = nn.linear(3, 2)
    const owners = [input(1, 3), input(9, 3)].map((x) => (layer(x), x.builder.states.map((s) => s.owner)))
    expect(owners[0]).toEqual(owners[1])
    expect(owners[0][0]).toBe(owners[1][0])
  })

  test.each(['', 'a:b', '__proto__:'])('refuses the name %j', (name) => {
    expect(refusal(() => nn.model({ [name]: nn.relu })).code).toBe('name/invalid')
    expect(refusal(() => new nn.Parameter(name, [1], init.zeros)).code).toBe('name/invalid')
  })

  test('refuses what is no layer', () => {
    expect(refusal(() => nn.sequential(nn.relu, undefined as unknown as nn.Layer)).code).toBe('option/invalid')
    expect(refusal(() => nn.model({ a: new nn.Parameter('a', [1], init.zeros) })).message).toContain('(children, x) =>')
  })
})

describe('parameters', () => {
  test('integers are not trained', () => {
    expect(new nn.Parameter('n', [2], init.zeros, { dtype: 'i32' }).trainable).toBe(false)
    expect(refusal(() => new nn.Parameter('n', [2], init.zeros, { dtype: 'i32', trainable: true })).code).toBe('option/invalid')
  })

  test('need an initialiser and extents', () => {
    expect(refusal(() => new nn.Parameter('n', [2], undefined as unknown as Init)).code).toBe('option/invalid')
    expect(refusal(() => new nn.Parameter('n', [-1], init.zeros)).code).toBe('shape/invalid')
  })

  test('buffers are states that no optimiser touches', () => {
    const mean = new nn.Parameter('mean', [2], init.zeros, { trainable: false })
    const x = input(2)
    mean.of(x)
    expect(x.builder.states[0]).toMatchObject({ name: 'mean', trainable: false, dtype: 'f32', shape: [2] })
  })
})

describe('linear', () => {
  test('x·Wᵀ + b with any leading axes', () => {
    const b = new Builder()
    const layer = nn.linear(3, 2, { dtype: 'f64' })
    const xs = [b.input('x1', f64(3)), b.input('x2', f64(2, 3)), b.input('x3', f64(1, 2, 3))]
    const values = { weight: [1, 2, 3, 4, 5, 6], bias: [10, 20] }
    const rows = [1, 0, -1, 2, 2, 2]
    const [y1, y2, y3] = numbersOf(xs.map(layer), { ...values, x1: [1, 0, -1], x2: rows, x3: rows })
    expect(y1).toEqual([8, 18])
    expect(y2).toEqual([8, 18, 22, 50])
    expect(y3).toEqual(y2)
    expect(layer(xs[2]).shape).toEqual([1, 2, 2])
  })

  test('without bias', () => {
    const x = input(4, 3)
    expect(nn.linear(3, 2, { bias: false })(x).op).toBe('contract')
    expect(x.builder.states.map((s) => s.name)).toEqual(['weight'])
  })

  test('refuses another last dimension before it declares anything', () => {
    const x = input(32, 784)
    const error = refusal(() => nn.sequential(nn.linear(700, 128))(x))
    expect(error.code).toBe('shape/contract')
    expect(error.message).toContain('cannot contract 784 with 700')
    expect(error.message).toContain('x   input f32[32, 784]')
    expect(error.message).toContain('"0.weight"')
    expect(error.hint).toBe('nn.linear(784, 128)')
    expect(x.builder.states).toEqual([])
    expect(refusal(() => nn.linear(3, 2)(input())).code).toBe('shape/contract')
  })

  test('refuses another dtype and senseless sizes', () => {
    expect(refusal(() => nn.linear(3, 2, { dtype: 'f64' })(input(1, 3))).code).toBe('dtype/mismatch')
    expect(refusal(() => nn.linear(-3, 2)).code).toBe('option/invalid')
    expect(refusal(() => nn.linear(3, 2.5)).code).toBe('option/invalid')
  })
})

describe('initialisers', () => {
  const KEY = [0x243f6a88, 0x85a308d3]
  const draw = (make: Init, shape: Shape, { dtype = 'f32', key = KEY }: { dtype?: DType; key?: number[] } = {}): number[] => {
    const b = new Builder()
    const k = b.input('key', { dtype: 'u32', shape: [2] })
    const node = make(b, { dtype, shape }, k)
    expect([node.dtype, node.shape]).toEqual([dtype, shape])
    return numbersOf([node], { key }, 'declared')[0]
  }
  const moments = (xs: number[]): { mean: number; std: number } => {
    const mean = xs.reduce((s, x) => s + x, 0) / xs.length
    return { mean, std: Math.sqrt(xs.reduce((s, x) => s + (x - mean) ** 2, 0) / xs.length) }
  }
  const N = 20_000

  test('constants', () => {
    expect(draw(init.zeros, [2])).toEqual([0, 0])
    expect(draw(init.ones, [2], { dtype: 'i32' })).toEqual([1, 1])
    expect(draw(init.constant(0.5), [])).toEqual([0.5])
  })

  test('uniform: bounds, moments, 24 bits', () => {
    const xs = draw(init.uniform(-2, 6), [N])
    expect(Math.min(...xs)).toBeGreaterThanOrEqual(-2)
    expect(Math.max(...xs)).toBeLessThanOrEqual(6)
    const { mean, std } = moments(xs)
    // Standard errors: 8/√12/√N for the mean; five of them.
    expect(Math.abs(mean - 2)).toBeLessThan((5 * 2.31) / Math.sqrt(N))
    expect(Math.abs(std - 8 / Math.sqrt(12))).toBeLessThan(0.05)
    const units = draw(init.uniform(), [N])
    expect(units.every((u) => Number.isInteger(u * 2 ** 24) && u >= 0 && u < 1)).toBe(true)
    expect(new Set(units).size).toBeGreaterThan(N - 50)
  })

  test('normal: moments, tails, no NaN', () => {
    const xs = draw(init.normal(3, 2), [N])
    const { mean, std } = moments(xs)
    expect(Math.abs(mean - 3)).toBeLessThan((5 * 2) / Math.sqrt(N))
    expect(Math.abs(std - 2)).toBeLessThan((5 * 2) / Math.sqrt(2 * N))
    const within = (k: number): number => xs.filter((x) => Math.abs(x - 3) < 2 * k).length / N
    expect(Math.abs(within(1) - 0.6827)).toBeLessThan(0.017)
    expect(Math.abs(within(2) - 0.9545)).toBeLessThan(0.008)
    expect(xs.every(Number.isFinite)).toBe(true)
  })

  test('the same key draws the same numbers, another key others; f64 draws the same numbers as f32', () => {
    const a = draw(init.uniform(), [100])
    expect(draw(init.uniform(), [100])).toEqual(a)
    expect(draw(init.uniform(), [100], { dtype: 'f64' })).toEqual(a)
    const other = draw(init.uniform(), [100], { key: [KEY[0], KEY[1] + 1] })
    expect(other.filter((x, i) => x === a[i])).toEqual([])
    expect(draw(init.normal(), [100])).toEqual(draw(init.normal(), [100]))
  })

  // Deviations as PyTorch's documentation gives them, fan in 200, fan out 100; windows multiply both.
  test.each([
    ['xavierUniform', init.xavierUniform(), [100, 200], Math.sqrt(2 / 300), true],
    ['xavierUniform with gain', init.xavierUniform({ gain: 3 }), [100, 200], 3 * Math.sqrt(2 / 300), true],
    ['xavierNormal', init.xavierNormal(), [100, 200], Math.sqrt(2 / 300), false],
    ['heUniform', init.heUniform(), [100, 200], Math.sqrt(2 / 200), true],
    ['heUniform of a leaky rectifier', init.heUniform({ a: 0.5 }), [100, 200], Math.sqrt(2 / 1.25 / 200), true],
    ['heNormal', init.heNormal(), [100, 200], Math.sqrt(2 / 200), false],
    ['heNormal, fan out', init.heNormal({ mode: 'fan_out' }), [100, 200], Math.sqrt(2 / 100), false],
    ['heNormal, linear gain', init.heNormal({ gain: 1 }), [100, 200], Math.sqrt(1 / 200), false],
    ['heNormal of a 3×3 window', init.heNormal(), [32, 64, 3, 3], Math.sqrt(2 / 576), false],
  ] as const)('%s', (_, make, shape, deviation, bounded) => {
    const xs = draw(make, shape)
    const { mean, std } = moments(xs)
    expect(Math.abs(mean)).toBeLessThan((5 * deviation) / Math.sqrt(xs.length))
    expect(Math.abs(std / deviation - 1)).toBeLessThan(0.03)
    const largest = Math.max(...xs.map(Math.abs))
    if (bounded) expect(largest / (Math.sqrt(3) * deviation)).toBeLessThanOrEqual(1 + 1e-6)
    else expect(largest).toBeGreaterThan(3 * deviation)
  })

  test('linear starts as PyTorch: both uniform in ±1/√in', () => {
    for (const { init: make, type } of nn.linear(400, 50).parameters) {
      const xs = draw(make, type.shape)
      expect(Math.max(...xs.map(Math.abs))).toBeLessThanOrEqual(1 / 20)
      expect(Math.max(...xs.map(Math.abs))).toBeGreaterThan(0.9 / 20)
    }
    expect(nn.linear(0, 3).parameters.map((p) => draw(p.init, p.type.shape))).toEqual([[], [0, 0, 0]])
  })

  test('of empty weights', () => {
    expect(draw(init.heUniform(), [3, 0])).toEqual([])
  })

  test.each([
    ['uniform, reversed', () => init.uniform(1, 0), 'option/invalid'],
    ['uniform, NaN', () => init.uniform(0, NaN), 'option/invalid'],
    ['normal, negative', () => init.normal(0, -1), 'option/invalid'],
    ['constant, NaN', () => init.constant(NaN), 'option/invalid'],
    ['xavier, negative gain', () => init.xavierNormal({ gain: -1 }), 'option/invalid'],
    ['he, NaN gain', () => init.heNormal({ gain: NaN }), 'option/invalid'],
    ['he, unknown mode', () => init.heNormal({ mode: 'fanIn' as 'fan_in' }), 'option/invalid'],
    ['he of a bias', () => draw(init.heNormal(), [3]), 'shape/mismatch'],
    ['uniform integers', () => draw(init.uniform(), [3], { dtype: 'i32' }), 'dtype/unsupported'],
  ] as const)('refuses %s', (_, body, code) => {
    expect(refusal(body).code).toBe(code)
  })
})

describe('activations', () => {
  const values = (f: (x: Node) => Node, x: number[], shape: Shape = [x.length]): number[] =>
    numbersOf([f(new Builder().input('x', { dtype: 'f64', shape }))], { x })[0]

  test('relu', () => {
    expect(values(nn.relu, [-2, 0, 3, NaN, -Infinity, Infinity])).toEqual([0, 0, 3, NaN, 0, Infinity])
  })

  test('softmax sums to one along its axis, whatever the size of x', () => {
    const rows = values(nn.softmax, [1, 2, 3, 1000, 1001, 1002], [2, 3])
    const e = [1, Math.E, Math.E ** 2].map((x, _, all) => x / all.reduce((s, y) => s + y))
    rows.forEach((p, i) => expect(p).toBeCloseTo(e[i % 3], 15))
    const columns = values((x) => nn.softmax(x, { axis: 0 }), [1, 2, 3, 1, 2, 3], [2, 3])
    expect(columns).toEqual([0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
  })

  test('logSoftmax keeps what softmax would underflow', () => {
    const [a, b] = values(nn.logSoftmax, [0, 1000])
    expect([a, b]).toEqual([-1000, 0])
  })

  test('logsumexp, also of infinities', () => {
    expect(values((x) => nn.logsumexp(x), [1000, 1000])[0]).toBeCloseTo(1000 + Math.LN2, 12)
    expect(values((x) => nn.logsumexp(x), [-Infinity, -Infinity])).toEqual([-Infinity])
    expect(values((x) => nn.logsumexp(x), [1, Infinity])).toEqual([Infinity])
    expect(values((x) => nn.logsumexp(x), [-Infinity, 2])).toEqual([2])
    expect(values((x) => nn.logsumexp(x), [NaN, 2])).toEqual([NaN])
    expect(nn.logsumexp(input(3, 4), { axis: 0, keepdims: true }).shape).toEqual([1, 4])
    expect(nn.logsumexp(input(3, 4), { axis: 0 }).shape).toEqual([4])
  })

  test('axes are checked', () => {
    expect(refusal(() => nn.softmax(input(3), { axis: 1 })).code).toBe('shape/axis')
  })
})

describe('losses', () => {
  const b = new Builder()
  const z = b.input('z', f64(2, 3))
  const y = b.input('y', { dtype: 'i32', shape: [2] })

  test('mse', () => {
    const t = b.input('t', f64(2, 3))
    expect(numbersOf([nn.mse(z, t)], { z: [1, 2, 3, 4, 5, 6], t: [1, 2, 3, 4, 5, 0] })).toEqual([[6]])
    expect(refusal(() => nn.mse(z, b.input('t3', f64(3)))).code).toBe('shape/mismatch')
    expect(refusal(() => nn.mse(z, b.input('t4', { dtype: 'f32', shape: [2, 3] }))).code).toBe('dtype/mismatch')
    expect(refusal(() => nn.mse(y, y)).code).toBe('dtype/unsupported')
  })

  test('softmaxCrossEntropy', () => {
    const loss = nn.softmaxCrossEntropy(z, y)
    expect(loss.shape).toEqual([])
    const logits = [1, 2, 3, 0, 0, 0]
    const expected = (Math.log(Math.E + Math.E ** 2 + Math.E ** 3) - 2 + Math.log(3)) / 2
    expect(numbersOf([loss], { z: logits, y: [1, 2] })[0][0]).toBeCloseTo(expected, 14)
    expect(numbersOf([loss], { z: logits.map((x) => x + 1e6), y: [1, 2] })[0][0]).toBeCloseTo(expected, 9)
    expect(numbersOf([loss], { z: [0, 1e4, 0, 0, 0, 1e4], y: [0, 2] })[0][0]).toBe(5000)
  })

  test('softmaxCrossEntropy of masked classes', () => {
    const [[loss]] = numbersOf([nn.softmaxCrossEntropy(z, y)], { z: [-Infinity, 0, 0, 0, -Infinity, 0], y: [1, 2] })
    expect(loss).toBeCloseTo(Math.LN2, 14)
  })

  test('any leading axes', () => {
    const logits = b.input('l3', f64(2, 1, 3))
    const labels = b.input('y3', { dtype: 'i32', shape: [2, 1] })
    const [[loss]] = numbersOf([nn.softmaxCrossEntropy(logits, labels)], { l3: [0, 0, 0, 0, 0, 0], y3: [0, 2] })
    expect(loss).toBeCloseTo(Math.log(3), 14)
  })

  test('accuracy counts the first of equal logits', () => {
    const share = nn.accuracy(z, y)
    expect([share.dtype, share.shape]).toEqual(['f32', []])
    expect(numbersOf([share], { z: [1, 5, 2, 7, 7, 0], y: [1, 0] })).toEqual([[1]])
    expect(numbersOf([share], { z: [1, 5, 2, 7, 7, 0], y: [1, 1] })).toEqual([[0.5]])
  })

  test.each([
    ['labels of another shape', [2, 3], 'i32', 'shape/mismatch'],
    ['labels of another batch', [3], 'i32', 'shape/mismatch'],
    ['float labels', [2], 'f32', 'dtype/mismatch'],
    ['unsigned labels', [2], 'u32', 'dtype/mismatch'],
  ] as const)('refuse %s', (name, shape, dtype, code) => {
    const labels = b.input(name, { dtype, shape })
    for (const loss of [nn.softmaxCrossEntropy, nn.accuracy]) {
      const error = refusal(() => loss(z, labels))
      expect(error.code).toBe(code)
      expect(error.message).toContain('input f64[2, 3] "z"')
      expect(error.message).toContain(JSON.stringify(name))
    }
  })

  test('refuse integer and scalar logits', () => {
    expect(refusal(() => nn.softmaxCrossEntropy(y, y)).code).toBe('dtype/unsupported')
    expect(refusal(() => nn.softmaxCrossEntropy(b.input('s', f64()), y)).code).toBe('shape/mismatch')
  })
})
