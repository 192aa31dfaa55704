// Reversible blocks: the gradients of the plain composition, from memory that does not grow with the depth.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  add, cast, compile, concat, f32, fn, grad, jvp, matmul, mul, nn, optim, reversible, reversibleSequence, scan, sin, slice,
  square, sum, tanh, type Reversible, type Scalar, type Tensor,
} from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { Node } from '../../src/ir/graph.ts'
import { sizeOf, type Shape } from '../../src/ir/types.ts'
import { numbersOf, refusal, type Numbers } from '../passes/numbers.ts'

const any = (x: unknown): any => x
const draw = (n: number, seed: number): number[] =>
  Array.from({ length: n }, (_, i) => Math.sin(seed * 12.9898 + i * i * 78.233 + i))

function expectClose(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(actual.length).toBe(expected.length)
  const size = Math.max(1, ...expected.map(Math.abs))
  actual.forEach((v, i) => expect(Math.abs(v - expected[i]) / size, `[${i}] ${v}, not ${expected[i]}`).toBeLessThan(tolerance))
}

/** The same function, as anyone would write it. */
const plain = (blocks: readonly Reversible[]) => (x: Tensor): Tensor => {
  const at = (blocks[0].axis + x.shape.length) % x.shape.length
  const half = x.shape[at] / 2
  const part = (start: number): Tensor => slice(x, ...x.shape.map((_, i) => (i === at ? { start, stop: start + half } : null)))
  let [y1, y2] = [part(0), part(half)]
  for (const { f, g } of blocks) {
    y1 = add(y1, f(y2))
    y2 = add(y2, g(y1))
  }
  return concat([y1, y2], at)
}

/** A scalar of y that is not symmetric in its elements. */
const measure = (y: Tensor): Tensor => sum(mul(y, sin(add(y, 1))))

/** The gradient of a scalar by central differences of fourth order. */
function differences(loss: Node, name: string, at: Numbers): number[] {
  const h = 1e-3
  return at[name].map((v, j) => {
    const [a, b, c, d] = [-2, -1, 1, 2].map((k) => numbersOf([loss], { ...at, [name]: at[name].with(j, v + k * h) })[0][0])
    return (8 * (c - b) - (d - a)) / (12 * h)
  })
}

type Sizes = { rows: number; half: number; depth: number; seed: number; shared: boolean }

/** Blocks over inputs in doubles; weights are shared where `shared`, and every g reads what was made of x outside. */
function doubles({ rows, half, depth, seed, shared }: Sizes) {
  const b = new Builder()
  const shapes: Record<string, Shape> = { x: [rows, 2 * half], s: [half] }
  const count = shared ? 1 : depth
  for (let i = 0; i < count; i++) Object.assign(shapes, { [`w${i}`]: [half, half], [`v${i}`]: [half, half] })
  const input = (name: string, shape: Shape): Tensor<'f64'> => b.input(name, { dtype: 'f64', shape }) as Tensor<'f64'>
  const x = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, input(name, shape)]))
  const at = Object.fromEntries(Object.entries(shapes).map(([name, shape], i) => [name, draw(sizeOf(shape), seed + i)]))
  const aside = mul(sum(x.x, { axis: 0 }), 0.1)
  const lean = slice(aside, { stop: half })
  const blocks = Array.from({ length: depth }, (_, i) => {
    const [w, v] = [x[`w${i % count}`], x[`v${i % count}`]]
    const g = (h: any): Tensor => mul(sin(add(matmul(h, v), add(x.s, lean))), h)
    return reversible((h) => tanh(matmul(any(h), w)), g, { axis: -1 })
  })
  return { x, at, blocks, names: Object.keys(shapes) }
}

const upTo = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max })
const sizes = fc.record({ rows: upTo(3), half: upTo(3), depth: upTo(4), seed: upTo(99), shared: fc.boolean() })

