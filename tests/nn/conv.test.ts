// Convolutions: values against plain loops, gradients against differences, shapes, and what the compiler makes of them.
// GRADC_SEED=n draws other samples. PyTorch's own numbers are in tests/golden/convolution.test.ts.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { topological, type Node } from '../../src/ir/graph.ts'
import { mul } from '../../src/ir/lang/pointwise.ts'
import { sum } from '../../src/ir/lang/reduce.ts'
import { sizeOf, type Shape } from '../../src/ir/types.ts'
import * as nn from '../../src/nn/index.ts'
import { grad } from '../../src/passes/differentiate/gradient.ts'
import { numbersOf, type Numbers } from '../passes/numbers.ts'

const RUNS = { seed: Number(process.env.GRADC_SEED ?? 20261121), numRuns: 60 }
const f64 = (...shape: number[]) => ({ dtype: 'f64', shape }) as const
const input = (...shape: number[]): Node => new Builder().input('x', { dtype: 'f32', shape })
const list = <T>(n: number, f: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => f(i))
/** Small integers without a pattern: sums of their products are exact in any order. */
const numbers = (n: number, seed: number): number[] => list(n, (i) => Math.round(Math.sin(seed * 12.9898 + i * 78.233) * 9))

interface Config {
  readonly n: number
  readonly groups: number
  readonly c: number
  readonly o: number
  readonly extent: readonly number[]
  readonly kernel: readonly number[]
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  readonly padding: readonly number[]
}

/** Two spatial axes; one axis of the kernel may reach beyond the input, which the caller filters. */
const config: fc.Arbitrary<Config> = fc.record({
  n: fc.integer({ min: 0, max: 2 }),
  groups: fc.integer({ min: 1, max: 3 }),
  c: fc.integer({ min: 1, max: 2 }),
  o: fc.integer({ min: 1, max: 2 }),
  extent: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })),
  kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  dilation: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
  padding: fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 })),
})
const reach = ({ kernel, dilation }: Config): number[] => kernel.map((k, i) => (k - 1) * dilation[i] + 1)
const positions = (c: Config): number[] =>
  c.extent.map((e, i) => Math.floor((e + 2 * c.padding[i] - reach(c)[i]) / c.stride[i]) + 1)

/** All index tuples of a shape. */
const every = (shape: Shape): number[][] =>
  shape.reduce<number[][]>((all, d) => all.flatMap((p) => list(d, (i) => [...p, i])), [[]])
const at = (shape: Shape, index: readonly number[]): number => index.reduce((flat, i, a) => flat * shape[a] + i, 0)

/** Calls back with every product that a convolution adds: flat places in y, x and weight. */
function products(c: Config, visit: (y: number, x: number, w: number) => void): void {
  const [xs, ws] = [[c.n, c.groups * c.c, ...c.extent], [c.groups * c.o, c.c, ...c.kernel]]
  const ys = [c.n, c.groups * c.o, ...positions(c)]
  for (const [n, g, o, i, h, w, kh, kw] of every([c.n, c.groups, c.o, c.c, ...positions(c), ...c.kernel])) {
    const from = [h, w].map((p, a) => p * c.stride[a] + [kh, kw][a] * c.dilation[a] - c.padding[a])
    if (from.some((f, a) => f < 0 || f >= c.extent[a])) continue
    visit(at(ys, [n, g * c.o + o, h, w]), at(xs, [n, g * c.c + i, ...from]), at(ws, [g * c.o + o, i, kh, kw]))
  }
}

