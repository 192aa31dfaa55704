import { describe, expect, it } from 'vitest'
import {
  add, compile, div, einsum, f32, f64, fn, gather, grad, i32, matmul, max, mean, mse, mul, nn, optim, pad, reshape, softmax,
  softmaxCrossEntropy, square, sub, sum, tanh, transpose, window, type Fn, type Tensor,
} from '../../src/index.ts'
import { evaluate, type Values } from '../../src/ir/evaluate.ts'
import type { TypedArray } from '../../src/ir/types.ts'

// Small models of many kinds, as a user writes them. Each learns, with the same bits on both targets, and each gradient
// is held against central differences of the evaluator in doubles.

/** Of any inputs and results; one of them is the loss. */
type Trained = Fn<any, any>

interface Case {
  readonly model: Trained
  readonly optimizer: optim.Optimizer
  /** Inputs; those beside the loss (a learning rate) too. */
  readonly inputs: Readonly<Record<string, TypedArray>>
  readonly wrt?: readonly string[]
  readonly steps?: number
  /** The loss falls at least to this share of the first one. */
  readonly falls: number
}

const draw = (n: number, seed = 1): number[] => {
  let s = seed
  return Array.from({ length: n }, () => ((s = (Math.imul(s, 1664525) + 1013904223) >>> 0) / 2 ** 32) * 2 - 1)
}
const floats = (n: number, seed?: number): Float32Array => Float32Array.from(draw(n, seed))
const labels = (n: number, classes: number): Int32Array => Int32Array.from({ length: n }, (_, i) => (i * 5) % classes)
const weights = (name: string, ...shape: number[]): nn.Parameter => new nn.Parameter(name, shape, nn.init.normal(0, 0.5))

/** Softmax attention over [batch, time, features], with one head. */
function attention(features: number): nn.Layer {
  const part = (): nn.Layer => nn.linear(features, features, { bias: false })
  return nn.model({ q: part(), k: part(), v: part() }, ({ q, k, v }, x) => {
    const scores = matmul(q(x), transpose(k(x), [0, 2, 1]))
    return matmul(softmax(div(scores, Math.sqrt(features))), v(x))
  })
}

/** 3 × 3 convolution with padding 1 over [batch, height, width, channels]. */
const convolution = (inputs: number, outputs: number): nn.Layer =>
  nn.model({ weight: weights('weight', outputs, inputs, 3, 3) }, ({ weight }, x) => {
    const patches = window(pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), { axes: [1, 2], size: [3, 3] })
    return einsum('nhwcij,ocij->nhwo', patches, weight.of(x))
  })
const pool = (x: Tensor): Tensor => max(window(x, { axes: [1, 2], size: [2, 2], stride: [2, 2] }), { axis: [-2, -1] })

