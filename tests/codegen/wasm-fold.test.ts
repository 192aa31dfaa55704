import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Combine } from '../../src/ir/op.ts'
import { sizeOf, type DType, type Shape } from '../../src/ir/types.ts'
import { arbitraryAccess, arbitraryExpr, arbitraryStore, rows, runs, shapeOf } from './wasm-generators.ts'
import { agree, Bench, disagreements, nest } from './wasm-reference.ts'

const anyType = fc.constantFrom<DType>('f32', 'f32', 'f32', 'i32', 'u32', 'bool', 'f64')
const anyStored = fc.oneof({ weight: 4, arbitrary: anyType }, { weight: 1, arbitrary: fc.constantFrom<DType>('f16', 'bf16') })

test('random maps with up to three stores', () => {
  const map = fc.tuple(shapeOf(3), fc.array(anyStored, { minLength: 1, maxLength: 3 })).chain(([free, types]) => {
    const b = new Bench()
    return fc.tuple(...types.map((t) => arbitraryExpr(b, free, t, 3, null).chain((e) => arbitraryStore(b, free, e)))).map(
      (stores) => ({ b, n: nest(free, stores) }),
    )
  })
  fc.assert(
    fc.property(map, fc.nat(1000), fc.constantFrom(0, 0.2), ({ b, n }, seed, special) => {
      expect(disagreements(b, b.program(n), seed, special)).toEqual([])
    }),
    runs(300),
  )
})

test('random folds', () => {
  const combines = fc.constantFrom<Combine>('sum', 'sum', 'max', 'min', 'prod', 'argmax', 'argmin')
  const fold = fc.tuple(shapeOf(2), shapeOf(2), combines, anyType, fc.boolean()).chain(([free, some, combine, type, bare]) => {
    const b = new Bench()
    const reduced = some.length ? some : [extentOf(free)]
    const dtype = type === 'bool' && ['sum', 'prod'].includes(combine) ? 'f32' : type
    const core = combine.startsWith('arg') ? 'i32' : dtype
    return arbitraryExpr(b, [...free, ...reduced], dtype, bare ? 0 : 2, null).chain((value) =>
      arbitraryExpr(b, free, core, bare ? 0 : 2, core)
        .chain((e) => arbitraryStore(b, free, e))
        .map((s) => {
          const plain = b.store(b.buffer(core, sizeOf(free)), rows(free), b.x.core(core))
          return { b, n: nest(free, [s, plain], { reduced, combine, value }) }
        }),
    )
  })
  fc.assert(
    fc.property(fold, fc.nat(1000), fc.constantFrom(0, 0, 0.1), ({ b, n }, seed, special) => {
      expect(disagreements(b, b.program(n), seed, special)).toEqual([])
    }),
    runs(300),
  )
})

const extentOf = (free: Shape): number => 5 + free.length * 13

test('random running sums', () => {
  const type = fc.constantFrom<DType>('f32', 'f32', 'i32', 'f64')
  const running = fc.tuple(shapeOf(2), shapeOf(2), type).chain(([free, some, dtype]) => {
    const b = new Bench()
    const reduced = some.length ? some : [6]
    const all = [...free, ...reduced]
    return arbitraryExpr(b, all, dtype, 1, null).chain((value) =>
      arbitraryExpr(b, all, dtype, 1, dtype)
        .chain((e) => arbitraryStore(b, all, e))
        .map((s) => ({ b, n: nest(free, [s], { reduced, combine: 'sum', value, running: true }) })),
    )
  })
  fc.assert(fc.property(running, fc.nat(1000), agree), runs(150))
})

test('random scatters: points that meet in an element are added in order', () => {
  const type = fc.constantFrom<DType>('f32', 'f32', 'i32', 'u32', 'f64')
  const scatter = fc.tuple(shapeOf(3), type).chain(([free, dtype]) => {
    const b = new Bench()
    const [value, at] = [arbitraryExpr(b, free, dtype, 1, null), arbitraryExpr(b, free, 'i32', 1, null)]
    return fc.tuple(value, arbitraryAccess(free), at, fc.constantFrom(0, 1, 2, 9)).map(([v, { index, length }, i, stride]) => {
      const indirect = stride ? { at: i, stride, limit: 6 } : null
      return { b, n: nest(free, [b.store(b.buffer(dtype, length + 6 * stride), index, v, { accumulate: true, indirect })]) }
    })
  })
  fc.assert(fc.property(scatter, fc.nat(1000), agree), runs(200))
})
