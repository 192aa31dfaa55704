import { describe, expect, test } from 'vitest'
import { emitJs } from '../../src/codegen/js/emit.ts'
import { expand } from '../../src/codegen/approximate.ts'
import type { Combine } from '../../src/ir/op.ts'
import type { ScalarOp } from '../../src/ir/scalar.ts'
import type { DType } from '../../src/ir/types.ts'
import { Desk, expectSame, foldNest, kernelsOf, mapNest } from './memory.ts'

const FLOAT1 = ['neg', 'abs', 'sign', 'floor', 'ceil', 'round', 'sqrt'] as const
const FLOAT2 = ['add', 'sub', 'mul', 'div', 'rem', 'max', 'min'] as const
const COMPARE = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const
const INT1 = ['neg', 'abs', 'sign', 'not'] as const
const INT2 = ['add', 'sub', 'mul', 'div', 'rem', 'max', 'min', 'and', 'or', 'xor', 'shl', 'shr'] as const
const HOST = ['exp', 'expm1', 'log', 'log1p', 'sin', 'cos', 'tanh', 'pow', 'atan2'] as const

const SEEDS = [1, 2, 3, 4, 5]

function mapOf(op: ScalarOp, dtype: DType, arity: number): void {
  const d = new Desk()
  const n = 101
  const xs = Array.from({ length: arity }, () => d.load(d.node(dtype, [n])))
  const value = d.x.scalar(op, (COMPARE as readonly string[]).includes(op) ? 'bool' : dtype, xs)
  expectSame(d, d.program(mapNest([n], d.store(d.node(value.dtype, [n]), value))), SEEDS, 0.5)
}

describe('one operation', () => {
  for (const dtype of ['f32', 'f64'] as const) {
    test.each(FLOAT1)(`%s of ${dtype}`, (op) => mapOf(op, dtype, 1))
    test.each([...FLOAT2, ...COMPARE])(`%s of ${dtype}`, (op) => mapOf(op, dtype, 2))
  }
  for (const dtype of ['i32', 'u32'] as const) {
    test.each(INT1.filter((op) => dtype === 'i32' || op !== 'neg'))(`%s of ${dtype}`, (op) => mapOf(op, dtype, 1))
    test.each([...INT2, ...COMPARE])(`%s of ${dtype}`, (op) => mapOf(op, dtype, 2))
  }
  test.each(['and', 'or', 'xor', 'eq', 'ne'] as const)('%s of bool', (op) => mapOf(op, 'bool', 2))
  test('not of bool', () => mapOf('not', 'bool', 1))
  test('neg of u32 wraps', () => mapOf('neg', 'u32', 1))
  test.each(HOST)('%s of f64 is the host\'s', (op) => mapOf(op, 'f64', op === 'pow' || op === 'atan2' ? 2 : 1))
  test.each([...HOST, 'sigmoid', 'erf'] as const)('%s of f32, expanded', (op) => {
    const d = new Desk()
    const xs = [0, 1].map(() => d.load(d.node('f32', [97])))
    const value = expand(d.x.arith, op, op === 'pow' || op === 'atan2' ? xs : xs.slice(0, 1))!
    expectSame(d, d.program(mapNest([97], d.store(d.node('f32', [97]), value))), SEEDS, 0.3)
  })

  const ALL: DType[] = ['f32', 'f64', 'i32', 'u32', 'bool']
  test.each(ALL.flatMap((a) => ALL.filter((b) => a !== b).map((b) => [a, b] as const)))('cast %s to %s', (a, b) => {
    const d = new Desk()
    const value = d.x.scalar('cast', b, [d.load(d.node(a, [77]))])
    expectSame(d, d.program(mapNest([77], d.store(d.node(b, [77]), value))), SEEDS, 0.5)
  })
  const WORDS: DType[] = ['f32', 'i32', 'u32']
  test.each(WORDS.flatMap((a) => WORDS.filter((b) => a !== b).map((b) => [a, b] as const)))('bitcast %s to %s', (a, b) => {
    const d = new Desk()
    const value = d.x.scalar('bitcast', b, [d.load(d.node(a, [77]))])
    expectSame(d, d.program(mapNest([77], d.store(d.node(b, [77]), value))), SEEDS, 0)
  })
  test.each(ALL)('select of %s', (dtype) => {
    const d = new Desk()
    const value = d.x.scalar('select', dtype, [
      d.load(d.node('bool', [50])),
      d.load(d.node(dtype, [50])),
      d.load(d.node(dtype, [50])),
    ])
    expectSame(d, d.program(mapNest([50], d.store(d.node(dtype, [50]), value))))
  })
})

