import { describe, expect, test } from 'vitest'
import { emitJs } from '../../src/codegen/js/emit.ts'
import { Desk, foldNest, kernelsOf, mapNest } from './memory.ts'

describe('the text', () => {
  const HOSTILE = [
    '*/ throw 1 /*', 'a\nthrow 1', 'b\u2028throw 1', 'c\u2029throw 1', '`${throw_}`', '</script><!--', "'; throw 1; '", '\\',
    '\r\nthrow 1//', '\ud800',
  ]

  test.each(HOSTILE)('a name cannot leave its comment: %j', (name) => {
    const d = new Desk()
    const x = d.node('f32', [4], name)
    const nest = mapNest([4], d.store(d.node('f32', [4], name), d.x.arith.neg(d.load(x))))
    const kernel = { ...d.kernel([nest], name), name }
    const text = emitJs({ functions: [{ name, kernels: [kernel] }], memoryBytes: 64 })
    const memory = d.memory(1)
    kernelsOf(text)(memory)[0]()
    expect(new Float32Array(memory, 16, 4)[2]).toBe(-new Float32Array(memory, 0, 4)[2])
    expect(text).not.toMatch(/<[/!]|\*\/ throw|[\u2028\u2029\r]/)
  })
  test('declares only what it uses', () => {
    const d = new Desk()
    const text = emitJs(d.program(mapNest([4], d.store(d.node('f64', [4]), d.x.arith.neg(d.load(d.node('f64', [4])))))))
    expect(text).not.toMatch(/f32|i32|u8|fround|philox|scratch|roundEven/)
  })
  test('two kernels of one name are two functions', () => {
    const d = new Desk()
    const [x, y] = [d.node('f32', [4]), d.node('f32', [4])]
    const a = d.kernel([mapNest([4], d.store(y, d.load(x)))])
    const b = d.kernel([mapNest([4], d.store(x, d.x.lit(7, 'f32')))])
    const program = { functions: [{ name: 'train', kernels: [a, b] }, { name: 'predict', kernels: [a] }], memoryBytes: 32 }
    const memory = d.memory(1)
    const entries = kernelsOf(emitJs(program))(memory)
    expect(entries).toHaveLength(2)
    entries[0]()
    entries[1]()
    expect([...new Float32Array(memory, 0, 8)]).toEqual([7, 7, 7, 7, 7, 7, 7, 7])
  })
  test('of a matmul with bias', () => {
    const d = new Desk()
    const [a, b, c, y] = [d.node('f32', [4, 8], 'x'), d.node('f32', [8, 6], 'w'), d.node('f32', [6], 'b'), d.node('f32', [4, 6])]
    const product = d.x.arith.mul(d.load(a, [8, 0, 1]), d.load(b, [0, 1, 6]))
    const value = d.x.arith.add(d.x.core('f32'), d.load(c, [0, 1]))
    const text = emitJs(d.program(foldNest('sum', [4, 6], [8], product, d.store(y, value))))
    expect(text).toMatchInlineSnapshot(`
      "function kernels(memory) {
        'use strict'
        const f32 = new Float32Array(memory, 0, Math.floor(memory.byteLength / 4))
        const fround = Math.fround

        // a kernel
        //   reads %0 input f32[4, 8] "x" at byte 0
        //   reads %1 input f32[8, 6] "w" at byte 128
        //   reads %2 input f32[6] "b" at byte 320
        function k0_test_tile0() {
          let sum_0 = 0, sum_1 = 0, sum_2 = 0, sum_3 = 0
          let sum_4 = 0, sum_5 = 0, sum_6 = 0, sum_7 = 0
          let sum_8 = 0, sum_9 = 0, sum_10 = 0, sum_11 = 0
          let sum_12 = 0, sum_13 = 0, sum_14 = 0, sum_15 = 0
          for (let r0 = 0; r0 < 8; r0++) {
            const x_0 = f32[r0]
            const p_0 = r0 * 6 | 0
            const x_1 = f32[p_0 + 32]
            sum_0 = fround(sum_0 + fround(x_0 * x_1))
            const x_2 = f32[p_0 + 33]
            sum_1 = fround(sum_1 + fround(x_0 * x_2))
            const x_3 = f32[p_0 + 34]
            sum_2 = fround(sum_2 + fround(x_0 * x_3))
            const x_4 = f32[p_0 + 35]
            sum_3 = fround(sum_3 + fround(x_0 * x_4))
            const x_5 = f32[r0 + 8]
            sum_4 = fround(sum_4 + fround(x_5 * x_1))
            sum_5 = fround(sum_5 + fround(x_5 * x_2))
            sum_6 = fround(sum_6 + fround(x_5 * x_3))
            sum_7 = fround(sum_7 + fround(x_5 * x_4))
            const x_6 = f32[r0 + 16]
            sum_8 = fround(sum_8 + fround(x_6 * x_1))
            sum_9 = fround(sum_9 + fround(x_6 * x_2))
            sum_10 = fround(sum_10 + fround(x_6 * x_3))
            sum_11 = fround(sum_11 + fround(x_6 * x_4))
            const x_7 = f32[r0 + 24]
            sum_12 = fround(sum_12 + fround(x_7 * x_1))
            sum_13 = fround(sum_13 + fround(x_7 * x_2))
            sum_14 = fround(sum_14 + fround(x_7 * x_3))
            sum_15 = fround(sum_15 + fround(x_7 * x_4))
          }
          f32[88] = sum_0 + f32[80]
          f32[89] = sum_1 + f32[81]
          f32[90] = sum_2 + f32[82]
          f32[91] = sum_3 + f32[83]
          f32[94] = sum_4 + f32[80]
          f32[95] = sum_5 + f32[81]
          f32[96] = sum_6 + f32[82]
          f32[97] = sum_7 + f32[83]
          f32[100] = sum_8 + f32[80]
          f32[101] = sum_9 + f32[81]
          f32[102] = sum_10 + f32[82]
          f32[103] = sum_11 + f32[83]
          f32[106] = sum_12 + f32[80]
          f32[107] = sum_13 + f32[81]
          f32[108] = sum_14 + f32[82]
          f32[109] = sum_15 + f32[83]
        }
        function k0_test_tile1() {
          let sum_0 = 0, sum_1 = 0, sum_2 = 0, sum_3 = 0
          let sum_4 = 0, sum_5 = 0, sum_6 = 0, sum_7 = 0
          for (let r0 = 0; r0 < 8; r0++) {
            const x_0 = f32[r0]
            const p_0 = r0 * 6 | 0
            const x_1 = f32[p_0 + 36]
            sum_0 = fround(sum_0 + fround(x_0 * x_1))
            const x_2 = f32[p_0 + 37]
            sum_1 = fround(sum_1 + fround(x_0 * x_2))
            const x_3 = f32[r0 + 8]
            sum_2 = fround(sum_2 + fround(x_3 * x_1))
            sum_3 = fround(sum_3 + fround(x_3 * x_2))
            const x_4 = f32[r0 + 16]
            sum_4 = fround(sum_4 + fround(x_4 * x_1))
            sum_5 = fround(sum_5 + fround(x_4 * x_2))
            const x_5 = f32[r0 + 24]
            sum_6 = fround(sum_6 + fround(x_5 * x_1))
            sum_7 = fround(sum_7 + fround(x_5 * x_2))
          }
          f32[92] = sum_0 + f32[84]
          f32[93] = sum_1 + f32[85]
          f32[98] = sum_2 + f32[84]
          f32[99] = sum_3 + f32[85]
          f32[104] = sum_4 + f32[84]
          f32[105] = sum_5 + f32[85]
          f32[110] = sum_6 + f32[84]
          f32[111] = sum_7 + f32[85]
        }
        function k0_test() {
          k0_test_tile0()
          k0_test_tile1()
        }

        return [
          // f
          function run_0() {
            k0_test()
          },
        ]
      }"
    `)
  })
})
