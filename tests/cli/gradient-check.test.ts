import { describe, expect, it } from 'vitest'
import { abs, add, cast, compile, custom, f32, fn, i32, iota, less, mul, nn, optim, scan, softmaxCrossEntropy, stopGradient, sub, sum, tanh, type Tensor } from '../../src/index.ts'
import type { Fn } from '../../src/index.ts'
import { checkGradients, type ParameterCheck } from '../../src/cli/gradient-check.ts'
import { randomFrom, randomInputs } from '../../src/cli/random-inputs.ts'
import type { TypedArray } from '../../src/ir/types.ts'

const sgd = optim.sgd({ lr: 0.1 })

/** Checks the training step of a function whose result `loss` it minimises. */
async function check(train: Fn<any, any>, elements = 4): Promise<ParameterCheck[]> {
  const { graph, loss, wrt } = train.training[0]
  const { state } = (await compile({ train }).load({ seed: 1 })) as { state: Record<string, TypedArray> }
  return [...checkGradients({ graph, loss, wrt, inputs: randomInputs(graph, 1), states: state, random: randomFrom(1), elements })]
}

const w = new nn.Parameter('w', [6], nn.init.normal(0, 1))
/** x·x with an adjoint that is wrong by a factor. */
const square = (x: Tensor, factor: number): Tensor =>
  custom([x], ([x]) => mul(x, x), ([x], _, ct) => [mul(mul(ct, x), 2 * factor)])

describe('verdicts', () => {
  it.each([
    [1, 'good', 0, 1e-7], [1 + 1e-5, 'fair', 9e-6, 1.1e-5], [1.01, 'bad', 0.009, 0.011], [-1, 'bad', 1.9, 2.1], [0, 'bad', 0.99, 1.01],
  ])('an adjoint times %d is %s', async (factor, verdict, low, high) => {
    const [found] = await check(fn({ x: f32(6) }, ({ x }) => ({ loss: sum(square(mul(w.of(x), x), factor)) })).minimize('loss', sgd))
    expect(found).toMatchObject({ name: 'w', type: 'f32[6]', verdict })
    expect(found.error).toBeGreaterThanOrEqual(low)
    expect(found.error).toBeLessThanOrEqual(high)
  })

  it('finds one wrong element among many, and gradients that are wrong and tiny', async () => {
    const many = new nn.Parameter('m', [5000], nn.init.normal(0, 1))
    const first = fn({ x: f32(5000) }, ({ x }) => {
      const part = mul(many.of(x), x)
      // Wrong at five elements of 5000.
      const some = cast(less(iota(x, 0), 5), 'f32')
      const wrong = custom([part, some], ([p]) => tanh(p), ([p, at], y, ct) => [add(mul(ct, sub(1, mul(y, y))), mul(mul(p, at), 0.5)), null])
      return { loss: sum(wrong) }
    }).minimize('loss', sgd)
    expect((await check(first))[0].verdict).toBe('bad')
    const small = fn({ x: f32(6) }, ({ x }) => ({ loss: add(1, mul(sum(square(mul(w.of(x), x), 2)), 1e-7)) })).minimize('loss', sgd)
    expect((await check(small))[0].verdict).toBe('bad')
  })

  it('is not misled by kinks, by gradients of zero, by no element at all', async () => {
    const kinks = fn({ x: f32(6) }, ({ x }) => ({ loss: sum(abs(mul(w.of(x), x))) })).minimize('loss', sgd)
    expect((await check(kinks))[0].verdict).toBe('good')
    const still = fn({ x: f32(6) }, ({ x }) => ({ loss: sum(mul(mul(w.of(x), 0), x)) })).minimize('loss', sgd)
    expect((await check(still))[0]).toMatchObject({ verdict: 'good', gradient: 0 })
    const none = new nn.Parameter('none', [0], nn.init.zeros)
    const empty = fn({ x: f32(6) }, ({ x }) => ({ loss: add(sum(mul(w.of(x), x)), sum(none.of(x))) })).minimize('loss', sgd)
    expect((await check(empty)).map((p) => [p.name, p.verdict])).toEqual([['w', 'good']])
    expect((await check(kinks, 0))[0].at).toBe('all')
  })

  it('takes what stopGradient hides for what it is: another slope', async () => {
    const half = fn({ x: f32(6) }, ({ x }) => {
      const y = mul(w.of(x), x)
      return { loss: sum(mul(y, stopGradient(y))) }
    }).minimize('loss', sgd)
    expect((await check(half))[0]).toMatchObject({ verdict: 'bad' })
  })
})

it('checks whole networks: labels, loops, batch statistics, dropout, bf16 weights', async () => {
  const net = nn.sequential(nn.linear(5, 8), nn.batchNorm1d(8), nn.gelu, nn.dropout(0.3), nn.linear(8, 3))
  const classify = fn({ x: f32(6, 5), y: i32(6) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) })).minimize('loss', optim.adam({ lr: 0.01 }))
  const found = await check(classify)
  // A bias before a batch norm has no effect.
  expect(found.map((p) => p.name)).toEqual(['0.weight', '0.bias', '1.weight', '1.bias', '4.weight', '4.bias'])
  for (const p of found) expect(p, p.name).toMatchObject({ verdict: 'good' })
  const loop = fn({ x: f32(4, 6) }, ({ x }) => {
    const { carry } = scan({ h: w.of(x) }, { x }, ({ h }, { x: step }) => ({ carry: { h: tanh(add(mul(h, w.of(x)), step)) } }))
    return { loss: sum(carry.h) }
  }).minimize('loss', sgd)
  expect((await check(loop))[0]).toMatchObject({ name: 'w', verdict: 'good' })
  const stored = new nn.Parameter('stored', [6], nn.init.constant(0.5), { dtype: 'bf16' })
  const rounded = fn({ x: f32(6) }, ({ x }) => ({ loss: sum(tanh(mul(cast(stored.of(x), 'f32'), x))) })).minimize('loss', optim.masterWeights(sgd))
  expect((await check(rounded))[0]).toMatchObject({ type: 'bf16[6]', verdict: 'good' })
})

describe('random inputs', () => {
  it('are what integers index or are compared with', async () => {
    const [table, out] = [nn.embedding(7, 4), nn.linear(4, 3)]
    const net = nn.sequential(table, out)
    const f = fn({ token: i32(50), label: i32(50), free: i32(50), x: f32(50), rate: f32() }, ({ token, label, free, x, rate }) => ({
      loss: mul(softmaxCrossEntropy(net(token), label), rate), other: sum(mul(x, cast(free, 'f32'))),
    }))
    const inside = fn({ t: i32(4, 50) }, ({ t }) => ({ y: scan({}, { t }, (_, { t: row }) => ({ carry: {}, out: { y: table(row) } })).out.y }))
    expect(Math.max(...randomInputs(inside.graph, 1).t)).toBe(6)
    const { token, label, free, x, rate } = randomInputs(f.graph, 1)
    expect([Math.min(...token), Math.max(...token)]).toEqual([0, 6])
    expect([Math.min(...label), Math.max(...label)]).toEqual([0, 2])
    expect([Math.min(...free), Math.max(...free)]).toEqual([0, 1])
    expect(Math.min(...x)).toBeLessThan(0)
    expect(rate[0]).toBeGreaterThan(0)
    expect(rate[0]).toBeLessThan(0.01)
    expect(randomInputs(f.graph, 1)).toEqual(randomInputs(f.graph, 1))
    expect(randomInputs(f.graph, 2).token).not.toEqual(token)
  })
})
