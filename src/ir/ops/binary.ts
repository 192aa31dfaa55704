import { checkDtype, checkSameDtype, checkSameShape, COMPARABLE, FLOATS, INTS, LOGICAL, NUMBERS, refuse } from '../checks.ts'
import type { Node } from '../graph.ts'
import {
  add, cast, div, equal, greater, less, log, mul, neg, pow, round, square, sub, where, zerosLike,
} from '../lang/pointwise.ts'
import type { Maybe, OpDef } from '../op.ts'
import type { Arith } from '../scalar.ts'
import { sameShape, type DType } from '../types.ts'
import { NONE, plus, through, type Derivative } from './rules.ts'

type Scalar = <V>(k: Arith<V>, x: V, y: V) => V
interface Traits {
  readonly cost?: number
  readonly commutative?: boolean
  readonly result?: DType
}
const binary = (name: string, takes: readonly DType[], scalar: Scalar, derivative: Derivative, { result, ...traits }: Traits = {}): OpDef => ({
  name, arity: 2, ...traits, ...derivative,
  infer: (operands) => {
    checkSameDtype(name, operands)
    checkSameShape(name, operands)
    checkDtype(name, takes, operands.slice(0, 1))
    return { dtype: result ?? operands[0].dtype, shape: operands[0].shape }
  },
  lowering: { kind: 'pointwise', scalar: (k, [x, y]) => scalar(k, x, y) },
})

/** d result = dx·∂x + dy·∂y. */
const partials = (byX: (x: Node, y: Node, r: Node) => Node, byY: (x: Node, y: Node, r: Node) => Node): Derivative => ({
  tangent: (_, [dx, dy], [x, y], r) => plus(through(dx, (d) => mul(d, byX(x, y, r))), through(dy, (d) => mul(d, byY(x, y, r)))),
})

/** 1 where x wins, 1/2 at a tie, 0 where y wins; NaN where either is NaN. */
function share(wins: Node, x: Node, y: Node): Node {
  const half = where(equal(x, y), 0.5, cast(wins, x.dtype) as Node)
  return where(equal(x, x), where(equal(y, y), half, y), x)
}
const extremum = (wins: (x: Node, y: Node) => Node): Derivative => partials((x, y) => share(wins(x, y), x, y), (x, y) => share(wins(y, x), y, x))

const sum = (negative: boolean): Derivative => ({
  tangent: (_, [dx, dy]) => plus(dx, negative ? through(dy, neg) : dy),
  transpose: (_, ct, __, at) => (negative && at === 1 ? neg(ct) : ct),
})
const COMMUTES = { commutative: true }
const COMPARES = { result: 'bool' } as const

/** r = x − n·y differentiates to dx − n·dy. x/y may round up to the next whole number; (x − r)/y is n but for rounding. */
const multiples = (x: Node, y: Node, r: Node): Node => round(div(sub(x, r), y))

