import type { Node } from '../../../ir/graph.ts'
import { specOf } from '../../../ir/spec.ts'
import { make, permuted, reshaped } from '../build.ts'
import { drop } from '../spec.ts'
import { cut, first, type Range } from './slices.ts'
import { sumLabels, type Spread, type SpreadAxis } from './spread.ts'

/** Contractions beside each other are code: no more than those of stride 2 along two axes. */
const MOST = 4

/** One phase along one axis: the kernel's elements from `offset` on, a stride apart, and the first position that its first block reads. */
interface Phase {
  readonly offset: number
  readonly taps: number
  readonly first: number
}

/** An axis of the part that is wanted: its phases, and in how many blocks. */
interface PhasedAxis {
  readonly axis: SpreadAxis
  readonly blocks: number
  readonly phases: readonly Phase[]
  readonly low: number
  readonly high: number
}

/**
 * The part of a sum of patches phase by phase, each a contraction with the elements of the kernel that meet it: with stride s, from
 * an element f on, out[s·a + r − f] = Σₜ u[a − t]·v[s·t + q] for r = s·⌊r / s⌋ + q. No products are added to those of the patches.
 * Gives the contractions and what they make together; null if that would be many.
 */
export function phasesOf({ labels, side, u, v, axes }: Spread, { start, size, step }: Range): { readonly parts: readonly Node[]; readonly whole: Node } | null {
  const kept = sumLabels(labels, axes)
  const [mine, other] = side === 0 ? [labels.x, labels.y] : [labels.y, labels.x]
  const extentOf = (l: string): number => (mine.includes(l) ? u.shape[mine.indexOf(l)] : v.shape[other.indexOf(l)])
  const elsewhere = kept.some((l, at) => axes.every((a) => a.position !== l) && size[at] !== extentOf(l))
  if (elsewhere || step.some((n) => n !== 1) || size.includes(0)) return null
  if (axes.reduce((n, a) => n * a.stride, 1) > MOST || axes.some((a) => a.size < a.stride)) return null
  const phased = axes.map((axis) => phasesAlong(axis, start[kept.indexOf(axis.position)], size[kept.indexOf(axis.position)]))

  const ofMine = (f: (a: PhasedAxis) => number, otherwise: (at: number) => number): number[] =>
    [...mine].map((l, at) => phased.filter(({ axis }) => axis.position === l).map(f)[0] ?? otherwise(at))
  const none = [...mine].map(() => 0)
  const padded = make('pad', [u], { low: ofMine((a) => a.low, () => 0), high: ofMine((a) => a.high, () => 0), interior: none, value: 0 })

  const part = (chosen: readonly Phase[]): Node => {
    const of = (a: PhasedAxis): Phase => chosen[phased.indexOf(a)]
    const reach = (a: PhasedAxis): number => (of(a).taps - 1) * a.axis.dilation
    const seen = cut(padded, {
      start: ofMine((a) => a.low + of(a).first, () => 0),
      size: ofMine((a) => a.blocks + reach(a), (at) => u.shape[at]),
      step: none.map(() => 1),
    })
    const several = phased.filter((a) => of(a).taps > 1)
    const windows = !several.length ? seen : make('window', [seen], {
      axes: several.map((a) => mine.indexOf(a.axis.position)), size: several.map((a) => of(a).taps),
      stride: several.map(() => 1), dilation: several.map((a) => a.axis.dilation),
    })
    const byKernel = [...other].map((l) => phased.find(({ axis }) => axis.kernel === l))
    const taken = cut(v, {
      start: byKernel.map((a) => (a ? of(a).offset : 0)),
      size: byKernel.map((a, at) => (a ? of(a).taps : v.shape[at])),
      step: byKernel.map((a) => a?.axis.stride ?? 1),
    })
    const single = phased.filter((a) => of(a).taps === 1).map((a) => a.axis.kernel).join('')
    const own = drop(other, single)
    const squeezed = reshaped(taken, taken.shape.filter((_, at) => !single.includes(other[at])))
    const taps = several.map((a) => a.axis.kernel).join('')
    const flipped = !taps ? squeezed : make('flip', [squeezed], { axes: [...taps].map((l) => own.indexOf(l)) })
    const operands = side === 0 ? { x: mine + taps, y: own } : { x: own, y: mine + taps }
    return make('contract', side === 0 ? [windows, flipped] : [flipped, windows], { spec: specOf({ ...operands, out: kept.join('') }) })
  }

  const parts = phased.reduce<Phase[][]>((all, a) => all.flatMap((chosen) => a.phases.map((phase) => [...chosen, phase])), [[]]).map(part)
  const { shape } = parts[0]
  const strides = axes.map((a) => a.stride)
  const stacked = reshaped(make('concat', parts.map((node) => reshaped(node, [1, ...shape])), { axis: 0 }), [...strides, ...shape])
  const order = kept.flatMap((l, at) => {
    const along = axes.findIndex((a) => a.position === l)
    return [axes.length + at, ...(along < 0 ? [] : [along])]
  })
  const joined = reshaped(permuted(stacked, order), kept.map((l, at) => shape[at] * (axes.find((a) => a.position === l)?.stride ?? 1)))
  return { parts, whole: cut(joined, first(size)) }
}

function phasesAlong(axis: SpreadAxis, from: number, extent: number): PhasedAxis {
  const { stride, size, positions, dilation } = axis
  const blocks = Math.ceil(extent / stride)
  const phases = Array.from({ length: stride }, (_, r): Phase => {
    const offset = (from + r) % stride
    const taps = Math.ceil((size - offset) / stride)
    return { offset, taps, first: Math.floor((from + r) / stride) - (taps - 1) * dilation }
  })
  const low = Math.max(0, ...phases.map((p) => -p.first))
  const high = Math.max(0, ...phases.map((p) => p.first + blocks + (p.taps - 1) * dilation - positions))
  return { axis, blocks, phases, low, high }
}
