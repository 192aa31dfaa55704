import type { Node } from '../../ir/graph.ts'
import { opNamed } from '../../ir/ops/index.ts'
import { below, transplant } from '../../ir/transplant.ts'

/**
 * A function that was applied once, found again in the graph that it built: so that it can be built a second time, on other
 * values, without calling the user again (who would draw other random words, or count another batch).
 */
export interface Applied {
  /** What it was applied to. */
  readonly inputs: readonly Node[]
  readonly results: readonly Node[]
  /** What it reads besides: weights, and whatever was computed without the inputs. Numbers written in the code do not count. */
  readonly reads: readonly Node[]
}

/** The function that made `results` of `inputs`. */
export function applied(inputs: readonly Node[], results: readonly Node[]): Applied {
  const inside = new Set<Node>(inputs)
  const order = below(results, (n) => inside.has(n))
  for (const n of order) if (n.operands.some((o) => inside.has(o))) inside.add(n)
  const reads = new Set<Node>()
  const read = (n: Node): void => {
    if (inside.has(n) || isWritten(n)) return
    // As a loop captures: what a view reads, not the view.
    if (isView(n)) n.operands.forEach(read)
    else reads.add(n)
  }
  for (const n of order) if (inside.has(n)) n.operands.forEach(read)
  results.forEach(read)
  return { inputs, results, reads: [...reads] }
}

/** Its results for other inputs, and with other values in place of those that it reads: all of one builder, in their order. */
export function applyAgain({ inputs, results, reads }: Applied, to: readonly Node[], reading: readonly Node[] = reads): Node[] {
  const replaced = new Map<Node, Node>(reads.map((n, i) => [n, reading[i]]))
  inputs.forEach((n, i) => replaced.set(n, to[i]))
  return transplant(to[0].builder, results, replaced)
}

/** A node that stands for a value to be put in later; no other node has its name. */
export function standIn(like: Node): Node {
  const b = like.builder
  return b.make('input', [], { name: `\u0000applied:${b.size}`, dtype: like.dtype, shape: like.shape })
}

function isView(n: Node): boolean {
  const { lowering } = opNamed(n.op)
  return lowering.kind === 'view' && lowering.view !== 'place' && n.operands.length === 1
}

/** Literals, positions and constants are the same wherever they are built. */
function isWritten(n: Node): boolean {
  const { lowering } = opNamed(n.op)
  return lowering.kind === 'leaf' && n.op !== 'input' && n.op !== 'state'
}
