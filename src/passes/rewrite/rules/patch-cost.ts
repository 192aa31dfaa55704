import type { Node } from '../../../ir/graph.ts'
import { bytesOf, sizeOf } from '../../../ir/types.ts'
import { contracted, labelsOf, positionsOf } from '../spec.ts'
import type { Spread } from './spread.ts'

// In multiplications, of which one core does 20 to 25 in a nanosecond. Measured in docs/decisions/0023.
/** An element of a patch stored, loaded and added, in and beyond the last cache. */
const PATCH = 16
const PATCH_FAR = 40
const CACHE = 2 ** 23
/**
 * What a multiplication takes longer in blocks: results lie a stride apart, short loops over taps make tiles dearer, the more so the
 * fewer output channels a tile has.
 */
const APART = 1.1
const SHORT = 1.5
/** Tiles have four or five rows: results of a row that are no such sum leave some empty. */
const ROWS = [4, 5] as const
/** Without output channels vectors run along a row: what is left over of a shorter one takes most of the time. */
const LEAST_ROW = 12
/** And in phases: each has fewer terms a tile. An element of the result is copied once more. */
const PHASED = 3
const COPY = 8
/** Elements of patches below which several contractions are too much code. */
const LEAST = 2 ** 19

/** Do these blocks take less time than the patches and their sum? */
export function pays(blocks: Node, patches: Node, spread: Spread): boolean {
  const channels = channelsOf(spread)
  const short = spread.axes.some((a) => a.taps > 1) ? SHORT / channels : 0
  const row = blocks.shape[labelsOf(blocks).out.indexOf(spread.axes[spread.axes.length - 1].position)]
  if (short && channels === 1 && row < LEAST_ROW) return false
  const full = Math.max(row, ROWS[0] * Math.ceil(row / ROWS[1]))
  return workOf(blocks) * (APART + short) * (full / row) <= patchWork(patches)
}

/** And these phases? Where the stride divides the kernel, blocks have no other work than they. */
export function paysInPhases(parts: readonly Node[], patches: Node, spread: Spread): boolean {
  const work = parts.reduce((n, part) => n + workOf(part) * (1 + PHASED / channelsOf(spread)) + COPY * sizeOf(part.shape), 0)
  const uneven = spread.axes.some((a) => a.size % a.stride !== 0)
  return uneven && sizeOf(patches.shape) >= LEAST && work <= patchWork(patches)
}

const patchWork = (patches: Node): number =>
  workOf(patches) + (bytesOf(patches) < CACHE ? PATCH : PATCH_FAR) * sizeOf(patches.shape)

/** Results of v alone for each element of the kernel: output channels of a convolution. */
function channelsOf({ labels, side, v, axes }: Spread): number {
  const [mine, other] = side === 0 ? [labels.x, labels.y] : [labels.y, labels.x]
  const own = [...other].filter((l) => labels.out.includes(l) && !mine.includes(l) && !axes.some((a) => a.kernel === l))
  return sizeOf(own.map((l) => v.shape[other.indexOf(l)]))
}

/** Multiplications of a contraction. */
function workOf(contract: Node): number {
  const labels = labelsOf(contract)
  const [left] = contract.operands
  return sizeOf(contract.shape) * sizeOf(positionsOf(labels.x, contracted(labels)).map((a) => left.shape[a]))
}
