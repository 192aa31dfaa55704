import type { Node } from '../../../ir/graph.ts'
import type { OpDef } from '../../../ir/op.ts'
import { ops } from '../../../ir/ops/index.ts'
import { isFloat, sameShape } from '../../../ir/types.ts'
import { again, axesWhere, listOf, make, permuted, repeatedAxes, reshaped, splat, spread, unitAxes, without } from '../build.ts'
import { as, isLiteral, lit, p, valueOf, variable, x, type Pattern } from '../pattern.ts'
import { rule, type Rule } from '../rule.ts'

/*
 * Views move from operands to results: f(view x) = view(f x). Then a computation is done on the smaller side of a
 * broadcast, next to the kernel that made its operand, and views meet where they cancel or vanish in a contraction.
 */

// --- Out of pointwise ops: one rule for each op and each choice of operands that are views, the others being splats ---

const VIEWS = {
  broadcast: outOfBroadcast,
  reshape: outOfReshape,
  permute: outOfPermute,
} as const
type View = keyof typeof VIEWS

/** All choices of n operands with at least one view: bit i of the number tells whether operand i is one. */
const choices = (n: number): number[] => Array.from({ length: 2 ** n - 1 }, (_, i) => i + 1)

function outOf(view: View, def: OpDef, choice: number): Rule {
  const names = Array.from({ length: def.arity! }, (_, i) => ((choice >> i) & 1 ? `x${i}` : `c${i}`))
  const operands: Pattern[] = names.map((name) => (name.startsWith('x') ? p[view](variable(name)) : lit(name)))
  const suffix = def.arity === 1 ? '' : `-${names.map((n) => (n.startsWith('x') ? 'v' : 'c')).join('')}`
  return rule(`${view}-out-of-${def.name}${suffix}`, p[def.name](...operands), ({ root }) => VIEWS[view](root))
}

/** Axes that every operand repeats are repeated afterwards. */
function outOfBroadcast(root: Node): Node | null {
  const sources = root.operands.filter((o) => o.op === 'broadcast').map((o) => o.operands[0])
  const inner = root.shape.map((d, a) => (sources.every((s) => s.shape[a] === 1) ? 1 : d))
  if (!sources.some((s) => sameShape(s.shape, inner)) || sameShape(inner, root.shape)) return null
  const operands = root.operands.map((o) => (isLiteral(o) ? splatOf(o, inner) : spread(o.operands[0], inner)))
  return spread(again(root, ...operands), root.shape)
}

function outOfReshape(root: Node): Node | null {
  const [first, ...others] = root.operands.filter((o) => o.op === 'reshape').map((o) => o.operands[0])
  if (others.some((o) => !sameShape(o.shape, first.shape))) return null
  const operands = root.operands.map((o) => (isLiteral(o) ? splatOf(o, first.shape) : o.operands[0]))
  return reshaped(again(root, ...operands), root.shape)
}

function outOfPermute(root: Node): Node | null {
  const views = root.operands.filter((o) => o.op === 'permute')
  const perm = listOf(views[0], 'perm')
  if (views.some((o) => !sameShape(listOf(o, 'perm'), perm))) return null
  const { shape } = views[0].operands[0]
  const operands = root.operands.map((o) => (isLiteral(o) ? splatOf(o, shape) : o.operands[0]))
  return permuted(again(root, ...operands), perm)
}

const splatOf = (literal: Node, shape: readonly number[]): Node =>
  splat(literal, valueOf(literal), { dtype: literal.dtype, shape })

const pointwise = ops().filter((o) => o.lowering.kind === 'pointwise')
const outOfPointwise: readonly Rule[] = (Object.keys(VIEWS) as View[]).flatMap((view) =>
  pointwise.flatMap((def) => choices(def.arity!).map((choice) => outOf(view, def, choice))))

// --- Out of reductions -----------------------------------------------------------------------------------------------

/** Reductions whose result does not depend on the order or the neutral element, not even in a bit. */
const orderless = (root: Node): boolean => root.op === 'reduceMax' || root.op === 'reduceMin' || !isFloat(root.dtype)

const values = { keeps: 'values' } as const

/** Axes that remain after a reduction. */
const keptAxes = (root: Node): number[] => axesWhere(root.operands[0].shape, (_, a) => !listOf(root, 'axes').includes(a))

function reduceOfPermute(root: Node): Node | null {
  const [view] = root.operands
  const perm = listOf(view, 'perm')
  const axes = listOf(root, 'axes').map((a) => perm[a])
  if (!orderless(root) && axes.some((a, i) => i > 0 && a < axes[i - 1])) return null
  const kept = keptAxes(root).map((a) => perm[a])
  const before = [...kept].sort((a, b) => a - b)
  const reduced = make(root.op, view.operands, { axes: [...axes].sort((a, b) => a - b) })
  return permuted(reduced, kept.map((a) => before.indexOf(a)))
}

/** Through reshapes that only add and drop axes of extent 1, or when everything is reduced. */
function reduceOfReshape(root: Node): Node | null {
  const [view] = root.operands
  const [from] = view.operands
  const axes = listOf(root, 'axes')
  if (axes.length === view.shape.length) return make(root.op, [from], { axes: from.shape.map((_, a) => a) })
  const map = unitAxes(from.shape, view.shape)
  if (!map) return null
  const inner = axes.flatMap((a) => (map[a] === null ? [] : [map[a]]))
  return inner.length ? reshaped(make(root.op, [from], { axes: inner }), root.shape) : null
}

