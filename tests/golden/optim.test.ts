// Ten steps of every optimiser, and schedules, against PyTorch and optax: optim.py makes the values.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  abs, add, compile, einsum, exp, f32, fn, grad, log1p, maximum, mean, mul, neg, nn, optim, square, sub, sum, tanh, type Hyper,
  type Optimizer,
} from '../../src/index.ts'

const { schedules } = optim
const golden = JSON.parse(readFileSync(join(import.meta.dirname, 'optim.json'), 'utf8')) as {
  problem: { x: number[]; y: number[]; W: number[]; v: number[] }
  optimizers: Record<string, { W: number[]; v: number[] }[]>
  logistic: { x: number[]; y: number[]; w: number[]; b: number; loss: number }
  schedules: Record<string, number[]>
  plateaus: Record<string, { metrics: number[]; values: number[] }>
}

const OPTIMIZERS: Record<string, Optimizer> = {
  sgd: optim.sgd({ lr: 0.1 }),
  'sgd momentum': optim.sgd({ lr: 0.1, momentum: 0.9 }),
  'sgd nesterov': optim.sgd({ lr: 0.1, momentum: 0.8, nesterov: true }),
  weightDecay: optim.chain(optim.weightDecay(0.05), optim.sgd({ lr: 0.1, momentum: 0.9 })),
  clipByGlobalNorm: optim.chain(optim.clipByGlobalNorm(0.2), optim.sgd({ lr: 0.1 })),
  clipByValue: optim.chain(optim.clipByValue(0.05), optim.sgd({ lr: 0.1 })),
  adagrad: optim.adagrad(),
  'adagrad initial': optim.adagrad({ lr: 0.1, initial: 0.1, eps: 1e-3 }),
  rmsprop: optim.rmsprop(),
  'rmsprop momentum': optim.rmsprop({ lr: 1e-3, decay: 0.9, momentum: 0.9 }),
  'rmsprop centered': optim.rmsprop({ lr: 1e-3, decay: 0.9, eps: 1e-3, momentum: 0.5, centered: true }),
  adadelta: optim.adadelta(),
  'adadelta rho': optim.adadelta({ lr: 0.5, rho: 0.7, eps: 1e-3 }),
  adam: optim.adam(),
  'adam options': optim.adam({ lr: 0.05, b1: 0.5, b2: 0.9, eps: 1e-4 }),
  adamw: optim.adamw({ lr: 0.01 }),
  nadam: optim.nadam(),
  'nadam options': optim.nadam({ lr: 0.05, b1: 0.8, b2: 0.95, momentumDecay: 0.1 }),
  muon: optim.muon({ lr: 0.02, fallback: optim.adamw({ lr: 0.01 }) }),
  lion: optim.lion({ lr: 1e-3 }),
  'lion options': optim.lion({ lr: 0.02, b1: 0.8, b2: 0.9, weightDecay: 0.1 }),
  adafactor: optim.adafactor({ lr: 0.01 }),
  'adafactor factored': optim.adafactor({ lr: 0.1, minDimSizeToFactor: 2 }),
  'adafactor options': optim.adafactor({
    lr: 0.05, minDimSizeToFactor: 3, decayRate: 0.6, multiplyByParameterScale: false, clippingThreshold: null, momentum: 0.9,
    weightDecay: 0.01,
  }),
  accumulate: optim.accumulate(3, optim.adam({ lr: 0.05 })),
  schedule: optim.adam({
    lr: schedules.linearWarmup({ steps: 4, into: schedules.cosine({ initial: 0.1, steps: 5, end: 0.01 }) }),
  }),
  ema: optim.ema(optim.sgd({ lr: 0.1 }), { decay: 0.9 }),
}
/** Where a case keeps what is compared, if not in the parameters. */
const KEPT: Record<string, string> = { ema: 'sgd:ema.average:' }

type Steps = { W: Float32Array; v: Float32Array }[]

async function tenSteps(name: string, target: 'wasm' | 'js'): Promise<Steps> {
  const W = new nn.Parameter('W', [4, 3], nn.init.zeros)
  const v = new nn.Parameter('v', [4], nn.init.zeros)
  const train = fn({ x: f32(6, 3), y: f32(6) }, ({ x, y }) => {
    const out = einsum('bi,i->b', tanh(einsum('bk,ik->bi', x, W.of(x))), v.of(x))
    return { loss: mul(mean(square(sub(out, y))), 0.5) }
  }).minimize('loss', OPTIMIZERS[name])
  const model = await compile({ train }, { target, verify: true }).load()
  model.state.W.set(golden.problem.W)
  model.state.v.set(golden.problem.v)
  const inputs = { x: Float32Array.from(golden.problem.x), y: Float32Array.from(golden.problem.y) }
  const kept = KEPT[name] ?? ''
  return Array.from({ length: 10 }, () => {
    model.train(inputs)
    return { W: model.state[`${kept}W`].slice() as Float32Array, v: model.state[`${kept}v`].slice() as Float32Array }
  })
}

function expectClose(actual: ArrayLike<number>, expected: readonly number[], what: string): void {
  const largest = expected.reduce((m, e) => Math.max(m, Math.abs(e)), 0)
  expect(actual.length).toBe(expected.length)
  expected.forEach((e, i) => {
    expect(Math.abs(actual[i] - e), `${what}[${i}]: ${actual[i]}, golden ${e}`).toBeLessThanOrEqual(1e-5 * largest)
  })
}

test('every golden optimiser is compared', () => {
  expect(Object.keys(OPTIMIZERS)).toEqual(Object.keys(golden.optimizers))
})

