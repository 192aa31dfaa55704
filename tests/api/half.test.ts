import { describe, expect, it } from 'vitest'
import {
  add, bf16, cast, compile, concat, f16, f32, fn, gather, grad, i32, matmul, mean, mse, mul, nn, optim, relu, reshape, sin, square, sum, window,
  type Tensor,
} from '../../src/index.ts'
import { evaluate } from '../../src/ir/evaluate.ts'
import { halfBits, halfValue, type HalfType } from '../../src/ir/half.ts'

const TYPES: readonly HalfType[] = ['f16', 'bf16']
const TARGETS = ['wasm', 'js'] as const
const specs = { f16, bf16 } as const

const draw = (n: number, seed = 1): Float32Array => {
  let s = seed
  return Float32Array.from({ length: n }, () => ((s = (Math.imul(s, 1664525) + 1013904223) >>> 0) / 2 ** 32) * 2 - 1)
}

/** A perceptron that keeps its activations in this type. */
function perceptron(kept: HalfType | 'f32', batch: number): { train: any; inputs: { x: Float32Array; y: Float32Array } } {
  const store = (x: Tensor): Tensor => cast(cast(x, kept), 'f32')
  const layers = [nn.linear(8, 64), nn.linear(64, 64), nn.linear(64, 1)]
  const net = nn.model({ a: layers[0], b: layers[1], c: layers[2] }, ({ a, b, c }, x) => c(store(relu(b(store(relu(a(x))))))))
  const inputs = { x: draw(batch * 8), y: draw(batch, 2).map((_, i) => Math.sin(3 * draw(batch * 8)[8 * i])) }
  const train = fn({ x: f32(batch, 8), y: f32(batch, 1) }, ({ x, y }) => ({ loss: mse(net(x), y) })).minimize('loss', optim.adam({ lr: 3e-3 }))
  return { train, inputs }
}

describe.each(TYPES)('activations kept in %s', (dtype) => {
  it('learn as well, with the same bits on both targets, in less memory: products read them as they are kept', async () => {
    const batch = 64
    const [half, full] = [perceptron(dtype, batch), perceptron('f32', batch)]
    const losses: number[][] = []
    const states: Uint8Array[] = []
    for (const target of TARGETS) {
      const model = await compile({ train: half.train }, { target }).load({ seed: 3 })
      losses.push(Array.from({ length: 60 }, () => (model as any).train(half.inputs).loss))
      states.push(model.save())
    }
    expect(losses[0]).toEqual(losses[1])
    expect(states[0]).toEqual(states[1])
    const reference = await compile({ train: full.train }).load({ seed: 3 })
    const last = Array.from({ length: 60 }, () => (reference as any).train(full.inputs).loss as number).at(-1)!
    expect(losses[0].at(-1)).toBeLessThan(losses[0][0] / 4)
    expect(losses[0].at(-1)).toBeLessThan(2 * last)
    // Rounded, not ignored.
    expect(losses[0].at(-1)).not.toBe(last)
    const arena = (p: { train: any }): number => compile({ train: p.train }).manifest.functions[0].arenaBytes
    expect(arena(half)).toBeLessThan(0.85 * arena(full))
  })
})

