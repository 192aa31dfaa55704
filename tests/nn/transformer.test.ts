import { describe, expect, test } from 'vitest'
import { compile, fn, i32, nn, optim, softmaxCrossEntropy, type Tensor } from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import { topological } from '../../src/ir/graph.ts'
import { sizeOf, type DType, type Shape } from '../../src/ir/types.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'
import { draw, expectSlopes } from './norm-slopes.ts'

const input = (shape: Shape, dtype: DType = 'f64'): Tensor => new Builder().input('x', { dtype, shape })
const dtype = 'f64'
const names = (layer: nn.Layer): string[] => layer.parameters.map((p) => p.name)
const given = (layer: nn.Layer): Record<string, number[]> =>
  Object.fromEntries(layer.parameters.map((p) => [p.name, draw(sizeOf(p.type.shape), p.name.length)]))
const smooth = { feedForward: 3, dropout: 0, activation: 'gelu', dtype } as const

const NO_MASK = true as unknown as Tensor

test('names are PyTorch\'s', () => {
  expect(names(nn.transformerEncoder(4, 2, 2)).filter((n) => n.startsWith('layers.1.'))).toEqual([
    'self_attn.in_proj_weight', 'self_attn.in_proj_bias', 'self_attn.out_proj.weight', 'self_attn.out_proj.bias',
    'linear1.weight', 'linear1.bias', 'linear2.weight', 'linear2.bias',
    'norm1.weight', 'norm1.bias', 'norm2.weight', 'norm2.bias',
  ].map((n) => `layers.1.${n}`))
  expect(names(nn.transformerEncoder(4, 2, 1)).at(-1)).toBe('layers.0.norm2.bias')
  expect(names(nn.transformerEncoder(4, 2, 1, { normFirst: true })).slice(-2)).toEqual(['norm.weight', 'norm.bias'])
  expect(names(nn.transformerEncoder(4, 2, 1, { normFirst: true, norm: false })).at(-1)).toBe('layers.0.norm2.bias')
  expect(names(nn.sequential(nn.transformerBlock(4, 2, { bias: false })))).toEqual([
    '0.norm1.weight', '0.attn.in_proj_weight', '0.attn.out_proj.weight', '0.norm2.weight', '0.mlp.fc1.weight', '0.mlp.fc2.weight',
  ])
  expect(nn.transformerEncoderLayer(4, 2).parameters.find((p) => p.name === 'linear1.weight')?.type.shape).toEqual([2048, 4])
  expect(nn.feedForward(4).parameters[0].type.shape).toEqual([16, 4])
})

describe('gradients', () => {
  test.each([
    ['norm after', nn.transformerEncoderLayer(4, 2, smooth)],
    ['norm first, causal', nn.transformerEncoderLayer(4, 2, { ...smooth, normFirst: true, causal: true })],
    ['GPT block', nn.transformerBlock(4, 2, { hidden: 3, dtype })],
    ['feed-forward of one\'s own activation', nn.feedForward(4, 3, { dtype, activation: nn.tanh })],
  ] as const)('%s', (_, layer) => {
    expectSlopes({ inputs: { x: [2, 3, 4] }, of: ({ x }) => layer(x), layers: [layer] })
  })
})

test('a block is causal unless told otherwise', () => {
  const seen = [{}, { causal: false }].map((options) => {
    const layer = nn.transformerBlock(4, 2, { ...options, dtype })
    const y = layer(input([3, 4]))
    const at = (x: number[]): number[] => numbersOf([y], { ...given(layer), x })[0].slice(0, 8)
    const values = draw(12)
    return at(values).some((v, i) => v !== at(values.with(11, 9))[i])
  })
  expect(seen).toEqual([false, true])
})

describe('masks', () => {
  test('the causal option is a causal mask', () => {
    const options = { ...smooth, normFirst: true }
    const [causal, free] = [true, false].map((causal) => nn.transformerEncoder(4, 2, 2, { ...options, causal }))
    const [x, z] = [input([2, 3, 4]), input([2, 3, 4])]
    const at = (layer: nn.Layer, y: Tensor): number[] => numbersOf([y], { ...given(layer), x: draw(24) })[0]
    const [a, b] = [at(causal, causal(x)), at(free, free.masked(z, nn.causalMask(z, 3)))]
    a.forEach((v, i) => expect(v).toBeCloseTo(b[i], 12))
  })

  test('padding does not reach the others', () => {
    const layer = nn.transformerEncoderLayer(4, 2, smooth)
    const x = input([2, 3, 4])
    const keys = x.builder.input('keys', { dtype: 'bool', shape: [2, 1, 1, 3] })
    const y = layer.masked(x, keys)
    const at = (values: number[]): number[] => numbersOf([y], { ...given(layer), x: values, keys: [1, 1, 0, 1, 1, 1] })[0]
    const values = draw(24)
    const changed = values.with(8, 100).with(11, -100)
    expect(at(changed).slice(0, 8)).toEqual(at(values).slice(0, 8))
    expect(at(changed).slice(12)).toEqual(at(values).slice(12))
    expect(at(changed).slice(8, 12)).not.toEqual(at(values).slice(8, 12))
  })
})

