import type { Node } from '../../../ir/graph.ts'
import { specOf, type Labels } from '../../../ir/spec.ts'
import { opNamed } from '../../../ir/ops/index.ts'
import { isFloat, isInt } from '../../../ir/types.ts'
import { listOf, make, permuted, repeatedAxes, reshaped, splat, spread, without } from '../build.ts'
import { as, lit, p, valueOf, x, y } from '../pattern.ts'
import { rule, type Rule } from '../rule.ts'
import { contracted, drop, labelsOf, positionsOf } from '../spec.ts'
import { overlaps } from './overlap.ts'
import { slices } from './slices.ts'

const float = ({ root }: { root: Node }): boolean => isFloat(root.dtype)

/** A contraction's labels say all about the order of axes, so permutes vanish in them; it is done on as little as possible. */
export const contractions: readonly Rule[] = [
  rule('contract-permute-left', p.contract(as('v', p.permute(x)), y), ({ v, x, y, root }) => {
    const labels = labelsOf(root)
    const left = unpermuted(labels.x, v)
    // The order of the sums is that of the first operand's labels.
    if (contracted({ ...labels, x: left }) !== contracted(labels)) return null
    return make('contract', [x, y], { spec: specOf({ ...labels, x: left }) })
  }),
  rule('contract-permute-right', p.contract(x, as('v', p.permute(y))), ({ v, x, y, root }) => {
    const labels = labelsOf(root)
    return make('contract', [x, y], { spec: specOf({ ...labels, y: unpermuted(labels.y, v) }) })
  }),
  rule('permute-contract', p.permute(as('c', p.contract(x, y))), ({ c, x, y, root }) => {
    const labels = labelsOf(c)
    const out = listOf(root, 'perm').map((a) => labels.out[a]).join('')
    return make('contract', [x, y], { spec: specOf({ ...labels, out }) })
  }, { once: ['c'] }),

  rule('contract-neg-left', p.contract(p.neg(x), y), ({ x, y, root }) => make('neg', [make('contract', [x, y], root.attrs)]),
    { when: float, keeps: 'values' }),
  rule('contract-neg-right', p.contract(x, p.neg(y)), ({ x, y, root }) => make('neg', [make('contract', [x, y], root.attrs)]),
    { when: float, keeps: 'values' }),
  // Operands of a contraction are read from memory: what is there already need not be scaled into another buffer.
  rule('contract-scale-left', p.contract(p.mul(x, lit('c')), y),
    ({ x, y, c, root }) => scaled(make('contract', [x, y], root.attrs), c),
    { keeps: 'values', when: ({ x, root }) => float({ root }) && isStored(x) }),
  rule('contract-scale-right', p.contract(x, p.mul(y, lit('c'))),
    ({ x, y, c, root }) => scaled(make('contract', [x, y], root.attrs), c),
    { keeps: 'values', when: ({ y, root }) => float({ root }) && isStored(y) }),

  rule('contract-broadcast-left', p.contract(as('v', p.broadcast(x)), y),
    ({ v, x, y, root }) => contractOfBroadcast(root, 0, v, x, y)),
  rule('contract-broadcast-right', p.contract(x, as('v', p.broadcast(y))),
    ({ v, x, y, root }) => contractOfBroadcast(root, 1, v, y, x)),
  rule('contract-sum-left', p.contract(as('v', p.broadcast(x)), y), ({ v, x, y, root }) => contractOfRepeated(root, 0, v, x, y),
    { keeps: 'values' }),
  rule('contract-sum-right', p.contract(x, as('v', p.broadcast(y))), ({ v, x, y, root }) => contractOfRepeated(root, 1, v, y, x),
    { keeps: 'values' }),
  rule('contract-literal-left', p.contract(lit('c'), x), ({ c, x, root }) => contractOfLiteral(root, 1, c, x),
    { keeps: 'values' }),
  rule('contract-literal-right', p.contract(x, lit('c')), ({ c, x, root }) => contractOfLiteral(root, 0, c, x),
    { keeps: 'values' }),

  ...slices,
  ...overlaps,
  rule('contract-units', p.contract(x, y), ({ x, y, root }) => contractOfUnits(root, x, y)),
  rule('contract-pointwise', p.contract(x, y), ({ x, y, root }) => contractAsProduct(root, x, y), { keeps: 'values' }),
]

/** Labels of a permute's operand from those of its result: result axis i is operand axis perm[i]. */
function unpermuted(labels: string, permute: Node): string {
  const result: string[] = []
  listOf(permute, 'perm').forEach((a, i) => (result[a] = labels[i]))
  return result.join('')
}

const scaled = (node: Node, c: Node): Node => make('mul', [node, splat(node, valueOf(c))])

