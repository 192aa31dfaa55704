import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compile, f32, fn, grad, nn, sum, type Tensor } from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import { topological } from '../../src/ir/graph.ts'
import { cast } from '../../src/ir/lang/pointwise.ts'
import { sizeOf, type DType, type Shape } from '../../src/ir/types.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'
import { draw, expectSlopes } from './norm-slopes.ts'

const attention = nn.scaledDotProductAttention
const input = (shape: Shape, dtype: DType = 'f32'): Tensor => new Builder().input('x', { dtype, shape })
const qkv = (q: Shape, k: Shape, v: Shape, dtype: DType = 'f64'): [Tensor, Tensor, Tensor] => {
  const b = new Builder()
  return [b.input('q', { dtype, shape: q }), b.input('k', { dtype, shape: k }), b.input('v', { dtype, shape: v })]
}
const dtype = 'f64'

/** Attention by hand: one batch, q [l][e], k [s][e], v [s][f]; `sees(i, j)` says what is allowed. */
function byHand(q: number[][], k: number[][], v: number[][], sees: (i: number, j: number) => boolean): number[] {
  return q.flatMap((row, i) => {
    const scores = k.map((key) => key.reduce((s, x, e) => s + x * row[e], 0) / Math.sqrt(row.length))
    const allowed = scores.map((s, j) => (sees(i, j) ? s : -Infinity))
    const top = Math.max(...allowed)
    const e = allowed.map((s) => (top === -Infinity ? 0 : Math.exp(s - top)))
    const total = e.reduce((s, x) => s + x, 0) || 1
    return v[0].map((_, f) => e.reduce((s, w, j) => s + w * v[j][f], 0) / total)
  })
}
const rows = (values: readonly number[], width: number): number[][] =>
  Array.from({ length: values.length / width }, (_, i) => values.slice(i * width, (i + 1) * width))

const upTo = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max })

