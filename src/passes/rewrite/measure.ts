import type { Node } from '../../ir/graph.ts'
import { opNamed } from '../../ir/ops/index.ts'
import { repeatedAxes } from './build.ts'
import { isLiteral, valueOf } from './pattern.ts'
import { contracted, labelsOf } from './spec.ts'

/**
 * Why rewriting ends. Every op is read as a polynomial, strictly increasing in each operand, over numbers ≥ 2 (a
 * polynomial interpretation: Lankford 1979; Baader and Nipkow, "Term Rewriting and All That", 5.3). A rule must make
 * its polynomial smaller for every value of its variables; then so does rewriting anywhere inside a larger expression,
 * and there is no endless descent. The engine checks each firing at a few values when it runs checked, and the tests
 * check every rule.
 *
 *     leaves 2, those with values 3 · negation 21x/20 + 3/50 · other unary 2x + 1 · pointwise of several xy… + 1
 *     division 2xy + 1 · broadcast of j axes 3^j·(x + 6) · permute 11x/10 + 11/20 · reshape 51x/50 + 11/100 · slice x²
 *     other views Σ + 1 · reductions 11x/5 + 3 · contraction of k labels into rank r 16^(k + 2)·9^r·(xy)²
 *     anything else xy… + 3
 *
 * So: views move from operands to results (and meet there), negations too, literals fold, contractions shrink. What
 * the stability rules replace (log, sigmoid, and exp of something that has no upper bound) weighs more than all they put there.
 * Some read a little of the structure (semantic labels): repeated axes, contracted labels, whether exp's operand is bounded.
 */
export function measure(root: Node, valueOf: (node: Node) => number | undefined): number {
  const known = new Map<Node, number>()
  const stack = [root]
  while (stack.length) {
    const node = stack[stack.length - 1]
    const given = known.get(node) ?? valueOf(node)
    const missing = given === undefined ? node.operands.filter((o) => !known.has(o)) : []
    if (missing.length) {
      stack.push(...missing)
      continue
    }
    stack.pop()
    known.set(node, given ?? interpret(node, node.operands.map((o) => known.get(o)!)))
  }
  return known.get(root)!
}

const product = (xs: readonly number[]): number => xs.reduce((n, v) => n * v, 1)

/** Ops whose polynomial is not that of their lowering kind. */
const SPECIAL: { readonly [op: string]: (xs: readonly number[], node: Node) => number } = {
  neg: ([x]) => 1.05 * x + 0.06,
  not: ([x]) => 1.05 * x + 0.06,
  div: ([x, y]) => 2 * x * y + 1,
  broadcast: ([x], node) => 3 ** repeatedAxes(node).length * (x + 6),
  permute: ([x]) => 1.1 * x + 0.55,
  reshape: ([x]) => 1.02 * x + 0.11,
  slice: ([x]) => x * x,
  pow: ([x, y]) => (x * y) ** 4,
  overlapAdd: ([x]) => (16 * x) ** 6,
  sigmoid: ([x]) => 64 * x ** 5,
  log: ([x]) => 64 * x ** 3,
  exp: ([x], node) => (isBounded(node.operands[0]) ? 2 * x + 1 : (64 * x) ** 6),
}

function interpret(node: Node, xs: readonly number[]): number {
  if (Object.hasOwn(SPECIAL, node.op)) return SPECIAL[node.op](xs, node)
  const { lowering } = opNamed(node.op)
  switch (lowering.kind) {
    case 'leaf':
      return lowering.leaf === 'constant' || lowering.leaf === 'iota' ? 3 : 2
    case 'pointwise':
      return xs.length === 1 ? 2 * xs[0] + 1 : product(xs) + 1
    case 'view':
      return xs.reduce((n, v) => n + v, 1)
    case 'reduce':
    case 'cumulate':
      return 2.2 * xs[0] + 3
    case 'contract':
      return 16 ** (2 + contracted(labelsOf(node)).length) * 9 ** node.shape.length * product(xs) ** 2
    default:
      return product(xs) + 3
  }
}

/**
 * Is an exponent known to have an upper bound: −|x|, x − max x, or x − max(x, y)? Also through views, positive factors,
 * and a maximum that was guarded or stopped on the way. Its exponential cannot overflow, and needs no stabilising.
 */
export function isBounded(exponent: Node): boolean {
  const x = below(exponent, (n) => isView(n) || isScaling(n))
  if (x.op === 'neg' && below(x.operands[0], isView).op === 'abs') return true
  if (x.op !== 'sub') return false
  // A guarded maximum is selected where it is finite, and a literal elsewhere.
  const guarded = below(x.operands[1], isMark)
  const m = guarded.op === 'select' ? below(guarded.operands[isLiteral(guarded.operands[1]) ? 2 : 1], isMark) : guarded
  // A softplus is shifted by max(x, 0), limited to what is finite.
  const limited = m.op === 'min' && isLiteral(m.operands[1]) ? m.operands[0] : m
  if (m.op === 'reduceMax') return below(m.operands[0], isView) === below(x.operands[0], isView)
  return limited.op === 'max' && limited.operands.includes(x.operands[0])
}

const isView = (node: Node): boolean => opNamed(node.op).lowering.kind === 'view' && node.operands.length === 1
/** u·c or u / c for a number c > 0. */
const isScaling = ({ op, operands }: Node): boolean =>
  (op === 'mul' || op === 'div') && isLiteral(operands[1]) && valueOf(operands[1]) > 0
const isMark = (node: Node): boolean => isView(node) || node.op === 'stopGradient'

/** The first node below a chain of nodes that pass the test. */
function below(node: Node, test: (n: Node) => boolean): Node {
  let n = node
  while (test(n)) n = n.operands[0]
  return n
}