/** Is the value in memory whoever asks for it: a leaf, or the result of a loop of its own, through views? */
function isStored(x: Node): boolean {
  const { lowering } = opNamed(x.op)
  if (lowering.kind === 'view' && lowering.view !== 'place') return isStored(x.operands[0])
  if (lowering.kind === 'leaf') return lowering.leaf !== 'literal' && lowering.leaf !== 'iota'
  return lowering.kind === 'view' || ['reduce', 'contract', 'cumulate', 'scatter'].includes(lowering.kind)
}

/** The operands in their places again: `mine` at `side`. */
const placed = (side: number, mine: Node, other: Node): [Node, Node] => (side === 0 ? [mine, other] : [other, mine])

/** The labels with new ones on one side. */
const relabelled = (labels: Labels, side: number, mine: string, other: string, out: string): string =>
  specOf({ ...labels, x: side === 0 ? mine : other, y: side === 0 ? other : mine, out })

/** The operand's repeated axes by what they are for: batch (in all three), free (in operand and result), or contracted. */
function repeatedLabels(labels: Labels, side: number, view: Node): Record<'mine' | 'other' | 'repeated' | 'summed', string> {
  const [mine, other] = side === 0 ? [labels.x, labels.y] : [labels.y, labels.x]
  const repeated = repeatedAxes(view).map((a) => mine[a]).join('')
  return { mine, other, repeated, summed: drop(repeated, labels.out) }
}

/** Batch labels of a repeated operand become free labels of the other one; free labels are repeated afterwards. */
function contractOfBroadcast(root: Node, side: number, view: Node, source: Node, other: Node): Node | null {
  const labels = labelsOf(root)
  const at = repeatedLabels(labels, side, view)
  if (at.summed || !at.repeated) return null
  const free = drop(at.repeated, at.other)
  const squeezed = reshaped(source, without(source.shape, positionsOf(at.mine, at.repeated)))
  const spec = relabelled(labels, side, drop(at.mine, at.repeated), at.other, drop(labels.out, free))
  const small = make('contract', placed(side, squeezed, other), { spec })
  return spread(reshaped(small, root.shape.map((d, i) => (free.includes(labels.out[i]) ? 1 : d))), root.shape)
}

/** Contracted labels of a repeated operand: the other operand is summed first. */
function contractOfRepeated(root: Node, side: number, view: Node, source: Node, other: Node): Node | null {
  const labels = labelsOf(root)
  const at = repeatedLabels(labels, side, view)
  if (!at.summed) return null
  const cut = at.summed
  const squeezed = reshaped(source, without(source.shape, positionsOf(at.mine, cut)))
  const kept = drop(at.mine, cut)
  const again = spread(squeezed, without(view.shape, positionsOf(at.mine, cut)))
  const sum = make('sum', [other], { axes: positionsOf(at.other, cut) })
  return make('contract', placed(side, again, sum), { spec: relabelled(labels, side, kept, drop(at.other, cut), labels.out) })
}

/** Σ over the shared labels, times the number, times how often the literal's own labels repeat it. */
function contractOfLiteral(root: Node, side: number, c: Node, x: Node): Node | null {
  const labels = labelsOf(root)
  const mine = side === 0 ? labels.x : labels.y
  const summed = positionsOf(mine, drop(mine, labels.out))
  const sum = summed.length ? make('sum', [x], { axes: summed }) : x
  const kept = without([...mine], summed).join('')
  return aligned(make('mul', [sum, splat(sum, valueOf(c))]), kept, labels.out, root)
}

/** Axes into the order of the result's labels, extents of 1 for those it lacks, and repeated there. */
function aligned(x: Node, mine: string, out: string, root: Node): Node {
  const present = [...out].filter((c) => mine.includes(c))
  const ordered = permuted(x, present.map((c) => mine.indexOf(c)))
  return spread(reshaped(ordered, root.shape.map((d, i) => (mine.includes(out[i]) ? d : 1))), root.shape)
}

/** Contracted labels of extent 1 are no sums. */
function contractOfUnits(root: Node, x: Node, y: Node): Node | null {
  const labels = labelsOf(root)
  const units = [...contracted(labels)].filter((c) => x.shape[labels.x.indexOf(c)] === 1).join('')
  if (!units) return null
  const squeezed = (node: Node, mine: string): Node => reshaped(node, without(node.shape, positionsOf(mine, units)))
  const spec = specOf({ x: drop(labels.x, units), y: drop(labels.y, units), out: labels.out })
  return make('contract', [squeezed(x, labels.x), squeezed(y, labels.y)], { spec })
}

/** Nothing is contracted: a product of repeated operands, which can be computed wherever it is read. */
function contractAsProduct(root: Node, x: Node, y: Node): Node | null {
  const labels = labelsOf(root)
  if (contracted(labels) || !(isFloat(root.dtype) || isInt(root.dtype))) return null
  return make('mul', [aligned(x, labels.x, labels.out, root), aligned(y, labels.y, labels.out, root)])
}
