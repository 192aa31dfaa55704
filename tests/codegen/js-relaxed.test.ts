// `arithmetic: 'relaxed'` of the JavaScript target: sums of f32 in doubles, rounded once, in the order that strict sums have.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { emitJs } from '../../src/codegen/js/emit.ts'
import type { LoweredProgram } from '../../src/codegen/nest.ts'
import type { Expr } from '../../src/ir/expression.ts'
import type { Node } from '../../src/ir/graph.ts'
import { sizeOf } from '../../src/ir/types.ts'
import { compile, f32, fn, i32, nn, optim, softmaxCrossEntropy } from '../../src/index.ts'
import { Desk, foldNest, kernelsOf, mapNest } from './memory.ts'
import { runs } from './wasm-generators.ts'

const { fround } = Math

/** Runs relaxed; gives a reader of what buffers held before and of what they hold afterwards. */
function relaxed(desk: Desk, program: LoweredProgram, seed: number): { before: (n: Node) => Float32Array; after: (n: Node) => Float32Array } {
  const first = desk.memory(seed)
  const memory = first.slice(0)
  for (const run of kernelsOf(emitJs(program, 'relaxed'))(memory)) run()
  const of = (from: ArrayBuffer) => (n: Node) => new Float32Array(from, desk.address(n), sizeOf(n.shape))
  return { before: of(first), after: of(memory) }
}

const extents = fc.integer({ min: 1, max: 9 })

describe('a contraction', () => {
  /** What the end of a contraction is given: its sum in doubles, what its place held, and the bias of its column. */
  interface Given {
    readonly sum: number
    readonly old: number
    readonly bias: number
  }

  /** a[m, k] · b[k, n] for some extents, where each element becomes what `end` says, and `value` computes. */
  function holds(end: (given: Given) => number, value: (d: Desk, out: Node, bias: Node) => Expr): void {
    fc.assert(
      fc.property(extents, extents, fc.integer({ min: 1, max: 40 }), fc.nat(1e6), (m, n, k, seed) => {
        const d = new Desk()
        const [a, b, out, bias] = [d.node('f32', [m, k]), d.node('f32', [k, n]), d.node('f32', [m, n]), d.node('f32', [n])]
        const product = d.x.arith.mul(d.load(a, [k, 0, 1]), d.load(b, [0, 1, n]))
        const { before, after } = relaxed(d, d.program(foldNest('sum', [m, n], [k], product, d.store(out, value(d, out, bias)))), seed)
        const [x, y] = [before(a), before(b)]
        after(out).forEach((got, at) => {
          const [i, j] = [Math.floor(at / n), at % n]
          let sum = 0
          for (let p = 0; p < k; p++) sum += x[i * k + p] * y[p * n + j]
          expect(got).toBe(fround(end({ sum, old: before(out)[at], bias: before(bias)[j] })))
        })
      }),
      runs(40),
    )
  }
  test('is rounded once', () => holds(({ sum }) => sum, (d) => d.x.core('f32')))
  test('is rounded once with its bias', () => {
    holds(({ sum, bias }) => sum + bias, (d, _, bias) => d.x.arith.add(d.x.core('f32'), d.load(bias, [0, 1])))
  })
  test('is rounded before anything but arithmetic sees it', () => {
    holds(({ sum }) => Math.sqrt(Math.abs(fround(sum))), (d) => d.x.arith.sqrt(d.x.arith.abs(d.x.core('f32'))))
  })
  test('rounds each later operation', () => {
    const rate = fround(-0.1)
    holds(
      ({ sum, old }) => old + fround(sum * rate),
      (d, out) => d.x.arith.add(d.load(out), d.x.arith.mul(d.x.core('f32'), d.x.lit(rate, 'f32'))),
    )
  })
  test('goes on in a function of its own where its end is long', () => {
    holds(
      ({ sum }) => fround(fround(fround(fround(sum * 3) + 1) * fround(sum + 2)) - Math.abs(fround(sum))) * 5,
      (d) => {
        const { arith: k } = d.x
        const [core, lit] = [d.x.core('f32'), (v: number) => d.x.lit(v, 'f32')]
        const left = k.add(k.mul(core, lit(3)), lit(1))
        return k.mul(k.sub(k.mul(left, k.add(core, lit(2))), k.abs(core)), lit(5))
      },
    )
  })
})

