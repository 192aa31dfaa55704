import { describe, expect, test } from 'vitest'
import { compile, f32, fn } from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { Node } from '../../src/ir/graph.ts'
import { sigmoid, sub, type Tensor } from '../../src/ir/lang/index.ts'
import * as nn from '../../src/nn/index.ts'
import { grad } from '../../src/passes/differentiate/gradient.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'
import { expectSlopes, given, labelled, numbers, slopesOf, valueOf, type Given } from './slopes.ts'

const pred = given(numbers(6, 1), 2, 3)
const target = given(numbers(6, 2), 2, 3)
const share = given([0.9, 0.2, 0.55, 0.05, 0.7, 0.35], 2, 3)
const part = given([0, 1, 0.4, 0.8, 0.1, 0.6], 2, 3)
const sides = given([1, -1, 1, 1, -1, -1], 2, 3)
const rows = given(numbers(20, 3, 3), 4, 5)
const labels = labelled([1, 4, 0, 2])
const probabilities = given(Array.from({ length: 20 }, (_, i) => [0.1, 0.3, 0.2, 0.25, 0.15][(i + Math.floor(i / 5)) % 5]), 4, 5)
const logs = given(probabilities.values.map((p) => Math.log(p)), 4, 5)
const [a, b, c] = [4, 5, 6].map((seed) => given(numbers(12, seed, 2.5), 4, 3))
const weight = [0.5, 1, 2, 0.25, 1.5]

type Loss = (...xs: any[]) => any
/** Every loss, with and without its options; `each` are operands away from kinks. */
const LOSSES: Readonly<Record<string, readonly [(o: object) => Loss, readonly Given[]]>> = {
  mse: [(o) => (x, y) => nn.mse(x, y, o), [pred, target]],
  halfSquaredError: [(o) => (x, y) => nn.halfSquaredError(x, y, o), [pred, target]],
  mae: [(o) => (x, y) => nn.mae(x, y, o), [pred, target]],
  l1Loss: [(o) => (x, y) => nn.l1Loss(x, y, o), [pred, target]],
  huber: [(o) => (x, y) => nn.huber(x, y, { delta: 0.8, ...o }), [pred, target]],
  smoothL1: [(o) => (x, y) => nn.smoothL1(x, y, { beta: 1.3, ...o }), [pred, target]],
  'smoothL1, beta 0': [(o) => (x, y) => nn.smoothL1(x, y, { beta: 0, ...o }), [pred, target]],
  binaryCrossEntropy: [(o) => (x, y) => nn.binaryCrossEntropy(x, y, o), [share, part]],
  'binaryCrossEntropy, weighted': [
    (o) => (x, y, w) => nn.binaryCrossEntropy(x, y, { weight: w, ...o }), [share, part, given([1, 2, 3])],
  ],
  binaryCrossEntropyWithLogits: [(o) => (x, y) => nn.binaryCrossEntropyWithLogits(x, y, o), [pred, part]],
  'binaryCrossEntropyWithLogits, weighted': [
    (o) => (x, y, w, p) => nn.binaryCrossEntropyWithLogits(x, y, { weight: w, posWeight: p, ...o }),
    [pred, part, given([1, 2, 3]), given([2, 0.5, 3])],
  ],
  softmaxCrossEntropy: [(o) => (x, y) => nn.softmaxCrossEntropy(x, y, o), [rows, labels]],
  'softmaxCrossEntropy, all options': [
    (o) => (x, y) => nn.softmaxCrossEntropy(x, y, { weight, labelSmoothing: 0.2, ignoreIndex: 4, ...o }), [rows, labels],
  ],
  'softmaxCrossEntropy of probabilities': [(o) => (x, y) => nn.softmaxCrossEntropy(x, y, o), [rows, probabilities]],
  'softmaxCrossEntropy of probabilities, weights as a tensor': [
    (o) => (x, y, w) => nn.softmaxCrossEntropy(x, y, { weight: w, labelSmoothing: 0.2, ...o }),
    [rows, probabilities, given(weight)],
  ],
  nll: [(o) => (x, y) => nn.nll(x, y, { weight, ignoreIndex: 0, ...o }), [rows, labels]],
  klDivergence: [(o) => (x, y) => nn.klDivergence(x, y, o), [rows, probabilities]],
  'klDivergence of logs': [(o) => (x, y) => nn.klDivergence(x, y, { logTarget: true, ...o }), [rows, logs]],
  hinge: [(o) => (x, y) => nn.hinge(x, y, o), [pred, sides]],
  multiMargin: [(o) => (x, y) => nn.multiMargin(x, y, o), [rows, labels]],
  'multiMargin, squared': [
    (o) => (x, y, w) => nn.multiMargin(x, y, { p: 2, margin: 0.5, weight: w, ...o }), [rows, labels, given(weight)],
  ],
  cosineEmbedding: [(o) => (x, y, s) => nn.cosineEmbedding(x, y, s, { margin: -0.5, ...o }), [a, b, labelled([1, -1, -1, 1])]],
  tripletMargin: [(o) => (x, y, z) => nn.tripletMargin(x, y, z, { margin: 3, ...o }), [a, b, c]],
  'tripletMargin, swapped': [(o) => (x, y, z) => nn.tripletMargin(x, y, z, { margin: 3, swap: true, ...o }), [a, b, c]],
  'tripletMargin, p 3': [(o) => (x, y, z) => nn.tripletMargin(x, y, z, { margin: 3, p: 3, ...o }), [a, b, c]],
  'tripletMargin, p ∞': [(o) => (x, y, z) => nn.tripletMargin(x, y, z, { margin: 3, p: Infinity, ...o }), [a, b, c]],
  reinforce: [(o) => (x, y) => nn.reinforce(x, y, sum3(x), { entropyBonus: 0.3, ...o }), [rows, labels]],
}
/** Advantages as constants of the function. */
const sum3 = (x: Node): Node => x.builder.constant(Float64Array.of(1, -2, 0.5, 3), { dtype: 'f64', shape: [4] })

