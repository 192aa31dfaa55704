import { describe, expect, it } from 'vitest'
import type { Manifest, Slot } from '../../src/ir/manifest.ts'
import { boot, type Running } from '../../src/runtime/boot.ts'
import { weights } from '../../src/runtime/safetensors.ts'

const HOSTILE = ['__proto__', 'constructor', '"); alert(1)//', '*/ alert(1) /*', '\u2028', 'toString', '</script>']

const slot = (name: string, dtype: Slot['dtype'], shape: number[], offset: number): Slot => ({ name, dtype, shape, offset })

/** A program written by hand: step adds x to w and gives sum and w; entry 0 sets w to the key's words. */
function adder(names: { x: string; w: string; sum: string; f: string }): Running & Record<string, any> {
  const memory = new ArrayBuffer(256)
  const f = new Float32Array(memory)
  const u = new Uint32Array(memory)
  const manifest: Manifest = {
    gradc: '0', name: 'adder', hash: '0', target: 'js', seed: 7, keyOffset: 128,
    memory: { bytes: 256, stateBytes: 16, constantBytes: 0, arenaBytes: 240 },
    states: [slot(names.w, 'f32', [2], 0)],
    functions: [{
      name: names.f,
      inputs: [slot(names.x, 'f32', [2], 16), slot('rate', 'f32', [], 24)],
      results: [slot(names.sum, 'f32', [], 32), slot('w2', 'f32', [2], 40)],
      arenaBytes: 0,
    }],
  }
  const entries = [
    () => void f.set([u[32], u[33]]),
    () => {
      for (let i = 0; i < 2; i++) f[i] += f[4 + i] * f[6]
      f[8] = f[0] + f[1]
      f[10] = f[0]
      f[11] = f[1]
    },
  ]
  const fail = (code: string, problem: string, hint: string): Error => Object.assign(new Error(`${code}: ${problem}\nhint: ${hint}`), { code })
  return boot(manifest, { memory, entries }, fail, weights)
}
const plain = { x: 'x', w: 'w', sum: 'sum', f: 'step' }
const codeOf = (run: () => unknown): string => {
  try {
    run()
  } catch (e) {
    return (e as { code: string }).code
  }
  return 'no error'
}

describe('calling', () => {
  it('writes inputs, runs, reads numbers and live views', () => {
    const model = adder(plain)
    model.reset(0)
    const first = model.step({ x: new Float32Array([1, 2]), rate: 2 })
    expect(first.sum).toBe(6)
    expect([...first.w2]).toEqual([2, 4])
    expect([...model.state.w]).toEqual([2, 4])
    const second = model.step({ x: new Float32Array([1, 2]), rate: new Float32Array([1]) })
    expect(second).toBe(first)
    expect(first.sum).toBe(9)
  })

  it('takes every name literally', () => {
    for (const name of HOSTILE) {
      const model = adder({ x: name, w: name, sum: name, f: name })
      model.reset(0)
      const inputs = Object.defineProperty({ rate: 1 }, name, { value: new Float32Array([1, 2]), enumerable: true })
      const results = model[name](inputs)
      expect(Object.getOwnPropertyDescriptor(results, name)?.value).toBe(3)
      expect(Object.getOwnPropertyDescriptor(model.state, name)?.value).toEqual(Float32Array.of(1, 2))
      const file = model.save()
      const other = adder({ x: name, w: name, sum: name, f: name })
      other.restore(file)
      expect(other.save()).toEqual(file)
      expect(Object.getPrototypeOf(results)).toBe(Object.prototype)
    }
  })

  it('refuses what does not fit, and changes nothing', () => {
    const model = adder(plain)
    model.reset(3)
    const before = model.save()
    const x = new Float32Array(2)
    expect(codeOf(() => model.step({ rate: 1 }))).toBe('input/missing')
    expect(() => model.step({ rate: 1 })).toThrow('pass a Float32Array of length 2')
    expect(() => model.step({ x })).toThrow('pass a number, or a Float32Array of length 1')
    expect(codeOf(() => model.step())).toBe('input/missing')
    expect(codeOf(() => model.step({ x, rate: 1, z: 1 }))).toBe('input/unknown')
    expect(codeOf(() => model.step({ x: new Float64Array(2), rate: 1 }))).toBe('input/dtype')
    expect(codeOf(() => model.step({ x: [1, 2], rate: 1 }))).toBe('input/dtype')
    expect(codeOf(() => model.step({ x: 1, rate: 1 }))).toBe('input/dtype')
    expect(codeOf(() => model.step({ x, rate: '1' }))).toBe('input/dtype')
    expect(codeOf(() => model.step({ x: new Float32Array(3), rate: 1 }))).toBe('input/length')
    expect(codeOf(() => model.step({ x, rate: new Float32Array(2) }))).toBe('input/length')
    expect(codeOf(() => model.step({ x, rate: null }))).toBe('input/dtype')
    expect(model.save()).toEqual(before)
  })
})

