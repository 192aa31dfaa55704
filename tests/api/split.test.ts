import { expect, it } from 'vitest'
import { cast, compile, f32, f64, fn, i32, mse, mul, nn, optim, softmaxCrossEntropy, split, type Optimizer } from '../../src/index.ts'
import { codeOf } from '../code-of.ts'
import { draw } from './differences.ts'

const TARGETS = ['wasm', 'js'] as const
const x = Float32Array.from(draw(8 * 5, 1))
const y = Int32Array.from(draw(8, 2), (v) => (v > 0 ? 1 : v > -0.5 ? 2 : 0))

const classifier = (net: ReturnType<typeof nn.sequential>, rows = 8) =>
  fn({ x: f32(rows, 5), y: i32(rows) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) }))
const network = () => nn.sequential(nn.linear(5, 7), nn.tanh, nn.linear(7, 3))

const OPTIMIZERS: Record<string, () => Optimizer> = {
  sgd: () => optim.sgd({ lr: 0.1, momentum: 0.9 }),
  'adamw, clipped': () => optim.chain(optim.clipByGlobalNorm(0.1), optim.adamw({ lr: 0.01 })),
  'scaled loss': () => optim.lossScale(optim.adam({ lr: 0.01 }), { initial: 1024, interval: 2 }),
}

it.each(TARGETS.flatMap((t) => Object.keys(OPTIMIZERS).map((o) => [t, o] as const)))('gradients, then apply, is a step: %s, %s', async (target, name) => {
  const whole = await compile({ train: classifier(network()).minimize('loss', OPTIMIZERS[name]()) }, { target }).load({ seed: 5 })
  const parts = await compile(split(classifier(network()), 'loss', OPTIMIZERS[name]()), { target }).load({ seed: 5 })
  expect(Object.keys(parts.state).sort()).toEqual(Object.keys(whole.state).sort())
  for (let i = 0; i < 5; i++) {
    const before = parts.save()
    const { loss, gradients } = parts.gradients({ x, y })
    expect(parts.save()).toEqual(before)
    expect(gradients).toHaveLength(5 * 7 + 7 + 7 * 3 + 3)
    expect(parts.apply({ gradients })).toEqual({})
    expect(loss).toBe(whole.train({ x, y }).loss)
  }
  for (const s of Object.keys(whole.state)) {
    whole.state[s].forEach((v: number, i: number) => expect(parts.state[s][i], `${s}[${i}]`).toBeCloseTo(v, 6))
  }
})