test('a long sum keeps its four partial sums and its tail', () => {
  fc.assert(
    fc.property(fc.integer({ min: 16, max: 40 }), extents, fc.nat(1e6), (n, rows, seed) => {
      const d = new Desk()
      const [x, y] = [d.node('f32', [rows, n]), d.node('f32', [rows])]
      const { before, after } = relaxed(d, d.program(foldNest('sum', [rows], [n], d.load(x), d.store(y, d.x.core('f32')))), seed)
      for (let r = 0; r < rows; r++) {
        const row = before(x).subarray(r * n, (r + 1) * n)
        const part = [0, 0, 0, 0]
        let tail = 0
        row.forEach((v, i) => {
          if (i < n - (n % 4)) part[i % 4] += v
          else tail += v
        })
        expect(after(y)[r]).toBe(fround(part[0] + part[2] + (part[1] + part[3]) + tail))
      }
    }),
    runs(40),
  )
})
test('a running sum rounds what it stores, not what it goes on with', () => {
  const d = new Desk()
  const [x, y] = [d.node('f32', [50]), d.node('f32', [50])]
  const nest = { ...foldNest('sum', [], [50], d.load(x), d.store(y, d.x.core('f32'))), running: true }
  const { before, after } = relaxed(d, d.program(nest), 3)
  let sum = 0
  before(x).forEach((v, i) => expect(after(y)[i]).toBe(fround((sum += v))))
})
test('a term is not rounded either', () => {
  const d = new Desk()
  const [x, y] = [d.node('f32', [30]), d.node('f32', [])]
  const { before, after } = relaxed(d, d.program(foldNest('sum', [], [3], d.x.arith.mul(d.load(x), d.load(x, [7])), d.store(y, d.x.core('f32')))), 4)
  const v = before(x)
  expect(after(y)[0]).toBe(fround(v[0] * v[0] + v[1] * v[7] + v[2] * v[14]))
})

describe('what has no sum of f32 is as it is in strict arithmetic', () => {
  test.each(['f64', 'i32', 'u32'] as const)('contractions of %s', (dtype) => {
    const d = new Desk()
    const [a, b] = [d.node(dtype, [6, 11]), d.node(dtype, [11, 9])]
    const product = d.x.arith.mul(d.load(a, [11, 0, 1]), d.load(b, [0, 1, 9]))
    const program = d.program(foldNest('sum', [6, 9], [11], product, d.store(d.node(dtype, [6, 9]), d.x.core(dtype))))
    expect(emitJs(program, 'relaxed')).toBe(emitJs(program, 'strict'))
  })
  test.each(['max', 'min', 'prod', 'argmax'] as const)('%s', (combine) => {
    const d = new Desk()
    const result = combine === 'argmax' ? 'i32' : 'f32'
    const program = d.program(foldNest(combine, [6], [9], d.load(d.node('f32', [6, 9])), d.store(d.node(result, [6]), d.x.core(result))))
    expect(emitJs(program, 'relaxed')).toBe(emitJs(program, 'strict'))
  })
  test('maps', () => {
    const d = new Desk()
    const value = d.x.arith.add(d.x.arith.mul(d.load(d.node('f32', [9])), d.load(d.node('f32', [9]))), d.load(d.node('f32', [9])))
    const program = d.program(mapNest([9], d.store(d.node('f32', [9]), value)))
    expect(emitJs(program, 'relaxed')).toBe(emitJs(program, 'strict'))
  })
})

test('a relaxed program trains as the strict one does, to rounding', async () => {
  const net = nn.sequential(nn.linear(6, 8), nn.tanh, nn.linear(8, 3))
  const train = fn({ x: f32(4, 6), y: i32(4) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) })).minimize('loss', optim.adam({ lr: 0.1 }))
  const inputs = { x: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)), y: Int32Array.of(0, 1, 2, 1) }
  const losses = async (arithmetic: 'strict' | 'relaxed'): Promise<number[]> => {
    const program = compile({ train }, { target: 'js', arithmetic })
    expect(program.emit().js).not.toContain('relaxed_madd')
    const model = await program.load({ seed: 3 })
    return Array.from({ length: 10 }, () => model.train(inputs).loss)
  }
  const [strict, other] = [await losses('strict'), await losses('relaxed')]
  expect(other[9]).toBeLessThan(other[0] / 2)
  other.forEach((loss, i) => expect(Math.abs(loss - strict[i])).toBeLessThan(1e-5))
})