describe('rounding', () => {
  test('every intermediate of f32 is rounded, the stored one by its array', () => {
    const d = new Desk()
    const [a, b, c] = [0, 1, 2].map(() => d.load(d.node('f32', [64])))
    const k = d.x.arith
    const text = expectSame(d, d.program(mapNest([64], d.store(d.node('f32', [64]), k.add(k.mul(a, b), c)))))
    expect(text).toContain('f32[i0 + 192] = fround(f32[i0] * f32[i0 + 64]) + f32[i0 + 128]')
  })
  test('a store that accumulates adds a rounded value', () => {
    const d = new Desk()
    const [a, b] = [0, 1].map(() => d.load(d.node('f32', [64])))
    const store = d.store(d.node('f32', [64]), d.x.arith.mul(a, b), { accumulate: true })
    expect(expectSame(d, d.program(mapNest([64], store)), SEEDS)).toContain('+= fround(')
  })
  test('a value that is stored and read on is rounded once for both', () => {
    const d = new Desk()
    const [a, b] = [0, 1].map(() => d.load(d.node('f32', [64])))
    const m = d.x.arith.mul(a, b)
    expectSame(d, d.program(mapNest([64], d.store(d.node('f32', [64]), m), d.store(d.node('f32', [64]), d.x.arith.add(m, a)))))
  })
})

describe('maps', () => {
  test('negative strides, offsets, transposes and broadcasts', () => {
    const d = new Desk()
    const [x, y, z] = [d.node('f32', [5, 7]), d.node('f32', [7, 5]), d.node('f32', [7])]
    const k = d.x.arith
    const value = k.add(k.add(d.load(x, [-7, -1], 34), d.load(y, [1, 5])), k.mul(d.load(z, [0, 1]), d.load(z, [0, 0], 3)))
    expectSame(d, d.program(mapNest([5, 7], d.store(d.node('f32', [5, 7]), value))))
  })
  test('rank 0', () => {
    const d = new Desk()
    expectSame(d, d.program(mapNest([], d.store(d.node('f32', []), d.x.arith.neg(d.load(d.node('f32', [])))))))
  })
  test('what no axis moves is computed before the loop', () => {
    const d = new Desk()
    const scale = d.x.arith.sqrt(d.load(d.node('f32', []), [0]))
    const value = d.x.arith.mul(d.load(d.node('f32', [40])), scale)
    const text = expectSame(d, d.program(mapNest([40], d.store(d.node('f32', [40]), value))))
    expect(text.indexOf('Math.sqrt')).toBeLessThan(text.indexOf('for ('))
  })
  test('two stores read before either writes (a swap)', () => {
    const d = new Desk()
    const [a, b] = [d.node('f32', [9]), d.node('f32', [9])]
    expectSame(d, d.program(mapNest([9], d.store(a, d.load(b)), d.store(b, d.load(a)))))
  })
  test('a later nest reads what an earlier one wrote', () => {
    const d = new Desk()
    const [a, b, c] = [0, 1, 2].map(() => d.node('f32', [9]))
    const twice = d.x.arith.add(d.load(a), d.load(a))
    const copy = (to: typeof a) => mapNest([9], d.store(to, d.load(a)))
    expectSame(d, d.program(copy(b), mapNest([9], d.store(a, twice)), copy(c)))
  })
  test.each(['f32', 'f64', 'i32', 'u32'] as const)('position as %s', (dtype) => {
    const d = new Desk()
    const value = d.x.position({ offset: 20, coefficients: [-4, 3] }, dtype)
    expectSame(d, d.program(mapNest([6, 4], d.store(d.node(dtype, [6, 4]), value))))
  })
  test('a position that steps down to 0 is +0', () => {
    const d = new Desk()
    const value = d.x.position({ offset: 0, coefficients: [-2] }, 'f32')
    expectSame(d, d.program(mapNest([4], d.store(d.node('f32', [4]), value))))
  })
  test('positions beyond 2^24 are rounded in f32', () => {
    const d = new Desk()
    const value = d.x.arith.mul(d.x.position({ offset: 16777217, coefficients: [1] }, 'f32'), d.x.lit(1, 'f32'))
    expectSame(d, d.program(mapNest([8], d.store(d.node('f32', [8]), value))))
  })
})