describe('scaledDotProductAttention', () => {
  test('is softmax(q·kᵀ/√E)·v for any sizes and masks', () => {
    fc.assert(fc.property(
      fc.record({ l: upTo(4), s: upTo(4), e: upTo(3), f: upTo(3) }),
      fc.boolean(), fc.array(fc.boolean(), { minLength: 16, maxLength: 16 }), fc.integer({ min: 1, max: 99 }),
      ({ l, s, e, f }, causal, bits, seed) => {
        const [q, k, v] = qkv([l, e], [s, e], [s, f])
        const mask = q.builder.input('mask', { dtype: 'bool', shape: [l, s] })
        const given = { q: draw(l * e, seed), k: draw(s * e, seed + 1), v: draw(s * f, seed + 2) }
        const [y] = numbersOf([attention(q, k, v, { causal, mask })], { ...given, mask: bits.slice(0, l * s).map(Number) })
        const sees = (i: number, j: number): boolean => bits[i * s + j] && (!causal || j <= i)
        const hand = byHand(rows(given.q, e), rows(given.k, e), rows(given.v, f), sees)
        y.forEach((value, i) => expect(value).toBeCloseTo(hand[i], 12))
      },
    ), { numRuns: 60 })
  })

  test.each([
    ['plain', {}],
    ['causal', { causal: true }],
    ['scaled', { scale: -0.7 }],
  ])('gradients, %s', (_, options) => {
    expectSlopes({ inputs: { q: [2, 3, 2], k: [2, 4, 2], v: [2, 4, 3] }, of: ({ q, k, v }) => attention(q, k, v, options) })
  })

  test('gradients, masked by a mask with an empty row', () => {
    const of = ({ q, k, v }: Record<string, Tensor<'f64'>>): Tensor => {
      const mask = cast(q.builder.constant(Uint8Array.of(1, 0, 1, 0, 0, 0), { dtype: 'bool', shape: [2, 3] }), 'bool')
      return attention(q, k, v, { mask })
    }
    const gradients = expectSlopes({ inputs: { q: [2, 2], k: [3, 2], v: [3, 2] }, of })
    expect(gradients.q.slice(2)).toEqual([0, 0])
    expect(gradients.k.slice(2, 4)).toEqual([0, 0])
  })

  test('a float mask is added, and learned', () => {
    const inputs = { q: [2, 2], k: [3, 2], v: [3, 2], bias: [1, 3] }
    expectSlopes({ inputs, of: ({ q, k, v, bias }) => attention(q, k, v, { mask: bias }) })
  })

  test('what is masked plays no part, however large, in value and gradient', () => {
    const [q, k, v] = qkv([1, 1], [2, 1], [2, 1])
    const mask = q.builder.input('mask', { dtype: 'bool', shape: [1, 2] })
    const y = attention(q, k, v, { mask })
    const nodes = [y, ...grad(sum(y), [q, k, v])]
    expect(numbersOf(nodes, { q: [1], k: [-1e300, 1e300], v: [3, 1e300], mask: [1, 0] })).toEqual([[3], [0], [0, 0], [1, 0]])
    expect(numbersOf(nodes, { q: [1], k: [0, 0], v: [3, 4], mask: [0, 0] })).toEqual([[0], [0], [0, 0], [0, 0]])
  })

  test('large scores do not overflow; NaN spreads', () => {
    const [q, k, v] = qkv([1, 1], [2, 1], [2, 1])
    const y = attention(q, k, v)
    expect(numbersOf([y], { q: [1e3], k: [1e3, -1e3], v: [3, 5] })).toEqual([[3]])
    expect(numbersOf([y], { q: [1], k: [NaN, 1], v: [3, 5] })).toEqual([[NaN]])
  })

  test('leading axes broadcast: heads may share keys and values', () => {
    const [q, k, v] = qkv([2, 3, 4, 5], [2, 1, 6, 5], [1, 6, 2])
    expect(attention(q, k, v).shape).toEqual([2, 3, 4, 2])
  })

  test('the causal mask takes no bytes', () => {
    const specs = { q: f32(64, 8), k: f32(64, 8), v: f32(64, 8) }
    const net = fn(specs, ({ q, k, v }) => ({ y: attention(q, k, v, { causal: true }) }))
    expect(topological(net.graph.results.map((r) => r.node)).some((n) => n.op === 'constant')).toBe(false)
    expect(compile({ net }).memory.constantBytes).toBe(0)
  })

  test('dropout drops weights in training only, the same ones backward', async () => {
    const ones = { q: new Float32Array(80), k: new Float32Array(400), v: new Float32Array(800).fill(1) }
    const specs = { q: f32(20, 4), k: f32(100, 4), v: f32(100, 8) }
    const train = fn(specs, ({ q, k, v }) => {
      const y = attention(q, k, v, { dropout: 0.5 })
      return { y, g: grad(sum(y), v) }
    })
    const test = fn(specs, ({ q, k, v }) => ({ y: q.builder.evaluating(() => attention(q, k, v, { dropout: 0.5 })) }))
    const seen = await Promise.all((['wasm', 'js'] as const).map(async (target) => {
      const model = await compile({ train, test }, { target, verify: true }).load()
      model.test(ones).y.forEach((v) => expect(v).toBeCloseTo(1, 5))
      const { y, g } = model.train(ones)
      return { y: [...y], g: [...g] }
    }))
    expect(seen[1]).toEqual(seen[0])
    const [{ y, g }] = seen
    // Each of 20 results counts its kept weights, 2/100 each; each of 100 values is seen by its kept weights.
    const kept = y.filter((_, i) => i % 8 === 0).map((v) => Math.round(v * 50))
    expect(new Set(kept).size).toBeGreaterThan(3)
    expect(g.filter((_, i) => i % 8 === 0).reduce((s, v) => s + v * 50, 0)).toBeCloseTo(kept.reduce((s, n) => s + n, 0), 2)
  })
})

