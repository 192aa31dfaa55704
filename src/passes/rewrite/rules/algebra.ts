import type { Node } from '../../../ir/graph.ts'
import { DTYPES, isFloat, isInt, type DType } from '../../../ir/types.ts'
import { make, splat } from '../build.ts'
import { as, lit, p, valueOf, x, y, z } from '../pattern.ts'
import { rule, type Match, type Rule } from '../rule.ts'

const float = ({ root }: { root: Node }): boolean => isFloat(root.dtype)
const int = ({ root }: { root: Node }): boolean => isInt(root.dtype)
const bool = ({ root }: { root: Node }): boolean => root.dtype === 'bool'
const inexact = { exact: false } as const

/** Laws that hold to the bit, for floats with NaN, infinities and signed zeros. */
const exact: readonly Rule[] = [
  // Neutral elements.
  rule('mul-one', p.mul(x, lit(1)), ({ x }) => x),
  rule('div-one', p.div(x, lit(1)), ({ x }) => x),
  rule('add-minus-zero', p.add(x, lit(-0)), ({ x }) => x),
  rule('sub-zero', p.sub(x, lit(0)), ({ x }) => x),
  rule('add-zero-int', p.add(x, lit(0)), ({ x }) => x, { when: int }),
  rule('mul-zero-int', p.mul(x, lit(0)), ({ root }) => splat(root, 0), { when: int }),
  rule('sub-self-int', p.sub(x, x), ({ root }) => splat(root, 0), { when: int }),
  rule('max-self', p.max(x, x), ({ x }) => x),
  rule('min-self', p.min(x, x), ({ x }) => x),

  // Signs.
  rule('neg-neg', p.neg(p.neg(x)), ({ x }) => x),
  rule('mul-minus-one', p.mul(x, lit(-1)), ({ x }) => make('neg', [x])),
  rule('div-minus-one', p.div(x, lit(-1)), ({ x }) => make('neg', [x]), { when: float }),
  rule('add-neg', p.add(x, p.neg(y)), ({ x, y }) => make('sub', [x, y])),
  rule('sub-neg', p.sub(x, p.neg(y)), ({ x, y }) => make('add', [x, y])),
  rule('neg-mul-literal', p.neg(p.mul(x, lit('c'))), ({ x, c }) => make('mul', [x, negated(c)])),
  rule('mul-neg-literal', p.mul(p.neg(x), lit('c')), ({ x, c }) => make('mul', [x, negated(c)])),
  rule('neg-div-literal', p.neg(p.div(x, lit('c'))), ({ x, c }) => make('div', [x, negated(c)]), { when: float }),
  rule('div-neg-literal', p.div(p.neg(x), lit('c')), ({ x, c }) => make('div', [x, negated(c)]), { when: float }),
  rule('mul-neg-neg', p.mul(p.neg(x), p.neg(y)), ({ x, y }) => make('mul', [x, y])),
  rule('mul-neg', p.mul(p.neg(x), y), ({ x, y }) => make('neg', [make('mul', [x, y])])),
  rule('div-neg-neg', p.div(p.neg(x), p.neg(y)), ({ x, y }) => make('div', [x, y]), { when: float }),
  rule('div-neg-left', p.div(p.neg(x), y), ({ x, y }) => make('neg', [make('div', [x, y])]), { when: float }),
  rule('div-neg-right', p.div(x, p.neg(y)), ({ x, y }) => make('neg', [make('div', [x, y])]), { when: float }),
  rule('abs-neg', p.abs(p.neg(x)), ({ x }) => make('abs', [x]), { when: ({ root }) => root.dtype !== 'u32' }),
  rule('abs-abs', p.abs(p.abs(x)), ({ x }) => make('abs', [x])),
  rule('abs-square', p.abs(p.mul(x, x)), ({ x }) => make('mul', [x, x]), { when: float }),
  rule('cos-neg', p.cos(p.neg(x)), ({ x }) => make('cos', [x])),
  rule('cos-abs', p.cos(p.abs(x)), ({ x }) => make('cos', [x])),

  // Scaling by a power of two rounds nowhere else than multiplying by its reciprocal does.
  rule('div-power-of-two', p.div(x, lit('c')), ({ x, c }) => make('mul', [x, splat(c, 1 / valueOf(c))]),
    { when: ({ c }) => hasExactReciprocal(c) }),

  // What is done is done.
  rule('sign-sign', p.sign(p.sign(x)), ({ x }) => make('sign', [x])),
  rule('floor-floor', p.floor(p.floor(x)), ({ x }) => make('floor', [x])),
  rule('floor-ceil', p.floor(p.ceil(x)), ({ x }) => make('ceil', [x])),
  rule('floor-round', p.floor(p.round(x)), ({ x }) => make('round', [x])),
  rule('ceil-floor', p.ceil(p.floor(x)), ({ x }) => make('floor', [x])),
  rule('ceil-ceil', p.ceil(p.ceil(x)), ({ x }) => make('ceil', [x])),
  rule('ceil-round', p.ceil(p.round(x)), ({ x }) => make('round', [x])),
  rule('round-floor', p.round(p.floor(x)), ({ x }) => make('floor', [x])),
  rule('round-ceil', p.round(p.ceil(x)), ({ x }) => make('ceil', [x])),
  rule('round-round', p.round(p.round(x)), ({ x }) => make('round', [x])),
  rule('stop-stop', p.stopGradient(p.stopGradient(x)), ({ x }) => make('stopGradient', [x])),

  // Selection.
  rule('select-same', p.select(y, x, x), ({ x }) => x),
  rule('select-true', p.select(lit(1), x, y), ({ x }) => x),
  rule('select-false', p.select(lit(0), x, y), ({ y }) => y),
  rule('select-not', p.select(p.not(z), x, y), ({ x, y, z }) => make('select', [z, y, x])),
  rule('select-mask', p.select(x, lit(1), lit(0)), ({ x, root }) => make('cast', [x], { to: root.dtype }),
    { when: ({ root }) => !bool({ root }) }),
  rule('select-bool', p.select(x, lit(1), lit(0)), ({ x }) => x, { when: bool }),

  // Logic.
  rule('not-not', p.not(p.not(x)), ({ x }) => x),
  rule('and-self', p.and(x, x), ({ x }) => x),
  rule('or-self', p.or(x, x), ({ x }) => x),
  rule('xor-self', p.xor(x, x), ({ root }) => splat(root, 0)),
  rule('and-zero', p.and(x, lit(0)), ({ root }) => splat(root, 0)),
  rule('or-zero', p.or(x, lit(0)), ({ x }) => x),
  rule('xor-zero', p.xor(x, lit(0)), ({ x }) => x),
  rule('and-true', p.and(x, lit(1)), ({ x }) => x, { when: bool }),
  rule('or-true', p.or(x, lit(1)), ({ root }) => splat(root, 1), { when: bool }),
  rule('xor-true', p.xor(x, lit(1)), ({ x }) => make('not', [x]), { when: bool }),
  rule('not-eq', p.not(p.eq(x, y)), ({ x, y }) => make('ne', [x, y])),
  rule('not-ne', p.not(p.ne(x, y)), ({ x, y }) => make('eq', [x, y])),
  rule('not-lt-int', p.not(p.lt(x, y)), ({ x, y }) => make('ge', [x, y]), { when: ({ x }) => isInt(x.dtype) }),
  rule('not-le-int', p.not(p.le(x, y)), ({ x, y }) => make('gt', [x, y]), { when: ({ x }) => isInt(x.dtype) }),
  rule('not-gt-int', p.not(p.gt(x, y)), ({ x, y }) => make('le', [x, y]), { when: ({ x }) => isInt(x.dtype) }),
  rule('not-ge-int', p.not(p.ge(x, y)), ({ x, y }) => make('lt', [x, y]), { when: ({ x }) => isInt(x.dtype) }),
  rule('lt-self', p.lt(x, x), ({ root }) => splat(root, 0)),
  rule('gt-self', p.gt(x, x), ({ root }) => splat(root, 0)),
  rule('shl-zero', p.shl(x, lit(0)), ({ x }) => x),
  rule('shr-zero', p.shr(x, lit(0)), ({ x }) => x),

  // Conversions.
  rule('cast-same', p.cast(x), ({ x }) => x, { when: ({ x, root }) => x.dtype === root.dtype }),
  rule('cast-cast', p.cast(as('wide', p.cast(x))), castCast),
  rule('bitcast-same', p.bitcast(x), ({ x }) => x, { when: ({ x, root }) => x.dtype === root.dtype }),
  // Not through a float: all its NaNs have one pattern as an integer.
  rule('bitcast-bitcast', p.bitcast(as('word', p.bitcast(x))),
    ({ x, root }) => (x.dtype === root.dtype ? x : make('bitcast', [x], { to: root.dtype })),
    { when: ({ word }) => !isFloat(word.dtype) }),
]