describe('gradients', () => {
  test('are those of the plain composition, to rounding, with shared weights and values from outside', () => {
    fc.assert(fc.property(sizes, (s) => {
      const { x, at, blocks, names } = doubles(s)
      const wrt = names.map((n) => x[n])
      const [ours, theirs] = [reversibleSequence(blocks), plain(blocks)].map((net) => {
        const y = net(x.x)
        return numbersOf([y, ...grad(measure(y), wrt)], at)
      })
      expect(ours[0]).toEqual(theirs[0])
      theirs.slice(1).forEach((g, i) => expectClose(ours[i + 1], g, 1e-12))
    }), { numRuns: 20 })
  })

  test('are those of differences, and second ones those of the plain composition', () => {
    const { x, at, blocks, names } = doubles({ rows: 2, half: 2, depth: 2, seed: 3, shared: true })
    const loss = measure(reversibleSequence(blocks)(x.x))
    const wrt = names.map((n) => x[n])
    const first = grad(loss, wrt)
    first.forEach((g, i) => expectClose(numbersOf([g], at)[0], differences(loss, names[i], at), 1e-9))
    const slopes = (l: Tensor): Tensor => grad(l, wrt).map((g) => sum(sin(mul(g, 0.2)))).reduce((a, b) => add(a, b))
    const second = (l: Tensor): Tensor[] => grad(slopes(l), wrt)
    const theirs = numbersOf(second(measure(plain(blocks)(x.x))), at)
    numbersOf(second(loss), at).forEach((v, i) => expectClose(v, theirs[i], 1e-12))
  })

  test('of one block, of channels in the middle', () => {
    const b = new Builder()
    const x = b.input('x', { dtype: 'f64', shape: [2, 4, 3] }) as Tensor<'f64'>
    const k = b.input('k', { dtype: 'f64', shape: [2, 1] }) as Tensor<'f64'>
    const block = reversible((h) => tanh(mul(any(h), k)), (h) => square(h))
    const at = { x: draw(24, 1), k: draw(2, 2) }
    const [ours, theirs] = [block, plain([block])].map((net) => numbersOf([net(x), ...grad(measure(net(x)), [x, k])], at))
    ours.forEach((v, i) => expectClose(v, theirs[i], 1e-13))
  })

  test('in the body of a loop', () => {
    const { x, at, blocks, names } = doubles({ rows: 2, half: 2, depth: 2, seed: 7, shared: false })
    const [ours, theirs] = [reversibleSequence(blocks), plain(blocks)].map((net) => {
      const { carry } = scan({ h: x.x as Tensor }, {}, ({ h }) => ({ carry: { h: tanh(net(h)) } }), { length: 4 })
      return numbersOf(grad(measure(carry.h), names.map((n) => x[n])), at)
    })
    ours.forEach((v, i) => expectClose(v, theirs[i], 1e-12))
  })

  test('of branches that read no half, or give it as it is', () => {
    const b = new Builder()
    const x = b.input('x', { dtype: 'f64', shape: [1, 4] }) as Tensor<'f64'>
    const c = b.input('c', { dtype: 'f64', shape: [1, 2] }) as Tensor<'f64'>
    const blocks = [reversible(() => c, (h) => h), reversible((h) => mul(h, 0), () => sin(c))]
    const at = { x: draw(4, 1), c: draw(2, 2) }
    const [ours, theirs] = [reversibleSequence(blocks), plain(blocks)].map((net) => numbersOf(grad(measure(net(x)), [x, c]), at))
    ours.forEach((v, i) => expectClose(v, theirs[i], 1e-13))
  })
})

const branch = (n: number) => nn.sequential(nn.linear(n, n), nn.tanh)
const stack = (depth: number, make: () => any = () => branch(8)): Reversible[] =>
  Array.from({ length: depth }, () => reversible(make(), make()))
type Net = (x: Tensor<any>) => Tensor<any>

describe('compiled', () => {
  const trained = (net: Net, optimizer: optim.Optimizer = optim.sgd({ lr: 1e-4 })) =>
    fn({ x: f32(64, 16) }, ({ x }) => ({ loss: sum(square(net(x))) as Scalar<'f32'> })).minimize('loss', optimizer)

  const arena = (net: Net, optimizer?: optim.Optimizer): number => compile({ train: trained(net, optimizer) }).memory.arenaBytes
  /** Bytes of one half. */
  const half = 64 * 8 * 4

  test('the arena does not grow with the depth, as that of the plain stack does', () => {
    const [shallow, deep] = [4, 16].map((depth) => {
      const blocks = stack(depth)
      return { reversible: arena(reversibleSequence(blocks)), plain: arena(plain(blocks)) }
    })
    expect(deep.plain).toBeGreaterThan(shallow.plain + 24 * half)
    expect(deep.reversible).toBe(shallow.reversible)
  })

  const branches: [string, (n: number) => any][] = [
    ['that need little backwards', (n) => nn.sequential(nn.linear(n, n), nn.relu)],
    ['that are wide inside', (n) => nn.sequential(nn.linear(n, 3 * n), nn.gelu, nn.linear(3 * n, n))],
    ['with dropout', (n) => nn.sequential(nn.linear(n, n), nn.dropout(0.2))],
  ]
  test.each(branches)('nor with branches %s', (_, make) => {
    const [shallow, deep] = [2, 6].map((depth) => arena(reversibleSequence(stack(depth, () => make(8)))))
    expect(deep - shallow).toBeLessThan(half)
  })

  test('nor where clipping keeps all gradients, but for those', () => {
    const [shallow, deep] = [2, 6].map((depth) => {
      const net = reversibleSequence(stack(depth))
      const weights = net.parameters.reduce((n, p) => n + 4 * sizeOf(p.type.shape), 0)
      return arena(net, optim.chain(optim.clipByGlobalNorm(1), optim.adam({ lr: 1e-3 }))) - weights
    })
    expect(deep - shallow).toBeLessThan(half)
  })

  /** Weights and losses of ten steps. */
  async function run(net: Net, target: 'js' | 'wasm'): Promise<{ losses: number[]; state: Record<string, number[]> }> {
    const train = fn({ x: f32(6, 8), y: f32(6, 8) }, ({ x, y }) => ({ loss: nn.mse(net(x), y) as Scalar<'f32'> }))
      .minimize('loss', optim.sgd({ lr: 0.1 }))
    const model = await compile({ train }, { target, seed: 5, verify: true }).load()
    const inputs = { x: Float32Array.from(draw(48, 1)), y: Float32Array.from(draw(48, 2)) }
    const losses = Array.from({ length: 10 }, () => model.train(inputs).loss)
    const states = Object.entries(model.state as Record<string, Float32Array>)
    return { losses, state: Object.fromEntries(states.map(([name, v]) => [name, [...v]])) }
  }

  test('trains as the plain stack does, with dropout and running statistics inside, to the same bits on both targets', async () => {
    const make = (): Net => nn.sequential(nn.linear(4, 4), nn.batchNorm1d(4), nn.tanh, nn.dropout(0.3)) as Net
    const blocks = stack(3, make)
    const net = reversibleSequence(blocks)
    const [js, wasm, theirs] = await Promise.all([run(net as Net, 'js'), run(net as Net, 'wasm'), run(plain(blocks), 'js')])
    expect(wasm).toEqual(js)
    expect(Object.keys(js.state).toSorted()).toEqual(Object.keys(theirs.state).toSorted())
    for (const [name, values] of Object.entries(theirs.state)) expectClose(js.state[name], values, 1e-5)
    expectClose(js.losses, theirs.losses, 1e-5)
    expect(js.losses[9]).toBeLessThan(js.losses[0])
  })

  test('in evaluation, what is inside evaluates', async () => {
    const blocks = stack(2, () => nn.sequential(nn.linear(4, 4), nn.dropout(0.9)))
    const net = reversibleSequence(blocks)
    const f = fn({ x: f32(2, 8) }, ({ x }) => {
      const same = plain(blocks.map(({ f, g, axis }) => any({ f: any(f).evaluation, g: any(g).evaluation, axis })))
      return { y: net.evaluation(x), z: same(x) }
    })
    const { y, z } = (await compile({ f }).load()).f({ x: Float32Array.from(draw(16, 1)) })
    expect([...y]).toEqual([...z as Float32Array])
  })

  test('parameters have the names of their branches', () => {
    const linear = () => nn.linear(2, 2, { bias: false })
    expect(reversible(linear(), linear()).parameters.map((p) => p.name)).toEqual(['f.weight', 'g.weight'])
    const net = reversibleSequence([reversible(linear(), linear()), reversible(linear(), (h) => h)])
    expect(net.parameters.map((p) => p.name)).toEqual(['0.f.weight', '0.g.weight', '1.f.weight'])
  })
})

