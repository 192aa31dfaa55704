import type { Node } from '../../../ir/graph.ts'
import { isFloat } from '../../../ir/types.ts'
import { listOf, make, reshaped, splat, spread } from '../build.ts'
import { isBounded } from '../measure.ts'
import { as, lit, p, variable, x, y } from '../pattern.ts'
import { rule, type Match, type Rule } from '../rule.ts'

const values = { keeps: 'values' } as const
const e = variable('e')
/** The m of a softplus, see there. */
const shift = p.stopGradient(p.min(p.max(x, lit(0)), lit('largest')))
const shiftedRest = p.log1p(p.add(p.exp(p.sub(x, shift)), p.expm1(p.neg(shift))))
const shiftOfNeg = p.stopGradient(p.min(p.max(p.neg(x), lit(0)), lit('largest')))
/** What log σ(x) and log(1 − σ(x)) have become; that it is these is checked by building them. */
const logOfSigmoid = as('a', p.neg(p.add(shiftOfNeg, variable('c'))))
const logOfOneMinus = as('b', p.neg(p.add(shift, variable('d'))))

/**
 * Formulas as they stand in textbooks, into forms that neither overflow nor cancel. They run before differentiation,
 * so that the derivatives are those of the stable forms; maxima that are only subtracted to be added again carry no
 * gradient. Sources: Blanchard, Higham and Higham, "Accurately computing the log-sum-exp and softmax functions" (2021);
 * Mächler, "Accurately computing log(1 − exp(−|a|))" (2012).
 */
export const stability: readonly Rule[] = [
  rule('log-exp', p.log(p.exp(x)), ({ x }) => x, values),
  rule('log1p-expm1', p.log1p(p.expm1(x)), ({ x }) => x, values),
  rule('log-softmax', p.log(p.div(p.exp(x), y)), ({ x, y }) => make('sub', [x, make('log', [y])]), values),
  rule('log-mul-exp', p.log(p.mul(p.exp(x), y)), ({ x, y }) => make('add', [x, make('log', [y])]), values),

  // log σ(x) = −softplus(−x), log(1 − σ(x)) = −softplus(x).
  rule('sigmoid-from-exp', p.div(lit(1), p.add(p.exp(p.neg(x)), lit(1))), ({ x }) => make('sigmoid', [x]), values),
  rule('log-sigmoid', p.log(p.sigmoid(x)), ({ x }) => logSigmoid(x), values),
  rule('log-one-minus-sigmoid', p.log(p.sub(lit(1), p.sigmoid(x))), ({ x }) => make('neg', [softplus(x)]), values),
  rule('softplus', p.log1p(p.exp(x)), ({ x }) => softplus(x), { ...values, when: ({ x }) => !isBounded(x) }),
  // Binary cross-entropy: y·log σ(x) + (1 − y)·log(1 − σ(x)) = y·x − softplus(x), whose derivative is y − σ(x).
  rule('cross-entropy', p.add(p.mul(y, logOfSigmoid), p.mul(p.sub(lit(1), y), logOfOneMinus)), crossEntropy, values),
  rule('cross-entropy-loss', p.sub(p.mul(p.neg(y), logOfSigmoid), p.mul(p.sub(lit(1), y), logOfOneMinus)),
    (found) => negated(crossEntropy(found)), values),
  rule('one-minus-sigmoid', p.sub(lit(1), as('s', p.sigmoid(x))), ({ x }) => make('sigmoid', [make('neg', [x])]),
    { ...values, once: ['s'] }),

  rule('log-one-plus', p.log(p.add(x, lit(1))), ({ x }) => make('log1p', [x]), values),
  rule('log-one-minus', p.log(p.sub(lit(1), x)), ({ x }) => make('log1p', [make('neg', [x])]), values),
  rule('exp-minus-one', p.sub(p.exp(x), lit(1)), ({ x }) => make('expm1', [x]), values),
  rule('minus-one-plus-exp', p.add(p.exp(x), lit(-1)), ({ x }) => make('expm1', [x]), values),

  // log Σ e^x = m + log Σ e^(x − m) for any m; with m = max x no term overflows and one is 1.
  rule('logsumexp', p.log(as('s', p.sum(p.exp(x)))), ({ x, s }) => logSumExp(x, s),
    { ...values, when: ({ x }) => !isBounded(x) }),
  rule('softmax', p.div(as('e', p.exp(x)), p.broadcast(p.reshape(as('s', p.sum(e))))), ({ x, s, root }) => softmax(x, s, root),
    { ...values, when: ({ x }) => !isBounded(x) }),
]