describe.each(Object.entries(LOSSES))('%s', (name, [make, operands]) => {
  test('gradients agree with differences, whatever the reduction', () => {
    for (const o of [{}, { reduction: 'sum' }, { reduction: 'none' }]) expectSlopes(make(o), operands)
  })

  test('sum and mean are those of its terms', () => {
    const value = (o: object): number[] => slopesOf(make(o), operands).value
    const terms = value({ reduction: 'none' })
    const total = terms.reduce((x, y) => x + y)
    expect(value({ reduction: 'sum' })[0]).toBeCloseTo(total, 12)
    // Means over rows that do not all count are held against PyTorch in tests/golden.
    if (!/all options|nll/.test(name)) expect(value({ reduction: 'mean' })[0]).toBeCloseTo(total / terms.length, 12)
  })

  test('NaN stays', () => {
    const [first, ...rest] = operands
    expect(slopesOf(make({}), [{ ...first, values: first.values.with(1, NaN) }, ...rest]).value).toEqual([NaN])
  })

  test('refuses other reductions, options, dtypes and shapes', () => {
    expect(refusal(() => slopesOf(make({ reduction: 'avg' }), operands)).code).toBe('option/invalid')
    expect(refusal(() => slopesOf(make({ weights: 1 }), operands)).code).toBe('option/invalid')
    const [first, ...rest] = operands
    const other = { ...first, shape: [...first.shape, 1] }
    const code = refusal(() => slopesOf(make({}), [other, ...rest])).code
    expect(['shape/mismatch', 'dtype/mismatch', 'shape/broadcast']).toContain(code)
    const whole = { ...first, dtype: 'i32' } as const
    expect(['dtype/unsupported', 'dtype/mismatch']).toContain(refusal(() => slopesOf(make({}), [whole, ...rest])).code)
  })
})

describe('far out', () => {
  const far = given([-1e4, 1e4, 100, -100, 0, 30], 2, 3)
  test.each(Object.keys(LOSSES).filter((k) => /mse|mae|huber|smooth|Logits|hinge/.test(k)))('%s is finite', (name) => {
    const [make, [, ...rest]] = LOSSES[name]
    for (const stable of [false, true]) {
      const { value, gradients } = slopesOf(make({}), [far, ...rest], stable)
      expect([value, ...gradients].flat().every(Number.isFinite)).toBe(true)
    }
  })

  test.each(Object.keys(LOSSES).filter((k) => /softmaxCross|multiMargin|reinforce/.test(k)))('%s is finite', (name) => {
    const [make, [, ...rest]] = LOSSES[name]
    const big = given([...numbers(15, 1, 1e4), 1e4, -1e4, 1e4, 0, -1e4], 4, 5)
    for (const stable of [false, true]) {
      const { value, gradients } = slopesOf(make({}), [big, ...rest], stable)
      expect([value, ...gradients].flat().every(Number.isFinite)).toBe(true)
    }
  })
})