describe('reset', () => {
  it('gives the key two words of the seed', () => {
    const model = adder(plain)
    model.reset(2 ** 32 + 5)
    expect([...model.state.w]).toEqual([5, 1])
    model.reset()
    expect([...model.state.w]).toEqual([7, 0])
    for (const seed of [-1, 1.5, NaN, 2 ** 60]) expect(codeOf(() => model.reset(seed))).toBe('option/invalid')
  })
})

describe('weights files', () => {
  const file = (header: unknown, body: Uint8Array, length?: number): Uint8Array => {
    const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
    const bytes = new Uint8Array(8 + text.length + body.length)
    new DataView(bytes.buffer).setBigUint64(0, BigInt(length ?? text.length), true)
    bytes.set(text, 8)
    bytes.set(body, 8 + text.length)
    return bytes
  }
  const w = { dtype: 'F32', shape: [2], data_offsets: [0, 8] }

  it('saves what it restores, aligned as the format asks', () => {
    const model = adder(plain)
    model.reset(9)
    const saved = model.save()
    const length = Number(new DataView(saved.buffer).getBigUint64(0, true))
    expect(length % 8).toBe(0)
    expect(JSON.parse(new TextDecoder().decode(saved.subarray(8, 8 + length))).w).toEqual(w)
    const other = adder(plain)
    other.restore(saved)
    expect([...other.state.w]).toEqual([9, 0])
    // A file may lie anywhere in a larger buffer.
    const shifted = new Uint8Array(saved.length + 3)
    shifted.set(saved, 3)
    other.reset(1)
    other.restore(shifted.subarray(3))
    expect([...other.state.w]).toEqual([9, 0])
  })

  it('refuses hostile files by name, and changes nothing', () => {
    const model = adder(plain)
    model.reset(4)
    const before = model.save()
    const body = new Uint8Array(8)
    const hostile: Uint8Array[] = [
      new Uint8Array(0), new Uint8Array(7), file({ w }, body, 2 ** 52), file('{"w":', body), file('null', body), file('[]', body), file({}, body),
      file({ w: null }, body), file({ w: 5 }, body), file({ w: { ...w, dtype: 'F64' } }, body), file({ w: { ...w, shape: [1, 2] } }, body),
      file({ w: { ...w, data_offsets: [0, 4] } }, body), file({ w: { ...w, data_offsets: [-8, 0] } }, body),
      file({ w: { ...w, data_offsets: [4, 12] } }, body), file({ w: { ...w, data_offsets: [8, 0] } }, body),
      file({ w: { ...w, data_offsets: [0.5, 8.5] } }, body), file({ w: { ...w, data_offsets: 'xx' } }, body),
      file({ w: { ...w, data_offsets: [0, 8, 16] } }, body), file({ w, v: w }, body), file('{"w":{},"__proto__":{"x":1}}', body),
      file(new TextDecoder('latin1').decode(new Uint8Array([0xff, 0xfe])), body),
    ]
    for (const bytes of hostile) expect(codeOf(() => model.restore(bytes))).toBe('file/invalid')
    expect(codeOf(() => model.restore('weights' as never))).toBe('file/invalid')
    expect(model.save()).toEqual(before)
  })
})