/** Two operands of one type, element by element. */
export const BINARY: readonly OpDef[] = [
  binary('add', NUMBERS, (k, x, y) => k.add(x, y), sum(false), COMMUTES),
  binary('sub', NUMBERS, (k, x, y) => k.sub(x, y), sum(true)),
  binary('mul', NUMBERS, (k, x, y) => k.mul(x, y), {
    tangent: (_, [dx, dy], [x, y]) => plus(through(dx, (d) => mul(d, y)), through(dy, (d) => mul(x, d))), // dx·y + x·dy
    transpose: (_, ct, { operands: [x, y] }, at) => mul(ct, at === 0 ? y : x),
  }, COMMUTES),
  binary('div', NUMBERS, (k, x, y) => k.div(x, y), {
    tangent: (_, [dx, dy], [, y], r) => plus(through(dx, (d) => div(d, y)), through(dy, (d) => neg(mul(d, div(r, y))))), // dx/y − dy·r/y
    transpose: (_, ct, { operands: [, y] }, at) => (at === 0 ? div(ct, y) : null),
  }, { cost: 4 }),
  binary('rem', NUMBERS, (k, x, y) => k.rem(x, y), {
    tangent: (_, [dx, dy], [x, y], r) => plus(dx, through(dy, (d) => neg(mul(d, multiples(x, y, r))))),
  }, { cost: 8 }),
  binary('pow', FLOATS, (k, x, y) => k.pow(x, y), partials(
    // y·x^(y−1), and 0 for x^0; x is replaced too, lest 0^−1 in the arm not taken makes the next derivative NaN.
    (x, y) => where(equal(y, 0), 0, mul(y, pow(where(equal(y, 0), 1, x), sub(y, 1)))),
    (x, _, r) => where(equal(x, 0), 0, mul(r, log(where(equal(x, 0), 1, x)))), // x^y·log x, and 0 at x = 0
  ), { cost: 40 }),
  binary('max', NUMBERS, (k, x, y) => k.max(x, y), extremum(greater), COMMUTES),
  binary('min', NUMBERS, (k, x, y) => k.min(x, y), extremum(less), COMMUTES),
  binary('atan2', FLOATS, (k, x, y) => k.atan2(x, y), partials( // of the point (y, x): dx·y/(x²+y²) − dy·x/(x²+y²)
    (x, y) => div(y, add(square(x), square(y))),
    (x, y) => neg(div(x, add(square(x), square(y)))),
  ), { cost: 24 }),
  binary('eq', COMPARABLE, (k, x, y) => k.eq(x, y), NONE, { ...COMPARES, ...COMMUTES }),
  binary('ne', COMPARABLE, (k, x, y) => k.ne(x, y), NONE, { ...COMPARES, ...COMMUTES }),
  binary('lt', NUMBERS, (k, x, y) => k.lt(x, y), NONE, COMPARES),
  binary('le', NUMBERS, (k, x, y) => k.le(x, y), NONE, COMPARES),
  binary('gt', NUMBERS, (k, x, y) => k.gt(x, y), NONE, COMPARES),
  binary('ge', NUMBERS, (k, x, y) => k.ge(x, y), NONE, COMPARES),
  binary('and', LOGICAL, (k, x, y) => k.and(x, y), NONE, COMMUTES),
  binary('or', LOGICAL, (k, x, y) => k.or(x, y), NONE, COMMUTES),
  binary('xor', LOGICAL, (k, x, y) => k.xor(x, y), NONE, COMMUTES),
  binary('shl', INTS, (k, x, y) => k.shl(x, y), NONE),
  binary('shr', INTS, (k, x, y) => k.shr(x, y), NONE),
]

const orZero = (d: Maybe, like: Node): Node => d ?? zerosLike(like)

/** select(c, x, y): x where c holds, y elsewhere. */
export const SELECT: OpDef = {
  name: 'select', arity: 3,
  infer: ([c, x, y]) => {
    if (c.dtype !== 'bool') refuse('dtype/mismatch', `select by ${c.dtype}: the condition must be bool`, [c, x, y], 'compare it: notEqual(c, 0)')
    checkSameDtype('select', [x, y])
    checkDtype('select', COMPARABLE, [x])
    if (!sameShape(c.shape, x.shape) || !sameShape(x.shape, y.shape)) {
      refuse('shape/mismatch', 'select: shapes must be equal', [c, x, y], 'where(c, x, y) broadcasts')
    }
    return { dtype: x.dtype, shape: x.shape }
  },
  tangent: (_, [, dx, dy], [c, x, y]) => (dx || dy ? where(c, orZero(dx, x), orZero(dy, y)) : null),
  transpose: (_, ct, { operands: [c] }, at) => (at === 1 ? where(c, ct, 0) : where(c, 0, ct)),
  lowering: { kind: 'pointwise', scalar: (k, [c, x, y]) => k.select(c, x, y) },
}