describe('binary cross-entropy', () => {
  const one = (f: Loss, z: number, y: number, stable = false): [number, number] => {
    const { value: [v], gradients: [[g]] } = slopesOf((x) => f(x, x.builder.literal(y, x)), [given([z])], stable)
    return [v, g]
  }

  test('of logits: the gradient is p − y, the value keeps its digits', () => {
    for (const stable of [false, true]) {
      const total: Loss = (x, y) => nn.binaryCrossEntropyWithLogits(x, y, { reduction: 'sum' })
      const { gradients: [g] } = slopesOf(total, [pred, part], stable)
      const [wanted] = numbersOf([difference()], { z: [...pred.values], y: [...part.values] })
      g.forEach((v, i) => expect(v).toBeCloseTo(wanted[i], 14))
    }
    expect(one(nn.binaryCrossEntropyWithLogits, -1e4, 1)).toEqual([1e4, -1])
  })

  test('compiled, sure and right answers keep all digits', async () => {
    const f = fn({ z: f32(4), y: f32(4) }, ({ z, y }) => ({
      plain: nn.binaryCrossEntropyWithLogits(z, y, { reduction: 'none' }),
      weighted: nn.binaryCrossEntropyWithLogits(z, y, { reduction: 'none', posWeight: 3 }),
    }))
    for (const target of ['wasm', 'js'] as const) {
      const model = await compile({ f }, { target }).load()
      const { plain, weighted } = model.f({ z: Float32Array.of(20, -20, 80, -80), y: Float32Array.of(1, 0, 1, 0) })
      // −log σ(20) is e^−20, which 20 − log(1 + e^20) would lose.
      const wanted = [20, 20, 80, 80].map((v) => Math.exp(-v))
      wanted.forEach((v, i) => expect(plain[i] / v).toBeCloseTo(1, 5))
      wanted.forEach((v, i) => expect(weighted[i] / (i % 2 ? v : 3 * v)).toBeCloseTo(1, 5))
    }
  })

  const difference = (): Node => {
    const build = new Builder()
    const [z, y] = ['z', 'y'].map((k) => build.input(k, { dtype: 'f64', shape: [2, 3] }))
    return sub(sigmoid(z), y)
  }

  test('of probabilities: logarithms are clamped at −100, without gradient there', () => {
    for (const stable of [false, true]) {
      expect(one(nn.binaryCrossEntropy, 0, 1, stable)).toEqual([100, 0])
      expect(one(nn.binaryCrossEntropy, 1, 0, stable)).toEqual([100, 0])
      expect(one(nn.binaryCrossEntropy, 0, 0, stable)).toEqual([0, 1])
      expect(one(nn.binaryCrossEntropy, 1, 1, stable)).toEqual([0, -1])
      expect(one(nn.binaryCrossEntropy, 1e-50, 1, stable)).toEqual([100, 0])
    }
    expect(one(nn.binaryCrossEntropy, 1e-20, 0)[0]).toBe(1e-20)
    expect(one(nn.binaryCrossEntropy, -0.5, 1)[0]).toBeNaN()
    expect(one(nn.binaryCrossEntropy, 1.5, 0)[0]).toBeNaN()
  })

  test('refuses weights that do not fit', () => {
    const build = new Builder()
    const [x, w] = [build.input('x', { dtype: 'f32', shape: [2, 3] }), build.input('w', { dtype: 'f32', shape: [2] })]
    expect(refusal(() => nn.binaryCrossEntropy(x, x, { weight: w })).code).toBe('shape/broadcast')
    expect(refusal(() => nn.binaryCrossEntropyWithLogits(x, x, { posWeight: w })).code).toBe('shape/broadcast')
    expect(refusal(() => nn.binaryCrossEntropyWithLogits(x, x, { posWeight: -1 })).code).toBe('option/invalid')
    expect(refusal(() => nn.binaryCrossEntropyWithLogits(x, x, { posWeight: [1] as never })).code).toBe('option/invalid')
  })
})