describe('gather, scatter and random', () => {
  test('gather clamps its index', () => {
    const d = new Desk()
    const table = d.node('f32', [6, 3])
    const at = d.load(d.node('i32', [10]), [1, 0])
    const value = d.x.gather(table, { offset: 0, coefficients: [0, 1] }, 3, 6, at)
    expectSame(d, d.program(mapNest([10, 3], d.store(d.node('f32', [10, 3]), value))), SEEDS)
  })
  test.each(['f32', 'f64', 'i32', 'u32'] as const)('scatter of %s adds in order where points meet', (dtype) => {
    const d = new Desk()
    const at = d.load(d.node('i32', [20]), [1, 0])
    const store = d.store(d.node(dtype, [5, 3]), d.load(d.node(dtype, [20, 3])), {
      index: { offset: 0, coefficients: [0, 1] },
      indirect: { at, stride: 3, limit: 5 },
      accumulate: true,
    })
    expectSame(d, d.program(mapNest([20, 3], store)), SEEDS)
  })
  test('overlapping affine accumulation', () => {
    const d = new Desk()
    const store = d.store(d.node('f32', [9]), d.load(d.node('f32', [7, 3])), {
      index: { offset: 0, coefficients: [1, 1] },
      accumulate: true,
    })
    expectSame(d, d.program(mapNest([7, 3], store)))
  })
  test('random words', () => {
    const d = new Desk()
    const key = d.node('u32', [2])
    const stream = d.load(d.node('u32', []), [0, 0])
    const value = d.x.random(d.load(key, [0, 0]), d.load(key, [0, 0], 1), stream, { offset: 2, coefficients: [7, 1] })
    expectSame(d, d.program(mapNest([5, 7], d.store(d.node('u32', [5, 7]), value))), SEEDS)
  })
  test('random words of two streams in turn', () => {
    const d = new Desk()
    const key = d.node('u32', [2])
    const keys = [d.load(key, [0]), d.load(key, [0], 1)] as const
    const word = (s: number) => d.x.random(...keys, d.x.lit(s, 'u32'), { offset: 0, coefficients: [1] })
    expectSame(d, d.program(mapNest([9], d.store(d.node('u32', [9]), d.x.arith.xor(word(0), word(4294967295))))))
  })
})

describe('folds', () => {
  const combines: Combine[] = ['sum', 'prod', 'max', 'min', 'argmax', 'argmin']
  for (const dtype of ['f32', 'f64', 'i32', 'u32'] as const) {
    test.each(combines)(`%s of ${dtype} along rows, columns and all`, (combine) => {
      const result = combine.startsWith('arg') ? 'i32' : dtype
      for (const n of [1, 3, 15, 16, 17, 22]) {
        const d = new Desk()
        const x = d.node(dtype, [n, n])
        const core = d.x.core(result)
        expectSame(
          d,
          d.program(
            foldNest(combine, [n], [n], d.load(x), d.store(d.node(result, [n]), core)),
            foldNest(combine, [n], [n], d.load(x, [1, n]), d.store(d.node(result, [n]), core)),
            foldNest(combine, [], [n, n], d.load(x), d.store(d.node(result, []), core)),
          ),
          [n, n + 1],
          0.05,
        )
      }
    })
  }
  test.each(['max', 'min'] as const)('%s of bool', (combine) => {
    const d = new Desk()
    const value = d.load(d.node('bool', [7, 3]))
    expectSame(d, d.program(foldNest(combine, [7], [3], value, d.store(d.node('bool', [7]), d.x.core('bool')))))
  })
  test('the four partial sums run through the outer reduced axes', () => {
    const d = new Desk()
    const x = d.node('f32', [3, 5, 19])
    const value = d.x.arith.abs(d.load(x, [19, 95, 1]))
    const store = d.store(d.node('f32', [5]), d.x.arith.sqrt(d.x.core('f32')))
    expectSame(d, d.program(foldNest('sum', [5], [3, 19], value, store)), SEEDS, 0)
  })
  test('positions: the first at a tie, the first NaN before all', () => {
    const d = new Desk()
    const x = d.node('f32', [6])
    const y = d.node('i32', [])
    const program = d.program(foldNest('argmax', [], [6], d.load(x), d.store(y, d.x.core('i32'))))
    const cases: [number[], number][] = [
      [[1, 3, 3, 2, 0, 3], 1],
      [[1, NaN, 3, NaN, 9, 9], 1],
      [new Array<number>(6).fill(-Infinity), 0],
    ]
    for (const [values, position] of cases) {
      const memory = d.memory(1)
      new Float32Array(memory, d.address(x), 6).set(values)
      kernelsOf(emitJs(program))(memory)[0]()
      expect(new Int32Array(memory, d.address(y), 1)[0]).toBe(position)
    }
  })
  test.each(['f32', 'f64', 'i32'] as const)('a running sum of %s', (dtype) => {
    const d = new Desk()
    const nest = {
      ...foldNest('sum', [4], [6], d.load(d.node(dtype, [6, 4]), [1, 4])),
      running: true,
      stores: [d.store(d.node(dtype, [6, 4]), d.x.core(dtype), { index: { offset: 0, coefficients: [1, 4] } })],
    }
    expectSame(d, d.program(nest), SEEDS, 0)
  })
})

