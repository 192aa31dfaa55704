import { describe, expect, test } from 'vitest'
import { compile, f32, fn, nn } from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { Init } from '../../src/ir/graph.ts'
import type { DType, Shape } from '../../src/ir/types.ts'
import { lowerTail, normalQuantile } from '../../src/nn/init/quantile.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'

const { init } = nn
const KEY = [0x243f6a88, 0x85a308d3]
const draw = (make: Init, shape: Shape, { dtype = 'f32', key = KEY }: { dtype?: DType; key?: number[] } = {}): number[] => {
  const b = new Builder()
  const node = make(b, { dtype, shape }, b.input('key', { dtype: 'u32', shape: [2] }))
  expect([node.dtype, node.shape]).toEqual([dtype, shape])
  return numbersOf([node], { key }, 'declared')[0]
}
const moments = (xs: readonly number[]): { mean: number; std: number } => {
  const mean = xs.reduce((s, x) => s + x, 0) / xs.length
  return { mean, std: Math.sqrt(xs.reduce((s, x) => s + (x - mean) ** 2, 0) / xs.length) }
}
type Inits = Readonly<Record<string, readonly [Init, Shape]>>
/** First values of states of compiled programs. */
async function compiled(inits: Inits, target: 'wasm' | 'js', seed = 0): Promise<Record<string, Float32Array>> {
  const parameters = Object.entries(inits).map(([name, [make, shape]]) => new nn.Parameter(name, shape, make))
  const f = fn({ x: f32() }, ({ x }) => Object.fromEntries(parameters.map((p) => [p.name, p.of(x)])))
  const model: any = await compile({ f }, { target, seed, verify: true }).load()
  return Object.fromEntries(Object.keys(inits).map((name) => [name, Float32Array.from(model.state[name])]))
}

describe('the normal distribution', () => {
  // Values of Mathematica's CDF[NormalDistribution[], z].
  test.each([
    [0, 0.5], [-1, 0.15865525393145705], [-2.5, 0.006209665325776132], [-2.6, 0.004661188023718749], [-5, 2.866515718791939e-7],
    [-11, 1.9106595744986566e-28], [1.5, 0.9331927987311419], [-Infinity, 0],
  ])('Φ(%d)', (z, wanted) => {
    expect(Math.abs(lowerTail(z) - wanted)).toBeLessThanOrEqual(1e-13 * wanted)
  })

  test('the quantile is its inverse, from the deep tail to the centre', () => {
    const b = new Builder()
    const [offset, tail] = ['offset', 'tail'].map((k) => b.input(k, { dtype: 'f64', shape: [9] }))
    const zs = [-11, -7, -5.5, -3, -1.5, -0.3, 0, 0.4, 2]
    const ps = zs.map((z) => lowerTail(z))
    const given = { offset: ps.map((p) => p - 0.5), tail: ps.map((p) => Math.min(p, 1 - p)) }
    const [found] = numbersOf([normalQuantile(offset, tail, true)], given)
    found.forEach((z, i) => expect(Math.abs(z - zs[i])).toBeLessThan(1e-12))
  })
})

describe('truncatedNormal', () => {
  const N = 4000
  // Mean and deviation as scipy.stats.truncnorm gives them.
  test.each([
    ['by default', [], 0, 0.8796256610342398, -2, 2],
    ['asymmetric, across the mean', [1, 2, 0, 5], 1.89148755654503, 1.2273448352224992, 0, 5],
    ['an upper tail', [0, 1, 3, 4], 3.2604542855900243, 0.2219860215810495, 3, 4],
    ['a deep lower tail', [0, 1, -9, -8], -8.121188992979867, 0.11894764723259385, -9, -8],
    ['open above', [0, 1, 0.5, Infinity], 1.1410777703680648, 0.5181509501640216, 0.5, Infinity],
  ] as const)('%s', (_, options, mean, std, low, high) => {
    for (const dtype of ['f32', 'f64'] as const) {
      const xs = draw(init.truncatedNormal(...(options as readonly number[])), [N], { dtype })
      expect(xs.every((x) => x >= low && x <= high)).toBe(true)
      const found = moments(xs)
      expect(Math.abs(found.mean - mean)).toBeLessThan((5 * std) / Math.sqrt(N))
      expect(Math.abs(found.std / std - 1)).toBeLessThan(0.05)
    }
  })

  test('its distribution function is that of the normal', () => {
    const xs = draw(init.truncatedNormal(0, 1, -1, 2.5), [N]).sort((x, y) => x - y)
    const [from, to] = [lowerTail(-1), lowerTail(2.5)]
    const gap = xs.reduce((worst, x, i) => Math.max(worst, Math.abs((i + 0.5) / N - (lowerTail(x) - from) / (to - from))), 0)
    // Kolmogorov's statistic: 1.95/√N is exceeded once in a thousand; the draw is fixed.
    expect(gap).toBeLessThan(1.95 / Math.sqrt(N))
    expect(new Set(xs).size).toBeGreaterThan(N - 20)
  })

  test('f32 draws what f64 draws', () => {
    const [narrow, wide] = (['f32', 'f64'] as const).map((dtype) => draw(init.truncatedNormal(), [2000], { dtype }))
    narrow.forEach((x, i) => expect(Math.abs(x - wide[i])).toBeLessThan(2e-6))
  })

  test.each([
    ['a above b', () => init.truncatedNormal(0, 1, 2, -2)],
    ['no deviation', () => init.truncatedNormal(0, 0)],
    ['NaN', () => init.truncatedNormal(0, 1, NaN)],
    ['a word', () => init.truncatedNormal(0, 1, -2, '2' as never)],
    ['an interval where nothing is', () => init.truncatedNormal(3, 0.05)],
    ['an interval above where nothing is', () => init.truncatedNormal(0, 1, 12, 13)],
  ])('refuses %s', (_, body) => {
    expect(refusal(body).code).toBe('option/invalid')
  })
})