describe('cross-entropy', () => {
  test('without options it is one graph, byte for byte', () => {
    const build = new Builder()
    const [z, y] = [build.input('z', { dtype: 'f32', shape: [4, 5] }), build.input('y', { dtype: 'i32', shape: [4] })]
    const loss = nn.softmaxCrossEntropy(z, y)
    const size = build.size
    expect(nn.softmaxCrossEntropy(z, y, {})).toBe(loss)
    expect(nn.softmaxCrossEntropy(z, y, { reduction: 'mean', labelSmoothing: 0 })).toBe(loss)
    expect(build.size).toBe(size)
  })

  test('classes masked by −∞ cost nothing where nothing is asked of them', () => {
    const z = given([0, -Infinity, 0, 1, 2, -Infinity], 2, 3)
    for (const y of [labelled([0, 1]), given([0.5, 0, 0.5, 0, 1, 0], 2, 3)]) {
      const { value, gradients } = slopesOf((x, t) => nn.softmaxCrossEntropy(x, t), [z, y])
      expect(value[0]).toBeCloseTo((Math.LN2 + Math.log1p(Math.exp(-1))) / 2, 14)
      expect(gradients[0].every(Number.isFinite)).toBe(true)
    }
  })

  test('weights as numbers and as a tensor are the same', () => {
    const listed = valueOf((x, y) => nn.softmaxCrossEntropy(x, y, { weight }), [rows, labels])
    expect(valueOf((x, y, w) => nn.softmaxCrossEntropy(x, y, { weight: w }), [rows, labels, given(weight)])).toEqual(listed)
  })

  test('rows that do not count leave no trace; a mean over none is NaN, a sum 0', () => {
    const none = labelled([-1, -1, -1, -1])
    const of = (reduction: 'mean' | 'sum'): number[] =>
      slopesOf((x, y) => nn.softmaxCrossEntropy(x, y, { ignoreIndex: -1, reduction }), [rows, none]).value
    expect([of('mean'), of('sum')]).toEqual([[NaN], [0]])
    const [wild, tame] = [1e3, 0].map((v) => given([...rows.values.slice(0, 5), v, -v, v, 0, 1, ...rows.values.slice(10)], 4, 5))
    const some = (x: Given): number[] =>
      valueOf((z, y) => nn.softmaxCrossEntropy(z, y, { ignoreIndex: 7 }), [x, labelled([1, 7, 0, 2])])
    expect(some(wild)).toEqual(some(tame))
  })

  test('any leading axes, and reduction none keeps them', () => {
    const build = new Builder()
    const [z, y] = [build.input('z', { dtype: 'f32', shape: [2, 3, 5] }), build.input('y', { dtype: 'i32', shape: [2, 3] })]
    for (const f of [nn.softmaxCrossEntropy, nn.nll, nn.multiMargin] as Loss[]) {
      expect(f(z, y, { reduction: 'none' }).shape).toEqual([2, 3])
      expect(f(z, y).shape).toEqual([])
    }
    expect(nn.softmaxCrossEntropy(z, z, { reduction: 'none' }).shape).toEqual([2, 3])
  })

  test.each<[string, (z: Tensor, y: Tensor) => unknown, string]>([
    ['weights of another length', (z, y) => nn.softmaxCrossEntropy(z, y, { weight: [1, 2] }), 'shape/mismatch'],
    ['weights that are none', (z, y) => nn.softmaxCrossEntropy(z, y, { weight: 2 as never }), 'option/invalid'],
    ['weights of NaN', (z, y) => nn.nll(z, y, { weight: [1, 2, 3, NaN, 5] }), 'option/invalid'],
    ['smoothing above 1', (z, y) => nn.softmaxCrossEntropy(z, y, { labelSmoothing: 1.5 }), 'option/invalid'],
    ['a fractional ignoreIndex', (z, y) => nn.softmaxCrossEntropy(z, y, { ignoreIndex: 0.5 }), 'option/invalid'],
    ['ignoreIndex of probabilities', (z) => nn.softmaxCrossEntropy(z, z, { ignoreIndex: 1 }), 'option/invalid'],
    ['probabilities of another dtype', (z) => nn.softmaxCrossEntropy(z, zeros(z, 'f64', 4, 5)), 'dtype/mismatch'],
    ['probabilities of another shape', (z) => nn.softmaxCrossEntropy(z, zeros(z, 'f32', 4, 4)), 'dtype/mismatch'],
    ['p 3', (z, y) => nn.multiMargin(z, y, { p: 3 as never }), 'option/invalid'],
    ['one advantage too few', (z, y) => nn.reinforce(z, y, zeros(z, 'f32', 3)), 'shape/mismatch'],
    ['smoothL1 of a negative beta', (z) => nn.smoothL1(z, z, { beta: -1 }), 'option/invalid'],
    ['huber of delta 0', (z) => nn.huber(z, z, { delta: 0 }), 'option/invalid'],
    ['tripletMargin of p below 1', (z) => nn.tripletMargin(z, z, z, { p: 0.5 }), 'option/invalid'],
    ['cosines along no axis', (z) => nn.cosineSimilarity(z, z, { axis: 2 }), 'shape/axis'],
    ['cosines of eps 0', (z) => nn.cosineSimilarity(z, z, { eps: 0 }), 'option/invalid'],
    ['one sign too few', (z) => nn.cosineEmbedding(z, z, zeros(z, 'i32', 3)), 'shape/mismatch'],
    ['scalar batches', (z) => nn.klDivergence(zeros(z, 'f32'), zeros(z, 'f32'), { reduction: 'batchmean' }), 'shape/mismatch'],
    ['penalties without a list', (z) => nn.l2Penalty(z, z as never), 'option/invalid'],
    ['penalties of numbers', (z) => nn.l1Penalty(z, [1 as never]), 'operand/invalid'],
    ['penalties of integers', (z, y) => nn.l1Penalty(z, [y]), 'dtype/unsupported'],
  ])('refuses %s', (_, body, code) => {
    const build = new Builder()
    const [z, y] = [build.input('z', { dtype: 'f32', shape: [4, 5] }), build.input('y', { dtype: 'i32', shape: [4] })]
    expect(refusal(() => body(z, y)).code).toBe(code)
  })
  const zeros = (z: Tensor, dtype: 'f32' | 'f64' | 'i32', ...shape: number[]): Tensor => z.builder.zeros({ dtype, shape })
})