describe.each(TYPES)('inputs, results and states of %s', (dtype) => {
  const type = specs[dtype] as typeof f16
  const bits = (values: readonly number[]): Uint16Array => Uint16Array.from(values, (v) => halfBits(v, dtype))

  it.each(TARGETS)('are Uint16Arrays of bits, scalars are numbers: %s', async (target) => {
    const f = fn({ x: type(3), s: type() }, ({ x, s }) => ({
      y: cast(mul(cast(x, 'f32'), cast(s, 'f32')), dtype), s, wide: cast(x, 'f32'), t: cast(sum(cast(x, 'f32')), dtype),
    }))
    const model = await compile({ f }, { target }).load()
    const x = bits([1, -0.3333, 65504])
    const { y, s, wide, t } = model.f({ x, s: 1 / 3 })
    const third = halfValue(halfBits(1 / 3, dtype), dtype)
    expect(s).toBe(third)
    expect(y).toEqual(bits(Array.from(x, (b) => Math.fround(halfValue(b, dtype) * third))))
    expect(wide).toEqual(Float32Array.from(x, (b) => halfValue(b, dtype)))
    expect(t).toBe(halfValue(halfBits(Math.fround(Math.fround(1 + wide[1]) + wide[2]), dtype), dtype))
    expect(model.f({ x, s: Uint16Array.of(1) }).s).toBe(halfValue(1, dtype))
    for (const v of [0, -0, NaN, Infinity, -Infinity, 1e300, -1e-300, 2 ** -24, 2 ** -133, 65519, 65520, -1 / 3]) {
      expect(model.f({ x, s: v }).s).toBe(halfValue(halfBits(v, dtype), dtype))
    }
    expect(() => model.f({ x: Float32Array.of(1, 2, 3) as never, s: 1 })).toThrow(/input\/dtype: input "x".*given Float32Array[^]*Uint16Array of length 3/)
  })

  it('every scalar is read and written as it stands in memory', async () => {
    const model = await compile({ f: fn({ s: type() }, ({ s }) => ({ s })) }, { target: 'js' }).load()
    const wrong: number[] = []
    for (let b = 0; b < 65536; b += 7) {
      const value = halfValue(b, dtype)
      if (!Object.is(model.f({ s: Uint16Array.of(b) }).s, value) || !Object.is(model.f({ s: value }).s, value)) wrong.push(b)
    }
    expect(wrong).toEqual([])
  })

  it.each(TARGETS)('parameters are drawn, updated, saved and restored: %s', async (target) => {
    const w = new nn.Parameter('w', [4, 3], nn.init.normal(0, 1), { dtype, trainable: false })
    const plain = new nn.Parameter('w', [4, 3], nn.init.normal(0, 1))
    const step = fn({ x: f32(2, 4) }, ({ x }) => {
      const now = cast(w.of(x), 'f32')
      x.builder.update(w.of(x), cast(mul(now, 0.75), dtype))
      return { y: matmul(x, now) }
    })
    const read = fn({ x: f32(2, 4) }, ({ x }) => ({ y: matmul(x, cast(w.of(x), 'f32')) }))
    const model = await compile({ step, read }, { target }).load({ seed: 5 })
    const drawn = await compile({ f: fn({ x: f32(2, 4) }, ({ x }) => ({ y: matmul(x, plain.of(x)) })) }, { target }).load({ seed: 5 })
    const first = model.state.w.slice()
    expect(first).toEqual(bits([...drawn.state.w]))
    const file = model.save()
    const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + Number(new DataView(file.buffer).getBigUint64(0, true)))))
    expect(header.w).toEqual({ dtype: dtype.toUpperCase(), shape: [4, 3], data_offsets: [0, 24] })
    const { y } = model.step({ x: draw(8) })
    const values = [...first].map((b) => halfValue(b, dtype))
    const x = draw(8)
    expect(y[1]).toBeCloseTo([0, 1, 2, 3].reduce((s, k) => s + x[k] * values[3 * k + 1], 0), 5)
    expect(model.state.w).toEqual(bits(values.map((v) => Math.fround(v * 0.75))))
    model.restore(file)
    expect(model.state.w).toEqual(first)
    const other = await compile({ f: fn({ x: f32(1) }, ({ x: v }) => ({ y: sum(mul(v, sum(new nn.Parameter('w', [4, 3], nn.init.zeros).of(v)))) })) }).load()
    expect(() => other.restore(file)).toThrow(new RegExp(`file/invalid: tensor "w" is ${dtype.toUpperCase()}.*F32`))
  })

  it('a value that overflows is found by the finite check', async () => {
    const f = fn({ x: f32(2) }, ({ x }) => ({ y: cast(x, dtype) }))
    const model = await compile({ f }).load({ checkFinite: true })
    expect(model.f({ x: Float32Array.of(1, 2) }).y).toEqual(bits([1, 2]))
    expect(() => model.f({ x: Float32Array.of(1, 3.4e38) })).toThrow(/value\/nonfinite: .*Infinity first in cast/)
  })

  it('an emitted module does the same', async () => {
    const f = fn({ x: type(2), s: type() }, ({ x, s }) => ({ y: cast(x, 'f32'), s, z: concat([x, reshape(s, [1])]) }))
    for (const target of TARGETS) {
      const { js, dts } = compile({ f }, { target }).emit()
      const { load } = await import(/* @vite-ignore */ `data:text/javascript;charset=utf-8,${encodeURIComponent(js)}`)
      const model = await load()
      const { y, s, z } = model.f({ x: bits([1.5, -2]), s: 0.25 })
      expect([[...y], s, z]).toEqual([[1.5, -2], 0.25, bits([1.5, -2, 0.25])])
      expect(dts).toContain('readonly "z": Uint16Array')
      expect(dts).toContain('readonly "s": number')
    }
  })

  it('two casts are not one: what is rounded stays rounded', async () => {
    const f = fn({ x: f32(3) }, ({ x }) => ({ y: cast(cast(x, dtype), 'f32'), z: cast(cast(cast(x, dtype), 'f32'), dtype) }))
    const model = await compile({ f }, { fastMath: true }).load()
    const x = Float32Array.of(1 / 3, 1e-7, -3)
    expect(model.f({ x }).y).toEqual(Float32Array.from(x, (v) => halfValue(halfBits(v, dtype), dtype)))
    expect(model.f({ x }).z).toEqual(bits([...x]))
  })

  it('gradients flow through casts and all that moves, and are summed in f32', async () => {
    const body = (keep: (x: Tensor) => Tensor) => (x: Tensor, i: Tensor): Tensor => {
      const h = keep(sin(x))
      const patches = window(h, { axes: [1], size: [2] })
      const parts = [gather(h, i as Tensor<'i32'>, { axis: 1 }), reshape(h, [6, 2]), patches].map((p) => mean(square(cast(p, 'f32'))))
      return add(add(parts[0], parts[1]), add(parts[2], sum(cast(reshape(h, [12]), 'f32'))))
    }
    const gradient = (keep: (x: Tensor) => Tensor) => fn({ x: f32(3, 4), i: i32(5) }, ({ x, i }) => ({ g: grad(body(keep)(x, i), x) }))
    const [half, full] = [gradient((x) => cast(x, dtype)), gradient((x) => x)]
    const inputs = { x: draw(12), i: Int32Array.of(0, 3, 3, 1, 3) }
    const models = await Promise.all(TARGETS.map((target) => compile({ f: half, full }, { target }).load()))
    const [a, b] = models.map((m) => m.f(inputs).g.slice())
    const exact = models[0].full(inputs).g
    expect(a).toEqual(b)
    evaluate(half.graph, { inputs }).results.g.forEach((v: number, k: number) => expect(v).toBeCloseTo(a[k], 5))
    const tolerance = dtype === 'f16' ? 2 ** -9 : 2 ** -6
    a.forEach((v, k) => expect(Math.abs(v - exact[k])).toBeLessThan(tolerance * 4))
  })
})