/** Powers are products: cheaper, and at least as accurate as a general power. */
const powers: readonly Rule[] = [
  rule('pow-zero', p.pow(x, lit(0)), ({ root }) => splat(root, 1), { keeps: 'values' }),
  rule('pow-one', p.pow(x, lit(1)), ({ x }) => x, { keeps: 'values' }),
  rule('pow-two', p.pow(x, lit(2)), ({ x }) => make('mul', [x, x]), { keeps: 'values' }),
  rule('pow-three', p.pow(x, lit(3)), ({ x }) => make('mul', [make('mul', [x, x]), x]), { keeps: 'values' }),
  rule('pow-minus-one', p.pow(x, lit(-1)), ({ x }) => make('div', [splat(x, 1), x]), { keeps: 'values' }),
]

/** True over the reals alone. */
const overTheReals: readonly Rule[] = [
  rule('add-zero', p.add(x, lit(0)), ({ x }) => x, inexact), // −0 + 0 = +0
  rule('zero-sub', p.sub(lit(0), x), ({ x }) => make('neg', [x]), inexact), // 0 − 0 = +0
  rule('mul-zero', p.mul(x, lit(0)), ({ root }) => splat(root, 0), inexact), // ∞ · 0 = NaN
  rule('sub-self', p.sub(x, x), ({ root }) => splat(root, 0), inexact), // ∞ − ∞ = NaN
  rule('div-self', p.div(x, x), ({ root }) => splat(root, 1), { ...inexact, when: float }), // 0 / 0 = NaN
  rule('neg-sub', p.neg(p.sub(x, y)), ({ x, y }) => make('sub', [y, x]), inexact), // −(x − x) = −0
  rule('mul-mul-literal', p.mul(p.mul(x, lit('c')), lit('d')),
    ({ x, c, d }) => make('mul', [x, splat(x, valueOf(c) * valueOf(d))]), { ...inexact, when: float }),
  rule('add-add-literal', p.add(p.add(x, lit('c')), lit('d')),
    ({ x, c, d }) => make('add', [x, splat(x, valueOf(c) + valueOf(d))]), { ...inexact, when: float }),
  rule('div-literal', p.div(x, lit('c')), ({ x, c }) => make('mul', [x, splat(x, 1 / valueOf(c))]),
    { ...inexact, when: ({ c }) => isFloat(c.dtype) && valueOf(c) !== 0 }),
  rule('mul-div-self', p.div(p.mul(x, y), y), ({ x }) => x, { ...inexact, when: float }),
  rule('exp-log', p.exp(p.log(x)), ({ x }) => x, inexact), // x < 0
  rule('pow-half', p.pow(x, lit(0.5)), ({ x }) => make('sqrt', [x]), inexact), // (−∞)^½ = ∞
  rule('sqrt-square', p.sqrt(p.mul(x, x)), ({ x }) => make('abs', [x]), inexact), // x² may overflow
]