describe('contractions', () => {
  const sizes = [1, 3, 4, 5, 8, 9, 17]
  test.each(sizes.flatMap((m) => sizes.map((n) => [m, n])))('tiles and edges: %i rows, %i columns', (m, n) => {
    for (const [k, seed] of [[1, 1], [6, 2], [21, 3]]) {
      const d = new Desk()
      const [a, b] = [d.node('f32', [m, k]), d.node('f32', [k, n])]
      const product = d.x.arith.mul(d.load(a, [k, 0, 1]), d.load(b, [0, 1, n]))
      const transposed = d.x.arith.mul(d.load(a, [1, 0, m]), d.load(b, [0, k, 1]))
      expectSame(
        d,
        d.program(
          foldNest('sum', [m, n], [k], product, d.store(d.node('f32', [m, n]), d.x.core('f32'))),
          foldNest('sum', [m, n], [k], transposed, d.store(d.node('f32', [m, n]), d.x.core('f32'))),
        ),
        [seed],
        0.02,
      )
    }
  })
  test.each(['f64', 'i32', 'u32'] as const)('of %s', (dtype) => {
    const d = new Desk()
    const [a, b] = [d.node(dtype, [6, 11]), d.node(dtype, [11, 9])]
    const product = d.x.arith.mul(d.load(a, [11, 0, 1]), d.load(b, [0, 1, 9]))
    expectSame(d, d.program(foldNest('sum', [6, 9], [11], product, d.store(d.node(dtype, [6, 9]), d.x.core(dtype)))), SEEDS, 0)
  })
  test('batched, with the free axes of the second operand first', () => {
    const d = new Desk()
    const [a, b] = [d.node('f32', [3, 5, 7]), d.node('f32', [3, 7, 6])]
    const product = d.x.arith.mul(d.load(a, [35, 0, 7, 1]), d.load(b, [42, 1, 0, 6]))
    const store = d.store(d.node('f32', [3, 6, 5]), d.x.core('f32'))
    expectSame(d, d.program(foldNest('sum', [3, 6, 5], [7], product, store)), SEEDS, 0)
  })
  test('over windows, several contracted axes', () => {
    const d = new Desk()
    const [x, w] = [d.node('f32', [2, 8, 8, 3]), d.node('f32', [3, 3, 3, 5])]
    // n, oh, ow, co; kh, kw, ci with stride 2 and dilation 1
    const product = d.x.arith.mul(d.load(x, [192, 48, 6, 0, 24, 3, 1]), d.load(w, [0, 0, 0, 1, 45, 15, 5]))
    const out = d.node('f32', [2, 3, 3, 5])
    expectSame(d, d.program(foldNest('sum', [2, 3, 3, 5], [3, 3, 3], product, d.store(out, d.x.core('f32')))), SEEDS, 0)
  })
  test('an optimiser\'s update at the end of each sum, in place, in a function of its own', () => {
    const d = new Desk()
    const k = d.x.arith
    const [a, b, lr] = [d.node('f32', [6, 10]), d.node('f32', [6, 9]), d.node('f32', [])]
    const [w, m] = [d.node('f32', [10, 9]), d.node('f32', [10, 9])]
    const rate = k.sqrt(k.abs(d.load(lr, [0, 0])))
    const moment = k.add(k.mul(d.load(m), d.x.lit(0.9, 'f32')), k.mul(d.x.core('f32'), d.x.lit(0.1, 'f32')))
    const bias = d.load(lr, [0, 0])
    const step = k.mul(k.mul(rate, bias), k.div(moment, k.add(rate, d.x.lit(1, 'f32'))))
    const stores = [d.store(m, moment), d.store(w, k.sub(d.load(w), step))]
    const product = k.mul(d.load(a, [1, 0, 10]), d.load(b, [0, 1, 9]))
    const text = expectSame(d, d.program(foldNest('sum', [10, 9], [6], product, ...stores)), SEEDS, 0)
    // Only whole numbers are passed: a fraction as an argument would be allocated.
    expect(text).toContain('function k0_test_end0(i0, i1, at)')
    expect(text).toContain('const core = held[at]')
    expect(text.match(/Math\.sqrt/g)).toHaveLength(1)
  })
  test('of one row with a bias that only the columns move', () => {
    const d = new Desk()
    const product = d.x.arith.mul(d.load(d.node('f32', [30]), [0, 1]), d.load(d.node('f32', [30, 7]), [1, 7]))
    const store = d.store(d.node('f32', [7]), d.x.arith.add(d.x.core('f32'), d.load(d.node('f32', [7]))))
    expectSame(d, d.program(foldNest('sum', [7], [30], product, store)), SEEDS, 0)
  })
})