describe('refusals', () => {
  const same = (x: any): any => x
  const block = reversible(same, same)
  const made: [string, () => unknown, string, RegExp][] = [
    ['a branch that is missing', () => reversible(same, any(undefined)), 'option/invalid', /"g"/],
    ['a parameter for a branch', () => reversible(any(new nn.Parameter('p', [2], nn.init.zeros)), same), 'option/invalid', /the f of reversible/],
    ['an axis that is no integer', () => reversible(same, same, { axis: 0.5 }), 'option/invalid', /axis cannot be 0.5/],
    ['an unknown option', () => reversible(same, same, any({ dim: 1 })), 'option/invalid', /"dim"/],
    ['no list', () => reversibleSequence(any(block)), 'attr/invalid', /must be a list/],
    ['an empty list', () => reversibleSequence([]), 'option/invalid', /no block/],
    ['a block that is a layer', () => reversibleSequence([block, any(nn.linear(2, 2))]), 'option/invalid', /block 1/],
    ['blocks of two axes', () => reversibleSequence([block, reversible(same, same, { axis: -1 })]), 'option/invalid', /block 1 cuts axis -1, block 0 cuts axis 1/],
  ]
  test.each(made)('made of %s', (_, body, code, problem) => {
    const error = refusal(body)
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(problem)])
  })

  const applied: [string, (x: Tensor<'f32'>) => unknown, string, RegExp][] = [
    ['an axis that is not there', (x) => reversible(same, same, { axis: 2 })(x), 'shape/axis', /axis 2/],
    ['an odd extent', (x) => reversible(same, same, { axis: 0 })(x), 'shape/invalid', /cannot halve axis 0 of f32\[3, 4\]/],
    ['integers', (x) => block(cast(x, 'i32')), 'dtype/unsupported', /i32/],
    ['no tensor', () => block(any([1])), 'operand/invalid', /an array/],
    ['a branch of another shape', (x) => reversible((h) => sum(h), same)(x), 'shape/mismatch', /f of reversible takes f32\[3, 2\] and gives f32\[\]/],
    ['a branch of another dtype', (x) => reversible(same, (h) => cast(h, 'f64'))(x), 'dtype/mismatch', /g of reversible/],
    ['a branch that gives nothing', (x) => reversible(any(() => undefined), same)(x), 'operand/invalid', /f of reversible/],
    ['forward mode', (x) => jvp([block(x)], [x], [x]), 'grad/forward', /adjoint/],
  ]
  test.each(applied)('applied: %s', (_, body, code, problem) => {
    const error = refusal(() => fn({ x: f32(3, 4) }, ({ x }) => (body(x), {})))
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(problem)])
  })
})
