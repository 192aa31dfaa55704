import type { Node } from '../../../ir/graph.ts'
import { specOf } from '../../../ir/spec.ts'
import { sizeOf } from '../../../ir/types.ts'
import { make, reshaped } from '../build.ts'
import { as, p, x, y } from '../pattern.ts'
import { rule, type Rule } from '../rule.ts'
import { pays, paysInPhases } from './patch-cost.ts'
import { phasesOf } from './phases.ts'
import { cut, first, rangeOf, sliceOfBlocks } from './slices.ts'
import { asContract, LETTERS, spreadOf, sumLabels, type Spread, type SpreadAxis } from './spread.ts'

/**
 * Patches that were made by a contraction and are added where they overlap: the gradient of a convolution by its input, and a
 * transposed convolution. They become one contraction that stores no patches, or one for each phase of the stride, where the cost
 * model says so (patch-cost.ts), and what is cut off afterwards is not computed.
 */
export const overlaps: readonly Rule[] = [
  rule('overlap-contract', p.overlapAdd(as('c', p.contract(x, y))), ({ c, root }) => contractOfPatches(c, root), { keeps: 'values', once: ['c'] }),
  // Nothing was contracted: a convolution of single channels.
  rule('overlap-product', p.overlapAdd(as('m', p.mul(p.broadcast(x), p.broadcast(y)))), ({ m, root }) => {
    const c = asContract(m)
    return c && contractOfPatches(c, root)
  }, { keeps: 'values', once: ['m'] }),
  // What is too much work as a whole may not be for the part that is wanted.
  rule('slice-overlap-contract', p.slice(as('o', p.overlapAdd(as('c', p.contract(x, y))))), ({ o, c, root }) => {
    const spread = spreadOf(c, o)
    const blocks = spread && blocksOf(spread)
    const whole = blocks && joined(blocks, spread)
    // Phases that were left out belong to no block.
    const part = whole && sizeOf(whole.shape) === sizeOf(blocks.shape) ? sliceOfBlocks(blocks, whole.shape, rangeOf(root)) : null
    if (part && pays(part, c, spread!)) return reshaped(part, root.shape)
    const phased = spread && phasesOf(spread, rangeOf(root))
    return phased && paysInPhases(phased.parts, c, spread) ? phased.whole : null
  }, { keeps: 'values', once: ['c', 'o'] }),
]

function contractOfPatches(c: Node, root: Node): Node | null {
  const spread = spreadOf(c, root)
  const blocks = spread && blocksOf(spread)
  if (!blocks || (spread.axes.some((a) => a.stride > 1) && !pays(blocks, c, spread))) return null
  return cut(joined(blocks, spread), first(root.shape))
}

/**
 * For stride s the element s·t + r of the kernel takes position p to element r of block a = p + t (without a stride, to
 * a = p + t·dilation): out[s·a + r] = Σₜ u[a − t]·v[s·t + r]. So the phase r is a free axis of v alone, and the taps t are
 * windows over u with zeros around it; v is filled up with zeros to a multiple of s, if there is more than one tap.
 * Gives [.., a, r, ..] for [.., s·a + r, ..], phases that no element of the kernel meets left out.
 */
function blocksOf({ labels, side, u, v, axes }: Spread): Node | null {
  const [mine, other] = side === 0 ? [labels.x, labels.y] : [labels.y, labels.x]
  const windowed = axes.filter((a) => a.taps > 1)
  const fresh = [...LETTERS].filter((l) => !Object.values(labels).join('').includes(l))
  const phases = axes.map((a) => (a.stride === 1 ? '' : a.taps > 1 ? fresh.shift() : a.kernel))
  if (phases.includes(undefined)) return null

  const at = (own: string, letter: string): number => own.indexOf(letter)
  const around = (x: Node, low: readonly number[], high: readonly number[]): Node =>
    make('pad', [x], { low, high, interior: low.map(() => 0), value: 0 })
  const margin = (f: (a: SpreadAxis) => number): number[] =>
    [...mine].map((l) => axes.filter((a) => a.position === l).reduce((n, a) => n + f(a), 0))
  const padded = around(u, margin((a) => (a.taps - 1) * a.dilation), margin((a) => a.blocks - a.positions))
  const windows = !windowed.length ? padded : make('window', [padded], {
    axes: windowed.map((a) => at(mine, a.position)),
    size: windowed.map((a) => a.taps),
    stride: windowed.map(() => 1),
    dilation: windowed.map((a) => a.dilation),
  })

  const axisOf = (l: string): SpreadAxis | undefined => axes.find((a) => a.kernel === l)
  const filled = around(v, [...other].map(() => 0), [...other].map((l) => {
    const a = axisOf(l)
    return a && a.taps > 1 ? a.taps * a.stride - a.size : 0
  }))
  const split = (l: string): { label: string; extent: number }[] => {
    const a = axisOf(l)
    if (!a) return [{ label: l, extent: v.shape[at(other, l)] }]
    return [
      ...(a.taps > 1 ? [{ label: l, extent: a.taps }] : []),
      ...(a.stride > 1 ? [{ label: phases[axes.indexOf(a)]!, extent: a.taps > 1 ? a.stride : a.size }] : []),
    ]
  }
  const parts = [...other].flatMap(split)
  const own = parts.map(({ label }) => label).join('')
  const blocked = reshaped(filled, parts.map(({ extent }) => extent))
  const flipped = !windowed.length ? blocked : make('flip', [blocked], { axes: windowed.map((a) => at(own, a.kernel)) })
  const taps = windowed.map((a) => a.kernel).join('')
  const out = sumLabels(labels, axes).map((l) => l + (phases[axes.findIndex((a) => a.position === l)] ?? '')).join('')
  const operands = side === 0 ? { x: mine + taps, y: own } : { x: own, y: mine + taps }
  return make('contract', side === 0 ? [windows, flipped] : [flipped, windows], { spec: specOf({ ...operands, out }) })
}

/** Blocks side by side, with zeros for the phases that were left out. */
function joined(blocks: Node, { labels, axes }: Spread): Node {
  const high: number[] = []
  const shape: number[] = []
  for (const l of sumLabels(labels, axes)) {
    const a = axes.find(({ position }) => position === l)
    const extent = blocks.shape[high.length]
    high.push(0)
    if (a && a.stride > 1) high.push(a.stride - blocks.shape[high.length])
    shape.push(extent * (a?.stride ?? 1))
  }
  const none = high.map(() => 0)
  return reshaped(high.some(Boolean) ? make('pad', [blocks], { low: none, high, interior: none, value: 0 }) : blocks, shape)
}
