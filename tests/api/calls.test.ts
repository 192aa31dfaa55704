import { describe, expect, it } from 'vitest'
import {
  add, all, bool, cast, compile, equal, f32, f64, fn, gather, i32, logicalAnd, logicalNot, mean, mse, mul, nn, onesLike,
  optim, reshape, softmax, sub, sum, u32, where, zerosLike, type Functions, type LoadOptions, type Model,
} from '../../src/index.ts'
import { codeOf } from '../code-of.ts'

const x = Float32Array.of(1, 2, 3, 4, 5, 6)
const momentum = optim.sgd({ lr: 0.1, momentum: 0.9 })
/** A training step of a bare layer on f32[3, 2]. */
const step = (layer: nn.Layer) =>
  fn({ x: f32(3, 2) }, ({ x }) => ({ loss: mean(mul(layer(x), layer(x))) })).minimize('loss', momentum)

describe.each(['wasm', 'js'] as const)('calls of %s', (target) => {
  const load = <const F extends Functions>(functions: F, options?: LoadOptions): Promise<Model<F>> =>
    compile(functions, { target, verify: true }).load(options)

  it('results may be inputs, states, literals, and one node twice', async () => {
    const p = new nn.Parameter('p', [2], nn.init.ones)
    const f = fn({ x: f32(2), s: f32() }, ({ x, s }) => (
      { x, again: x, s, p: p.of(x), zero: zerosLike(x), one: onesLike(s), row: reshape(x, [1, 2]) }
    ))
    const model = await load({ f })
    const given = { x: Float32Array.of(3, 4), s: 5 }
    const wanted = { x: given.x, again: given.x, s: 5, p: Float32Array.of(1, 1), zero: new Float32Array(2), one: 1, row: given.x }
    const results = model.f(given)
    expect(results).toEqual(wanted)
    // Writing into a view of a result changes neither state nor later results.
    for (const view of [results.x, results.again, results.p, results.zero, results.row]) view.fill(9)
    expect([...model.state.p]).toEqual([1, 1])
    expect(model.f(given)).toEqual(wanted)
  })

  it('a result that is a state is its value before the update', async () => {
    const p = new nn.Parameter('p', [2], nn.init.ones)
    const train = fn({ x: f32(2) }, ({ x }) => ({ loss: sum(mul(p.of(x), x)), p: p.of(x) })).minimize('loss', optim.sgd({ lr: 1 }))
    const model = await load({ train })
    expect([...model.train({ x: Float32Array.of(1, 2) }).p]).toEqual([1, 1])
    expect([...model.state.p]).toEqual([0, -1])
  })

  it('functions may have no inputs, no states, no results', async () => {
    const model = await load({ f: fn({}, () => ({})) })
    expect(model.f({})).toEqual({})
    expect((model.f as () => object)()).toEqual({})
    model.restore(model.save())
    expect(codeOf(() => model.f({ x } as never))).toBe('input/unknown')
  })

  it('one function under two names is one step over one state', async () => {
    const train = step(nn.linear(2, 1))
    const [two, one] = [await load({ a: train, b: train }), await load({ a: train })]
    two.a({ x })
    two.b({ x })
    one.a({ x })
    one.a({ x })
    expect(two.state).toEqual(one.state)
  })

  it('two optimisers share a step, each on its states, from one gradient', async () => {
    const net = nn.sequential(nn.linear(2, 2), nn.linear(2, 1))
    const loss = fn({ x: f32(3, 2) }, ({ x }) => ({ loss: mean(mul(net(x), net(x))) }))
    const first = loss.minimize('loss', optim.sgd({ lr: 0.1 }), { wrt: ['0.weight', '0.bias'] })
    const both = first.minimize('loss', optim.adam(), { wrt: ['1.weight', '1.bias'] })
    const alone = [loss.minimize('loss', optim.sgd({ lr: 0.1 })), loss.minimize('loss', optim.adam())]
    const [mixed, sgd, adam] = await Promise.all([both, ...alone].map((train) => load({ train })))
    for (const model of [mixed, sgd, adam]) model.train({ x })
    expect(mixed.state['0.weight']).toEqual(sgd.state['0.weight'])
    expect(mixed.state['1.weight']).toEqual(adam.state['1.weight'])
    expect(codeOf(() => both.minimize('loss', optim.sgd({ lr: 1 })))).toBe('state/duplicate')
  })

  it.each([false, true])('live results may be inputs of the next call (checkFinite: %s)', async (checkFinite) => {
    const f = fn({ a: f32(4), b: f32(4), c: f32() }, ({ a, b, c }) => ({ p: add(a, 1), q: mul(b, 2), s: sub(b, c) }))
    const model = await load({ f }, { checkFinite })
    const live = model.f({ a: Float32Array.of(1, 2, 3, 4), b: Float32Array.of(5, 6, 7, 8), c: 1 })
    for (const turn of [0, 1, 2]) {
      const [p, q, s] = [[...live.p], [...live.q], [...live.s]]
      const [a, b] = turn === 1 ? [s, p] : [q, p]
      model.f({ a: turn === 1 ? live.s : live.q, b: live.p, c: live.q.subarray(2, 3) })
      expect([...live.p]).toEqual(a.map((v) => v + 1))
      expect([...live.q]).toEqual(b.map((v) => v * 2))
      expect([...live.s]).toEqual(b.map((v) => v - q[2]))
    }
  })

  it('one function is compiled with several optimisers of one name, each in its program', async () => {
    const layer = nn.linear(2, 1)
    const loss = fn({ x: f32(3, 2) }, ({ x }) => ({ loss: mean(mul(layer(x), layer(x))) }))
    const weights = await Promise.all([0, 0.1, 0.2].map(async (lr) => {
      const model = await load({ train: loss.minimize('loss', optim.adam({ lr })) })
      model.train({ x })
      return model.state.weight.join()
    }))
    expect(new Set(weights).size).toBe(3)
  })

  it('live states may be inputs', async () => {
    const layer = nn.linear(2, 2, { bias: false })
    const train = fn({ x: f32(2, 2), y: f32(2, 2) }, ({ x, y }) => ({ loss: mse(layer(x), y) })).minimize('loss', momentum)
    const [live, copied] = [await load({ train }), await load({ train })]
    const w = live.state.weight.slice() as Float32Array
    live.train({ x: live.state.weight as Float32Array, y: live.state.weight as Float32Array })
    copied.train({ x: w, y: w })
    expect(live.save()).toEqual(copied.save())
  })

  it('inputs may be shared, resizable or parts of larger arrays; not detached, not of another kind', async () => {
    const f = fn({ x: f32(4), k: i32(2), b: bool(2) }, ({ x, k, b }) => ({ y: mul(x, 2), g: gather(x, k), w: where(b, k, 7) }))
    const model = await load({ f })
    const shared = new Float32Array(new SharedArrayBuffer(32)).fill(3)
    const k = new Int32Array([9, -1, 99, 9]).subarray(1, 3)
    const good = { x: shared.subarray(2, 6), k, b: Buffer.from([0, 1]) as Uint8Array }
    const { y, g, w } = model.f(good)
    expect([[...y], [...g], [...w]]).toEqual([[6, 6, 6, 6], [3, 3], [7, 99]])
    const detached = new Float32Array(4)
    structuredClone(detached.buffer, { transfer: [detached.buffer] })
    expect(codeOf(() => model.f({ ...good, x: detached }))).toBe('input/length')
    for (const bad of [new DataView(new ArrayBuffer(16)), [1, 2, 3, 4], shared.buffer, new Float64Array(4)]) {
      expect(codeOf(() => model.f({ ...good, x: bad as never }))).toBe('input/dtype')
    }
    expect(codeOf(() => model.f({ ...good, b: new Uint8ClampedArray(2) as never }))).toBe('input/dtype')
  })

  it('every byte of a bool but 0 is true', async () => {
    const f = fn({ b: bool(3), s: bool() }, ({ b, s }) => ({
      echo: b, not: logicalNot(b), number: cast(b, 'i32'), and: logicalAnd(b, s), same: equal(b, s), every: all(b),
      where: where(b, cast(b, 'f32'), -1),
    }))
    const model = await load({ f })
    const wanted = structuredClone(model.f({ b: Uint8Array.of(0, 1, 1), s: true }))
    expect(model.f({ b: Uint8Array.of(0, 2, 255), s: Uint8Array.of(3) as never })).toEqual(wanted)
    expect([...wanted.number]).toEqual([0, 1, 1])
  })

  it('scalars that their type cannot hold are refused', async () => {
    const f = fn({ k: i32(), u: u32(), d: f64(), s: f32(), b: bool() }, (all) => ({ ...all }))
    const model = await load({ f })
    const good = { k: -(2 ** 31), u: 2 ** 32 - 1, d: 0.1, s: Infinity, b: 1 as number | boolean }
    expect(model.f(good as never)).toEqual({ ...good, b: true })
    const numbers = [{ k: 0.5 }, { k: NaN }, { k: 2 ** 31 }, { u: -1 }, { u: 2 ** 32 }, { b: 2 }, { b: 256 }]
    for (const bad of [...numbers, { s: '1' }, { s: null }, { d: 1n }, { s: [1] }, { s: {} }]) {
      expect(codeOf(() => model.f({ ...good, ...bad } as never))).toBe('input/dtype')
    }
    expect(model.f({ ...good, d: NaN, s: -0 } as never)).toMatchObject({ d: NaN, s: -0 })
  })

  it('batches and features of size 0', async () => {
    const layer = nn.linear(3, 2)
    const empty = { x: new Float32Array(0), y: new Float32Array(0) }
    const train = fn({ x: f32(0, 3), y: f32(0, 2) }, ({ x, y }) => {
      const error = sub(layer(x), y)
      return { loss: sum(mul(error, error)), p: softmax(layer(x)) }
    }).minimize('loss', momentum)
    const model = await load({ train })
    const before = model.save()
    expect(model.train(empty)).toEqual({ loss: 0, p: new Float32Array(0) })
    expect(model.save()).toEqual(before)
    const bias = nn.linear(0, 2)
    const descent = fn({ x: f32(3, 0) }, ({ x }) => ({ loss: sum(bias(x)) })).minimize('loss', optim.sgd({ lr: 1 }))
    const shift = await load({ train: descent })
    shift.train({ x: empty.x })
    expect([...shift.state.bias]).toEqual([-3, -3])
  })

  it('goes on after restore and reset as if nothing had been; refuses the files of others', async () => {
    const layers = [nn.linear(2, 2), nn.linear(2, 3), nn.linear(2, 2, { bias: false })]
    const [model, wider, plain] = await Promise.all(layers.map((layer) => load({ train: step(layer) })))
    const first = model.save()
    for (const other of [wider, plain]) {
      expect(codeOf(() => model.restore(other.save()))).toBe('file/invalid')
      expect(codeOf(() => other.restore(first))).toBe('file/invalid')
    }
    expect(model.save()).toEqual(first)
    model.train({ x })
    const middle = model.save()
    const next = [model.train({ x }).loss, model.save()]
    model.restore(Buffer.from(middle))
    expect([model.train({ x }).loss, model.save()]).toEqual(next)
    model.reset()
    expect(model.save()).toEqual(first)
    for (const bad of [middle.buffer, middle.slice(0, -1), null, undefined]) {
      expect(codeOf(() => model.restore(bad as never))).toBe('file/invalid')
    }
  })
})