/** The laws of arithmetic, logic and conversion. */
export const algebra: readonly Rule[] = [...exact, ...powers, ...overTheReals]

const negated = (c: Node): Node => splat(c, -valueOf(c))

/** Is the divisor ±2^k, with a reciprocal that is not denormal? */
function hasExactReciprocal(c: Node): boolean {
  if (!isFloat(c.dtype)) return false
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, Math.abs(valueOf(c)))
  const exponent = (bits.getUint32(0) >>> 20) - 1023
  const mantissaIsZero = (bits.getUint32(0) & 0xfffff) === 0 && bits.getUint32(4) === 0
  return mantissaIsZero && Math.abs(exponent) <= (DTYPES[c.dtype].bytes <= 4 ? 126 : 1022)
}

/** Element types that hold every value of one. */
const WIDER: { readonly [D in DType]: readonly DType[] } = {
  bool: ['i32', 'u32', 'f32', 'f64', 'f16', 'bf16'],
  i32: ['f64'],
  u32: ['f64'],
  f16: ['f32', 'f64'],
  bf16: ['f32', 'f64'],
  f32: ['f64'],
  f64: [],
}

/** Between integers a direct conversion wraps, while one from a float saturates. */
const wraps = (from: DType, to: DType): boolean => isInt(from) && isInt(to) && from !== to

function castCast({ x, wide, root }: Match<'x' | 'wide'>): Node | null {
  if (!WIDER[x.dtype].includes(wide.dtype) || (isFloat(wide.dtype) && wraps(x.dtype, root.dtype))) return null
  return x.dtype === root.dtype ? x : make('cast', [x], { to: root.dtype })
}