test.each(Object.keys(OPTIMIZERS))('ten steps of %s', async (name) => {
  const [wasm, js] = [await tenSteps(name, 'wasm'), await tenSteps(name, 'js')]
  golden.optimizers[name].forEach((expected, t) => {
    for (const p of ['W', 'v'] as const) {
      expectClose(wasm[t][p], expected[p], `step ${t + 1}, ${p}`)
      expect(js[t][p], `js, step ${t + 1}, ${p}`).toEqual(wasm[t][p])
    }
  })
})

describe('schedules', () => {
  const SCHEDULES: Record<string, Hyper> = {
    step: schedules.step({ initial: 0.3, every: 7, factor: 0.5 }),
    multiStep: schedules.multiStep({ initial: 0.3, milestones: [3, 4, 15] }),
    exponential: schedules.exponential({ initial: 0.3, factor: 0.8 }),
    'exponential every': schedules.exponential({ initial: 0.3, factor: 0.5, every: 5 }),
    linear: schedules.linear({ initial: 0.3, end: 0.1, steps: 9 }),
    polynomial: schedules.polynomial({ initial: 0.3, steps: 20, power: 2 }),
    'polynomial end': schedules.polynomial({ initial: 0.3, end: 0.05, steps: 20, power: 1.5 }),
    cosine: schedules.cosine({ initial: 0.3, steps: 20, end: 0.03 }),
    cosineRestarts: schedules.cosineRestarts({ initial: 0.3, steps: 6, end: 0.01 }),
    'cosineRestarts growth': schedules.cosineRestarts({ initial: 0.3, steps: 3, growth: 2 }),
    linearWarmup: schedules.linearWarmup({
      start: 0.02, steps: 6, into: schedules.cosine({ initial: 0.3, steps: 14, end: 0.01 }),
    }),
    join: schedules.join([0.3, schedules.linear({ initial: 0.2, steps: 5 })], [4]),
    oneCycle: schedules.oneCycle({ peak: 0.3, steps: 20 }),
    'oneCycle linear': schedules.oneCycle({ peak: 0.3, steps: 24, warmup: 0.4, anneal: 'linear', div: 10, finalDiv: 100 }),
  }

  test('every golden schedule is compared', () => expect(Object.keys(SCHEDULES)).toEqual(Object.keys(golden.schedules)))

  // All of them in one program: each is the learning rate of a parameter whose gradient is 1.
  test.each(['wasm', 'js'] as const)('as learning rates, %s', async (target) => {
    const names = Object.keys(SCHEDULES)
    const parameters = names.map((_, i) => new nn.Parameter(`p${i}`, [], nn.init.zeros))
    const train = fn({ x: f32() }, ({ x }) => ({ loss: sum(parameters.map((p) => mul(p.of(x), x)).reduce((a, b) => add(a, b))) }))
      .minimize('loss', optim.groups(names.map((name, i) => [`p${i}`, optim.sgd({ lr: SCHEDULES[name] })] as const)))
    const model = await compile({ train }, { target, verify: true }).load()
    for (let t = 0; t < 26; t++) {
      for (const [i] of names.entries()) model.state[`p${i}`][0] = 0
      model.train({ x: 1 })
      names.forEach((name, i) => {
        const expected = golden.schedules[name][t]
        // Against the largest value, as for tensors: near the end 1 + cos is a difference of nearly equal numbers.
        const largest = golden.schedules[name].reduce((a, b) => Math.max(a, b))
        expect(Math.abs(-model.state[`p${i}`][0] - expected), `${name} at ${t}`).toBeLessThanOrEqual(1e-5 * largest)
      })
    }
  })
})

test.each([
  ['min', { patience: 2, factor: 0.5 }],
  ['cooldown', { patience: 1, cooldown: 3, minLr: 0.02, threshold: 0.01, thresholdMode: 'abs' }],
  ['max', { mode: 'max', patience: 0, factor: 0.7 }],
  ['max positive', { mode: 'max', patience: 0, factor: 0.7, threshold: 0.01 }],
] as const)('ReduceOnPlateau, %s', (name, options) => {
  const plateau = new schedules.ReduceOnPlateau({ lr: 1, ...options })
  const { metrics, values } = golden.plateaus[name]
  expectClose(metrics.map((m) => plateau.step(m)), values, name)
})

test.each(['wasm', 'js'] as const)('lbfgs on a logistic regression, %s', async (target) => {
  const w = new nn.Parameter('w', [3], nn.init.zeros)
  const b = new nn.Parameter('b', [], nn.init.zeros)
  const step = fn({ x: f32(20, 3), y: f32(20) }, ({ x, y }) => {
    const [weight, bias] = [w.of(x), b.of(x)]
    const logits = add(einsum('bi,i->b', x, weight), bias)
    // max(z, 0) − z·y + log(1 + e^(−|z|))
    const entropy = add(sub(maximum(logits, 0), mul(logits, y)), log1p(exp(neg(abs(logits)))))
    const loss = add(mean(entropy), mul(add(sum(square(weight)), square(bias)), 0.05))
    const [gw, gb] = grad(loss, [weight, bias])
    return { loss, gw, gb }
  })
  const model = await compile({ step }, { target, verify: true }).load()
  const [x, y] = [Float32Array.from(golden.logistic.x), Float32Array.from(golden.logistic.y)]
  const outcome = optim.lbfgs([model.state.w, model.state.b] as Float32Array[], () => {
    const { loss, gw, gb } = model.step({ x, y }) as unknown as { loss: number; gw: Float32Array; gb: number }
    return { loss, gradients: [gw, [gb]] }
  })
  expectClose(model.state.w as Float32Array, golden.logistic.w, 'w')
  expectClose(model.state.b as Float32Array, [golden.logistic.b], 'b')
  expectClose([outcome.loss], [golden.logistic.loss], 'loss')
  expect(outcome.evaluations).toBeLessThan(40)
})
