// Random expressions, accesses and stores over an iteration space, for nests that are built by hand.
import fc from 'fast-check'
import type { Affine } from '../../src/ir/affine.ts'
import type { Expr, Expressions } from '../../src/ir/expression.ts'
import { isHalf } from '../../src/ir/half.ts'
import { rowMajor, sizeOf, type DType, type Shape } from '../../src/ir/types.ts'
import { Bench } from './wasm-reference.ts'

/** An access to a new buffer: axes in any order, some of them reversed, some of them not moving. */
export const arbitraryAccess = (extents: Shape): fc.Arbitrary<{ index: Affine; length: number }> =>
  fc.record({
    order: fc.shuffledSubarray([...extents.keys()], { minLength: 0 }),
    inOrder: fc.boolean(),
    reversed: fc.array(fc.boolean(), { minLength: extents.length, maxLength: extents.length }),
    gap: fc.constantFrom(1, 1, 1, 2, 3),
    offset: fc.constantFrom(0, 0, 1, 5),
  }).map(({ order, inOrder, reversed, gap, offset }) => {
    const axes = inOrder ? order.toSorted((a, b) => a - b) : order
    const strides = rowMajor(axes.map((a) => extents[a])).map((s) => s * gap)
    const coefficients = extents.map(() => 0)
    let start = offset
    axes.forEach((a, i) => {
      coefficients[a] = reversed[a] ? -strides[i] : strides[i]
      if (reversed[a]) start += strides[i] * Math.max(extents[a] - 1, 0)
    })
    return { index: { offset: start, coefficients }, length: offset + 1 + gap * sizeOf(axes.map((a) => extents[a])) }
  })

const FLOATS: readonly DType[] = ['f32', 'f32', 'f32', 'f64']
const UNARY = {
  float: ['neg', 'abs', 'sign', 'floor', 'ceil', 'round', 'sqrt'],
  int: ['neg', 'abs', 'sign', 'not', 'floor'],
} as const
const BINARY = {
  float: ['add', 'sub', 'mul', 'div', 'rem', 'max', 'min'],
  int: ['add', 'sub', 'mul', 'div', 'rem', 'max', 'min', 'and', 'or', 'xor', 'shl', 'shr'],
} as const
/** What becomes of f16 and bf16 in loops: their 16 bits are loaded, looked up, selected, and read as an i32. */
const half = fc.constantFrom<DType>('f16', 'bf16')
const halfOf = (k: Expressions['arith'], x: Expr, to: DType): Expr => k.bitcast(k.and(x, k.lit(0xffff, 'i32')), to)
function arbitraryHalf(b: Bench, extents: Shape, dtype: DType, leaves: fc.Arbitrary<Expr>[], depth: number): fc.Arbitrary<Expr> {
  if (depth <= 0) return fc.oneof(...leaves)
  const at = arbitraryExpr(b, extents, 'i32', depth - 1, null)
  const looked = fc.tuple(arbitraryAccess(extents), fc.integer({ min: 1, max: 3 }), at)
    .map(([a, stride, i]): Expr => b.x.gather(b.buffer(dtype, a.length + 6 * stride), a.index, stride, 7, i))
  const selected = fc.tuple(arbitraryExpr(b, extents, 'bool', depth - 1, null), fc.oneof(...leaves), fc.oneof(...leaves))
    .map(([c, p, q]) => b.x.arith.select(c, p, q))
  return fc.oneof(...leaves, looked, selected)
}

/** A float's bits as the op gives them: those of a NaN are open, so that a raw bitcast must not be compared. */
const wordOf = (k: Expressions['arith'], x: Expr, to: DType): Expr => k.select(k.ne(x, x), k.lit(0x7fc00000, to), k.bitcast(x, to))
const COMPARE = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const