describe('distances', () => {
  test('cosine similarity: gradients, broadcasting, any magnitude, zero vectors', () => {
    expectSlopes((x, y) => nn.cosineSimilarity(x, y), [a, b])
    expectSlopes((x, y) => nn.cosineSimilarity(x, y, { axis: 0 }), [a, b])
    expectSlopes((x, y) => nn.cosineSimilarity(x, y), [{ ...a, shape: [4, 1, 3] }, { ...b, shape: [1, 4, 3] }])
    // Norms below eps are constants.
    expectSlopes((x, y) => nn.cosineSimilarity(x, y, { eps: 50 }), [a, b])
    for (const size of [1e-200, 1e-9, 1e200]) {
      const scaled = given([3, 4].map((v) => v * size))
      const { value, gradients } = slopesOf((x, y) => nn.cosineSimilarity(x, y, { eps: 1e-300 }), [scaled, given([4, 3])])
      expect(value[0]).toBeCloseTo(0.96, 14)
      expect(gradients.flat().every(Number.isFinite)).toBe(true)
    }
    const zero = slopesOf((x, y) => nn.cosineSimilarity(x, y), [given([0, 0]), given([1, 2])])
    expect(zero.value).toEqual([0])
    expect(zero.gradients.flat().every(Number.isFinite)).toBe(true)
    const empty = given([], 2, 0)
    expect(refusal(() => valueOf((x, y) => nn.cosineSimilarity(x, y), [empty, empty])).code).toBe('shape/invalid')
  })

  test('a distance of 0 has no gradient instead of NaN', () => {
    for (const p of [1, 2, 3, Infinity]) {
      const same = given([1, 2, 3])
      const { value, gradients } = slopesOf((x, y) => nn.tripletMargin(x, x, y, { eps: 0, p }), [same, same])
      expect(value).toEqual([1])
      expect(gradients.flat().every(Number.isFinite)).toBe(true)
    }
  })

  test('cosineEmbedding takes labels of its dtype too; others cost nothing', () => {
    const of = (s: Given): number[] => valueOf((x, y, l) => nn.cosineEmbedding(x, y, l, { reduction: 'none' }), [a, b, s])
    expect(of(given([1, -1, 1, -1]))).toEqual(of(labelled([1, -1, 1, -1])))
    expect(of(labelled([0, 2, 7, 0]))).toEqual([0, 0, 0, 0])
  })
})