/** Σ over a repeated axis is a multiple; the largest or smallest of equal elements is one of them. */
function reduceOfBroadcast(root: Node): Node | null {
  const [view] = root.operands
  const [from] = view.operands
  const repeated = repeatedAxes(view)
  const axes = listOf(root, 'axes')
  const folded = axes.filter((a) => repeated.includes(a))
  const rest = without(axes, axes.flatMap((a, i) => (folded.includes(a) ? [i] : [])))
  const times = folded.reduce((n, a) => n * view.shape[a], 1)
  // With axes left both to reduce and to repeat it would be as much work as before.
  if (!folded.length || times === 0 || (rest.length && folded.length < repeated.length)) return null
  const squeezed = reshaped(from, without(from.shape, folded))
  const renumbered = rest.map((a) => a - folded.filter((f) => f < a).length)
  const reduced = renumbered.length ? make(root.op, [squeezed], { axes: renumbered }) : squeezed
  const scaled = root.op === 'sum' ? make('mul', [reduced, splat(reduced, times)]) : reduced
  return spread(scaled, root.shape)
}

function reduceOfReduce(root: Node): Node {
  const [inner] = root.operands
  const kept = keptAxes(inner)
  const axes = [...listOf(inner, 'axes'), ...listOf(root, 'axes').map((a) => kept[a])].sort((a, b) => a - b)
  return make(root.op, inner.operands, { axes })
}

/** Nothing is reduced but axes of extent 1. */
const reducesUnits = ({ x, root }: { x: Node; root: Node }): boolean => listOf(root, 'axes').every((a) => x.shape[a] === 1)

const reductions: readonly Rule[] = [
  ...['sum', 'prod', 'reduceMax', 'reduceMin'].flatMap((op) => {
    const float = op === 'sum' || op === 'prod'
    return [
      rule(`${op}-permute`, p[op](p.permute(x)), ({ root }) => reduceOfPermute(root)),
      rule(`${op}-reshape`, p[op](p.reshape(x)), ({ root }) => reduceOfReshape(root)),
      rule(`${op}-${op}`, p[op](as('inner', p[op](x))), ({ root }) => reduceOfReduce(root),
        { keeps: float ? 'values' : 'bits', once: ['inner'] }),
      rule(`${op}-units`, p[op](x), ({ x, root }) => reshaped(x, root.shape),
        { when: reducesUnits, keeps: op === 'sum' ? 'values' : 'bits' }),
    ]
  }),
  rule('sum-broadcast', p.sum(p.broadcast(x)), ({ root }) => reduceOfBroadcast(root), values),
  rule('reduceMax-broadcast', p.reduceMax(p.broadcast(x)), ({ root }) => reduceOfBroadcast(root)),
  rule('reduceMin-broadcast', p.reduceMin(p.broadcast(x)), ({ root }) => reduceOfBroadcast(root)),
]

// --- Sums of parts: what the adjoints of neighbouring slices add up to -------------------------------------------------

const padded = (name: string): Pattern => as(name, p.pad(variable(`x${name}`)))
const PARTS = ['a', 'b', 'c', 'd'] as const

/** (pad a + pad b) + …: zeros elsewhere, so that every element is one part's; zeros of either sign are equal. */
const sumOfPads = (count: number): Rule =>
  rule(`add-pads-${count}`, PARTS.slice(1, count).reduce((sum, name) => p.add(sum, padded(name)), padded('a')),
    (found) => joined(PARTS.slice(0, count).map((name) => found[name])), { keeps: 'values', once: PARTS.slice(0, count) })

/** One concatenation of parts that lie side by side along one axis, padded with what is left; null for others. */
function joined(pads: readonly Node[]): Node | null {
  const [first] = pads
  const axis = listOf(first, 'low').findIndex((low, a) => low + listOf(first, 'high')[a] > 0)
  const others = (node: Node, attr: string): number[] => without(listOf(node, attr), [axis])
  const plain = (node: Node): boolean =>
    node.attrs.value === 0 && listOf(node, 'interior').every((n) => n === 0) &&
    [...others(node, 'low'), ...others(node, 'high')].every((n) => n === 0)
  if (axis < 0 || !pads.every(plain)) return null
  const from = (node: Node): number => listOf(node, 'low')[axis]
  const sorted = [...pads].sort((x, y) => from(x) - from(y))
  const end = (node: Node): number => from(node) + node.operands[0].shape[axis]
  if (sorted.some((node, i) => i > 0 && from(node) !== end(sorted[i - 1]))) return null
  const parts = make('concat', sorted.map((node) => node.operands[0]), { axis })
  const margin = (n: number): number[] => first.shape.map((_, a) => (a === axis ? n : 0))
  const [low, high] = [from(sorted[0]), listOf(sorted[sorted.length - 1], 'high')[axis]]
  return low + high === 0 ? parts : make('pad', [parts], { ...first.attrs, low: margin(low), high: margin(high) })
}

const sums: readonly Rule[] = [2, 3, 4].map(sumOfPads)

/** Views out of pointwise ops and reductions, reductions of reductions, and parts side by side. */
export const movement: readonly Rule[] = [...outOfPointwise, ...reductions, ...sums]
