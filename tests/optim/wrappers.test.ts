import { describe, expect, test } from 'vitest'
import { compile, f32, f64, fn, mul, nn, optim, sum, type Optimizer } from '../../src/index.ts'
import { minimise } from '../../src/passes/differentiate/minimise.ts'
import { refusal } from '../passes/numbers.ts'
import { C, gradients, problem, START, steps } from './stepping.ts'

const { accumulate, adam, adamw, chain, clipByGlobalNorm, clipByValue, ema, frozen, groups, lossScale, sgd, weightDecay } = optim
const minimised = (optimizer: Optimizer) => minimise(problem(), { loss: 'loss', optimizer })
const refused = (body: () => unknown): [string, string] => {
  const error = refusal(body)
  return [error.code, error.message]
}

describe('accumulate', () => {
  const batches = (t: number): number[] => C.map((x) => x * (1 + (t % 3)))

  test('changes nothing but its own states between updates', () => {
    const { all } = steps(accumulate(3, adam({ lr: 0.1 })), undefined, 6, batches)
    for (const t of [0, 1]) {
      expect(all[t]).toMatchObject({ ...START, 'adam:m:w': [0, 0, 0], 'adam:step': [0], 'adam:accumulate.count': [t + 1] })
    }
    expect(all[2]).toMatchObject({ 'adam:step': [1], 'adam:accumulate.count': [0], 'adam:accumulate.mean:w': [0, 0, 0] })
    expect(all[2].w).not.toEqual(START.w)
    expect(all[4]).toMatchObject({ w: all[2].w, 'adam:m:v': all[2]['adam:m:v'], 'adam:step': [1] })
    expect(all[5]['adam:step']).toEqual([2])
  })

  test('updates by the mean: as one batch of the mean', () => {
    // The gradient is linear in c, so the mean over c, 2c, 3c is that at 2c.
    const whole = steps(adam({ lr: 0.1 }), undefined, 3, () => C.map((x) => 2 * x))
    const { all } = steps(accumulate(3, adam({ lr: 0.1 })), undefined, 9, batches)
    whole.trace.forEach(({ w, v }, t) => {
      w.forEach((x, i) => expect(all[3 * t + 2].w[i]).toBeCloseTo(x, 12))
      expect(all[3 * t + 2].v[0]).toBeCloseTo(v[0], 12)
    })
  })

  test('of 1 is the optimiser itself', () => {
    const [one, none] = [steps(accumulate(1, adam())).trace, steps(adam()).trace]
    one.forEach(({ w }, t) => w.forEach((x, i) => expect(x).toBeCloseTo(none[t].w[i], 13)))
  })

  test('a schedule inside counts updates', () => {
    const lr = optim.schedules.linear({ initial: 1, steps: 4 })
    const { all } = steps(accumulate(2, sgd({ lr })), undefined, 4)
    const g = gradients(START.w, START.v)
    expect(all[1].v[0]).toBeCloseTo(START.v[0] - g.v[0], 12)
    const next = gradients(all[1].w, all[1].v)
    expect(all[3].v[0]).toBeCloseTo(all[1].v[0] - 0.75 * next.v[0], 6)
  })
})

