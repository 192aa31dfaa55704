import { describe, expect, test } from 'vitest'
import { compile, f32, fn, grad, mean, mse, nn, optim, scan, square, sum, type Tensor } from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { DType, Shape } from '../../src/ir/types.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'
import { draw, expectSlopes } from './recurrent-slopes.ts'

const TARGETS = ['wasm', 'js'] as const
const tensor = (shape: Shape, dtype: DType = 'f32', b: Builder = new Builder()): Tensor => b.input(`x${b.size}`, { dtype, shape })
const sizes = { input: 3, hidden: 2 }
const f64 = { ...sizes, dtype: 'f64' } as const
const numbersFor = (layers: readonly nn.Layer[], seed = 3): Record<string, number[]> =>
  Object.fromEntries(layers.flatMap((l) => l.parameters).map((p) => [p.name, draw(p.type.shape.reduce((n, d) => n * d, 1), seed + p.name.length)]))

describe('a recurrent layer', () => {
  test('has the names, shapes and first values of PyTorch', async () => {
    const net = nn.model({ rnn: nn.lstm({ input: 3, hidden: 4, layers: 2, bidirectional: true }) })
    expect(net.parameters.map((p) => `${p.name} ${p.type.shape.join('×')}`)).toEqual([
      'rnn.weight_ih_l0 16×3', 'rnn.weight_hh_l0 16×4', 'rnn.bias_ih_l0 16', 'rnn.bias_hh_l0 16',
      'rnn.weight_ih_l0_reverse 16×3', 'rnn.weight_hh_l0_reverse 16×4', 'rnn.bias_ih_l0_reverse 16', 'rnn.bias_hh_l0_reverse 16',
      'rnn.weight_ih_l1 16×8', 'rnn.weight_hh_l1 16×4', 'rnn.bias_ih_l1 16', 'rnn.bias_hh_l1 16',
      'rnn.weight_ih_l1_reverse 16×8', 'rnn.weight_hh_l1_reverse 16×4', 'rnn.bias_ih_l1_reverse 16', 'rnn.bias_hh_l1_reverse 16',
    ])
    const { state } = await compile({ f: fn({ x: f32(1, 2, 3) }, ({ x }) => ({ y: net(x) })) }).load()
    for (const values of Object.values(state)) {
      expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(0.5)
      expect(Math.max(...values.map(Math.abs))).toBeGreaterThan(0.2)
    }
    expect(nn.gru({ ...sizes, bias: false }).parameters.map((p) => `${p.name} ${p.type.shape.join('×')}`)).toEqual(['weight_ih_l0 6×3', 'weight_hh_l0 6×2'])
  })

  test('begins where it ended: two halves are the whole', () => {
    const net = nn.lstm({ ...f64, layers: 2 })
    const b = new Builder()
    const [x, y] = [tensor([2, 3, 3], 'f64', b), tensor([2, 2, 3], 'f64', b)]
    const whole = net.run(x.builder.make('concat', [x, y], { axis: 1 }))
    const first = net.run(x)
    const second = net.run(y, { h: first.h, c: first.c })
    const given = { x0: draw(18, 1), [y.attrs.name as string]: draw(12, 2), ...numbersFor([net]) }
    const [all, h, c, head, tail, h2, c2] = numbersOf([whole.out, whole.h, whole.c, first.out, second.out, second.h, second.c], given)
    expect([h2, c2]).toEqual([h, c])
    expect([0, 1].flatMap((n) => [...head.slice(6 * n, 6 * n + 6), ...tail.slice(4 * n, 4 * n + 4)])).toEqual(all)
  })

  test.each(['rnn', 'lstm', 'gru'] as const)('%s is a loop over its cell', (kind) => {
    const [net, cell] = [nn[kind](f64), nn[`${kind}Cell`](f64)]
    const x = tensor([4, 5, 3], 'f64')
    const memory = kind === 'lstm' ? ['h', 'c'] : ['h']
    const start = Object.fromEntries(memory.map((name) => [name, x.builder.zeros({ dtype: 'f64', shape: [4, 2] })]))
    const steps = x.builder.make('permute', [x], { perm: [1, 0, 2] })
    const { carry } = scan(start, { x: steps }, (carry, { x }) => ({ carry: (cell.step as (x: Tensor, s: object) => typeof carry)(x, carry) }))
    const run = net.run(x) as unknown as Record<string, Tensor>
    const given = numbersFor([net])
    for (const [name, values] of Object.entries(given)) given[name.replace('_l0', '')] = values
    const values = numbersOf([...memory.map((name) => carry[name]), ...memory.map((name) => run[name])], { x0: draw(60), ...given })
    values.slice(0, memory.length).forEach((v, i) => v.forEach((n, at) => expect(n).toBeCloseTo(values[memory.length + i][at], 12)))
    expect(cell(x.builder.zeros({ dtype: 'f64', shape: [4, 3] })).shape).toEqual([4, 2])
  })

  test('the second direction reads from the end: reversed input gives reversed outputs', () => {
    const net = nn.gru({ ...f64, bidirectional: true })
    const x = tensor([1, 4, 3], 'f64')
    const turned = x.builder.make('flip', [x], { axes: [1] })
    const given = { x0: draw(12), ...numbersFor([net], 3) }
    // Both directions with the same weights.
    for (const name of Object.keys(given)) if (name.endsWith('_reverse')) given[name as 'x0'] = given[name.replace('_reverse', '') as 'x0']
    const [a, b] = numbersOf([net(x), net(turned)], given)
    const at = (y: readonly number[], t: number, d: number): number[] => y.slice(4 * t + 2 * d, 4 * t + 2 * d + 2)
    for (let t = 0; t < 4; t++) expect(at(a, t, 0)).toEqual(at(b, 3 - t, 1))
  })

  test('extreme inputs stay finite in value and gradient, NaN goes through', () => {
    for (const kind of ['lstm', 'gru'] as const) {
      const net = nn[kind](f64)
      const x = tensor([1, 3, 3], 'f64')
      const y = net(x)
      const given = numbersFor([net])
      const roots = [y, grad(sum(y), x)]
      for (const size of [1e3, -1e3, 1e30]) {
        for (const v of numbersOf(roots, { x0: Array(9).fill(size), ...given })) expect(v.every(Number.isFinite)).toBe(true)
      }
      expect(numbersOf(roots, { x0: [1, 1, 1, NaN, 1, 1, 1, 1, 1], ...given })[0].map(Number.isNaN)).toEqual([false, false, true, true, true, true])
    }
  })

  test('dropout lies between layers, in training only', () => {
    const options = { ...sizes, layers: 3, dropout: 0.5 }
    const net = nn.lstm(options)
    const x = tensor([2, 4, 3])
    net.evaluation(x)
    expect(x.builder.updates).toEqual([])
    net(x)
    expect(x.builder.updates.map((u) => u.name)).toEqual(['random:step'])
    const one = tensor([2, 4, 3])
    nn.lstm({ ...options, layers: 1 })(one)
    expect(one.builder.updates).toEqual([])
    // All is dropped: the second layer sees zeros, whatever x is.
    const deaf = nn.rnn({ ...f64, layers: 2, dropout: 1 })
    const [a, b] = [draw(24, 1), draw(24, 2)].map((x0) => {
      const x = tensor([2, 4, 3], 'f64')
      return numbersOf([deaf(x)], { x0, ...numbersFor([deaf]), 'random:key': [1, 2], 'random:step': [0] })
    })
    expect(a).toEqual(b)
  })

  test('no batch and no steps', () => {
    const net = nn.lstm(f64)
    const x = tensor([2, 0, 3], 'f64')
    const { out, h } = net.run(x)
    expect(numbersOf([out, h], { x0: [], ...numbersFor([net]) })).toEqual([[], [0, 0, 0, 0]])
    expect(net(tensor([0, 2, 3], 'f64')).shape).toEqual([0, 2, 2])
  })
})