describe('multiHeadAttention', () => {
  test('gradients by all parameters', () => {
    const layer = nn.multiHeadAttention(4, 2, { dtype })
    expectSlopes({ inputs: { x: [2, 3, 4] }, of: ({ x }) => layer(x), layers: [layer] })
    const cross = nn.multiHeadAttention(2, 1, { dtype, kdim: 3, vdim: 1 })
    expectSlopes({ inputs: { q: [2, 2], k: [3, 3], v: [3, 1] }, of: ({ q, k, v }) => cross.attend(q, k, v), layers: [cross] })
  })

  test.each(['rotary', 'alibi'] as const)('%s positions: gradients, and order counts', (positions) => {
    const layer = nn.multiHeadAttention(4, 2, { dtype, positions, causal: true })
    expectSlopes({ inputs: { x: [3, 4] }, of: ({ x }) => layer(x), layers: [layer] })
  })

  test('alibi takes a mask, too', () => {
    const layer = nn.multiHeadAttention(2, 2, { dtype, positions: 'alibi' })
    const x = input([3, 2], dtype)
    const only = x.builder.input('mask', { dtype: 'bool', shape: [1, 1, 3] })
    const given = Object.fromEntries(layer.parameters.map((p) => [p.name, draw(sizeOf(p.type.shape))]))
    const [y] = numbersOf([layer.attend(x, x, x, { mask: only })], { ...given, x: draw(6), mask: [0, 1, 0] })
    // All queries see the second position only.
    expect(y.slice(0, 2)).toEqual(y.slice(2, 4))
    expect(y.slice(0, 2)).toEqual(y.slice(4, 6))
  })

  test('attending to itself is what the layer does', () => {
    const layer = nn.multiHeadAttention(4, 2, { dtype })
    const x = input([3, 4], dtype)
    expect(layer.attend(x, x, x)).toBe(layer(x))
  })

  test('rotary positions tell distances: what stands before, unseen, changes nothing', () => {
    const layer = nn.multiHeadAttention(4, 1, { dtype, positions: 'rotary' })
    const b = new Builder()
    const [short, long] = [3, 5].map((n) => b.input(`x${n}`, { dtype, shape: [n, 4] }))
    const mask = b.input('mask', { dtype: 'bool', shape: [1, 5] })
    const given = Object.fromEntries(layer.parameters.map((p) => [p.name, draw(sizeOf(p.type.shape))]))
    const values = draw(20)
    const nodes = [layer(short), layer.attend(long, long, long, { mask })]
    const [y, z] = numbersOf(nodes, { ...given, x3: values.slice(8), x5: values, mask: [0, 0, 1, 1, 1] })
    y.forEach((v, i) => expect(v).toBeCloseTo(z[8 + i], 12))
  })

  test.each(['none', 'rotary', 'alibi'] as const)('a causal layer does not see what follows, positions %s', (positions) => {
    const layer = nn.multiHeadAttention(4, 2, { dtype, causal: true, positions })
    const x = input([5, 4], dtype)
    const given = Object.fromEntries(layer.parameters.map((p) => [p.name, draw(sizeOf(p.type.shape))]))
    const at = (values: number[]): number[] => numbersOf([layer(x)], { ...given, x: values })[0]
    const values = draw(20)
    const [a, b] = [at(values), at([...values.slice(0, 12), ...draw(8, 9)])]
    expect(a.slice(0, 12)).toEqual(b.slice(0, 12))
    expect(a.slice(12)).not.toEqual(b.slice(12))
  })

  test('starts as PyTorch: Xavier in, He out, zero biases', async () => {
    const layer = nn.multiHeadAttention(32, 4)
    const { state } = await compile({ f: fn({ x: f32(2, 32) }, ({ x }) => ({ y: layer(x) })) }).load()
    const s = state as Record<string, Float32Array>
    const bound = (name: string): number => Math.max(...s[name].map(Math.abs))
    expect(bound('in_proj_weight')).toBeLessThanOrEqual(Math.sqrt(6 / 128) + 1e-6)
    expect(bound('in_proj_weight')).toBeGreaterThan(0.97 * Math.sqrt(6 / 128))
    expect(bound('out_proj.weight')).toBeLessThanOrEqual(1 / Math.sqrt(32) + 1e-6)
    expect([bound('in_proj_bias'), bound('out_proj.bias')]).toEqual([0, 0])
  })
})