describe('divergence', () => {
  test('nothing expected costs nothing, also of an impossible class', () => {
    const sure = given([0, -Infinity])
    const { value, gradients } = slopesOf((x, y) => nn.klDivergence(x, y, { reduction: 'sum' }), [sure, given([1, 0])])
    expect(value).toEqual([0])
    expect(gradients.flat().every(Number.isFinite)).toBe(true)
    const logged = slopesOf((x, y) => nn.klDivergence(x, y, { logTarget: true, reduction: 'sum' }), [sure, sure])
    expect(logged.value).toEqual([0])
    expect(logged.gradients.flat().every(Number.isFinite)).toBe(true)
  })

  test('batchmean is the sum over the first extent', () => {
    const of = (reduction: 'sum' | 'batchmean'): number =>
      valueOf((x, y) => nn.klDivergence(x, y, { reduction }), [rows, probabilities])[0]
    expect(of('batchmean')).toBeCloseTo(of('sum') / 4, 14)
  })
})

describe('penalties', () => {
  const net = nn.sequential(nn.linear(2, 2, { dtype: 'f64' }), nn.prelu(1, { dtype: 'f64' }))
  const x = new Builder().input('x', { dtype: 'f64', shape: [1] })
  const states = { '0.weight': [1, -2, 3, 0], '0.bias': [-1, 1], '1.weight': [0.5], x: [1] }

  test('over parameters and tensors', () => {
    const both = [nn.l1Penalty(x, net.parameters), nn.l2Penalty(x, [...net.parameters, x])]
    expect(numbersOf(both, states)).toEqual([[8.5], [8.625]])
  })

  test('the gradient of l2 is the weight, of l1 its sign', () => {
    const w = net.parameters[0].of(x)
    const gradients = [nn.l2Penalty(x, net.parameters), nn.l1Penalty(x, net.parameters)].map((p) => grad(p, w))
    expect(numbersOf(gradients, states)).toEqual([[1, -2, 3, 0], [1, -1, 1, 0]])
  })

  test('leave out what is not trained; of nothing they are 0', () => {
    const mean = new nn.Parameter('mean', [2], nn.init.ones, { trainable: false })
    expect(numbersOf([nn.l1Penalty(x, [mean]), nn.l2Penalty(x, [])], states)).toEqual([[0], [0]])
    expect(refusal(() => nn.l1Penalty(x, [new Builder().input('y', { dtype: 'f64', shape: [2] })])).code).toBe('build/foreign')
  })
})

describe('reinforce', () => {
  test('no gradient flows through the advantages; masked actions are impossible', () => {
    const build = new Builder()
    const [z, y] = [build.input('z', { dtype: 'f64', shape: [1, 3] }), build.input('y', { dtype: 'i32', shape: [1] })]
    const adv = build.input('adv', { dtype: 'f64', shape: [1] })
    const loss = nn.reinforce(z, y, adv, { entropyBonus: 1 })
    expect(refusal(() => grad(loss, adv)).code).toBe('grad/independent')
    const [[value], g] = numbersOf([loss, grad(loss, z)], { z: [0, -Infinity, 0], y: [2], adv: [3] })
    expect(value).toBeCloseTo(3 * Math.LN2 - Math.LN2, 14)
    // The entropy is greatest here, so that only −adv·(onehot − π) is left.
    g.forEach((v, i) => expect(v).toBeCloseTo([1.5, 0, -1.5][i], 14))
  })
})

test('perplexity of even odds is their number', () => {
  const even = given(new Array<number>(20).fill(3), 4, 5)
  expect(slopesOf((x, y) => nn.perplexity(x, y), [even, labels]).value[0]).toBeCloseTo(5, 13)
  expect(slopesOf((x, y) => nn.perplexity(x, y, { ignoreIndex: 4 }), [even, labels]).value[0]).toBeCloseTo(5, 13)
})

test('empty batches: a sum is 0, a mean NaN', () => {
  const empty = given([], 0, 3)
  for (const f of [nn.mse, nn.mae, nn.huber, nn.binaryCrossEntropyWithLogits, nn.hinge, nn.klDivergence] as Loss[]) {
    expect(slopesOf((x, y) => f(x, y, { reduction: 'sum' }), [empty, empty]).value).toEqual([0])
    expect(slopesOf((x, y) => f(x, y), [empty, empty]).value).toEqual([NaN])
  }
  expect(slopesOf((x, y) => nn.softmaxCrossEntropy(x, y, { reduction: 'sum' }), [empty, labelled([], 0)]).value).toEqual([0])
})
