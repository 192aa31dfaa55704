import { describe, expect, test } from 'vitest'
import { add, cast, compile, f32, fn, mul, nn, optim, sum, type Optimizer } from '../../src/index.ts'

const { accumulate, chain, clipByGlobalNorm, clipByValue, ema, groups, lossScale, masterWeights, weightDecay } = optim
const EVERY: Record<string, Optimizer> = {
  sgd: optim.sgd({ lr: 0.1, momentum: 0.9 }),
  adagrad: optim.adagrad(),
  rmsprop: optim.rmsprop({ centered: true, momentum: 0.5 }),
  adadelta: optim.adadelta(),
  adam: optim.adam(),
  adamw: optim.adamw(),
  nadam: optim.nadam(),
  lion: optim.lion(),
  adafactor: optim.adafactor({ minDimSizeToFactor: 1, momentum: 0.5 }),
  muon: optim.muon(),
  wrapped: masterWeights(lossScale(accumulate(1, ema(chain(
    clipByGlobalNorm(1e3), clipByValue(1e3), weightDecay(0), groups([['*', optim.sgd({ lr: 0.1 })]]),
  ))))),
}
const SHAPES = [[], [0], [3], [0, 3], [1, 1], [2, 3], [3, 2], [2, 3, 2]]

/** A step over parameters of all shapes, whose gradients are the numbers g·(1, 2, …). */
function everyShape(optimizer: Optimizer) {
  const parameters = SHAPES.map((shape, i) => new nn.Parameter(`p${i}`, shape, nn.init.ones))
  return fn({ g: f32() }, ({ g }) => ({
    loss: parameters.map((p, i) => sum(mul(mul(p.of(g), g), i + 1))).reduce((a, b) => add(a, b)) as typeof g,
  })).minimize('loss', optimizer)
}

describe.each(Object.entries(EVERY))('%s', (_, optimizer) => {
  test('takes parameters of any shape, empty ones too, with the same bits on both targets', async () => {
    const train = everyShape(optimizer)
    const load = (target: 'wasm' | 'js') => compile({ train }, { target, verify: true }).load()
    const [wasm, js] = [await load('wasm'), await load('js')]
    for (let t = 0; t < 3; t++) {
      wasm.train({ g: 0.5 })
      js.train({ g: 0.5 })
    }
    for (const [name, values] of Object.entries(wasm.state)) expect(js.state[name], name).toEqual(values)
    SHAPES.forEach((shape, i) => {
      const moved = [...wasm.state[`p${i}`]]
      expect(moved).toHaveLength(shape.reduce((a: number, b) => a * b, 1))
      for (const v of moved) expect(v).toBeLessThan(1)
      for (const v of moved) expect(v).toBeGreaterThan(-2)
    })
  })

  test('tiny gradients, zeros and large ones leave finite weights; NaN shows, or is skipped', async () => {
    const program = compile({ train: everyShape(optimizer) })
    for (const g of [0, -0, 1e-30, 1e15]) {
      const model = await program.load()
      for (let t = 0; t < 2; t++) model.train({ g })
      SHAPES.forEach((_, i) => expect([...model.state[`p${i}`]].every(Number.isFinite), `p${i} at gradient ${g}`).toBe(true))
    }
    const model = await program.load()
    model.train({ g: NaN })
    const shown = optimizer === EVERY.wrapped ? (v: number) => v === 1 : Number.isNaN
    SHAPES.forEach((_, i) => expect([...model.state[`p${i}`]].every(shown), `p${i}`).toBe(true))
  })
})

test('loss scaling keeps gradients that f16 would lose, and still skips with fastMath', async () => {
  const trained = async (optimizer: Optimizer): Promise<{ model: any; moved: number }> => {
    const w = new nn.Parameter('w', [4], nn.init.ones)
    const train = fn({ x: f32(4) }, ({ x }) => ({ loss: mul(sum(mul(cast(cast(w.of(x), 'f16'), 'f32'), x)), 1e-9) }))
      .minimize('loss', optimizer)
    const model: any = await compile({ train }, { fastMath: true }).load()
    model.train({ x: Float32Array.of(1, 1, 1, 1) })
    return { model, moved: 1 - model.state.w[0] }
  }
  expect((await trained(optim.sgd({ lr: 2 ** 20 }))).moved).toBe(0)
  const { model, moved } = await trained(lossScale(optim.sgd({ lr: 2 ** 20 })))
  expect(moved).toBeCloseTo(2 ** 20 * 1e-9, 5)
  const before = model.state.w.slice()
  for (const bad of [NaN, Infinity, 1e38]) {
    model.train({ x: Float32Array.of(bad, 1, 1, 1) })
    expect(model.state.w).toEqual(before)
  }
})

test('emitted declarations name all states and results', () => {
  const train = everyShape(EVERY.adam)
  const w = new nn.Parameter('a.b', [2], nn.init.ones)
  const watched = fn({ x: f32(2) }, ({ x }) => ({ loss: sum(mul(w.of(x), x)) }))
    .minimize('loss', EVERY.adam, { monitor: ['gradientNorm'] })
  expect(compile({ watched }).emit().dts).toContain('"gradientNorm:a.b"')
  expect(compile({ train }).manifest.states.map((s) => s.name)).toContain('adam:m:p5')
})