describe('refusals', () => {
  const mha = (): nn.MultiHeadAttention => nn.multiHeadAttention(4, 2)
  test.each([
    ['features that differ', () => attention(...qkv([3, 4], [3, 5], [3, 4])), 'shape/contract', '4 features and keys 5'],
    ['more values than keys', () => attention(...qkv([3, 4], [3, 4], [5, 4])), 'shape/mismatch', '3 keys and 5 values'],
    ['vectors', () => attention(...qkv([4], [3, 4], [3, 4])), 'shape/mismatch', 'q is [..., L, E]'],
    ['no keys', () => attention(...qkv([3, 4], [0, 4], [0, 4])), 'shape/mismatch', 'at least one key'],
    ['no features', () => attention(...qkv([3, 0], [3, 0], [3, 4])), 'shape/mismatch', 'one feature'],
    ['batches that do not fit', () => attention(...qkv([2, 3, 4], [3, 3, 4], [3, 3, 4])), 'shape/broadcast', ''],
    ['integers', () => attention(...qkv([3, 4], [3, 4], [3, 4], 'i32')), 'dtype/unsupported', 'cast'],
    ['what is no tensor', () => attention(input([3, 4]), input([3, 4]), undefined as unknown as Tensor), 'operand/invalid', 'undefined'],
    ['a share that is none', () => attention(...qkv([3, 4], [3, 4], [3, 4]), { dropout: 2 }), 'option/invalid', 'dropout'],
    ['an infinite scale', () => attention(...qkv([3, 4], [3, 4], [3, 4]), { scale: Infinity }), 'option/invalid', 'scale'],
    ['PyTorch\'s option', () => attention(...qkv([3, 4], [3, 4], [3, 4]), { isCausal: true } as {}), 'option/invalid', 'causal'],
    ['an odd width per head', () => nn.multiHeadAttention(5, 2), 'option/invalid', 'divide'],
    ['no heads', () => nn.multiHeadAttention(4, 0), 'option/invalid', 'nn.multiHeadAttention(512, 8)'],
    ['odd heads that turn', () => nn.multiHeadAttention(3, 1, { positions: 'rotary' }), 'option/invalid', 'even'],
    ['unknown positions', () => nn.multiHeadAttention(4, 1, { positions: 'rope' as 'rotary' }), 'option/invalid', '"alibi"'],
    ['another width', () => mha()(input([3, 5])), 'shape/contract', 'q [..., positions, 4], got [3, 5]'],
    ['a vector', () => mha()(input([4])), 'shape/contract', 'axis of positions'],
    ['integers to heads', () => mha()(input([3, 4], 'i32')), 'dtype/unsupported', 'cast'],
    ['doubles to heads of f32', () => mha()(input([3, 4], 'f64')), 'dtype/mismatch', 'f64'],
    ['a mask among its options', () => nn.multiHeadAttention(4, 2, { mask: input([1]) } as object), 'option/invalid', 'causal'],
    ['no mask for nobody', () => nn.causalMask(input([2]), 0), 'option/invalid', 'positive integer'],
  ] as const)('%s', (_, body, code, tells) => {
    const error = refusal(body)
    expect(error.code).toBe(code)
    expect(`${error.message} ${error.hint}`).toContain(tells)
  })

  test.each([
    ['of integers', [3, 3], 'i32', 'dtype/mismatch', "cast(mask, 'bool')"],
    ['of another shape', [2, 3, 3], 'bool', 'shape/broadcast', '[N, 1, S]'],
    ['that cannot broadcast', [2, 3], 'bool', 'shape/broadcast', ''],
  ] as const)('a mask %s', (_, shape, type, code, tells) => {
    const [q, k, v] = qkv([3, 4], [3, 4], [3, 4])
    const error = refusal(() => attention(q, k, v, { mask: q.builder.input('mask', { dtype: type, shape }) }))
    expect(error.code).toBe(code)
    expect(error.hint).toContain(tells)
  })
})
