import { expect, test } from 'vitest'
import { compile, f32, fn, matmul } from '../../src/index.ts'
import { relax } from '../../src/runtime/relax.ts'

const program = (arithmetic: 'strict' | 'relaxed') =>
  compile({ f: fn({ x: f32(5, 37), w: f32(37, 11) }, ({ x, w }) => ({ y: matmul(x, w) })) }, { arithmetic })
const bytesOf = (p: ReturnType<typeof program>): Uint8Array<ArrayBuffer> => (p.compiled.code as { bytes: Uint8Array<ArrayBuffer> }).bytes
const count = (bytes: Uint8Array, ...what: number[]): number =>
  bytes.reduce((n, _, i) => n + Number(what.every((b, j) => bytes[i + j] === b)), 0)
const sines = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(i))

/** (module (func (result v128) v128.const …, v128.const …, v128.const …, f32x4.relaxed_madd)) */
const hasRelaxed = WebAssembly.validate(new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 61, 1, 59, 0,
  ...[0, 1, 2].flatMap(() => [0xfd, 12, ...new Array<number>(16).fill(0)]), 0xfd, 0x85, 2, 11,
]))

test('strict code has products that can be relaxed, and no relaxed one', () => {
  const bytes = bytesOf(program('strict'))
  expect(count(bytes, 0xfd, 0x85, 0x02)).toBe(0)
  expect(count(bytes, 0xfd, 0xe6, 0x01, 0x20)).toBeGreaterThan(0)
})

test('relaxing changes nothing but multiply-adds, and keeps the length; engines without them get strict code', () => {
  const bytes = bytesOf(program('strict'))
  const relaxed = relax(bytes)
  expect(relaxed.length).toBe(bytes.length)
  if (hasRelaxed) expect(count(relaxed, 0xfd, 0x85, 0x02)).toBe(count(bytes, 0xfd, 0xe6, 0x01, 0x20))
  else expect(relaxed).toBe(bytes)
  expect(WebAssembly.validate(relaxed)).toBe(true)
})

test('what was given stays as it was, a Buffer too', () => {
  const bytes = Buffer.from(bytesOf(program('strict')))
  const before = Uint8Array.from(bytes)
  relax(bytes)
  expect(bytes.equals(before)).toBe(true)
})

test('constants that look like code stay as they are', () => {
  const [head, size] = [[0, 97, 115, 109, 1, 0, 0, 0], 11]
  const custom = new Uint8Array([...head, 0, size, 1, 120, 0xfd, 0xe6, 0x01, 0x20, 0x05, 0xfd, 0xe4, 0x01, 0])
  expect(relax(custom)).toEqual(custom)
})

test('a relaxed program gives the product', async () => {
  const inputs = { x: sines(5 * 37), w: sines(37 * 11) }
  const strict = (await program('strict').load()).f(inputs).y.slice()
  const relaxed = (await program('relaxed').load()).f(inputs).y
  relaxed.forEach((v, i) => expect(Math.abs(v - strict[i])).toBeLessThan(37 * 2 ** -22))
})

test('an emitted relaxed module runs', async () => {
  const { js } = program('relaxed').emit()
  expect(js).toContain('relax(bytes)')
  const { load } = await import(`data:text/javascript;charset=utf-8,${encodeURIComponent(js)}`)
  const inputs = { x: sines(5 * 37), w: sines(37 * 11) }
  expect((await load()).f(inputs).y).toEqual((await program('relaxed').load()).f(inputs).y)
})

test('other arithmetic is refused', () => {
  expect(() => program('fast' as 'strict')).toThrow(/option\/invalid.*fast/)
})
