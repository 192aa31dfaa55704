import { expect, test } from 'vitest'
import { nn, type Tensor } from '../../src/index.ts'
import { constant } from '../../src/ir/lang/leaf.ts'
import { hold, recorded, type Held } from './normalisation.ts'

// attention.py makes the numbers.
const cases = recorded('attention')
const bare = nn.sequential()
const attention = (options: nn.AttentionOptions = {}, mask?: (like: Tensor) => Tensor): Held => ({
  layer: bare,
  call: ({ q, k, v, ...rest }) => nn.scaledDotProductAttention(q, k, v, { mask: rest.mask ?? mask?.(q), ...options }),
})
const across = (layer: nn.MultiHeadAttention): Held => ({ layer, call: ({ q, k, v }) => layer.attend(q, k, v) })
const encoder = { feedForward: 6, dropout: 0 }

const layers: Readonly<Record<string, () => Held>> = {
  'attention': () => attention(),
  'attention, causal': () => attention({ causal: true }),
  'attention, causal, more keys': () => attention({ causal: true }),
  'attention, causal, more queries': () => attention({ causal: true }),
  'attention, masked': () => attention({}, (q) => constant(q, Uint8Array.of(1, 0, 1, 0, 1, 1), [2, 1, 3])),
  'attention, biased': () => attention({ scale: 0.3 }),
  'multiHeadAttention': () => ({ layer: nn.multiHeadAttention(6, 2) }),
  'multiHeadAttention, causal': () => ({ layer: nn.multiHeadAttention(4, 4, { causal: true }) }),
  'multiHeadAttention without bias': () => ({ layer: nn.multiHeadAttention(4, 1, { bias: false }) }),
  'multiHeadAttention across': () => across(nn.multiHeadAttention(4, 2)),
  'multiHeadAttention of other widths': () => across(nn.multiHeadAttention(4, 2, { kdim: 3, vdim: 5 })),
  'transformerEncoderLayer': () => ({ layer: nn.transformerEncoderLayer(4, 2, encoder) }),
  'transformerEncoderLayer, norm first': () => ({ layer: nn.transformerEncoderLayer(4, 2, { ...encoder, normFirst: true }) }),
  'transformerEncoderLayer, gelu, without bias, causal': () => ({
    layer: nn.transformerEncoderLayer(4, 2, { ...encoder, activation: 'gelu', bias: false, eps: 1e-3, causal: true }),
  }),
  'transformerEncoder': () => ({ layer: nn.transformerEncoder(4, 2, 2, { ...encoder, normFirst: true }) }),
  'rotary': () => ({ layer: bare, call: ({ x }) => nn.rotary(x) }),
}

test('every recorded case is held', () => {
  expect(Object.keys(layers)).toEqual(Object.keys(cases))
})

test.each(Object.entries(layers))('%s is as in PyTorch', async (name, make) => {
  await hold(make(), cases[name])
})