describe('scaled', () => {
  test.each([
    ['lecunNormal', init.lecunNormal(), [100, 200], Math.sqrt(1 / 200)],
    ['lecunUniform', init.lecunUniform(), [100, 200], Math.sqrt(1 / 200)],
    ['heNormal for tanh', init.heNormal({ nonlinearity: 'tanh' }), [100, 200], 5 / 3 / Math.sqrt(200)],
    ['kaimingUniform for selu', init.kaimingUniform({ nonlinearity: 'selu', mode: 'fan_out' }), [100, 200], 0.075],
    ['glorotNormal', init.glorotNormal(), [100, 200], Math.sqrt(2 / 300)],
  ] as const)('%s', (_, make, shape, deviation) => {
    const { mean, std } = moments(draw(make, shape))
    expect(Math.abs(mean)).toBeLessThan((5 * deviation) / Math.sqrt(20_000))
    expect(Math.abs(std / deviation - 1)).toBeLessThan(0.03)
  })

  test('other names draw the same numbers', () => {
    expect(draw(init.glorotUniform(), [5, 4])).toEqual(draw(init.xavierUniform(), [5, 4]))
    expect(draw(init.kaimingNormal({ a: 1 }), [5, 4])).toEqual(draw(init.heNormal({ a: 1 }), [5, 4]))
  })

  test('gains are those of PyTorch', () => {
    const names = ['linear', 'conv2d', 'sigmoid', 'tanh', 'relu', 'selu', 'leaky_relu'] as const
    expect(names.map((n) => init.calculateGain(n))).toEqual([1, 1, 1, 5 / 3, Math.SQRT2, 0.75, Math.sqrt(2 / 1.0001)])
    expect(init.calculateGain('leaky_relu', 1)).toBe(1)
    expect(refusal(() => init.calculateGain('gelu' as never)).code).toBe('option/invalid')
    expect(refusal(() => init.calculateGain('toString' as never)).code).toBe('option/invalid')
    expect(refusal(() => init.heNormal({ nonlinearity: 'swish' as never })).code).toBe('option/invalid')
    expect(refusal(() => init.heNormal({ a: NaN })).code).toBe('option/invalid')
  })
})

describe('eye and dirac', () => {
  test('eye', () => {
    expect(draw(init.eye, [2, 3])).toEqual([1, 0, 0, 0, 1, 0])
    expect(draw(init.eye, [3, 2], { dtype: 'i32' })).toEqual([1, 0, 0, 1, 0, 0])
    expect(draw(init.eye, [0, 2])).toEqual([])
    expect(refusal(() => draw(init.eye, [3])).code).toBe('shape/mismatch')
    expect(refusal(() => (init.eye as unknown as () => Init)()).code).toBe('option/invalid')
  })

  test('dirac keeps channels, of each group its own', () => {
    expect(draw(init.dirac(), [2, 3, 3])).toEqual([[0, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0]].flat())
    // torch.nn.init.dirac_(torch.empty(4, 2, 2, 1), 2)
    expect(draw(init.dirac({ groups: 2 }), [4, 2, 2, 1])).toEqual([0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1])
    expect(refusal(() => draw(init.dirac(), [3, 3])).code).toBe('shape/mismatch')
    expect(refusal(() => draw(init.dirac({ groups: 2 }), [3, 3, 3])).code).toBe('shape/mismatch')
    expect(refusal(() => init.dirac({ groups: 0 })).code).toBe('option/invalid')
  })
})