describe('gradients', () => {
  const cases: Record<string, () => { run(x: Tensor, s: Record<string, Tensor>): object } & nn.Layer> = {
    'rnn': () => nn.rnn({ ...f64, layers: 2 }),
    'rnn, relu, bidirectional': () => nn.rnn({ ...f64, nonlinearity: 'relu', bidirectional: true }),
    'lstm': () => nn.lstm(f64),
    'lstm, 2 layers, kept in part': () => nn.lstm({ ...f64, layers: 2, checkpoint: 'sqrt', bias: false }),
    'gru, bidirectional': () => nn.gru({ ...f64, bidirectional: true }),
    'gru, time first, kept in part': () => nn.gru({ ...f64, batchFirst: false, checkpoint: { slots: 2 } }),
  }
  test.each(Object.entries(cases))('of %s', (name, make) => {
    const net = make()
    const rows = (name.includes('2 layers') || name.includes('bi') || name === 'rnn' ? 2 : 1)
    const [B, T] = [2, 3]
    const state: Record<string, number[]> = name.startsWith('lstm') ? { h: [rows, B, 2], c: [rows, B, 2] } : { h: [rows, B, 2] }
    expectSlopes({
      inputs: { x: name.includes('time') ? [T, B, 3] : [B, T, 3], ...state }, layers: [net],
      of: ({ x, ...given }) => Object.values(net.run(x, given)) as Tensor<'f64'>[],
    })
  })

  test.each(['rnnCell', 'lstmCell', 'gruCell'] as const)('of %s', (kind) => {
    const cell = nn[kind](f64) as nn.Layer & { step(x: Tensor, s: object): object }
    expectSlopes({
      inputs: { x: [2, 3], h: [2, 2], ...(kind === 'lstmCell' ? { c: [2, 2] } : {}) }, layers: [cell],
      of: ({ x, ...given }) => Object.values(cell.step(x, given)) as Tensor<'f64'>[],
    })
  })
})

