import type { Node } from '../../ir/graph.ts'
import { isHalf } from '../../ir/half.ts'
import type { Lowering } from '../../ir/op.ts'
import { opNamed } from '../../ir/ops/index.ts'

export const loweringOf = (node: Node): Lowering => opNamed(node.op).lowering

/** A leaf that has bytes of its own: input, state or constant. */
export function isStorage(node: Node): boolean {
  const l = loweringOf(node)
  return l.kind === 'leaf' && l.leaf !== 'literal' && l.leaf !== 'iota'
}

/** A leaf whose elements are known from their coordinates alone: literal or iota. */
export function isComputedLeaf(node: Node): boolean {
  const l = loweringOf(node)
  return l.kind === 'leaf' && (l.leaf === 'literal' || l.leaf === 'iota')
}

export function isInput(node: Node): boolean {
  const l = loweringOf(node)
  return l.kind === 'leaf' && l.leaf === 'input'
}

/** Name of the state that a leaf reads, or null for any other node. */
export function stateName(node: Node): string | null {
  const l = loweringOf(node)
  return l.kind === 'leaf' && l.leaf === 'state' ? (node.attrs.name as string) : null
}

/** The op sets the loops of a kernel of its own: its value cannot be made one element at a time in somebody else's loop. */
export function isCore(node: Node): boolean {
  const l = loweringOf(node)
  switch (l.kind) {
    case 'reduce':
    case 'contract':
    case 'cumulate':
    case 'scatter':
    case 'region':
      return true
    default:
      return l.kind === 'view' && l.view === 'place'
  }
}

/** A loop: its kernel runs a plan of its own, and its operands must lie in memory as they are. */
export const isLoop = (node: Node): boolean => loweringOf(node).kind === 'region'

/** After this core each finished element can be used further in the same loops, before it is stored. */
export function hasEpilogue(core: Node): boolean {
  const { kind } = loweringOf(core)
  return kind === 'reduce' || kind === 'contract'
}

/** A view that only renames coordinates. */
export function isView(node: Node): boolean {
  const l = loweringOf(node)
  return l.kind === 'view' && l.view !== 'place'
}

/** Computed one element at a time from its operands: what fusion inlines or stores. */
export function isElementwise(node: Node): boolean {
  const { kind } = loweringOf(node)
  return kind === 'pointwise' || kind === 'gather' || kind === 'random'
}

// Costs that no record can say by itself. A lookup is a dependent load. Philox takes about ten operations a word, but counts as
// few: a dropout mask is to be made again by the backward pass, not to wait for it in memory.
const LEAST_COST: { readonly [kind: string]: number } = { gather: 2, random: 3 }

/** f16 or bf16 made f32: the one thing that is computed of them. A contraction does it as it reads. */
export const isWidening = (node: Node): boolean =>
  loweringOf(node).kind === 'pointwise' && node.dtype === 'f32' && node.operands.length === 1 && isHalf(node.operands[0].dtype)

/** Cost of one element in additions. */
export function costOf(node: Node): number {
  if (!isElementwise(node)) return 0
  const { cost = 1, lowering } = opNamed(node.op)
  return Math.max(cost, LEAST_COST[lowering.kind] ?? 0)
}