describe('convolve', () => {
  test('is the plain loops, and so are its gradients', () => {
    fc.assert(fc.property(config.filter((c) => positions(c).every((p) => p >= 1)), (c) => {
      const b = new Builder()
      const x = b.input('x', f64(c.n, c.groups * c.c, ...c.extent))
      const weight = b.input('weight', f64(c.groups * c.o, c.c, ...c.kernel))
      const bias = b.input('bias', f64(c.groups * c.o))
      const { stride, dilation, padding, groups } = c
      const y = nn.convolve(x, weight, { stride, dilation, padding, groups, bias })
      expect(y.shape).toEqual([c.n, c.groups * c.o, ...positions(c)])
      const ct = b.input('ct', y)
      const given = list(4, (i) => numbers(sizeOf([x, weight, bias, ct][i].shape), i + 1))
      const known: Numbers = { x: given[0], weight: given[1], bias: given[2], ct: given[3] }
      const actual = numbersOf([y, ...grad(sum(mul(y, ct)), [x, weight, bias])], known)
      const zero = (node: Node): number[] => new Array<number>(sizeOf(node.shape)).fill(0)
      const area = sizeOf(positions(c))
      const expected = [zero(y).map((_, i) => given[2][Math.floor(i / area) % bias.shape[0]]), zero(x), zero(weight), zero(bias)]
      products(c, (yi, xi, wi) => {
        expected[0][yi] += given[0][xi] * given[1][wi]
        expected[1][xi] += given[3][yi] * given[1][wi]
        expected[2][wi] += given[3][yi] * given[0][xi]
      })
      given[3].forEach((v, i) => (expected[3][Math.floor(i / area) % bias.shape[0]] += v))
      expect(actual.map((v) => v.map((e) => e + 0))).toEqual(expected)
    }), RUNS)
  })

  test('transposed is its gradient by the input: ⟨conv(u), v⟩ = ⟨u, convTransposed(v)⟩', () => {
    fc.assert(fc.property(config.filter((c) => positions(c).every((p) => p >= 1)), (c) => {
      const b = new Builder()
      const u = b.input('u', f64(c.n, c.groups * c.c, ...c.extent))
      const v = b.input('v', f64(c.n, c.groups * c.o, ...positions(c)))
      const weight = b.input('weight', f64(c.groups * c.o, c.c, ...c.kernel))
      const { stride, dilation, padding, groups } = c
      // What the stride swallowed at the end comes back by outputPadding.
      const outputPadding = c.extent.map((e, i) => (e + 2 * c.padding[i] - reach(c)[i]) % c.stride[i])
      const back = nn.convolveTransposed(v, weight, { stride, dilation, padding, groups, outputPadding })
      expect(back.shape).toEqual(u.shape)
      const forth = nn.convolve(u, weight, { stride, dilation, padding, groups })
      const known = { u: numbers(sizeOf(u.shape), 1), v: numbers(sizeOf(v.shape), 2), weight: numbers(sizeOf(weight.shape), 3) }
      const [[left], [right]] = numbersOf([sum(mul(forth, v)), sum(mul(u, back))], known)
      expect(left).toBe(right)
      // The gradient of the transposed one by its input is the convolution again.
      const [g, y] = numbersOf([grad(sum(mul(back, u)), v), forth], known)
      expect(g).toEqual(y)
    }), RUNS)
  })

  test('gradients of the transposed one by weight and bias: differences of a bilinear function are exact', () => {
    const b = new Builder()
    const x = b.input('x', f64(2, 4, 3, 2))
    const weight = b.input('weight', f64(4, 3, 2, 3))
    const bias = b.input('bias', f64(6))
    const y = nn.convolveTransposed(x, weight, { stride: 2, padding: [0, 1], outputPadding: [1, 0], groups: 2, bias })
    const loss = sum(mul(y, b.input('ct', y)))
    const known: Record<string, number[]> = {
      x: numbers(48, 1), weight: numbers(72, 2), bias: numbers(6, 3), ct: numbers(sizeOf(y.shape), 4),
    }
    const gradients = numbersOf(grad(loss, [x, weight, bias]), known)
    ;['x', 'weight', 'bias'].forEach((name, which) => {
      known[name].forEach((v, i) => {
        const moved = (by: number): number => numbersOf([loss], { ...known, [name]: known[name].with(i, v + by) })[0][0]
        expect(gradients[which][i]).toBe((moved(1) - moved(-1)) / 2)
      })
    })
  })

  test('second derivatives: that of Σ y² by x along d is 2·convᵀ(conv(d))', () => {
    const b = new Builder()
    const [x, d, weight] = [b.input('x', f64(1, 2, 5, 4)), b.input('d', f64(1, 2, 5, 4)), b.input('weight', f64(3, 2, 3, 2))]
    const conv = (v: Node): Node => nn.convolve(v, weight, { stride: 2, padding: 1 })
    const first = grad(sum(mul(conv(x), conv(x))), x)
    const second = grad(sum(mul(first, d)), x)
    const half = nn.convolveTransposed(conv(d), weight, { stride: 2, padding: 1, outputPadding: [0, 0] })
    const known = { x: numbers(40, 1), d: numbers(40, 2), weight: numbers(36, 3) }
    const [s, h] = numbersOf([second, half], known)
    expect(half.shape).toEqual(x.shape)
    expect(s).toEqual(h.map((v) => 2 * v))
  })

  test('NaN and infinities reach the windows that see them, no others', () => {
    const b = new Builder()
    const [x, weight] = [b.input('x', f64(1, 1, 5)), b.input('weight', f64(1, 1, 2))]
    const [y] = numbersOf([nn.convolve(x, weight)], { x: [1, NaN, 3, 4, Infinity], weight: [1, 1] })
    expect(y).toEqual([NaN, NaN, 7, Infinity])
  })

  test('integers too', () => {
    const b = new Builder()
    const [x, weight] = [b.input('x', { dtype: 'i32', shape: [1, 1, 3] }), b.input('weight', { dtype: 'i32', shape: [1, 1, 2] })]
    expect(numbersOf([nn.convolve(x, weight, { padding: 1 })], { x: [1, 2, 3], weight: [10, 1] })).toEqual([[1, 12, 23, 30]])
  })
})