const cases: Readonly<Record<string, () => Case>> = {
  'regression by momentum': () => {
    const net = nn.linear(3, 2)
    const model = fn({ x: f32(8, 3), y: f32(8, 2) }, ({ x, y }) => ({ loss: mse(net(x), y) }))
    return { model, optimizer: optim.sgd({ lr: 0.1, momentum: 0.8 }), inputs: { x: floats(24), y: floats(16, 2) }, falls: 0.6 }
  },
  'regression in f64 by Nesterov momentum': () => {
    const net = nn.sequential(nn.linear(3, 5, { dtype: 'f64' }), nn.tanh, nn.linear(5, 1, { dtype: 'f64' }))
    const model = fn({ x: f64(8, 3), y: f64(8, 1) }, ({ x, y }) => ({ loss: mse(net(x), y) }))
    const inputs = { x: Float64Array.from(draw(24)), y: Float64Array.from(draw(8, 2)) }
    return { model, optimizer: optim.sgd({ lr: 0.1, momentum: 0.8, nesterov: true }), inputs, falls: 0.6 }
  },
  'XOR': () => {
    const net = nn.sequential(nn.linear(2, 8), tanh, nn.linear(8, 1))
    const model = fn({ x: f32(4, 2), y: f32(4, 1) }, ({ x, y }) => ({ loss: mse(net(x), y) }))
    const inputs = { x: Float32Array.of(0, 0, 0, 1, 1, 0, 1, 1), y: Float32Array.of(0, 1, 1, 0) }
    return { model, optimizer: optim.adam({ lr: 0.1 }), inputs, steps: 100, falls: 0.01 }
  },
  'a classifier of named blocks, clipped, at a rate that is an input': () => {
    const block = (n: number, m: number): nn.Layer => nn.sequential(nn.linear(n, m), nn.relu)
    const net = nn.model({ encoder: nn.model({ first: block(6, 8), second: block(8, 5) }), head: nn.linear(5, 3) })
    const model = fn({ x: f32(7, 6), y: i32(7), lr: f32() }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) }))
    const optimizer = optim.chain(optim.clipByGlobalNorm(0.5), optim.adamw({ lr: ({ inputs }) => inputs.lr }))
    return { model, optimizer, inputs: { x: floats(42), y: labels(7, 3), lr: Float32Array.of(0.03) }, falls: 0.3 }
  },
  'a convolutional net with pooling': () => {
    const net = nn.model({ conv: convolution(2, 4), head: nn.linear(2 * 3 * 4, 3) }, ({ conv, head }, x) =>
      head(reshape(pool(nn.relu(conv(x))), [x.shape[0], -1])))
    const model = fn({ x: f32(3, 4, 6, 2), y: i32(3) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) }))
    return { model, optimizer: optim.adam({ lr: 0.02 }), inputs: { x: floats(144), y: labels(3, 3) }, falls: 0.2 }
  },
  'an embedding': () => {
    const table = weights('table', 7, 4)
    const head = nn.linear(4, 3)
    const model = fn({ words: i32(4, 5), y: i32(4) }, ({ words, y }) => {
      const bag = mean(gather(table.of(words), words), { axis: 1 })
      return { loss: softmaxCrossEntropy(head(bag), y) }
    })
    // The last row is never read: its gradient is zero.
    return { model, optimizer: optim.adam({ lr: 0.1 }), inputs: { words: labels(20, 6), y: labels(4, 3) }, falls: 0.8 }
  },
  'attention': () => {
    const net = nn.model({ attend: attention(4), head: nn.linear(4, 2) }, ({ attend, head }, x) => head(add(x, attend(x))))
    const model = fn({ x: f32(2, 5, 4), y: i32(2, 5) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) }))
    return { model, optimizer: optim.adam({ lr: 0.05 }), inputs: { x: floats(40), y: labels(10, 2) }, falls: 0.3 }
  },
  'an autoencoder with tied weights': () => {
    const w = weights('w', 6, 3)
    const model = fn({ x: f32(5, 6) }, ({ x }) => {
      const code = tanh(einsum('nk,kj->nj', x, w.of(x)))
      return { loss: mse(einsum('nj,kj->nk', code, w.of(x)), x) }
    })
    return { model, optimizer: optim.adam({ lr: 0.03 }), inputs: { x: floats(30) }, falls: 0.5 }
  },
  'a head on frozen layers': () => {
    const net = nn.sequential(nn.linear(4, 6), nn.relu, nn.linear(6, 2))
    const model = fn({ x: f32(6, 4), y: f32(6, 2) }, ({ x, y }) => ({ loss: mse(net(x), y) }))
    const inputs = { x: floats(24), y: floats(12, 2) }
    return { model, optimizer: optim.sgd({ lr: 0.3 }), inputs, wrt: ['2.weight', '2.bias'], falls: 0.8 }
  },
  'a gradient penalty': () => {
    const net = nn.sequential(nn.linear(3, 6), nn.tanh, nn.linear(6, 1))
    const model = fn({ x: f32(5, 3), y: f32(5, 1) }, ({ x, y }) => {
      const out = net(x)
      const slopes = sum(square(grad(sum(out), x)), { axis: 1 })
      return { loss: add(mse(out, y), mul(mean(square(sub(slopes, 1))), 0.1)) }
    })
    return { model, optimizer: optim.adam({ lr: 0.05 }), inputs: { x: floats(15), y: floats(5, 2) }, falls: 0.2 }
  },
}

