import { showValue } from '../arguments.ts'
import { checkDtype, COMPARABLE, FLOATS, LOGICAL, NUMBERS, refuse } from '../checks.ts'
import type { Node } from '../graph.ts'
import { add, cast, cos, div, exp, less, mul, neg, normalCdf, normalPdf, sign, sin, square, sub, where } from '../lang/pointwise.ts'
import type { OpDef } from '../op.ts'
import type { Arith } from '../scalar.ts'
import { DTYPES, isDType, isFloat, type DType } from '../types.ts'
import { FLAT, linear, NONE, through, type Derivative } from './rules.ts'

type Scalar = <V>(k: Arith<V>, x: V) => V
const unary = (name: string, takes: readonly DType[], cost: number, scalar: Scalar, derivative: Derivative): OpDef => ({
  name, arity: 1, cost, ...derivative,
  infer: ([x]) => {
    checkDtype(name, takes, [x])
    return { dtype: x.dtype, shape: x.shape }
  },
  lowering: { kind: 'pointwise', scalar: (k, [x]) => scalar(k, x) },
})
/** d result = d · slope(x, y). */
const slope = (of: (x: Node, y: Node) => Node): Derivative => ({ tangent: (_, [d], [x], y) => through(d, (t) => mul(t, of(x, y))) })

/** x where φ(x) is not 0 yet, even in f64, and finite beyond: ∞·0 is no number. */
const bounded = (x: Node): Node => where(less(x, -40), -40, where(less(40, x), 40, x))

/** One operand, element by element. Formulas of derivatives stand beside the ops. */
export const UNARY: readonly OpDef[] = [
  unary('neg', NUMBERS, 1, (k, x) => k.neg(x), linear((_, ct) => neg(ct))),
  unary('abs', NUMBERS, 1, (k, x) => k.abs(x), slope((x) => sign(x))), // |x|′(0) = 0
  unary('sign', NUMBERS, 2, (k, x) => k.sign(x), FLAT),
  unary('floor', FLOATS, 1, (k, x) => k.floor(x), FLAT),
  unary('ceil', FLOATS, 1, (k, x) => k.ceil(x), FLAT),
  unary('round', FLOATS, 1, (k, x) => k.round(x), FLAT),
  unary('exp', FLOATS, 12, (k, x) => k.exp(x), slope((_, y) => y)),
  unary('expm1', FLOATS, 16, (k, x) => k.expm1(x), slope((x) => exp(x))), // y + 1 would lose digits below −1
  unary('log', FLOATS, 14, (k, x) => k.log(x), { tangent: (_, [d], [x]) => through(d, (t) => div(t, x)) }),
  unary('log1p', FLOATS, 16, (k, x) => k.log1p(x), { tangent: (_, [d], [x]) => through(d, (t) => div(t, add(x, 1))) }),
  unary('sqrt', FLOATS, 4, (k, x) => k.sqrt(x), { tangent: (_, [d], __, y) => through(d, (t) => div(mul(t, 0.5), y)) }),
  unary('rsqrt', FLOATS, 8, (k, x) => k.div(k.lit(1, k.dtype(x)), k.sqrt(x)), slope((_, y) => mul(mul(square(y), y), -0.5))),
  unary('sin', FLOATS, 18, (k, x) => k.sin(x), slope((x) => cos(x))),
  unary('cos', FLOATS, 18, (k, x) => k.cos(x), slope((x) => neg(sin(x)))),
  unary('tanh', FLOATS, 18, (k, x) => k.tanh(x), slope((_, y) => sub(1, square(y)))), // 1 − y²
  unary('sigmoid', FLOATS, 16, (k, x) => k.sigmoid(x), slope((_, y) => mul(y, sub(1, y)))), // y·(1 − y)
  unary('erf', FLOATS, 20, (k, x) => k.erf(x), slope((x) => mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI)))), // 2/√π·e^(−x²)
  unary('normalPdf', FLOATS, 22, (k, x) => k.normalPdf(x), slope((x, y) => neg(mul(x, y)))), // −x·φ(x)
  unary('normalCdf', FLOATS, 38, (k, x) => k.normalCdf(x), slope((x) => normalPdf(x))),
  unary('gelu', FLOATS, 40, (k, x) => k.gelu(x), slope((x) => add(normalCdf(x), mul(bounded(x), normalPdf(x))))), // Φ(x) + x·φ(x)
  unary('not', LOGICAL, 1, (k, x) => k.not(x), NONE),
  unary('stopGradient', [...COMPARABLE, 'f16', 'bf16'], 0, (_, x) => x, { derivative: 'stopped' }),
]

const destination = (op: string, x: Node, to: unknown): DType => {
  if (typeof to !== 'string' || !isDType(to)) return refuse('dtype/unsupported', `${op}: ${showValue(to)} is no element type`, [x])
  return to
}
const bothFloat = (x: Node, y: Node): boolean => isFloat(x.dtype) && isFloat(y.dtype)

/** The bits of a NaN, as every target shows them: WebAssembly leaves sign and payload open. */
const NAN_BITS = 0x7fc00000
/** x as another type of 4 bytes. Of a NaN, whichever it is, an integer type shows {@link NAN_BITS}. */
function wordOf<V>(k: Arith<V>, x: V, to: DType): V {
  const word = k.bitcast(x, to)
  return isFloat(k.dtype(x)) && !isFloat(to) ? k.select(k.ne(x, x), k.lit(NAN_BITS, to), word) : word
}

/** Conversions between element types. */
export const CONVERSIONS: readonly OpDef[] = [
  {
    name: 'cast', arity: 1, attrs: ['to'], cost: 1,
    infer: ([x], { to }) => ({ dtype: destination('cast', x, to), shape: x.shape }),
    tangent: (_, [d], [x], y) => through(d, (t) => (bothFloat(x, y) ? cast(t, y.dtype) : null)),
    transpose: (_, ct, { operands: [x] }) => cast(ct, x.dtype),
    lowering: { kind: 'pointwise', scalar: (k, [x], { to }) => k.cast(x, to as DType) },
  },
  {
    // Bits that a graph reads are the same everywhere. Bytes that a host reads of a float array (a result, a state, save())
    // are so but for NaNs: those compare as NaN, sign and payload are the engine's.
    name: 'bitcast', arity: 1, attrs: ['to'], cost: 1, ...NONE,
    infer: ([x], { to }) => {
      const dtype = destination('bitcast', x, to)
      const word = (t: DType): boolean => DTYPES[t].bytes === 4
      if (!word(x.dtype) || !word(dtype)) refuse('dtype/unsupported', `bitcast from ${x.dtype} to ${dtype}: only types of 4 bytes`, [x])
      return { dtype, shape: x.shape }
    },
    lowering: { kind: 'pointwise', scalar: (k, [x], { to }) => wordOf(k, x, to as DType) },
  },
]
