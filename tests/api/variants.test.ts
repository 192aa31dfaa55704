import { describe, expect, it } from 'vitest'
import { add, compile, f32, f64, fn, i32, mul, nn, optim, softmaxCrossEntropy, sum, type Program } from '../../src/index.ts'
import { codeOf } from '../code-of.ts'
import { draw } from './differences.ts'

const net = nn.sequential(nn.linear(5, 7), nn.relu, nn.linear(7, 3))
const adam = optim.adam({ lr: 0.01 })
const trainOf = (n: number) =>
  fn({ x: f32(n, 5), y: i32(n) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) })).minimize('loss', adam)
const predictOf = (n: number) => fn({ x: f32(n, 5) }, ({ x }) => ({ logits: net(x) }))
const batched = (target: 'wasm' | 'js') =>
  compile({ train: [trainOf(8), trainOf(3)], predict: [1, 4, 8].map(predictOf) }, { target, name: 'batched' })

const x = Float32Array.from(draw(8 * 5, 1))
const y = Int32Array.from({ length: 8 }, (_, i) => i % 3)

/** Loads it here, or by its emitted module. */
const loads: Record<string, (program: ReturnType<typeof batched>) => ReturnType<ReturnType<typeof batched>['load']>> = {
  'in process': (program) => program.load(),
  emitted: async (program) => {
    const { load } = (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(program.emit().js)}`)) as Program
    return load() as never
  },
}

describe.each(['wasm', 'js'] as const)('target %s', (target) => {
  it.each(Object.keys(loads))('a function is called by the length of its input, %s', async (how) => {
    const model = await loads[how](batched(target))
    const all = model.predict({ x }).logits.slice()
    expect(all).toHaveLength(24)
    for (const n of [1, 4]) expect(model.predict({ x: x.subarray(0, 5 * n) }).logits).toEqual(all.subarray(0, 3 * n))
    // The last, smaller batch trains the same state, moments and step count.
    for (const n of [8, 3, 8]) model.train({ x: x.subarray(0, 5 * n), y: y.subarray(0, n) })
    expect(model.state['adam:step'][0]).toBe(3)
    expect(model.predict({ x }).logits).not.toEqual(all)
  })

  it('refuses other lengths, and says which there are', async () => {
    const model = await batched(target).load()
    expect(() => model.predict({ x: new Float32Array(6) })).toThrow(/input\/length: input "x" of "predict" has 5 elements, given 6\nhint: .*length 5 or 20 or 40/)
    expect(() => model.train({ x: x.subarray(0, 15), y })).toThrow('input/length')
    expect(() => model.predict({ x: y as never })).toThrow('input/dtype')
    expect(() => model.predict(undefined as never)).toThrow('input/missing')
    expect(() => model.predict({ x, z: x } as never)).toThrow('input/unknown')
  })
})

it('has the same bits on both targets', async () => {
  const bits = async (target: 'wasm' | 'js'): Promise<Uint8Array> => {
    const model = await batched(target).load()
    for (const n of [8, 3, 8, 3]) model.train({ x: x.subarray(0, 5 * n), y: y.subarray(0, n) })
    return model.save()
  }
  expect(await bits('js')).toEqual(await bits('wasm'))
})

it('declares one function of all lengths, and reports each', () => {
  const program = batched('wasm')
  const { dts } = program.emit()
  expect(dts.match(/readonly "predict"/g)).toHaveLength(1)
  expect(dts).toContain('f32[1, 5], length 5; or f32[4, 5], length 20; or f32[8, 5], length 40')
  expect(Object.keys(program.memory.functions)).toEqual(['train[0]', 'train[1]', 'predict[0]', 'predict[1]', 'predict[2]'])
  expect(program.explain()).toContain('predict[2]: ')
  expect(program.manifest.functions.map((f) => f.name)).toEqual(['train', 'train', 'predict', 'predict', 'predict'])
})

it('finds what is not finite in the one that was called', async () => {
  const program = batched('wasm')
  const model = await program.load({ checkFinite: true })
  const bad = x.slice(0, 20)
  bad[7] = NaN
  expect(() => model.predict({ x: bad })).toThrow(/input f32\[4, 5\] "x"/)
  expect(model.predict({ x: x.subarray(0, 20) }).logits).toHaveLength(12)
})

it('a list of one is that one', async () => {
  const model = await compile({ f: [fn({ x: f32(2) }, ({ x }) => ({ y: sum(x) }))] }).load()
  const y: number = model.f({ x: Float32Array.of(1, 2) }).y
  expect(y).toBe(3)
})

it('refuses functions that cannot be told apart or do not look the same', () => {
  const f = (inputs: Record<string, ReturnType<typeof f32>>) => fn(inputs as any, (xs: any) => ({ y: mul(Object.values(xs)[0] as any, 2) })) as any
  const refused = (list: any): string => codeOf(() => compile({ f: list }))
  const one = f({ x: f32(2, 3) } as any)
  expect(refused([])).toBe('option/invalid')
  expect(refused([one, null])).toBe('option/invalid')
  expect(refused([one, [one]])).toBe('option/invalid')
  expect(refused([one, f({ x: f32(3, 2) } as any)])).toBe('option/invalid') // the same length
  expect(refused([one, f({ z: f32(3, 3) } as any)])).toBe('option/invalid') // another input
  expect(refused([one, f({ x: f64(3, 3) } as any)])).toBe('option/invalid') // another type
  expect(refused([one, f({ x: f32(9) } as any)])).toBe('option/invalid') // another rank
  expect(refused([one, fn({ x: f32(3, 3) }, ({ x }) => ({ z: add(x, 1) }))])).toBe('option/invalid') // another result
  expect(refused([one, f({ x: f32(3, 3) } as any)])).toBe('no error')
  expect(codeOf(() => compile({ f: [one, f({ x: f32(3, 3) } as any)], 'f[1]': one }))).toBe('name/duplicate')
})

it('flat() and setFlat() carry the trainable states', async () => {
  const model = await batched('wasm').load({ seed: 3 })
  const flat = model.flat()
  expect(flat).toBeInstanceOf(Float32Array)
  expect([...flat]).toEqual(['0.weight', '0.bias', '2.weight', '2.bias'].flatMap((s) => [...model.state[s]]))
  const other = await batched('js').load({ seed: 4 })
  expect(other.flat()).not.toEqual(flat)
  other.setFlat(flat)
  expect(other.predict({ x }).logits).toEqual(model.predict({ x }).logits)
  flat.fill(0)
  expect(other.flat()).not.toEqual(flat)
  for (const odd of [undefined, null, [1], new Int32Array(flat.length), 'abc']) expect(() => other.setFlat(odd as never)).toThrow('input/dtype')
  expect(() => other.setFlat(flat.subarray(1))).toThrow(/input\/length.* 66 elements, given 65/)
  const wide = new nn.Parameter('w', [2], nn.init.ones, { dtype: 'f64' })
  const doubles = await compile({ f: fn({ x: f64(2) }, ({ x }) => ({ y: mul(wide.of(x), x) })) }).load()
  doubles.setFlat(Float64Array.of(1 / 3, 2))
  expect(Array.from(doubles.flat())).toEqual([1 / 3, 2])
})
