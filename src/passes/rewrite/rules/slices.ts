import type { Node } from '../../../ir/graph.ts'
import { specOf } from '../../../ir/spec.ts'
import type { Shape } from '../../../ir/types.ts'
import { listOf, make, reshaped } from '../build.ts'
import { as, p, x, y } from '../pattern.ts'
import { rule, type Rule } from '../rule.ts'
import { labelsOf } from '../spec.ts'

/** Parts of a contraction's result are contractions of what they need. */
export const slices: readonly Rule[] = [
  rule('slice-contract', p.slice(as('c', p.contract(x, y))), ({ c, root }) => contractOfSlices(c, rangeOf(root)),
    { keeps: 'values', once: ['c'] }),
  rule('slice-blocks', p.slice(as('b', p.reshape(as('c', p.contract(x, y))))), ({ b, c, root }) => {
    const part = sliceOfBlocks(c, b.shape, rangeOf(root))
    return part && reshaped(part, root.shape)
  }, { keeps: 'values', once: ['b', 'c'] }),
]

/** What a slice reads, axis by axis. */
export interface Range {
  readonly start: readonly number[]
  readonly size: readonly number[]
  readonly step: readonly number[]
}

/** The range that a slice reads. */
export const rangeOf = (slice: Node): Range => ({ start: listOf(slice, 'start'), size: slice.shape, step: listOf(slice, 'step') })

/** The slice, or the node itself if that is all of it. */
export const cut = (node: Node, { start, size, step }: Range): Node =>
  size.every((n, a) => n === node.shape[a]) ? node : make('slice', [node], { start, size, step })

/** The first elements of each axis. */
export const first = (size: Shape): Range => ({ start: size.map(() => 0), size, step: size.map(() => 1) })

/** Some of the results: a contraction of the rows and columns that they need. */
function contractOfSlices(c: Node, { start, size, step }: Range): Node {
  const labels = labelsOf(c)
  const part = (operand: Node, own: string): Node => {
    const at = [...own].map((letter) => labels.out.indexOf(letter))
    return cut(operand, {
      start: at.map((a) => (a < 0 ? 0 : start[a])),
      size: at.map((a, i) => (a < 0 ? operand.shape[i] : size[a])),
      step: at.map((a) => (a < 0 ? 1 : step[a])),
    })
  }
  return make('contract', [part(c.operands[0], labels.x), part(c.operands[1], labels.y)], c.attrs)
}

/**
 * The part of a contraction's result in which some pairs of axes (block, phase) are seen as one, as a contraction of what it
 * needs; null if it does not consist of whole blocks. Blocks of two may begin between two of them: the first phase is then
 * the second one of a block, the second phase the first one of the next block. With the block an axis of u and the phase one of v,
 * out[2a + 1 + r] = Σ u[a + r]·v[1 − r].
 */
export function sliceOfBlocks(c: Node, shape: Shape, { start, size, step }: Range): Node | null {
  const pairs = pairsOf(c.shape, shape)
  if (!pairs || size.includes(0)) return null
  const range = { start: c.shape.map(() => 0), size: [...c.shape], step: c.shape.map(() => 1) }
  const between: (readonly [number, number])[] = []
  for (const [i, [block, phase]] of pairs.entries()) {
    if (phase === undefined) {
      range.start[block] = start[i]
      range.size[block] = size[i]
      range.step[block] = step[i]
    } else if (size[i] !== shape[i]) {
      const s = c.shape[phase]
      if (step[i] !== 1 || size[i] % s) return null
      const whole = start[i] % s === 0
      if (!whole) between.push([block, phase])
      range.start[block] = Math.floor(start[i] / s)
      range.size[block] = size[i] / s + (whole ? 0 : 1)
    }
  }
  return between.reduce<Node | null>((node, [block, phase]) => node && betweenBlocks(node, block, phase), contractOfSlices(c, range))
}

/** The contraction with phases of the blocks between its blocks of two. */
function betweenBlocks(c: Node, block: number, phase: number): Node | null {
  const labels = labelsOf(c)
  const [a, r] = [labels.out[block], labels.out[phase]]
  const side = standOnlyIn([a], labels.x, labels.y) ? 0 : 1
  const [mine, other] = side === 0 ? [labels.x, labels.y] : [labels.y, labels.x]
  if (c.shape[phase] !== 2 || !standOnlyIn([a], mine, other) || !standOnlyIn([r], other, mine)) return null
  const windows = make('window', [c.operands[side]], { axes: [mine.indexOf(a)], size: [2], stride: [1], dilation: [1] })
  const flipped = make('flip', [c.operands[1 - side]], { axes: [other.indexOf(r)] })
  const own = side === 0 ? { x: mine + r, y: other } : { x: other, y: mine + r }
  return make('contract', side === 0 ? [windows, flipped] : [flipped, windows], { spec: specOf({ ...labels, ...own }) })
}

/** Which axes of `from` each axis of `to` is, one or a pair of neighbours; null if a reshape does more than joining pairs. */
function pairsOf(from: Shape, to: Shape): (readonly [number, number?])[] | null {
  const pairs: (readonly [number, number?])[] = []
  let next = 0
  for (const d of to) {
    if (from[next] === d) pairs.push([next++])
    else if (from[next] * from[next + 1] === d) pairs.push([next++, next++])
    else return null
  }
  return next === from.length ? pairs : null
}

/** Are all these letters among the one operand's labels alone? */
export const standOnlyIn = (letters: readonly string[], mine: string, other: string): boolean =>
  letters.every((l) => mine.includes(l) && !other.includes(l))
