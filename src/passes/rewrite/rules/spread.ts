import type { Node } from '../../../ir/graph.ts'
import { specOf, type Labels } from '../../../ir/spec.ts'
import { listOf, make, repeatedAxes, reshaped, without } from '../build.ts'
import { labelsOf } from '../spec.ts'
import { standOnlyIn } from './slices.ts'

/** One axis along which patches are added. */
export interface SpreadAxis {
  /** Labels of the positions and of the kernel's elements. */
  readonly position: string
  readonly kernel: string
  readonly positions: number
  readonly size: number
  readonly stride: number
  readonly dilation: number
  /** Results come in blocks of a stride, each from so many positions. */
  readonly taps: number
  readonly blocks: number
}

/** Patches out[.., p, .., q] = Σ u[.., p]·v[.., q] that are added along some axes. */
export interface Spread {
  readonly labels: Labels
  /** Which operand u is. */
  readonly side: 0 | 1
  readonly u: Node
  readonly v: Node
  readonly axes: readonly SpreadAxis[]
}

/** The contraction and the sum read so; null if positions and kernel are not of one operand each, or stride meets dilation. */
export function spreadOf(c: Node, overlapAdd: Node): Spread | null {
  const labels = labelsOf(c)
  const along = listOf(overlapAdd, 'axes')
  const [size, strides, dilations] = ['size', 'stride', 'dilation'].map((name) => listOf(overlapAdd, name))
  const kernel = labels.out.slice(labels.out.length - along.length)
  const axes = along.map((a, i): SpreadAxis => {
    const [stride, dilation] = [strides[i], size[i] === 1 ? 1 : dilations[i]]
    const taps = Math.ceil(size[i] / stride)
    const blocks = Math.ceil(overlapAdd.shape[a] / stride)
    return { position: labels.out[a], kernel: kernel[i], positions: c.shape[a], size: size[i], stride, dilation, taps, blocks }
  })
  const positions = axes.map((a) => a.position)
  const side = standOnlyIn(positions, labels.x, labels.y) ? 0 : 1
  const [mine, other] = side === 0 ? [labels.x, labels.y] : [labels.y, labels.x]
  if (!standOnlyIn(positions, mine, other) || !standOnlyIn([...kernel], other, mine)) return null
  if (axes.some((a) => a.stride > 1 && a.dilation > 1)) return null
  return { labels, side, u: c.operands[side], v: c.operands[1 - side], axes }
}

/** A product of repeated operands as a contraction of nothing; null if both are repeated along one axis. */
export function asContract(product: Node): Node | null {
  const out = LETTERS.slice(0, product.shape.length)
  const factors = product.operands.map((view) => {
    const [source] = view.operands
    const repeated = repeatedAxes(view)
    return { node: reshaped(source, without(source.shape, repeated)), labels: without([...out], repeated).join('') }
  })
  const [{ labels: x }, { labels: y }] = factors
  if ([...out].some((l) => !x.includes(l) && !y.includes(l))) return null
  return make('contract', factors.map(({ node }) => node), { spec: specOf({ x, y, out }) })
}

/** Labels of the patches' axes without those of the kernel: of the axes that the sum has. */
export const sumLabels = ({ out }: Labels, axes: readonly SpreadAxis[]): string[] => [...out].slice(0, out.length - axes.length)

export const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
