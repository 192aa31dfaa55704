// Forms of loops that only pay where there is much to do, or where elements lie apart: each against plain loops.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Expr } from '../../src/ir/expression.ts'
import type { Combine } from '../../src/ir/op.ts'
import { rowMajor, sizeOf, type DType, type Shape } from '../../src/ir/types.ts'
import { emitWasm, wasmText } from '../../src/codegen/wasm/emit.ts'
import { rows, runs } from './wasm-generators.ts'
import { Bench, disagreements, form, instantiate, nest } from './wasm-reference.ts'

/** A buffer of `extents` in this order of axes, and its load at the point itself. */
function tensor(b: Bench, dtype: DType, extents: Shape, order: readonly number[]): Expr {
  const strides = rowMajor(order.map((a) => extents[a]))
  return b.x.load(b.buffer(dtype, sizeOf(extents)), form(0, ...extents.map((_, a) => strides[order.indexOf(a)])))
}

const text = (b: Bench, n: Parameters<Bench['program']>[0]): string => wasmText(b.program(n))

describe('folds along columns, with accumulators in memory', () => {
  const fold = (combine: Combine, dtype: DType, outer: Shape, columns: number, reduced: Shape, running = false) => {
    const b = new Bench(16)
    const free = [...outer, columns]
    const all = [...free, ...reduced]
    // The columns lie innermost, as in a sum over the first axis of a matrix.
    const order = [...all.keys()].filter((a) => a !== outer.length)
    const x = tensor(b, dtype, all, [...order, outer.length])
    const value = b.x.arith.add(x, b.x.lit(1, dtype))
    const where = running ? form(0, ...rowMajor(all)) : rows(free)
    const made = combine === 'argmax' ? 'i32' : dtype
    const store = b.store(b.buffer(made, sizeOf(running ? all : free)), where, b.x.arith.mul(b.x.core(made), b.x.lit(3, made)))
    return { b, n: nest(free, [store], { reduced, combine, value, running }) }
  }

  test.each<[Combine, DType, Shape, number, Shape]>([
    ['sum', 'f32', [], 420, [33]], // beyond one block, terms and columns left over
    ['sum', 'f32', [2], 65, [2, 43]], // around it, and an outer axis of terms
    ['sum', 'i32', [], 300, [35]],
    ['prod', 'f32', [], 300, [40]],
    ['max', 'f32', [], 300, [40]],
    ['min', 'f32', [2], 130, [41]],
    ['argmax', 'f32', [], 300, [40]],
  ])('%s of %s: %j × %i columns over %j', (combine, dtype, outer, columns, reduced) => {
    const { b, n } = fold(combine, dtype, outer, columns, reduced)
    expect(disagreements(b, b.program(n), 4, combine === 'sum' ? 0 : 0.05)).toEqual([])
  })

  test('a running sum down the columns', () => {
    const { b, n } = fold('sum', 'f32', [2], 101, [53], true)
    expect(disagreements(b, b.program(n), 5)).toEqual([])
  })

  test('they are used for long columns, and not for short ones', () => {
    const long = fold('sum', 'f32', [], 512, [64])
    const short = fold('sum', 'f32', [], 512, [20])
    expect(emitWasm(long.b.program(long.n)).scratchBytes).toBeGreaterThan(0)
    expect(emitWasm(short.b.program(short.n)).scratchBytes).toBe(0)
  })
})

describe('the largest and the smallest in lanes', () => {
  const extremum = (combine: Combine, values: readonly number[], beside: boolean): number => {
    const b = new Bench()
    const n = values.length
    const x = b.buffer('f32', 4 * n)
    const y = b.buffer('f32', 4)
    // Four folds of the same terms: beside each other, or each across its lanes.
    const value = b.x.load(x, beside ? form(0, 1, 4) : form(0, n, 1))
    const program = b.program(nest([4], [b.store(y, form(0, 1), b.x.core('f32'))], { reduced: [n], combine, value }))
    const memory = new ArrayBuffer(program.memoryBytes)
    const given = new Float32Array(memory, b.address(x), 4 * n)
    given.forEach((_, i) => (given[i] = values[beside ? Math.floor(i / 4) : i % n]))
    const { run, bytes } = instantiate(program, memory)
    run()
    const [first, ...others] = new Float32Array(bytes.buffer, bytes.byteOffset + b.address(y), 4)
    for (const other of others) expect(other).toBe(first)
    return first
  }

  test('every order of zeros of both signs, infinities and NaN', () => {
    const terms = fc.array(fc.constantFrom(0, -0, 0, -0, -1, 1, Infinity, -Infinity, NaN, 2 ** -149), { minLength: 1, maxLength: 21 })
    fc.assert(fc.property(terms, fc.boolean(), (values, beside) => {
      expect(extremum('max', values, beside)).toBe(Math.max(...values))
      expect(extremum('min', values, beside)).toBe(Math.min(...values))
    }), runs(300))
  })
})