describe('layers', () => {
  test('names, shapes and order of parameters are those of PyTorch', () => {
    const shapes = (layer: nn.Layer): object => Object.fromEntries(layer.parameters.map((p) => [p.name, p.type.shape]))
    expect(shapes(nn.conv1d(4, 6, 5, { groups: 2 }))).toEqual({ weight: [6, 2, 5], bias: [6] })
    expect(shapes(nn.conv2d(4, 6, [3, 5]))).toEqual({ weight: [6, 4, 3, 5], bias: [6] })
    expect(shapes(nn.conv3d(1, 2, 3, { bias: false }))).toEqual({ weight: [2, 1, 3, 3, 3] })
    expect(shapes(nn.convTranspose1d(4, 6, 5))).toEqual({ weight: [4, 6, 5], bias: [6] })
    expect(shapes(nn.convTranspose2d(4, 6, 3, { groups: 2 }))).toEqual({ weight: [4, 3, 3, 3], bias: [6] })
    expect(shapes(nn.convTranspose3d(4, 6, 2))).toEqual({ weight: [4, 6, 2, 2, 2], bias: [6] })
    const net = nn.sequential(nn.conv2d(1, 4, 3), nn.relu, nn.maxPool2d(2), nn.flatten(), nn.linear(4 * 13 * 13, 10))
    expect(net.parameters.map((p) => p.name)).toEqual(['0.weight', '0.bias', '4.weight', '4.bias'])
    expect(net(input(2, 1, 28, 28)).shape).toEqual([2, 10])
  })

  test('start uniform in ±1/√fan in, the fan in that PyTorch counts', () => {
    // fan in: the kernel's elements times the weight's second extent, for transposed ones too.
    const layers = [[nn.conv2d(8, 32, 3, { groups: 2 }), 36], [nn.convTranspose2d(32, 16, 3, { groups: 2 }), 72]] as const
    for (const [layer, fan] of layers) {
      for (const { init, type } of layer.parameters) {
        const b = new Builder()
        const node = init(b, type, b.input('key', { dtype: 'u32', shape: [2] }))
        const largest = Math.max(...numbersOf([node], { key: [1, 2] }, 'declared')[0].map(Math.abs))
        expect(largest * Math.sqrt(fan)).toBeLessThanOrEqual(1 + 1e-6)
        expect(largest * Math.sqrt(fan)).toBeGreaterThan(0.85)
      }
    }
  })

  test.each([
    ['conv2d', nn.conv2d(2, 3, 3), [4, 2, 8, 9], [4, 3, 6, 7]],
    ['same', nn.conv2d(2, 3, [4, 3], { padding: 'same', dilation: [1, 3] }), [4, 2, 8, 9], [4, 3, 8, 9]],
    ['valid', nn.conv2d(2, 3, 3, { padding: 'valid', stride: 2 }), [4, 2, 8, 9], [4, 3, 3, 4]],
    ['the whole input', nn.conv2d(2, 3, [8, 9]), [4, 2, 8, 9], [4, 3, 1, 1]],
    ['an empty batch', nn.conv2d(2, 3, 3, { padding: 1 }), [0, 2, 8, 9], [0, 3, 8, 9]],
    ['padding alone', nn.conv1d(2, 3, 2, { padding: 1 }), [1, 2, 0], [1, 3, 1]],
    ['conv3d', nn.conv3d(2, 3, 2, { stride: 2 }), [1, 2, 4, 5, 6], [1, 3, 2, 2, 3]],
    ['transposed', nn.convTranspose2d(2, 3, 3, { stride: 2, padding: 1, outputPadding: 1 }), [1, 2, 5, 6], [1, 3, 10, 12]],
    ['transposed, an empty batch', nn.convTranspose1d(2, 4, 2, { groups: 2 }), [0, 2, 5], [0, 4, 6]],
  ] as const)('extents: %s', (_, layer, given, result) => {
    expect(layer(input(...given)).shape).toEqual(result)
  })

  test('of other element types', () => {
    const x = new Builder().input('x', f64(1, 2, 4, 4))
    expect(nn.conv2d(2, 3, 3, { dtype: 'f64' })(x).dtype).toBe('f64')
  })

  test('paddings of other modes', () => {
    const b = new Builder()
    const [x, weight] = [b.input('x', f64(1, 1, 4)), b.input('weight', f64(1, 1, 1))]
    const around = (paddingMode: nn.PaddingMode): number[] =>
      numbersOf([nn.convolve(x, weight, { padding: 3, paddingMode })], { x: [1, 2, 3, 4], weight: [1] })[0]
    expect(around('zeros')).toEqual([0, 0, 0, 1, 2, 3, 4, 0, 0, 0])
    expect(around('reflect')).toEqual([4, 3, 2, 1, 2, 3, 4, 3, 2, 1])
    expect(around('circular')).toEqual([2, 3, 4, 1, 2, 3, 4, 1, 2, 3])
    expect(around('replicate')).toEqual([1, 1, 1, 1, 2, 3, 4, 4, 4, 4])
  })
})

describe('the graph', () => {
  const opsOf = (y: Node): string[] => topological([y]).map((n) => n.op)
  const count = (y: Node, op: string): number => opsOf(y).filter((o) => o === op).length

  test.each([
    ['plain', { padding: 1 }],
    ['strided and dilated', { padding: 2, stride: 2, dilation: 2 }],
    ['grouped', { padding: 1, groups: 2 }],
    ['depthwise', { padding: 1, groups: 4 }],
  ] as const)('one contraction over a window view, one pad: %s', (_, options) => {
    const y = nn.conv2d(4, 4, 3, options)(input(2, 4, 9, 9))
    expect([count(y, 'contract'), count(y, 'window'), count(y, 'pad')]).toEqual([1, 1, 1])
  })

  test('without padding nothing is padded', () => {
    expect(opsOf(nn.conv2d(4, 4, 3)(input(2, 4, 9, 9)))).not.toContain('pad')
  })
})
