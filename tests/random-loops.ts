// Random loops, and random values with an adjoint of their own: recipes of tests/generators.ts.
import { Builder } from '../src/ir/builder.ts'
import type { Graph, Named, Node } from '../src/ir/graph.ts'
import { isHalf } from '../src/ir/half.ts'
import { add, cast, custom, mul, sub, tanh } from '../src/ir/lang/index.ts'
import { loop, loopBySegments, type Loop } from '../src/ir/loop.ts'
import { isFloat, sameType, sizeOf, type DType, type Shape, type TensorType } from '../src/ir/types.ts'
import { vjp } from '../src/passes/differentiate/gradient.ts'
import type { Context } from './generators.ts'

const DEEPEST = 2
const LARGEST = 64

const pick = <T>(c: Context, from: readonly T[]): T => from[c.int(0, from.length - 1)]
const some = <T>(c: Context, most: number, make: () => T): T[] => Array.from({ length: c.int(0, most) }, make)

/** Types that values of one loop have: few, so that many of them are alike. */
function typesOf(c: Context): () => TensorType {
  const most = c.draw.smooth ? 3 : 9
  const shape = c.shape.slice(-2).map((d) => Math.min(d, most))
  const shapes: readonly Shape[] = [shape, shape, [], shape.slice(-1)]
  const other: readonly DType[] = c.draw.smooth ? ['i32', 'bool'] : ['i32', 'bool', 'u32', 'f32', 'f64']
  return () => ({ shape: pick(c, shapes), dtype: c.next() < 0.7 ? c.dtype : pick(c, other) })
}

/** An operand of a loop: drawn, a number, positions, or one that there is already. */
function operandOf(c: Context, { dtype, shape }: TensorType, before: readonly Node[]): Node {
  const alike = before.filter((o) => sameType(o, { dtype, shape }))
  const u = c.next()
  if (u < 0.1 && alike.length) return pick(c, alike)
  if (u < 0.2) return c.builder.literal(dtype === 'bool' ? 1 : 2, { dtype, shape })
  if (u < 0.3 && shape.length && dtype !== 'bool' && !isHalf(dtype)) return c.builder.iota(shape, 0, dtype)
  return c.operand(shape, dtype)
}

/** A loop of zero to five steps over a random body, or the same in segments: one of its results. */
export function randomScan(c: Context): Node {
  const type = typesOf(c)
  const length = pick(c, c.draw.smooth ? [0, 1, 2, 3, 3] : [0, 1, 2, 3, 5])
  const carries = some(c, 3, type)
  const scanned = carries.length ? some(c, 2, type) : [type(), ...some(c, 1, type)]
  const captured = some(c, 2, type)
  const operands: Node[] = []
  const draw = (t: TensorType): Node => {
    const node = operandOf(c, t, operands)
    operands.push(node)
    return node
  }
  const nodes = {
    carries: carries.map(draw),
    scanned: scanned.map((t) => draw({ dtype: t.dtype, shape: [length, ...t.shape] })),
    captured: captured.map(draw),
  }
  const body = bodyOf(c, [...carries, ...scanned, ...captured], carries.length, 0)
  const given: Loop = { ...nodes, body, length, reverse: c.next() < 0.4 }
  const segmented = length > 0 && c.next() < 0.25
  const made = segmented ? loopBySegments(c.builder, given, c.int(1, length)) : loop(c.builder, given, c.next() < 0.3)
  // Derivatives are asked of floats.
  const wanted = c.draw.smooth ? made.filter((n) => n.dtype === 'f64') : made
  return pick(c, wanted)
}

/** A body over inputs of these types: a few ops, next carries and outputs, which may be inputs themselves. */
function bodyOf(c: Context, types: readonly TensorType[], carries: number, depth: number): Graph {
  const b = new Builder()
  const inputs = types.map((type, i): Named => ({ name: `a${i}`, node: b.input(`a${i}`, type) }))
  const pool: Node[] = inputs.map((i) => i.node)
  pool.push(b.literal(c.dtype === 'bool' ? 1 : 0.5, { dtype: c.dtype, shape: [] }))
  for (let i = c.int(1, 7); i > 0; i--) {
    const next = grown(c, b, pool, depth)
    if (sizeOf(next.shape) <= LARGEST && next.shape.length <= 3) pool.push(next)
  }
  const results = types.slice(0, carries).map((type) => pick(c, pool.filter((n) => sameType(n, type)).slice(-3)))
  const floats = pool.filter((n) => n.dtype === c.dtype)
  results.push(pick(c, floats.slice(-3)), ...some(c, 2, () => pick(c, pool)))
  const named = results.map((node, i): Named => ({ name: `r${i}`, node }))
  return { name: 'body', builder: b, inputs, states: [], results: named, updates: [] }
}