it('has the same bits on both targets, and in the emitted module', async () => {
  const run = async (target: 'wasm' | 'js', emitted: boolean): Promise<Uint8Array> => {
    const program = compile(split(classifier(network()), 'loss', optim.adam({ lr: 0.01 })), { target })
    const { load } = emitted
      ? ((await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(program.emit().js)}`)) as Pick<typeof program, 'load'>)
      : program
    const model = await load.call(program, { seed: 2 })
    for (let i = 0; i < 4; i++) model.apply({ gradients: model.gradients({ x, y }).gradients })
    return Uint8Array.from(Object.values(model.state).flatMap((s) => [...new Uint8Array(s.buffer, s.byteOffset, s.byteLength)]))
  }
  const expected = await run('wasm', false)
  expect(await run('js', false)).toEqual(expected)
  expect(await run('wasm', true)).toEqual(expected)
  expect(await run('js', true)).toEqual(expected)
})

it('averages over workers as over one large batch', async () => {
  const net = network()
  const program = compile(split(classifier(net, 4), 'loss', optim.sgd({ lr: 0.1 })))
  const [a, b] = [await program.load({ seed: 1 }), await program.load({ seed: 1 })]
  const whole = await compile({ train: classifier(network()).minimize('loss', optim.sgd({ lr: 0.1 })) }).load({ seed: 1 })
  for (let i = 0; i < 10; i++) {
    const one = a.gradients({ x: x.subarray(0, 20), y: y.subarray(0, 4) }).gradients
    const other = b.gradients({ x: x.subarray(20), y: y.subarray(4) }).gradients
    const gradients = one.map((v, j) => (v + other[j]) / 2)
    for (const model of [a, b]) model.apply({ gradients })
    whole.train({ x, y })
  }
  expect(a.flat()).toEqual(b.flat())
  const flat = whole.flat()
  a.flat().forEach((v, i) => expect(v).toBeCloseTo(flat[i], 5))
})

it('orders gradients as the manifest says, and states as flat() has them', async () => {
  const program = compile(split(classifier(network()), 'loss', optim.sgd({ lr: 1 })))
  const { functions, states } = program.manifest
  expect(functions.map((f) => f.parameters)).toEqual([['0.weight', '0.bias', '2.weight', '2.bias'], ['0.weight', '0.bias', '2.weight', '2.bias']])
  expect(states.filter((s) => s.trainable).map((s) => s.name)).toEqual(functions[0].parameters)
  const model = await program.load()
  const before = model.flat()
  const gradients = model.gradients({ x, y }).gradients.slice()
  model.apply({ gradients })
  model.flat().forEach((v, i) => expect(v).toBe(Math.fround(before[i] - gradients[i])))
})

it('passes inputs on that the optimiser reads', async () => {
  const net = network()
  const train = fn({ x: f32(8, 5), y: i32(8), lr: f32() }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) }))
  const model = await compile(split(train, 'loss', optim.sgd({ lr: ({ inputs }) => inputs.lr }), { inputs: ['lr'] })).load()
  const before = model.flat()
  const gradients = model.gradients({ x, y, lr: 0 }).gradients.slice()
  model.apply({ gradients, lr: 0.5 })
  model.flat().forEach((v, i) => expect(v).toBe(Math.fround(before[i] - Math.fround(gradients[i] * 0.5))))
})

it('keeps what the function itself updates with the gradients, and trains what is named', async () => {
  const net = nn.sequential(nn.linear(5, 4), nn.batchNorm1d(4), nn.linear(4, 3))
  const model = await compile(split(classifier(net), 'loss', optim.adam({ lr: 0.1 }), { wrt: ['2.weight'] })).load()
  const seen = () => [...model.state['1.running_mean']]
  const before = seen()
  const { gradients } = model.gradients({ x, y })
  expect(gradients).toHaveLength(12)
  expect(seen()).not.toEqual(before)
  const [first, last] = [model.state['0.weight'].slice(), model.state['2.weight'].slice()]
  const after = seen()
  model.apply({ gradients })
  expect(seen()).toEqual(after)
  expect(model.state['0.weight']).toEqual(first)
  expect(model.state['2.weight']).not.toEqual(last)
})

it('trains bf16 weights by an optimiser that rounds them', async () => {
  const step = () => {
    const weight = new nn.Parameter('w', [3], nn.init.constant(0.5), { dtype: 'bf16' })
    return fn({ x: f32(3) }, ({ x }) => ({ loss: mse(x, cast(weight.of(x), 'f32')) }))
  }
  const rounding = () => optim.masterWeights(optim.sgd({ lr: 0.01 }))
  const whole = await compile({ train: step().minimize('loss', rounding()) }).load()
  const parts = await compile(split(step(), 'loss', rounding())).load()
  const given = { x: Float32Array.of(1, -2, 0.25) }
  for (let i = 0; i < 20; i++) {
    whole.train(given)
    parts.apply({ gradients: parts.gradients(given).gradients })
  }
  expect(parts.state.w).toEqual(whole.state.w)
  expect(new Set(parts.state.w).size).toBe(3)
  const flat = parts.flat()
  expect(flat[0]).toBeGreaterThan(0.5)
  parts.setFlat(flat.map((v) => 2 * v))
  expect(Array.from(parts.flat())).toEqual([...flat].map((v) => 2 * v))
})

it('refuses what cannot be split', () => {
  const train = classifier(network())
  const sgd = optim.sgd({ lr: 1 })
  expect(codeOf(() => split(train, 'los' as never, sgd))).toBe('option/invalid')
  expect(codeOf(() => split(train, 'loss', null as never))).toBe('option/invalid')
  expect(codeOf(() => split(train, 'loss', optim.clipByGlobalNorm(1)))).toBe('option/invalid')
  expect(codeOf(() => split({} as never, 'loss' as never, sgd))).toBe('option/invalid')
  expect(codeOf(() => split(train, 'loss', sgd, { inputs: ['z' as never] }))).toBe('option/invalid')
  expect(codeOf(() => split(train, 'loss', sgd, { inputs: 'x' as never }))).toBe('attr/invalid')
  expect(codeOf(() => split(train, 'loss', sgd, { input: ['x'] } as never))).toBe('option/invalid')
  expect(codeOf(() => split(train, 'loss', sgd, { wrt: ['nothing'] }))).toBe('state/unknown')
  const net = network()
  const named = fn({ x: f32(8, 5), y: i32(8) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y), gradients: mul(x, 2) }))
  expect(codeOf(() => split(named, 'loss', sgd))).toBe('name/duplicate')
  const w = new nn.Parameter('w', [2], nn.init.zeros, { dtype: 'f64' })
  const wide = fn({ x: f64(2) }, ({ x }) => ({ loss: mse(x, w.of(x)) }))
  expect(codeOf(() => split(wide, 'loss', sgd))).toBe('dtype/unsupported')
})
