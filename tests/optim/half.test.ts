import { describe, expect, test } from 'vitest'
import { cast, compile, f32, fn, mul, nn, optim, square, sub, sum, type Init, type Optimizer } from '../../src/index.ts'
import { halfBits, halfValue, type HalfType } from '../../src/ir/half.ts'
import { refusal } from '../passes/numbers.ts'

const filled = (value: number): Init => (b, { dtype, shape }) => cast(b.literal(value, { dtype: 'f32', shape }), dtype)

/** A training step of n weights of a storage type: Σ (w·x − 1)². */
function training(dtype: HalfType, n: number, optimizer: Optimizer, first = 0.5) {
  const w = new nn.Parameter('w', [n], filled(first), { dtype })
  const body = fn({ x: f32(n) }, ({ x }) => {
    const weight = cast(w.of(x), 'f32')
    return { loss: sum(square(sub(mul(weight, x), 1))), w: weight }
  })
  return { body, train: body.minimize('loss', optimizer) }
}
const load = (train: ReturnType<typeof training>['train'], target: 'wasm' | 'js' = 'wasm') =>
  compile({ train }, { target, verify: true }).load()
const X = Float32Array.of(1, 0.3, -0.7, 1.9)

describe.each(['f16', 'bf16'] as const)('masterWeights, %s', (dtype) => {
  test('the weights are the f32 copies, rounded, which train as f32 does', async () => {
    const { train } = training(dtype, 4, optim.masterWeights(optim.sgd({ lr: 1e-3 })))
    const [wasm, js] = [await load(train), await load(train, 'js')]
    const copy = new Float32Array(4).fill(0.5)
    for (let t = 0; t < 20; t++) {
      const rounded = copy.map((m) => halfValue(halfBits(m, dtype), dtype))
      wasm.train({ x: X })
      js.train({ x: X })
      copy.forEach((m, i) => (copy[i] = m - 1e-3 * 2 * (rounded[i] * X[i] - 1) * X[i]))
      copy.forEach((m, i) => expect(wasm.state['sgd:master.weight:w'][i]).toBeCloseTo(m, 6))
      expect(wasm.state.w).toEqual(Uint16Array.from(wasm.state['sgd:master.weight:w'] as Float32Array, (m) => halfBits(m, dtype)))
    }
    for (const name of Object.keys(wasm.state)) expect(js.state[name], name).toEqual(wasm.state[name])
    // 2e-3·(…) is less than a step of bf16 near ½: without copies nothing would have moved.
    expect(wasm.state.w[0]).not.toBe(halfBits(0.5, dtype))
  })

  test('states are f32; first weights may be changed from outside', async () => {
    const { train } = training(dtype, 4, optim.masterWeights(optim.lossScale(optim.adamw({ lr: 1e-2 }))))
    expect(train.graph.states.map((s) => `${s.name} ${s.dtype}`)).toEqual([
      `w ${dtype}`, 'adamw:lossScale.scale f32', 'adamw:master.count i32', 'adamw:master.weight:w f32',
      'adamw:lossScale.good i32', 'adamw:m:w f32', 'adamw:v:w f32', 'adamw:step i32',
    ])
    const model = await load(train)
    model.state.w.fill(halfBits(2, dtype))
    model.train({ x: X })
    model.state['adamw:master.weight:w'].forEach((m: number) => expect(Math.abs(m - 2)).toBeLessThan(0.011))
  })

  test('with averages, which a second function reads', async () => {
    const { body, train } = training(dtype, 4, optim.masterWeights(optim.ema(optim.sgd({ lr: 1e-2 }), { decay: 0.5 })))
    const model = await compile({ train, averaged: body.averaged(train) }, { verify: true }).load()
    for (let t = 0; t < 3; t++) model.train({ x: X })
    const averages = model.state['sgd:ema.average:w'] as Float32Array
    expect(model.averaged({ x: X }).w).toEqual(averages.map((m) => halfValue(halfBits(m, dtype), dtype)))
  })

  test('a step that overflows is skipped, weights and copies stay', async () => {
    const { train } = training(dtype, 4, optim.masterWeights(optim.lossScale(optim.adam({ lr: 1e-2 }), { initial: 2 ** 127 })))
    const model = await load(train)
    model.train({ x: Float32Array.of(3, 3, 3, 3) })
    expect([...model.state.w]).toEqual(new Array(4).fill(halfBits(0.5, dtype)))
    expect([...model.state['adam:master.weight:w']]).toEqual([0.5, 0.5, 0.5, 0.5])
    expect(model.state['adam:lossScale.scale'][0]).toBe(2 ** 126)
  })

  test('an optimiser that does not round is refused', () => {
    const error = refusal(() => training(dtype, 4, optim.adam()))
    expect(error.code).toBe('dtype/unsupported')
    expect(error.message).toContain('masterWeights')
    const { body } = training(dtype, 4, optim.masterWeights(optim.adam()))
    expect(refusal(() => body.minimize('loss', optim.ema(optim.adam()))).code).toBe('dtype/unsupported')
  })
})

describe('stochasticRounding', () => {
  const N = 4096

  test('is right in the mean, rounds to neighbours only, the same on both targets', async () => {
    // Below ½ the values of bf16 lie 2⁻⁹ apart.
    const { train } = training('bf16', N, optim.stochasticRounding(optim.sgd({ lr: 2 ** -12 })), 0.5)
    const x = new Float32Array(N).fill(2)
    // w·x − 1 = 0: no gradient, so no move at all.
    const still = await load(train)
    still.train({ x })
    expect(new Set(still.state.w)).toEqual(new Set([halfBits(0.5, 'bf16')]))
    // w·x − 1 = 1, gradient 2·4 = 8: the new value is ½ − 2⁻⁹ times 8·2⁻¹²·2⁹ = 1, exactly a neighbour.
    const [model, other] = [await load(train), await load(train, 'js')]
    x.fill(4)
    for (const m of [model, other]) m.train({ x })
    expect(new Set(model.state.w)).toEqual(new Set([halfBits(0.5 - 2 ** -9, 'bf16')]))
    // Gradient 2·(w·3 − 1)·3 = 3: 3·2⁻¹²·2⁹ = 3/8 of the way down.
    for (const m of [model, other]) {
      m.reset(1)
      m.train({ x: x.fill(3) })
    }
    const [up, down] = [halfBits(0.5, 'bf16'), halfBits(0.5 - 2 ** -9, 'bf16')]
    const share = model.state.w.filter((w: number) => w === down).length / N
    expect(new Set(model.state.w)).toEqual(new Set([up, down]))
    expect(Math.abs(share - 3 / 8)).toBeLessThan(0.03)
    expect(other.state.w).toEqual(model.state.w)
    // Other bits in the next step, and for another seed.
    const before = model.state.w.slice()
    model.reset(2)
    model.train({ x })
    expect(model.state.w).not.toEqual(before)
  })

  test('NaN and infinities stay what they are', async () => {
    const { train } = training('bf16', 4, optim.stochasticRounding(optim.sgd({ lr: 1 })), 1)
    const model = await load(train)
    model.train({ x: Float32Array.of(NaN, 1e25, 1, 2) })
    const values = Array.from(model.state.w, (b: number) => halfValue(b, 'bf16'))
    expect([Number.isNaN(values[0]), values[1], values[2]]).toEqual([true, -Infinity, 1])
  })

  test('refuses f16', () => {
    expect(refusal(() => training('f16', 4, optim.stochasticRounding(optim.adam()))).code).toBe('dtype/unsupported')
  })
})