describe('groups', () => {
  test('each parameter by the first pattern that matches', () => {
    const { trace, states } = steps(groups([['v', sgd({ lr: 0.5 })], ['*', adam({ lr: 0.1 })]]), undefined, 1)
    expect(trace[0].v[0]).toBeCloseTo(START.v[0] - 0.5 * gradients(START.w, START.v).v[0], 12)
    trace[0].w.forEach((x, i) => expect(Math.abs(x - START.w[i])).toBeCloseTo(0.1, 6))
    expect(Object.keys(states).filter((s) => s.includes(':'))).toEqual(['groups:adam.m:w', 'groups:adam.v:w', 'groups:adam.step'])
  })

  test('optimisers of one name keep apart', () => {
    const { states } = steps(groups([['v', adam({ lr: 0.5 })], [/^w$/g, adam()]], { name: 'g' }), undefined, 1)
    expect(Object.keys(states).filter((s) => s.includes(':'))).toEqual([
      'g:adam.m:v', 'g:adam.v:v', 'g:adam.step', 'g:adam1.m:w', 'g:adam1.v:w', 'g:adam1.step',
    ])
  })

  test('otherwise, and frozen parameters without an update', () => {
    const graph = minimised(groups([['v', frozen]], { otherwise: sgd({ lr: 1 }) }))
    expect(graph.updates.map((u) => u.name)).toEqual(['w'])
    expect(minimised(groups([['v', frozen], ['w', adam()]])).updates.map((u) => u.name)).not.toContain('v')
  })

  test('patterns are globs: the rest of a name is taken literally', () => {
    const p = (name: string) => new nn.Parameter(name, [2], nn.init.ones)
    const [a, b, c] = [p('net.0.weight'), p('net.0xbias'), p('net[1]')]
    const train = (list: readonly optim.Group[]) =>
      fn({ x: f32(2) }, ({ x }) => ({ loss: sum(mul(mul(mul(a.of(x), b.of(x)), c.of(x)), x)) }))
        .minimize('loss', groups(list, { otherwise: frozen })).graph.updates.map((u) => u.name)
    expect(train([['net.*', sgd({ lr: 1 })]])).toEqual(['net.0.weight', 'net.0xbias'])
    expect(train([['*.weight', sgd({ lr: 1 })]])).toEqual(['net.0.weight'])
    expect(train([['net[1]', sgd({ lr: 1 })]])).toEqual(['net[1]'])
    expect(train([[/bias|\[/, sgd({ lr: 1 })]])).toEqual(['net.0xbias', 'net[1]'])
  })

  test('clipping in front sees all, within a group that group', () => {
    const g = gradients(START.w, START.v)
    const norm = Math.hypot(...g.w, ...g.v)
    const list: readonly optim.Group[] = [['v', sgd({ lr: 1 })], ['w', sgd({ lr: 1 })]]
    const { trace } = steps(chain(clipByGlobalNorm(0.5), groups(list)), undefined, 1)
    expect(trace[0].v[0]).toBeCloseTo(START.v[0] - (g.v[0] * 0.5) / norm, 12)
    const alone = steps(groups([['v', chain(clipByGlobalNorm(0.5), sgd({ lr: 1 }))]], { otherwise: frozen }), undefined, 1)
    expect(alone.trace[0].v[0]).toBeCloseTo(START.v[0] - 0.5, 12)
  })

  test.each([
    ['a pattern that matches nothing', [['x*', sgd({ lr: 1 })], ['*', adam()]], 'pattern x* matches no parameter'],
    ['a pattern that comes too late', [['*', adam()], ['v', sgd({ lr: 1 })]], 'groups before it took'],
    ['a parameter of no group', [['v', adam()]], 'no group matches the parameter "w"'],
  ] as const)('refuses %s', (_, list, text) => {
    const [code, message] = refused(() => minimised(groups(list)))
    expect(code).toBe('parameter/unmatched')
    expect(message).toContain(text)
  })
})

describe('clipByValue, weightDecay', () => {
  test('clip each element, and let NaN through', () => {
    const g = gradients(START.w, START.v)
    const { trace } = steps(chain(clipByValue(0.7), sgd({ lr: 1 })), undefined, 1)
    trace[0].w.forEach((x, i) => expect(x).toBeCloseTo(START.w[i] - Math.max(-0.7, Math.min(0.7, g.w[i])), 12))
    const bad = steps(chain(clipByValue(0.7), sgd({ lr: 1 })), undefined, 1, () => [NaN, 0, 0])
    expect(bad.trace[0].w.map(Number.isNaN)).toEqual([true, false, false])
  })

  test('limits may be schedules', () => {
    const limit = optim.schedules.linear({ initial: 0.5, end: 0.25, steps: 1 })
    const { trace } = steps(chain(clipByGlobalNorm(limit), sgd({ lr: 1 })), undefined, 2)
    const moved = [START, trace[0], trace[1]].map(({ w, v }) => [...w, ...v])
    const lengths = [0, 1].map((t) => Math.hypot(...moved[t].map((x, i) => moved[t + 1][i] - x)))
    expect(lengths).toEqual([expect.closeTo(0.5, 6), expect.closeTo(0.25, 6)])
  })

  test('decays in front of an optimiser', () => {
    const g = gradients(START.w, START.v)
    const { trace } = steps(chain(weightDecay(0.1), sgd({ lr: 0.5 })), undefined, 1)
    trace[0].w.forEach((x, i) => expect(x).toBeCloseTo(START.w[i] - 0.5 * (g.w[i] + 0.1 * START.w[i]), 12))
  })
})

describe('ema', () => {
  test.each([[true], [false]])('averages the weights, debias %s', (debias) => {
    const { all } = steps(ema(sgd({ lr: 0.1 }), { decay: 0.8, debias }))
    let mean = debias ? 0 : START.v[0]
    all.forEach((s, t) => {
      mean = 0.8 * mean + 0.2 * s.v[0]
      expect(s['sgd:ema.average:v'][0]).toBeCloseTo(debias ? mean / (1 - 0.8 ** (t + 1)) : mean, 12)
    })
    steps(sgd({ lr: 0.1 })).trace.forEach(({ v }, t) => expect(all[t].v).toEqual(v))
  })

  test('of frozen parameters are the parameters', () => {
    const { states } = steps(ema(groups([['v', frozen]], { otherwise: sgd({ lr: 0.1 }) })))
    expect(states['groups:ema.average:v'][0]).toBeCloseTo(START.v[0], 14)
  })

  test.each(['wasm', 'js'] as const)('predicts with averages in a second function, %s', async (target) => {
    const layer = nn.linear(3, 1)
    const train = fn({ x: f32(2, 3) }, ({ x }) => ({ loss: sum(mul(layer(x), layer(x))) }))
      .minimize('loss', chain(clipByGlobalNorm(1), ema(accumulate(2, adam({ lr: 0.1 })), { decay: 0.5 })))
    const predict = fn({ x: f32(2, 3) }, ({ x }) => ({ y: layer(x) }))
    const model = await compile({ train, predict, averaged: predict.averaged(train) }, { target, verify: true }).load()
    const x = Float32Array.of(1, 2, 3, -1, 0.5, 2)
    for (let i = 0; i < 5; i++) model.train({ x })
    const plain = model.predict({ x }).y.slice()
    const averaged = model.averaged({ x }).y.slice()
    expect(averaged).not.toEqual(plain)
    // The recipe by hand: averages in place of the weights.
    for (const name of ['weight', 'bias']) model.state[name].set(model.state[`adam:ema.average:${name}`] as Float32Array)
    expect(model.predict({ x }).y).toEqual(averaged)
  })

  test('averaged refuses what has no averages', () => {
    const layer = nn.linear(3, 1)
    const f = fn({ x: f32(2, 3) }, ({ x }) => ({ loss: sum(layer(x)) }))
    expect(refused(() => f.averaged(f.minimize('loss', adam())))[0]).toBe('state/unknown')
    const other = nn.linear(3, 1)
    const g = fn({ x: f32(2, 3) }, ({ x }) => ({ loss: sum(other(x)) })).minimize('loss', ema(adam()))
    expect(refused(() => f.averaged(g))[0]).toBe('state/unknown')
    expect(refused(() => f.averaged(5 as never))[0]).toBe('option/invalid')
  })
})

describe('lossScale', () => {
  // Powers of two scale exactly: the steps are the same to the last bit.
  test.each([[{}], [{ scale: 1024 }]])('changes nothing while gradients are finite: %j', (options) => {
    const [scaled, plain] = [steps(lossScale(adam({ lr: 0.1 }), options)), steps(adam({ lr: 0.1 }))]
    expect(scaled.trace).toEqual(plain.trace)
  })

  test.each([[{}], [{ scale: 8 }]])('skips a step with a gradient that is not finite: %j', (options) => {
    for (const bad of [NaN, Infinity]) {
      const { all } = steps(lossScale(adam({ lr: 0.1 }), options), undefined, 3, (t) => (t === 1 ? [bad, 0, 0] : C))
      const still = ['w', 'v', 'adam:m:w', 'adam:v:w', 'adam:m:v', 'adam:v:v', 'adam:step']
      for (const name of still) expect(all[1][name], name).toEqual(all[0][name])
      const without = steps(adam({ lr: 0.1 }), undefined, 2).trace
      expect(all[2].w).toEqual(without[1].w)
    }
  })

  test('grows after good steps, shrinks after a bad one, as GradScaler', () => {
    const options = { initial: 4, growth: 3, backoff: 0.25, interval: 2 }
    const { all } = steps(lossScale(sgd({ lr: 0.1 }), options), undefined, 8, (t) => (t === 3 ? [NaN, 0, 0] : C))
    expect(all.map((s) => s['sgd:lossScale.scale'][0])).toEqual([4, 12, 12, 3, 3, 9, 9, 27])
    expect(all.map((s) => s['sgd:lossScale.good'][0])).toEqual([1, 0, 1, 0, 1, 0, 1, 0])
  })

  test('starts at 65536', () => {
    expect(steps(lossScale(sgd({ lr: 0.1 })), undefined, 1).states['sgd:lossScale.scale']).toEqual([65536])
  })

  test('stays finite and positive for ever', () => {
    const up = steps(lossScale(sgd({ lr: 0 }), { interval: 1, growth: 2 ** 100 }), undefined, 4).states
    expect(up['sgd:lossScale.scale']).toEqual([2 ** 116])
    const down = steps(lossScale(sgd({ lr: 0 }), { backoff: 2 ** -100 }), undefined, 4, () => [NaN, 0, 0]).states
    expect(down['sgd:lossScale.scale']).toEqual([2 ** -126])
  })

  test.each(['wasm', 'js'] as const)('finds its way when the scaled gradient overflows, %s', async (target) => {
    const w = new nn.Parameter('w', [2], nn.init.ones)
    const train = fn({ x: f32(2) }, ({ x }) => ({ loss: sum(mul(w.of(x), x)) }))
      .minimize('loss', lossScale(sgd({ lr: 2 ** -120 })), { monitor: ['gradientNorm'] })
    const model = await compile({ train }, { target, verify: true }).load()
    const x = Float32Array.of(2 ** 120, -(2 ** 120))
    const seen: number[][] = []
    for (let i = 0; i < 12; i++) {
      model.train({ x })
      seen.push([model.state['sgd:lossScale.scale'][0], model.state.w[0]])
    }
    // 2¹²⁰·2⁷ is the largest power of two: nine steps are skipped.
    expect(seen.slice(8, 11)).toEqual([[128, 1], [128, 0], [128, -1]])
  })

  test('two minimise calls cannot share its decisions', () => {
    const scaled = lossScale(sgd({ lr: 1 }))
    const once = minimise(problem(), { loss: 'loss', optimizer: scaled, wrt: ['w'] })
    expect(refused(() => minimise(once, { loss: 'loss', optimizer: scaled, wrt: ['v'] }))[0]).toBe('state/duplicate')
  })
})

describe('each in the others', () => {
  test.each(['f32', 'f64'] as const)('all together, both targets, %s', async (dtype) => {
    const w = new nn.Parameter('w', [3], nn.init.ones, { dtype })
    const b = new nn.Parameter('b', [], nn.init.ones, { dtype })
    const inner = groups([['b', adamw()]], { otherwise: optim.nadam() })
    const optimizer = lossScale(accumulate(2, ema(chain(clipByGlobalNorm(1), weightDecay(0.1), inner))))
    // The dtype is one of two at type level, too.
    const train: any = fn({ x: (dtype === 'f32' ? f32(3) : f64(3)) as ReturnType<typeof f32> }, ({ x }) =>
      ({ loss: sum(mul(mul(w.of(x), x), b.of(x))) })).minimize('loss', optim.masterWeights(optimizer))
    const states = await Promise.all((['wasm', 'js'] as const).map(async (target) => {
      const model: any = await compile({ train }, { target, verify: true }).load()
      const x = dtype === 'f32' ? Float32Array.of(1, -2, 0.5) : Float64Array.of(1, -2, 0.5)
      for (let i = 0; i < 6; i++) model.train({ x })
      return Object.fromEntries(Object.entries(model.state as Record<string, Float32Array>).map(([k, v]) => [k, [...v]]))
    }))
    expect(states[0]).toEqual(states[1])
    const counts = { 'groups:adamw.step': [3], 'groups:nadam.step': [3], 'groups:ema.count': [3], 'groups:lossScale.good': [6] }
    expect(states[0]).toMatchObject(counts)
    expect(states[0].w).not.toEqual([1, 1, 1])
  })

  test.each([
    ['lossScale in ema', () => ema(lossScale(adam()))],
    ['lossScale in a chain', () => chain(clipByGlobalNorm(1), lossScale(adam()))],
    ['lossScale in accumulate', () => accumulate(2, lossScale(adam()))],
    ['lossScale in itself', () => lossScale(lossScale(adam()))],
    ['masterWeights in lossScale', () => lossScale(optim.masterWeights(adam()))],
    ['masterWeights in groups', () => groups([['*', optim.masterWeights(adam())]])],
    ['masterWeights in itself', () => optim.stochasticRounding(optim.masterWeights(adam()))],
    ['clipping as an optimiser', () => accumulate(2, clipByGlobalNorm(1))],
    ['nothing as an optimiser', () => ema(undefined as never)],
    ['accumulate 0', () => accumulate(0, adam())],
    ['accumulate 1.5', () => accumulate(1.5, adam())],
    ['an ema of 1', () => ema(adam(), { decay: 1 })],
    ['an ema by name', () => ema(adam(), { debias: 'yes' as never })],
    ['a scale of 0', () => lossScale(adam(), { scale: 0 })],
    ['a scale by another name', () => lossScale(adam(), { scale: 'static' as never })],
    ['growth of a fixed scale', () => lossScale(adam(), { scale: 2, growth: 2 })],
    ['a growth of 1', () => lossScale(adam(), { growth: 1 })],
    ['a backoff of 1', () => lossScale(adam(), { backoff: 1 })],
    ['an interval of 0', () => lossScale(adam(), { interval: 0 })],
    ['a group without an optimiser', () => groups([['*']] as never)],
    ['a group with an empty pattern', () => groups([['', adam()]])],
    ['a group with a number as pattern', () => groups([[5 as never, adam()]])],
    ['a limit of 0', () => clipByValue(0)],
    ['a negative decay', () => weightDecay(-1)],
    ['b1 of lion', () => optim.lion({ b1: 1 })],
    ['rho of adadelta', () => optim.adadelta({ rho: -0.1 })],
    ['initial of adagrad', () => optim.adagrad({ initial: -1 })],
    ['centered of rmsprop', () => optim.rmsprop({ centered: 1 as never })],
    ['momentum of rmsprop', () => optim.rmsprop({ momentum: -1 })],
    ['momentumDecay of nadam', () => optim.nadam({ momentumDecay: -1 })],
    ['clippingThreshold of adafactor', () => optim.adafactor({ clippingThreshold: 0.5 })],
    ['minDimSizeToFactor of adafactor', () => optim.adafactor({ minDimSizeToFactor: 0 })],
    ['steps of muon', () => optim.muon({ steps: 0 })],
    ['fallback of muon', () => optim.muon({ fallback: clipByGlobalNorm(1) })],
  ] as const)('refuses %s', (_, body) => {
    expect(refused(body)[0]).toBe('option/invalid')
  })
})