describe('orthogonal', () => {
  /** The largest distance of W·Wᵀ (or Wᵀ·W, if that is smaller) from gain²·I. */
  const error = (w: ArrayLike<number>, rows: number, columns: number, gain = 1): number => {
    const wide = rows <= columns
    const n = wide ? rows : columns
    const at = (i: number, k: number): number => (wide ? w[i * columns + k] : w[k * columns + i])
    let worst = 0
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        let dot = 0
        for (let k = 0; k < Math.max(rows, columns); k++) dot += at(i, k) * at(j, k)
        worst = Math.max(worst, Math.abs(dot - (i === j ? gain * gain : 0)))
      }
    }
    return worst
  }

  const SIZES = [[1, 1], [1, 5], [5, 1], [2, 2], [4, 4], [3, 7], [7, 3], [9, 8]] as const
  test.each(SIZES)('%d × %d, from many seeds, in f32 and f64', (rows, columns) => {
    for (let seed = 0; seed < 12; seed++) {
      const key = [seed * 7919, 17]
      expect(error(draw(init.orthogonal(), [rows, columns], { key }), rows, columns)).toBeLessThan(3e-6)
      const twice = draw(init.orthogonal({ gain: 2 }), [rows, columns], { key, dtype: 'f64' })
      expect(error(twice, rows, columns, 2)).toBeLessThan(1e-12)
    }
  })

  test('signs and places are even: it is no rotation near the identity', () => {
    const corner = Array.from({ length: 200 }, (_, seed) => draw(init.orthogonal(), [2, 2], { key: [seed, 3] }))
    const { mean, std } = moments(corner.map((w) => w[0]))
    // cos of an even angle: mean 0, deviation 1/√2.
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(2 * 200))
    expect(Math.abs(std - Math.SQRT1_2)).toBeLessThan(0.06)
    const reflections = corner.filter(([x, y, z, w]) => x * w - y * z < 0).length
    expect(Math.abs(reflections - 100)).toBeLessThan(5 * Math.sqrt(50))
  })

  test('compiled: within 1e-5 at the sizes of layers', async () => {
    const layers: [string, number[]][] = [['wide', [64, 128]], ['wider', [128, 512]], ['square', [96, 96]], ['tall', [128, 64]]]
    const make = init.orthogonal({ gain: 1.5 })
    const found = await compiled(Object.fromEntries(layers.map(([k, shape]) => [k, [make, shape]])), 'wasm')
    for (const [name, [rows, columns]] of layers) expect(error(found[name], rows, columns, 1.5), name).toBeLessThan(1e-5)
  })

  test('refuses biases and integers; an empty weight is empty', () => {
    expect(refusal(() => draw(init.orthogonal(), [3])).code).toBe('shape/mismatch')
    expect(refusal(() => draw(init.orthogonal(), [3, 3], { dtype: 'i32' })).code).toBe('dtype/unsupported')
    expect(refusal(() => init.orthogonal({ gain: NaN })).code).toBe('option/invalid')
    expect(draw(init.orthogonal(), [0, 3])).toEqual([])
  })
})

test('every initialiser: the same bits on both targets, by seed', async () => {
  const inits = {
    uniform: [init.uniform(-1, 1), [40]],
    normal: [init.normal(), [40]],
    truncated: [init.truncatedNormal(), [200]],
    tail: [init.truncatedNormal(0, 1, 7, 9), [200]],
    xavier: [init.xavierNormal(), [6, 7]],
    he: [init.heUniform(), [6, 7]],
    lecun: [init.lecunNormal(), [6, 7]],
    eye: [init.eye, [3, 3]],
    dirac: [init.dirac(), [3, 3, 3]],
    orthogonal: [init.orthogonal(), [19, 40]],
    window: [init.orthogonal(), [8, 3, 3, 3]],
  } as const
  const [a, b] = [await compiled(inits, 'wasm', 1), await compiled(inits, 'js', 1)]
  const [again, other] = [await compiled(inits, 'wasm', 1), await compiled(inits, 'wasm', 2)]
  expect(b).toEqual(a)
  expect(again).toEqual(a)
  for (const name of Object.keys(inits)) {
    expect(a[name].every(Number.isFinite), name).toBe(true)
    if (name !== 'eye' && name !== 'dirac') expect(other[name], name).not.toEqual(a[name])
  }
})