test('dropout everywhere in training, nowhere in evaluation', () => {
  const masks = (y: Tensor): number => topological([y]).filter((n) => n.op === 'randomBits').length
  for (const net of [nn.transformerEncoder(4, 2, 1), nn.sequential(nn.transformerBlock(4, 2, { dropout: 0.1 }))]) {
    const [x, y] = [input([2, 3, 4], 'f32'), input([2, 3, 4], 'f32')]
    // Of the attention weights, within the feed-forward part, and at the end of both branches.
    expect(masks(net(x))).toBe(4)
    expect(masks(net.evaluation(y))).toBe(0)
    expect(y.builder.states.map((s) => s.name).sort()).toEqual(names(net).sort())
  }
})

test('a small GPT learns a sequence, with the same bits on both targets, and predicts over the same state', async () => {
  const [words, width, length] = [7, 8, 6]
  const net = nn.model({
    wte: nn.embedding(words, width, { weightInit: nn.init.normal(0, 0.3) }),
    wpe: nn.learnedPositionalEmbedding(length, width),
    h: nn.sequential(...[0, 1].map(() => nn.transformerBlock(width, 2, { dropout: 0.05 }))),
    ln_f: nn.layerNorm(width),
    head: nn.linear(width, words, { bias: false }),
  }, ({ wte, wpe, h, ln_f, head }, x) => head(ln_f(h(wpe(wte(x))))))
  const logits = (x: Tensor): Tensor<'f32'> => net(x) as Tensor<'f32'>
  const loss = fn({ x: i32(2, length), y: i32(2, length) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(logits(x), y) }))
  const program = {
    train: loss.minimize('loss', optim.adam({ lr: 0.01 })),
    predict: fn({ x: i32(1, length) }, ({ x }) => ({ logits: net.evaluation(x) as unknown as Tensor<'f32'> })),
  }
  // Each line follows its own rule; where they meet, only what came before tells them apart.
  const lines = [[0, 3, 1, 4, 1, 5, 2], [6, 3, 1, 2, 1, 0, 4]]
  const batch = { x: Int32Array.from(lines.flatMap((l) => l.slice(0, -1))), y: Int32Array.from(lines.flatMap((l) => l.slice(1))) }
  const runs = await Promise.all((['wasm', 'js'] as const).map(async (target) => {
    const model = await compile(program, { target, verify: true }).load({ checkFinite: false })
    const losses = Array.from({ length: 120 }, () => model.train(batch).loss)
    expect(losses[119]).toBeLessThan(losses[0] / 4)
    const guesses = lines.map((line) => {
      const { logits } = model.predict({ x: Int32Array.from(line.slice(0, -1)) })
      return Array.from({ length }, (_, i) => {
        const row = [...logits.subarray(words * i, words * i + words)]
        return row.indexOf(Math.max(...row))
      })
    })
    expect(guesses).toEqual(lines.map((l) => l.slice(1)))
    return { losses, state: model.save() }
  }))
  expect(runs[1]).toEqual(runs[0])
}, 20_000)

test.each([
  ['heads that do not divide', () => nn.transformerEncoderLayer(5, 2), 'option/invalid', 'divide'],
  ['no layers', () => nn.transformerEncoder(4, 2, 0), 'option/invalid', 'nn.transformerEncoder(512, 8, 6)'],
  ['an unknown activation', () => nn.feedForward(4, 2, { activation: 'tanh' as 'relu' }), 'option/invalid', 'gelu or a function'],
  ['PyTorch\'s option', () => nn.transformerEncoderLayer(4, 2, { dim_feedforward: 3 } as {}), 'option/invalid', 'feedForward'],
  ['no features within', () => nn.transformerEncoderLayer(4, 2, { feedForward: 0 }), 'option/invalid', 'feedForward'],
  ['a share that is none', () => nn.transformerBlock(4, 2, { dropout: -1 }), 'option/invalid', 'dropout'],
  ['a norm that is none', () => nn.transformerEncoder(4, 2, 1, { norm: 1 as unknown as boolean }), 'option/invalid', 'norm'],
  ['no features', () => nn.feedForward(0), 'option/invalid', 'nn.feedForward(64, 256)'],
  ['another width', () => nn.transformerBlock(4, 2)(input([3, 5], 'f32')), 'shape/mismatch', '[..., 4]'],
  ['a mask that is none', () => nn.transformerEncoderLayer(4, 2).masked(input([3, 4], 'f32'), NO_MASK), 'operand/invalid', 'true'],
] as const)('refuses %s', (_, body, code, tells) => {
  const error = refusal(body)
  expect(error.code).toBe(code)
  expect(`${error.message} ${error.hint}`).toContain(tells)
})
