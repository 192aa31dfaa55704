import { checkDtype, FLOATS } from '../checks.ts'
import type { Node } from '../graph.ts'
import { add, less, mul, sigmoid, sub, where } from '../lang/pointwise.ts'
import type { OpDef } from '../op.ts'
import type { Arith } from '../scalar.ts'
import { through } from './rules.ts'

/** What gates are written in: once for numbers and expressions, and once for nodes. Literals stand last, as in canonical graphs. */
interface Ring<V> {
  add(x: V, y: V): V
  mul(x: V, y: V): V
  scale(x: V, by: number): V
  shift(x: V, by: number): V
  sigmoid(x: V): V
  /** NaN stays. */
  atLeast(x: V, limit: number): V
  atMost(x: V, limit: number): V
}

const NODES: Ring<Node> = {
  add, mul, scale: mul, shift: add, sigmoid,
  atLeast: (x, limit) => where(less(x, limit), limit, x),
  atMost: (x, limit) => where(less(limit, x), limit, x),
}

function scalars<V>(k: Arith<V>, x: V): Ring<V> {
  const lit = (value: number): V => k.lit(value, k.dtype(x))
  return {
    add: (y, z) => k.add(y, z), mul: (y, z) => k.mul(y, z), sigmoid: (y) => k.sigmoid(y),
    scale: (y, by) => k.mul(y, lit(by)), shift: (y, by) => k.add(y, lit(by)),
    atLeast: (y, limit) => k.select(k.lt(y, lit(limit)), lit(limit), y),
    atMost: (y, limit) => k.select(k.lt(lit(limit), y), lit(limit), y),
  }
}

/** σ's argument as a function of x, and its derivative. */
interface Gate {
  readonly name: string
  readonly cost: number
  /** Below −`end` σ is 0, even in f64: x is held there, so that −∞·0 is nowhere. */
  readonly end: number
  argument<V>(r: Ring<V>, x: V): V
  /** x times the argument's derivative. */
  slope<V>(r: Ring<V>, x: V): V
}

/** More than any slope where 1 − σ is not 0 yet, and less than ∞, which that may not multiply. */
const STEEP = 1e30

/**
 * x·σ(g(x)). Its derivative σ + σ·(1 − σ)·x·g′ is one value by which a cotangent is multiplied, made of the forward's σ: who keeps it
 * keeps neither x nor σ.
 */
const gated = ({ name, cost, end, argument, slope }: Gate): OpDef => ({
  name, arity: 1, cost,
  infer: ([x]) => {
    checkDtype(name, FLOATS, [x])
    return { dtype: x.dtype, shape: x.shape }
  },
  lowering: {
    kind: 'pointwise',
    scalar: (k, [x]) => {
      const r = scalars(k, x)
      const u = r.atLeast(x, -end)
      return r.mul(u, r.sigmoid(argument(r, u)))
    },
  },
  tangent: (_, [d], [x]) => through(d, (t) => {
    const u = NODES.atLeast(x, -end)
    const s = sigmoid(argument(NODES, u))
    return mul(t, add(mul(mul(s, sub(1, s)), NODES.atMost(slope(NODES, u), STEEP)), s))
  }),
})

const LINEAR = Math.sqrt(8 / Math.PI)
const CUBIC = 0.044715 * LINEAR

/** Values times a gate that depends on them. */
export const GATED: readonly OpDef[] = [
  gated({ name: 'silu', cost: 18, end: 800, argument: (_, x) => x, slope: (_, x) => x }),
  gated({
    // √(2/π)·(x + 0.044715·x³) is the argument of tanh, and (1 + tanh u) / 2 = σ(2u).
    name: 'geluTanh', cost: 24, end: 30,
    argument: (r, x) => r.mul(x, r.shift(r.scale(r.mul(x, x), CUBIC), LINEAR)),
    slope: (r, x) => r.mul(x, r.shift(r.scale(r.mul(x, x), 3 * CUBIC), LINEAR)),
  }),
]