describe('compiled', () => {
  // Which of two numbers of a sequence came first, long ago.
  const net = nn.model({ rnn: nn.gru({ input: 2, hidden: 8 }), head: nn.linear(8, 1) }, ({ rnn, head }, x) => head(rnn.run(x).h))

  test('it learns what lies 12 steps back, with the same bits on both targets', async () => {
    const program = {
      train: fn({ x: f32(16, 12, 2), y: f32(1, 16, 1) }, ({ x, y }) => ({ loss: mse(net(x), y) })).minimize('loss', optim.adam({ lr: 0.02 })),
    }
    const x = Float32Array.from(draw(16 * 12 * 2))
    const y = Float32Array.from({ length: 16 }, (_, i) => Math.sign(x[i * 24]))
    const runs = await Promise.all(TARGETS.map(async (target) => {
      const model = await compile(program, { target, verify: true }).load({ seed: 3 })
      return { losses: Array.from({ length: 80 }, () => model.train({ x, y }).loss), state: model.save() }
    }))
    expect(runs[1]).toEqual(runs[0])
    expect(runs[0].losses[79]).toBeLessThan(runs[0].losses[0] / 5)
  })

  test('a run is a record of results, f32 where x is', async () => {
    const net = nn.lstm(sizes)
    const f = fn({ x: f32(1, 4, 3), h: f32(1, 1, 2), c: f32(1, 1, 2) }, ({ x, h, c }) => net.run(x, { h, c }))
    const { out, h, c } = (await compile({ f }).load({ seed: 1 })).f({ x: new Float32Array(12), h: new Float32Array(2), c: new Float32Array(2) })
    const last: Float32Array = out.subarray(6)
    expect([last, c.length]).toEqual([h, 2])
  })

  // Below 16 sequences, a WebAssembly module grows once by up to 7 %: the sum over all steps in a gradient of weights becomes
  // longer than a panel, and addresses longer by a byte.
  test.each([['wasm', 16], ['wasm', 32], ['js', 1], ['js', 16]] as const)('a module of 2 LSTM layers (%s, batch %d) grows by less than 1 %% from 32 to 512 steps', (target, batch) => {
    const bytes = (steps: number): number => {
      const net = nn.model({ rnn: nn.lstm({ input: 32, hidden: 64, layers: 2 }), head: nn.linear(64, 10) })
      const train = fn({ x: f32(batch, steps, 32), y: f32(batch, steps, 10) }, ({ x, y }) => ({ loss: mse(net(x), y) }))
        .minimize('loss', optim.adam({ lr: 1e-3 }))
      return compile({ train }, { target }).emit().js.length
    }
    expect(bytes(512) / bytes(32) - 1).toBeLessThan(0.01)
  })
})

