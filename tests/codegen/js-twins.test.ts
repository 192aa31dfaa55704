// Kernels that differ only in where their buffers begin share one function, which takes that.
import { describe, expect, test } from 'vitest'
import type { LoweredProgram } from '../../src/codegen/nest.ts'
import type { Node } from '../../src/ir/graph.ts'
import { compile, f32, fn, i32, nn, optim, softmaxCrossEntropy } from '../../src/index.ts'
import { Desk, expectSame, foldNest, mapNest } from './memory.ts'

const functionsOf = (text: string): string[] => [...text.matchAll(/function (k\d+_\w+)\(/g)].map((m) => m[1])

/** A desk, three pairs of arrays on it, and a program of one kernel a pair. */
function program(d: Desk, kernel: (d: Desk, x: Node, y: Node, i: number) => ReturnType<typeof mapNest>): LoweredProgram {
  const kernels = [0, 1, 2].map((i) => d.kernel([kernel(d, d.node('f32', [12, 12]), d.node('f32', [12, 12]), i)]))
  return { ...d.program(), functions: [{ name: 'f', kernels }] }
}

/** y = 2 x along rows or columns, with an offset or a number that may differ. */
const scaled = (d: Desk, x: Node, y: Node, { by = 2, step = [12, 1], offset = 0 } = {}): ReturnType<typeof mapNest> =>
  mapNest([6, 6], d.store(y, d.x.arith.mul(d.load(x, step, offset), d.x.lit(by, 'f32')), { index: { offset: 0, coefficients: [12, 1] } }))

describe('one function', () => {
  test('for maps over other arrays, which it takes', () => {
    const d = new Desk()
    const text = expectSame(d, program(d, (_, x, y) => scaled(d, x, y)))
    expect(functionsOf(text)).toEqual(['k0_test'])
    expect(text).toContain('function k0_test(a0, a1) {')
    expect(text).toMatch(/k0_test\(0, 144\) .*\n.*k0_test\(288, 432\) .*\n.*k0_test\(576, 720\) /)
  })
  test('for contractions with what their tiles call', () => {
    const d = new Desk()
    const lit = (v: number) => d.x.lit(v, 'f32')
    const text = expectSame(d, program(d, (_, x, y) => {
      const product = d.x.arith.mul(d.load(x, [12, 0, 1]), d.load(x, [0, 1, 12], 1))
      const k = d.x.arith
      const rate = k.sqrt(k.abs(d.load(x, [0, 0], 5)))
      const end = k.mul(k.add(k.mul(k.sub(d.x.core('f32'), lit(1)), lit(3)), lit(4)), k.div(d.load(y, [12, 1]), rate))
      return foldNest('sum', [11, 10], [11], product, d.store(y, end, { index: { offset: 0, coefficients: [12, 1] } }))
    }), [1, 2, 3], 0.02)
    // Whole tiles, three edges, the end, and the kernel itself.
    expect(functionsOf(text)).toHaveLength(6)
  })
  test('with the addresses in it where they are the same too', () => {
    const d = new Desk()
    const [x, y] = [d.node('f32', [12, 12]), d.node('f32', [12, 12])]
    const kernels = [0, 1].map(() => d.kernel([scaled(d, x, y)]))
    const text = expectSame(d, { ...d.program(), functions: [{ name: 'f', kernels }] })
    expect(functionsOf(text)).toEqual(['k0_test'])
    expect(text.match(/k0_test\(\)/g)).toHaveLength(3)
  })
})

describe('functions of their own', () => {
  test.each([
    ['numbers', (i: number) => ({ by: i + 2 })],
    ['steps', (i: number) => ({ step: [12 - i, 1] })],
    ['offsets', (i: number) => ({ offset: i })],
  ])('for other %s', (_, differ) => {
    const d = new Desk()
    const text = expectSame(d, program(d, (__, x, y, i) => scaled(d, x, y, differ(i))))
    expect(functionsOf(text)).toHaveLength(3)
    expect(text).not.toContain('a0')
  })
  test('where one reads what it writes', () => {
    const d = new Desk()
    const text = expectSame(d, program(d, (_, x, y, i) => scaled(d, i ? x : y, y)))
    expect(functionsOf(text)).toEqual(['k0_test', 'k1_test'])
  })
})

test('a network of equal layers trains to the bits of WebAssembly', async () => {
  const block = () => [nn.linear(16, 16), nn.tanh]
  const net = nn.sequential(nn.linear(6, 16), ...[0, 1, 2, 3].flatMap(block), nn.linear(16, 3))
  const train = fn({ x: f32(8, 6), y: i32(8) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) })).minimize('loss', optim.adam({ lr: 0.02 }))
  const inputs = { x: Float32Array.from({ length: 48 }, (_, i) => Math.sin(i * i)), y: Int32Array.from({ length: 8 }, (_, i) => i % 3) }
  const run = async (target: 'js' | 'wasm'): Promise<{ losses: number[]; weights: Uint8Array; text: string }> => {
    const program = compile({ train }, { target })
    const model = await program.load({ seed: 3 })
    const losses = Array.from({ length: 8 }, () => model.train(inputs).loss)
    return { losses, weights: model.save(), text: program.emit().js }
  }
  const [js, wasm] = [await run('js'), await run('wasm')]
  expect(js.losses).toEqual(wasm.losses)
  expect(js.losses[7]).toBeLessThan(js.losses[0])
  expect(js.weights).toEqual(wasm.weights)
  const called = js.text.match(/^ +k\d+_\w+\(.*\) \/\/ contract/gm) ?? []
  expect(new Set(called.map((line) => line.trim().split('(')[0])).size).toBeLessThan(called.length)
})