/** A random expression of this type over an iteration space; new buffers are added to the bench. */
export function arbitraryExpr(b: Bench, extents: Shape, dtype: DType, depth: number, core: DType | null): fc.Arbitrary<Expr> {
  const { x } = b
  const k = x.arith
  const kind = dtype === 'bool' ? 'bool' : FLOATS.includes(dtype) ? 'float' : 'int'
  const of = (d: DType): fc.Arbitrary<Expr> => fc.constant(null).chain(() => arbitraryExpr(b, extents, d, depth - 1, core))
  const load = arbitraryAccess(extents).map(({ index, length }): Expr => x.load(b.buffer(dtype, length), index))
  const literal = fc.integer({ min: dtype === 'i32' ? -40 : 0, max: 40 }).map(
    (v): Expr => x.lit(kind === 'float' || isHalf(dtype) ? v / 8 : v % 40, dtype),
  )
  const leaves = [load, load, load, literal]
  if (isHalf(dtype)) return arbitraryHalf(b, extents, dtype, depth <= 0 ? leaves : [...leaves, of('i32').map((p) => halfOf(k, p, dtype))], depth)
  if (core === dtype) leaves.push(fc.constant(x.core(dtype)), fc.constant(x.core(dtype)))
  if (dtype !== 'bool') {
    leaves.push(arbitraryAccess(extents).map(({ index }): Expr => x.position(index, dtype)))
  }
  if (depth <= 0) return fc.oneof(...leaves)
  const more: fc.Arbitrary<Expr>[] = [...leaves]
  const any = fc.constantFrom<DType>('f32', 'f32', 'i32', 'u32', 'bool', 'f64')
  if (kind === 'bool') {
    more.push(
      fc.tuple(fc.constantFrom(...COMPARE), any).chain(([op, d]) => fc.tuple(of(d), of(d)).map(([p, q]) => k[op](p, q))),
      fc.tuple(fc.constantFrom('and', 'or', 'xor', 'max', 'min'), of('bool'), of('bool')).map(([op, p, q]) => k[op](p, q)),
      of('bool').map((p) => k.not(p)),
    )
  } else {
    more.push(
      fc.tuple(fc.constantFrom(...UNARY[kind]), of(dtype)).map(([op, p]) => k[op](p)),
      fc.tuple(fc.constantFrom(...BINARY[kind]), of(dtype), of(dtype)).map(([op, p, q]) => k[op](p, q)),
      fc.tuple(fc.constantFrom('add', 'sub', 'mul'), of(dtype), of(dtype)).map(([op, p, q]) => k[op](p, q)),
    )
  }
  more.push(
    fc.tuple(of('bool'), of(dtype), of(dtype)).map(([c, p, q]) => k.select(c, p, q)),
    any.chain((d) => of(d).map((p) => k.cast(p, dtype))),
    fc.tuple(arbitraryAccess(extents), fc.constantFrom<DType>('i32', 'u32'), fc.integer({ min: 1, max: 3 }))
      .chain(
        ([a, d, stride]) => of(d).map((at): Expr => x.gather(b.buffer(dtype, a.length + 6 * stride), a.index, stride, 7, at)),
      ),
  )
  if (dtype === 'f32') more.push(fc.constantFrom<DType>('i32', 'u32').chain((d) => of(d).map((p) => k.bitcast(p, 'f32'))))
  if (dtype === 'i32' || dtype === 'u32') more.push(of('f32').map((p) => wordOf(k, p, dtype)))
  // The 16 bits of a half in an i32, as castHalf takes and gives them.
  if (dtype === 'i32') more.push(half.chain((d) => of(d).map((p) => k.bitcast(p, 'i32'))))
  if (dtype === 'u32') {
    more.push(
      fc.tuple(arbitraryAccess(extents), fc.nat(99)).map(
        ([a, s]): Expr => x.random(x.lit(1, 'u32'), x.lit(s, 'u32'), x.lit(3, 'u32'), a.index),
      ),
    )
  }
  return fc.oneof(...more)
}

const extent = fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 9, 12, 17)
export const shapeOf = (maxLength: number): fc.Arbitrary<number[]> => fc.array(extent, { maxLength }).filter(
  (s) => sizeOf(s) <= 300,
)

/** A store to a new buffer, dense in some order of the axes. */
export function arbitraryStore(b: Bench, extents: Shape, value: Expr): fc.Arbitrary<ReturnType<Bench['store']>> {
  const anyOrder = fc.shuffledSubarray([...extents.keys()], { minLength: extents.length })
  return fc.tuple(anyOrder, fc.boolean(), fc.boolean()).map(([shuffled, keep, reverse]) => {
    const order = keep ? [...extents.keys()] : shuffled
    const strides = rowMajor(order.map((a) => extents[a]))
    const coefficients = extents.map((_, a) => strides[order.indexOf(a)])
    const last = extents.length - 1
    let offset = 0
    if (reverse && last >= 0) {
      offset = coefficients[last] * (extents[last] - 1)
      coefficients[last] *= -1
    }
    return b.store(b.buffer(value.dtype, sizeOf(extents)), { offset, coefficients }, value)
  })
}

/** Row-major over these extents. */
export const rows = (extents: Shape): Affine => ({ offset: 0, coefficients: rowMajor(extents) })

/** `GRADC_SEED` replays a failure (fast-check prints the seed of each); `GRADC_RUNS` multiplies the number of runs. */
export const runs = (numRuns: number): { numRuns: number; seed?: number } => ({
  numRuns: numRuns * Number(process.env.GRADC_RUNS ?? 1),
  ...(process.env.GRADC_SEED ? { seed: Number(process.env.GRADC_SEED) } : {}),
})