describe('elements two and three apart', () => {
  test.each<DType>(['f32', 'i32', 'bool'])('%s: read and written up to the ends of their buffers', (dtype) => {
    for (const step of [2, 3, -2, -3]) {
      for (const extent of [4, 6, 7, 11]) {
        const b = new Bench()
        const length = (extent - 1) * Math.abs(step) + 1
        const access = form(step < 0 ? length - 1 : 0, step)
        const value = b.x.load(b.buffer(dtype, length), access)
        const n = nest([extent], [b.store(b.buffer(dtype, extent), form(0, 1), value), b.store(b.buffer(dtype, length), access, value)])
        expect(disagreements(b, b.program(n), 6)).toEqual([])
      }
    }
  })
})

describe('windows that touch', () => {
  /** Over [rows, columns of windows, 2 × 2]: what is a window's, spread over it, and what is each element's. */
  const windows = (count: number, columns: number, dtype: DType, wide: number) => {
    const b = new Bench(16)
    const free = [count, 2, columns, wide]
    const k = b.x.arith
    const whole = form(0, 2 * columns * wide, columns * wide, wide, 1)
    const one = form(0, columns, 0, 1, 0)
    const x = b.x.load(b.buffer(dtype, sizeOf(free)), whole)
    const mask = b.x.load(b.buffer('bool', sizeOf(free)), whole)
    const most = b.x.load(b.buffer(dtype, count * columns), one)
    const value = k.select(mask, k.mul(k.cast(k.lt(x, most), dtype), most), x)
    const out = b.buffer(dtype, sizeOf(free))
    return { b, n: nest(free, [b.store(out, whole, value), b.store(b.buffer('bool', sizeOf(free)), whole, mask)]), value, out, whole }
  }

  test.each([4, 5, 6, 7, 8, 14])('%i windows in a row: both elements at a time, stored in turns', (columns) => {
    for (const dtype of ['f32', 'i32'] as const) {
      for (const wide of [2, 3, 4]) {
        const { b, n } = windows(3, columns, dtype, wide)
        expect(disagreements(b, b.program(n), columns)).toEqual([])
      }
    }
    const { b, n } = windows(3, columns, 'f32', 2)
    // Unzipped as they are read, zipped as they are written: no single lane is.
    if (columns % 4 === 0) expect(text(b, { ...n, stores: n.stores.slice(0, 1) })).not.toContain('store32_lane')
  })

  test('in place', () => {
    const { b, n, out, whole, value } = windows(5, 9, 'f32', 2)
    const here = b.x.load(out, whole)
    const again = nest(n.free, [b.store(out, whole, b.x.arith.add(value, here))])
    expect(disagreements(b, b.program(again), 8)).toEqual([])
  })

  test.each<Combine>(['sum', 'max', 'min', 'prod'])('%s over windows of every small size, all terms written out', (combine) => {
    for (const [high, wide] of [[1, 2], [2, 2], [3, 3], [2, 5], [4, 4]]) {
      const b = new Bench(16)
      const [count, columns] = [40, 13]
      const x = b.x.load(b.buffer('f32', count * columns * high * wide), form(0, columns * high * wide, wide, columns * wide, 1))
      const store = b.store(b.buffer('f32', count * columns), form(0, columns, 1), b.x.core('f32'))
      expect(disagreements(b, b.program(nest([count, columns], [store], { reduced: [high, wide], combine, value: x })), 9, 0.02)).toEqual([])
    }
  })
})

describe('transposition', () => {
  test.each<[Shape, readonly number[], DType]>([
    [[80, 64], [1, 0], 'f32'],
    [[67, 70], [1, 0], 'f32'],
    [[66, 69], [1, 0], 'i32'],
    [[2, 43, 50], [0, 2, 1], 'f32'],
    [[5, 3, 18, 17], [3, 1, 0, 2], 'u32'],
    [[4, 22, 51], [2, 1, 0], 'f32'],
  ])('%j out of the order %j of %s', (extents, order, dtype) => {
    const b = new Bench(16)
    const k = b.x.arith
    // Turned, straight and spread operands meet in one map.
    const turned = tensor(b, dtype, extents, order)
    const straight = tensor(b, dtype, extents, [...extents.keys()])
    const last = b.x.load(b.buffer(dtype, extents.at(-1)!), form(0, ...extents.map((_, a) => (a === extents.length - 1 ? 1 : 0))))
    const value = k.add(k.mul(turned, last), k.sub(straight, turned))
    const n = nest(extents, [b.store(b.buffer(dtype, sizeOf(extents)), rows(extents), value)])
    expect(disagreements(b, b.program(n), 10)).toEqual([])
  })

  test('by squares in registers', () => {
    const b = new Bench(16)
    const n = nest([64, 64], [b.store(b.buffer('f32', 4096), rows([64, 64]), tensor(b, 'f32', [64, 64], [1, 0]))])
    expect(text(b, n)).not.toContain('_lane')
    expect(disagreements(b, b.program(n), 11)).toEqual([])
  })
})
