// recurrent.py makes the numbers: the compiled f32 program against PyTorch, the same bits on both targets.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { add, compile, f32, fn, grad, i32, mul, nn, sum, type Tensor } from '../../src/index.ts'
import type { TypedArray } from '../../src/ir/types.ts'

interface Recorded {
  readonly shape: readonly number[]
  readonly values: readonly number[]
}
type Lists = Readonly<Record<string, readonly number[]>>

/** One case: the gradients are those of Σ values·weights. */
interface Case {
  readonly inputs: Readonly<Record<string, Recorded>>
  readonly values: Readonly<Record<string, Recorded>>
  readonly weights: Lists
  readonly gradients: Lists
  readonly states?: Lists
  readonly targets?: readonly (readonly number[])[]
  readonly lengths?: readonly number[]
  readonly counts?: readonly number[]
}
type Tensors = Readonly<Record<string, Tensor>>

const cases = JSON.parse(readFileSync(new URL('./recurrent.json', import.meta.url), 'utf8')) as Record<string, Case>

/** A layer, and its values of the inputs by name. */
interface Held {
  readonly layer: nn.Layer
  readonly call: (inputs: Tensors) => Tensors
}
type Runs = nn.Layer & { run(x: Tensor, state?: Tensors): object }
type Steps = nn.Layer & { step(x: Tensor, state?: Tensors): object }
const run = (layer: nn.Rnn | nn.Lstm): Held => ({ layer, call: ({ x, ...state }) => (layer as Runs).run(x, state) as Tensors })
const step = (layer: nn.Layer): Held => ({ layer, call: ({ x, ...state }) => (layer as Steps).step(x, state) as Tensors })
const ctc = (options: nn.CtcOptions & nn.LossOptions = {}): Held => ({
  layer: nn.sequential(),
  call: ({ logits, targets, lengths, counts }) => ({ loss: nn.ctc(nn.logSoftmax(logits), targets, lengths, counts, options) }),
})

const layers: Readonly<Record<string, () => Held>> = {
  'rnn': () => run(nn.rnn({ input: 3, hidden: 4 })),
  'rnn, relu, 2 layers, from zeros': () => run(nn.rnn({ input: 3, hidden: 4, layers: 2, nonlinearity: 'relu' })),
  'rnn, bidirectional, 2 layers': () => run(nn.rnn({ input: 3, hidden: 2, layers: 2, bidirectional: true })),
  'lstm': () => run(nn.lstm({ input: 3, hidden: 4 })),
  'lstm, 2 layers, from zeros': () => run(nn.lstm({ input: 3, hidden: 4, layers: 2 })),
  'lstm, bidirectional, 2 layers': () => run(nn.lstm({ input: 2, hidden: 3, layers: 2, bidirectional: true, checkpoint: 'sqrt' })),
  'lstm, time first, without bias': () => run(nn.lstm({ input: 3, hidden: 2, batchFirst: false, bias: false })),
  'gru': () => run(nn.gru({ input: 3, hidden: 4 })),
  'gru, 2 layers, from zeros': () => run(nn.gru({ input: 3, hidden: 4, layers: 2, checkpoint: { slots: 2 } })),
  'gru, bidirectional, 2 layers': () => run(nn.gru({ input: 2, hidden: 3, layers: 2, bidirectional: true })),
  'gru, time first, without bias': () => run(nn.gru({ input: 3, hidden: 2, batchFirst: false, bias: false })),
  'rnnCell': () => step(nn.rnnCell({ input: 3, hidden: 4 })),
  'lstmCell': () => step(nn.lstmCell({ input: 3, hidden: 4 })),
  'gruCell': () => step(nn.gruCell({ input: 3, hidden: 4 })),
  'ctc': () => ctc(),
  'ctc, sum, another blank': () => ctc({ blank: 3, reduction: 'sum', checkpoint: 'sqrt' }),
  'ctc, no reduction, empty target': () => ctc({ reduction: 'none' }),
  'ctc, impossible counts 0': () => ctc({ zeroInfinity: true }),
}

test('every recorded case is held', () => {
  expect(Object.keys(layers)).toEqual(Object.keys(cases))
})

/** Largest error, relative to the largest magnitude of the tensor. */
function expectNear(what: string, actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length, what).toBe(expected.length)
  const size = Math.max(...expected.map(Math.abs), 1e-3)
  expected.forEach((e, i) => expect(Math.abs(actual[i] - e) / size, `${what}[${i}]: ${actual[i]}, PyTorch ${e}`).toBeLessThanOrEqual(1e-5))
}

test.each(Object.entries(layers))('%s is as in PyTorch', async (name, make) => {
  const { layer, call } = make()
  const { inputs, values, weights, gradients, states = {}, targets, lengths, counts } = cases[name]
  expect(layer.parameters.map((p) => p.name)).toEqual(Object.keys(states))
  const n = targets?.length ?? 0
  const whole: Record<string, ReturnType<typeof i32>> = targets ? { targets: i32(n, targets[0].length), lengths: i32(n), counts: i32(n) } : {}
  const specs = Object.fromEntries([
    ...Object.entries(inputs).map(([key, { shape }]) => [key, f32(...shape)]),
    ...Object.entries(values).map(([key, { shape }]) => [`weights of ${key}`, f32(...shape)]),
  ]) as Record<string, ReturnType<typeof f32>>
  const f = fn({ ...specs, ...whole }, (given) => {
    const all = given as unknown as Tensors
    const known = Object.fromEntries(Object.entries(all).filter(([key]) => !key.startsWith('weights')))
    const ys = call(known)
    expect(Object.entries(ys).map(([key, y]) => [key, y.shape])).toEqual(Object.entries(values).map(([key, { shape }]) => [key, shape]))
    const loss = Object.entries(ys).map(([key, y]) => sum(mul(y, all[`weights of ${key}`]))).reduce((x, y) => add(x, y) as never)
    const parameters = new Map(layer.parameters.map((p) => [p.name, p]))
    const names = Object.keys(gradients)
    const by = grad(loss, names.map((key) => all[key] ?? parameters.get(key)!.of(loss)))
    return { ...ys, ...Object.fromEntries(names.map((key, i) => [`gradient of ${key}`, by[i]])) }
  })
  const seen = await Promise.all((['wasm', 'js'] as const).map(async (target) => {
    const model = await compile({ f }, { target, verify: true }).load() as unknown as {
      readonly state: Record<string, Float32Array>
      f(given: Record<string, TypedArray | number>): Record<string, TypedArray | number>
    }
    for (const [key, numbers] of Object.entries(states)) model.state[key].set(numbers)
    const given: Record<string, TypedArray | number> = {}
    for (const [key, { values: numbers }] of Object.entries(inputs)) given[key] = Float32Array.from(numbers)
    for (const [key, { shape }] of Object.entries(values)) {
      const numbers = Float32Array.from(weights[key])
      given[`weights of ${key}`] = shape.length ? numbers : numbers[0]
    }
    if (targets) Object.assign(given, { targets: Int32Array.from(targets.flat()), lengths: Int32Array.from(lengths!), counts: Int32Array.from(counts!) })
    return Object.fromEntries(Object.entries(model.f(given)).map(([key, v]) => [key, typeof v === 'number' ? [v] : [...v]]))
  }))
  expect(seen[1]).toEqual(seen[0])
  for (const [key, { values: numbers }] of Object.entries(values)) expectNear(key, seen[0][key], numbers)
  for (const [key, numbers] of Object.entries(gradients)) expectNear(`gradient of ${key}`, seen[0][`gradient of ${key}`], numbers)
})