describe.each(Object.entries(cases))('%s', (_, make) => {
  const { model, optimizer, inputs, wrt, steps = 40, falls } = make()
  const train = model.minimize('loss', optimizer, { wrt })

  it('learns, with the same bits on both targets', async () => {
    const runs = await Promise.all((['wasm', 'js'] as const).map(async (target) => {
      const loaded = await compile({ train }, { target, verify: true }).load({ checkFinite: true })
      const before = loaded.save()
      const losses = Array.from({ length: steps }, () => Number(loaded.train(inputs).loss))
      expect(loaded.save()).not.toEqual(before)
      return { losses, state: loaded.save() }
    }))
    expect(runs[1].losses).toEqual(runs[0].losses)
    expect(runs[1].state).toEqual(runs[0].state)
    expect(runs[0].losses.at(-1)).toBeLessThan(runs[0].losses[0] * falls)
  })

  it('has the gradients that central differences give', async () => {
    // θ − 1·gradient: the step of plain descent tells the gradient.
    const descent = model.minimize('loss', optim.sgd({ lr: 1 }), { wrt }).graph
    const { state } = await compile({ train }).load()
    const given: Values = inputs
    const lossAt = (states: Values): number => evaluate(model.graph, { inputs: given, states }, { precision: 'f64' }).results.loss[0]
    const { updates } = evaluate(descent, { inputs: given, states: state }, { precision: 'f64' })
    expect(Object.keys(updates).sort()).toEqual([...(wrt ?? model.graph.states.map((s) => s.name))].sort())
    const h = 1e-5
    for (const [name, next] of Object.entries(updates)) {
      const from = Float64Array.from(state[name])
      // All of a small parameter, some of a large one.
      for (let i = 0; i < from.length; i += Math.ceil(from.length / 12)) {
        const [up, down] = [h, -h].map((d) => lossAt({ ...state, [name]: from.with(i, from[i] + d) }))
        expect(Math.abs(from[i] - next[i] - (up - down) / (2 * h)), `${name}[${i}]`).toBeLessThan(1e-8)
      }
    }
  })
})

it('one state is trained at two batch sizes', async () => {
  const net = nn.sequential(nn.linear(3, 4), nn.tanh, nn.linear(4, 1))
  const sgd = optim.sgd({ lr: 0.1, momentum: 0.9 })
  const step = (rows: number): Trained =>
    fn({ x: f32(rows, 3), y: f32(rows, 1) }, ({ x, y }) => ({ loss: mse(net(x), y) })).minimize('loss', sgd)
  const [x, y] = [floats(33), floats(11, 2)]
  const losses: number[][] = []
  for (const target of ['wasm', 'js'] as const) {
    const model = await compile({ whole: step(8), rest: step(3) }, { target, verify: true }).load()
    const names = ['0.weight', '0.bias', '2.weight', '2.bias'].flatMap((n) => [n, `sgd:momentum:${n}`])
    expect(Object.keys(model.state).sort()).toEqual(names.sort())
    losses.push(Array.from({ length: 60 }, () => {
      const whole = Number(model.whole({ x: x.subarray(0, 24), y: y.subarray(0, 8) }).loss)
      return whole + Number(model.rest({ x: x.subarray(24), y: y.subarray(8) }).loss)
    }))
  }
  expect(losses[1]).toEqual(losses[0])
  expect(losses[0].at(-1)).toBeLessThan(losses[0][0] * 0.6)
})