describe('refused with a way on', () => {
  const run = (net: nn.Lstm, shape: Shape, state?: unknown): string => refusal(() => net.run(tensor(shape), state as never)).code
  test('options', () => {
    const bad: unknown[] = [
      undefined, 3, {}, { input: 3 }, { input: 0, hidden: 1 }, { input: 1, hidden: 1.5 }, { ...sizes, layers: 0 }, { ...sizes, dropout: 2 },
      { ...sizes, bidirectional: 1 }, { ...sizes, batchFirst: 'yes' }, { ...sizes, checkpoint: 'some' }, { ...sizes, checkpoint: { slots: 0 } },
      { ...sizes, dtype: 'i32' }, { ...sizes, nonlinearity: 'sigmoid' }, { ...sizes, hiddenSize: 3 }, { ...sizes, bias: 0 },
    ]
    for (const options of bad) expect(refusal(() => nn.rnn(options as never)).code, JSON.stringify(options)).toBe('option/invalid')
    expect(refusal(() => nn.lstm({ ...sizes, nonlinearity: 'relu' } as never)).code).toBe('option/invalid')
    expect(refusal(() => nn.gruCell({ ...sizes, layers: 2 } as never)).code).toBe('option/invalid')
    expect(refusal(() => nn.rnnCell({ ...sizes, nonlinearity: 'elu' } as never)).code).toBe('option/invalid')
  })

  test('inputs and states', () => {
    const net = nn.lstm(sizes)
    expect(run(net, [2, 5, 4])).toBe('shape/contract')
    expect(run(net, [2, 3])).toBe('shape/mismatch')
    expect(refusal(() => net.run(tensor([2, 5, 3], 'f64'))).code).toBe('dtype/mismatch')
    expect(refusal(() => net.run(3 as never)).code).toBe('operand/invalid')
    expect(run(net, [2, 5, 3], 7)).toBe('option/invalid')
    expect(run(net, [2, 5, 3], { g: 1 })).toBe('option/invalid')
    expect(run(net, [2, 5, 3], { h: 1 })).toBe('operand/invalid')
    const b = new Builder()
    const x = tensor([2, 5, 3], 'f32', b)
    expect(refusal(() => net.run(x, { h: tensor([2, 2], 'f32', b) })).code).toBe('shape/mismatch')
    expect(refusal(() => net.run(x, { h: tensor([1, 2, 2], 'f64', b) })).code).toBe('dtype/mismatch')
    expect(refusal(() => nn.lstmCell(sizes).step(x)).code).toBe('shape/mismatch')
  })
})

test('a layer that keeps √n of its steps takes far less memory, and trains the same to rounding', async () => {
  const train = (checkpoint: 'all' | 'sqrt') => {
    const net = nn.lstm({ input: 4, hidden: 16, checkpoint })
    return compile({ train: fn({ x: f32(8, 64, 4) }, ({ x }) => ({ loss: mean(square(net(x))) })).minimize('loss', optim.sgd({ lr: 0.5 })) })
  }
  const [all, sqrt] = [train('all'), train('sqrt')]
  expect(sqrt.memory.arenaBytes).toBeLessThan(0.6 * all.memory.arenaBytes)
  const x = Float32Array.from({ length: 8 * 64 * 4 }, (_, i) => Math.sin(i))
  const [a, b] = await Promise.all([all.load(), sqrt.load()])
  for (let i = 0; i < 5; i++) expect(Math.abs(a.train({ x }).loss - b.train({ x }).loss)).toBeLessThan(1e-6)
})
