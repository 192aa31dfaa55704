import { expect, test } from 'vitest'
import {
  compile, f32, fn, i32, nn, optim, slice, softmaxCrossEntropy, squeeze, type Program, type Tensor,
} from '../../src/index.ts'
import { network as gpt } from '../../examples/char-gpt/network.ts'
import { network as recurrent } from '../../examples/char-rnn/network.ts'
import { network as convolutions } from '../../examples/mnist-cnn/main.ts'

type F32 = Tensor<'f32'>

/** Arena over the most bytes that live together, of the training step. */
function slack(
  shape: readonly number[], classes: number, net: (x: F32) => F32, optimiser: optim.Optimizer = optim.adam({ lr: 0.1 }),
): number {
  const step = fn({ x: f32(...shape), y: i32(shape[0]) }, ({ x, y }) => {
    const logits = net(x)
    expect(logits.shape).toEqual([shape[0], classes])
    return { loss: softmaxCrossEntropy(logits, y) }
  })
  return ratio(compile({ train: step.minimize('loss', optimiser) }))
}

function ratio({ memory }: Pick<Program, 'memory'>): number {
  const { arenaBytes, peakBytes } = memory.functions.train
  expect(peakBytes).toBeGreaterThan(0)
  expect(arenaBytes).toBeGreaterThanOrEqual(peakBytes)
  return arenaBytes / peakBytes
}

// Nothing can be less than what lives together; 1 % more is allowed.
test('an MLP', () => {
  const net = nn.sequential(nn.linear(784, 128), nn.relu, nn.linear(128, 10))
  expect(slack([32, 784], 10, net as (x: F32) => F32)).toBeLessThanOrEqual(1.01)
})

test('an MLP of odd widths, of which all gradients live until they are clipped', () => {
  const widths = Array.from({ length: 21 }, (_, i) => 20 + ((i * 7) % 13))
  const layers = widths.slice(1).flatMap((width, i) => [nn.linear(widths[i], width), nn.relu])
  const clipped = optim.chain(optim.clipByGlobalNorm(1), optim.adam({ lr: 0.1 }))
  expect(slack([7, 20], widths[20], nn.sequential(...layers) as (x: F32) => F32, clipped)).toBeLessThanOrEqual(1.01)
})

test('a convolutional net', () => {
  expect(slack([8, 784], 10, convolutions() as (x: F32) => F32)).toBeLessThanOrEqual(1.01)
})

test('an LSTM of 128 steps, as a loop', () => {
  const net = recurrent(61, 24)
  const step = fn({ x: i32(3, 128), y: i32(3, 128), h: f32(2, 3, 24), c: f32(2, 3, 24) }, ({ x, y, h, c }) => ({
    loss: softmaxCrossEntropy(net(x, { h, c }).logits, y),
  }))
  expect(ratio(compile({ train: step.minimize('loss', optim.adam({ lr: 0.1 })) }))).toBeLessThanOrEqual(1.01)
})

test('an LSTM of 128 steps, one after the other', () => {
  const cell = nn.lstmCell({ input: 5, hidden: 11 })
  const head = nn.linear(11, 3)
  nn.model({ cell, head })
  const net = (x: F32): F32 => {
    let state = cell.step(squeeze(slice(x, null, { start: 0, stop: 1 }), 1))
    for (let t = 1; t < 128; t++) state = cell.step(squeeze(slice(x, null, { start: t, stop: t + 1 }), 1), state)
    return head(state.h) as F32
  }
  expect(slack([3, 128, 5], 3, net)).toBeLessThanOrEqual(1.01)
}, 60_000)

test('a GPT of 4 layers', () => {
  const net = gpt(61, { features: 36, heads: 3, blocks: 4 })
  const step = fn({ x: i32(3, 33), y: i32(3, 33) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) }))
  expect(ratio(compile({ train: step.minimize('loss', optim.adam({ lr: 0.1 })) }))).toBeLessThanOrEqual(1.01)
}, 60_000)