/**
 * What takes over once derivatives are made: a softplus by two transcendental functions instead of three, and the
 * derivative that the shifted form gave, e^(x − m) / (1 + e^(x − m) + (e^−m − 1)) = σ(x) for any m.
 */
export const settled: readonly Rule[] = [
  rule('softplus-shifted', p.add(shift, shiftedRest), ({ x }) => make('add', [make('max', [x, splat(x, 0)]), tail(x)]), values),
  rule('minus-softplus-shifted', p.sub(p.sub(y, shift), shiftedRest),
    ({ x, y }) => make('sub', [make('sub', [y, make('max', [x, splat(x, 0)])]), tail(x)]), values),
  rule('softplus-derivative', p.mul(p.div(y, p.add(p.add(as('e', p.exp(p.sub(x, shift))), p.expm1(p.neg(shift))), lit(1))), e),
    ({ x, y }) => make('mul', [y, make('sigmoid', [x])]), values),
]

/** log1p(e^−|x|): between 0 and log 2. */
const tail = (x: Node): Node => make('log1p', [make('exp', [make('neg', [make('abs', [x])])])])

/**
 * log(1 + e^x) = m + log(1 + e^(x − m) + (e^−m − 1)) for any m. With m = max(x, 0), which carries no gradient, nothing
 * overflows, and the derivative is a plain quotient for all x, to any order. An infinite x must not shift itself away.
 */
function softplus(x: Node): Node {
  const largest = x.dtype === 'f64' ? Number.MAX_VALUE : 3.4028234663852886e38
  const m = make('stopGradient', [make('min', [make('max', [x, splat(x, 0)]), splat(x, largest)])])
  const sum = make('add', [make('exp', [make('sub', [x, m])]), make('expm1', [make('neg', [m])])])
  return make('add', [m, make('log1p', [sum])])
}

const negated = (x: Node | null): Node | null => x && make('neg', [x])
const logSigmoid = (x: Node): Node => make('neg', [softplus(make('neg', [x]))])

/**
 * y·log σ(x) + (1 − y)·log(1 − σ(x)), only where both logarithms are those of one σ(x). The large parts of y·x and the
 * softplus cancel first: PyTorch's binary_cross_entropy_with_logits.
 */
function crossEntropy({ x, y, a, b }: Match<'x' | 'y' | 'a' | 'b'>): Node | null {
  if (!isFloat(x.dtype) || a !== logSigmoid(x) || b !== make('neg', [softplus(x)])) return null
  const [m, rest] = softplus(x).operands
  return make('sub', [make('sub', [make('mul', [y, x]), m]), rest])
}

/** The largest element along the axes of a sum, without gradient; 0 where it is infinite or NaN: no ∞ − ∞ arises. */
function shiftOf(x: Node, sum: Node): Node {
  const m = make('stopGradient', [make('reduceMax', [x], { axes: listOf(sum, 'axes') })])
  return make('select', [make('lt', [make('abs', [m]), splat(m, Infinity)]), m, splat(m, 0)])
}

/** e^(x − m), and the shift m. */
function shifted(x: Node, sum: Node): { exponentials: Node; shift: Node } {
  const shift = shiftOf(x, sum)
  const keepdims = x.shape.map((d, a) => (listOf(sum, 'axes').includes(a) ? 1 : d))
  return { exponentials: make('exp', [make('sub', [x, spread(reshaped(shift, keepdims), x.shape)])]), shift }
}

function logSumExp(x: Node, sum: Node): Node {
  const { exponentials, shift } = shifted(x, sum)
  return make('add', [shift, make('log', [make('sum', [exponentials], sum.attrs)])])
}

/** Only where the denominator stands beside its own terms. */
function softmax(x: Node, sum: Node, root: Node): Node | null {
  const keepdims = x.shape.map((d, a) => (listOf(sum, 'axes').includes(a) ? 1 : d))
  const [, denominator] = root.operands
  const [kept] = denominator.operands
  if (kept.shape.length !== keepdims.length || kept.shape.some((d, a) => d !== keepdims[a])) return null
  const { exponentials } = shifted(x, sum)
  return make('div', [exponentials, spread(reshaped(make('sum', [exponentials], sum.attrs), keepdims), x.shape)])
}