/** One more value of a body. Outside of smooth draws every op is exact, so that results are equal to the bit. */
function grown(c: Context, b: Builder, pool: Node[], depth: number): Node {
  const x = pick(c, pool)
  const y = pick(c, pool.filter((n) => sameType(n, x)))
  if (depth < DEEPEST && c.next() < 0.12) return inner(c, b, pool, depth + 1)
  const u = c.next()
  if (u < 0.35 || isHalf(x.dtype)) return viewed(c, b, x)
  if (x.dtype === 'bool') return b.make(pick(c, ['and', 'or', 'xor']), [x, u < 0.6 ? b.make('not', [y]) : y])
  const smooth = c.draw.smooth && isFloat(x.dtype)
  if (u < 0.5) {
    // A comparison of floats is a kink; a bit that is there already is none.
    const bits = pool.filter((n) => n.dtype === 'bool' && sizeOf(n.shape) === 1)
    const spread = (bit: Node): Node => b.make('broadcast', [b.make('reshape', [bit], { shape: x.shape.map(() => 1) })], { shape: x.shape })
    const test = smooth ? (bits.length ? spread(pick(c, bits)) : null) : b.make(pick(c, ['lt', 'le', 'eq']), [x, y])
    if (test) return b.make('select', [test, x, y])
  }
  const bounded = (n: Node): Node => (smooth ? tanh(n) : n)
  if (u < 0.6 && x.shape.length) {
    const axis = c.int(0, x.shape.length - 1)
    // Sums of floats depend on the order of terms; whole numbers do not.
    if (smooth || !isFloat(x.dtype)) {
      return bounded(c.next() < 0.5 ? b.make('sum', [x], { axes: [axis] }) : b.make('cumsum', [x], { axis }))
    }
    if (x.shape[axis] > 0) return b.make('reduceMax', [x], { axes: [axis] })
  }
  if (u < 0.75 && x.shape.length && (smooth || !isFloat(x.dtype))) {
    const rest = 'ab'.slice(0, x.shape.length - 1)
    return bounded(b.make('contract', [x, y], { spec: `${rest}i,${rest}j->${rest}ij` }))
  }
  const tame = [() => tanh(mul(x, y)), () => b.make('sin', [add(x, y)]), () => mul(sub(x, y), 0.5), () => tanh(x)]
  if (smooth) return pick(c, tame)()
  return b.make(pick(c, ['add', 'sub', 'mul', 'max', 'min']), [x, y])
}

function viewed(c: Context, b: Builder, x: Node): Node {
  const axes = x.shape.map((_, i) => i)
  switch (c.int(0, 5)) {
    case 0:
      return b.make('flip', [x], { axes })
    case 1:
      return b.make('permute', [x], { perm: [...axes].reverse() })
    case 2:
      return b.make('reshape', [x], { shape: [sizeOf(x.shape)] })
    case 3:
      return b.make('broadcast', [b.make('reshape', [x], { shape: [1, ...x.shape] })], { shape: [2, ...x.shape] })
    case 4:
      return x.shape.length ? b.make('concat', [x, x], { axis: 0 }) : x
    default:
      return b.make('slice', [x], {
        start: axes.map(() => 0), size: x.shape.map((d) => Math.ceil(d / 2)), step: axes.map(() => 1),
      })
  }
}

/** A loop inside a body, over values of it. */
function inner(c: Context, b: Builder, pool: Node[], depth: number): Node {
  const first = pick(c, pool)
  const alike = pool.filter((n) => n.shape.length && n.shape[0] === first.shape[0])
  const scanned = first.shape.length && first.shape[0] <= 5 ? [first, ...alike.slice(-1)] : []
  const carries = scanned.length ? some(c, 2, () => pick(c, pool)) : [first]
  const captured = some(c, 1, () => pick(c, pool))
  const types = [...carries, ...scanned.map((n): TensorType => ({ dtype: n.dtype, shape: n.shape.slice(1) })), ...captured]
  const body = bodyOf(c, types, carries.length, depth)
  const length = scanned.length ? first.shape[0] : c.int(1, 3)
  const made = loop(b, { body, carries, scanned, captured, length, reverse: c.next() < 0.4 }, c.next() < 0.3)
  pool.push(...made.filter((n) => sizeOf(n.shape) <= LARGEST && n.shape.length <= 3))
  return pick(c, made)
}

/** A value with its true adjoint, written by hand from the value, or by the compiler; it may read what is no argument. */
export function randomCustom(c: Context): Node {
  const x = c.operand()
  if (!isFloat(c.dtype)) return custom([x, x], ([a]) => a, () => [null, null])
  const y = c.next() < 0.2 ? x : c.operand()
  const count = c.builder.literal(3, { dtype: 'i32', shape: c.shape })
  const outside = c.next() < 0.5 ? c.operand() : null
  const aside = (g: Node): Node => (outside ? add(g, mul(outside, 0)) : g)
  if (c.next() < 0.5) {
    // Not smooth: exact, so that results are equal to the bit.
    const bend = (v: Node): Node => (c.draw.smooth ? tanh(v) : v)
    return custom([x, count, y], ([p, , q]) => bend(mul(p, q)), ([p, , q], value, ct) => {
      const slope = c.draw.smooth ? mul(ct, sub(1, mul(value, value))) : ct
      return [aside(mul(slope, q)), null, mul(slope, p)]
    })
  }
  const forward = (p: Node, n: Node, q: Node): Node => sub(mul(p, mul(p, cast(n, c.dtype))), q)
  return custom([x, count, y], ([p, n, q]) => forward(p, n, q), ([p, n, q], _, ct) => {
    const [dp, dq] = vjp([forward(p, n, q)], [p, q], [ct])
    return [aside(dp!), null, dq]
  })
}
