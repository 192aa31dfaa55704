import { expect, it } from 'vitest'
import { add, compile, constant, f32, fn, gather, mul, type GradcError, type Tensor } from '../../src/index.ts'

const table = Float32Array.of(2, 3, 5, 7)

it('values known at compile time are part of the program and of its module, on both targets', async () => {
  const f = fn({ x: f32(4) }, ({ x }) => {
    const primes = constant(x, table)
    const order = constant(x, Int32Array.of(3, 2, 1, 0))
    return { y: add(mul(x, primes), gather(primes, order)) }
  })
  for (const target of ['wasm', 'js'] as const) {
    const program = compile({ f }, { target })
    const { load } = (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(program.emit().js)}`)) as { load: () => Promise<any> }
    for (const model of [await program.load(), await load()]) {
      expect([...model.f({ x: Float32Array.of(1, 10, 100, 1000) }).y]).toEqual([9, 35, 503, 7002])
      model.reset()
      expect([...model.f({ x: new Float32Array(4) }).y]).toEqual([7, 5, 3, 2])
    }
  }
})

it('every byte value comes back out of the text of a module, which is printable ASCII without <, so that no page ends inside it', async () => {
  // Each of the 65,536 pairs of neighbouring bytes once, aligned or not.
  const bytes = new Uint8Array(2 * 65_536).map((_, i) => (i % 2 ? i >> 9 : i >> 1) & 255)
  const words = new Int32Array(bytes.buffer)
  const program = compile({ f: fn({ x: f32(1) }, ({ x }) => ({ y: constant(x, words) })) })
  const { js } = program.emit()
  expect(/const wasm = '[ -;=-~]*'\n/.test(js)).toBe(true)
  const { load } = (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(js)}`)) as { load: () => Promise<any> }
  expect(new Uint8Array((await load()).f({ x: new Float32Array(1) }).y.slice().buffer)).toEqual(bytes)
})

it('is as it was when it was declared, and once in the program however many functions share it', () => {
  const values = Float32Array.of(1, 2, 3, 4)
  const declare = () => fn({ x: f32(4) }, ({ x }) => ({ y: mul(x, constant(x, values, [4])) }))
  const [f, g] = [declare(), declare()]
  expect(compile({ f, g }).memory.constantBytes).toBe(16)
  values[0] = 9
  const h = declare()
  const { constants, memory } = { ...compile({ f, h }).compiled, memory: compile({ f, h }).memory }
  expect(memory.constantBytes).toBe(32)
  expect(constants.map((c) => new Float32Array(c.bytes.slice().buffer)[0])).toEqual([1, 9])
})

it('has the dtype of its array, and refuses what is none or does not fit', () => {
  fn({ x: f32(1) }, ({ x }) => {
    // The dtype is known statically too.
    const whole: Tensor<'i32'> = constant(x, Int32Array.of(1))
    expect(whole.dtype).toBe('i32')
    const kinds = [Float32Array, Float64Array, Int32Array, Uint32Array, Uint8Array].map((A) => constant(x, new A(6), [2, 3]))
    expect(kinds.map((c) => c.dtype)).toEqual(['f32', 'f64', 'i32', 'u32', 'bool'])
    expect(constant(x, new Float32Array(6)).shape).toEqual([6])
    const codeOf = (...args: any[]): string => {
      try {
        ;(constant as any)(...args)
      } catch (e) {
        return (e as GradcError).code
      }
      return 'no error'
    }
    expect(codeOf(x, [1, 2])).toBe('dtype/unsupported')
    expect(codeOf(x, new Int16Array(2))).toBe('dtype/unsupported')
    expect(codeOf(x, Uint8Array.of(0, 255))).toBe('attr/invalid')
    expect(codeOf(x, new Float32Array(2), [3])).toBe('shape/mismatch')
    expect(codeOf(x, new Float32Array(2), [-2])).toBe('shape/invalid')
    expect(codeOf(new Float32Array(2))).toBe('operand/invalid')
    return {}
  })
})
