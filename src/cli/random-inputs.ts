import type { Graph, Node } from '../ir/graph.ts'
import { halfBits, isHalf } from '../ir/half.ts'
import { opNamed } from '../ir/ops/index.ts'
import { rootsOf, topological, usersOf } from '../ir/graph.ts'
import { DTYPES, isFloat, sizeOf, type TypedArray } from '../ir/types.ts'

/** Numbers in [0, 1), the same for the same seed: mulberry32 (Tommy Ettinger), 32 bits of state. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A normal number of mean 0 and variance 1 (Box and Muller, 1958). */
export const normal = (random: () => number): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

/**
 * Inputs for a function, by name: arrays of floats are normal, single floats lie in (0, 0.01) (they are mostly rates), integers
 * are what they index or are compared with, bools are coins.
 */
export function randomInputs(graph: Graph, seed: number): Record<string, TypedArray> {
  const random = randomFrom(seed)
  const inputs = {}
  for (const { name, node } of graph.inputs) {
    const array = new DTYPES[node.dtype].array(sizeOf(node.shape))
    const bound = isFloat(node.dtype) ? 0 : boundOf(graph, node)
    for (let i = 0; i < array.length; i++) {
      if (isFloat(node.dtype)) {
        const value = node.shape.length ? normal(random) : 0.01 * random()
        array[i] = isHalf(node.dtype) ? halfBits(value, node.dtype) : value
      } else array[i] = node.dtype === 'bool' ? Number(random() < 0.5) : Math.floor(random() * bound)
    }
    Object.defineProperty(inputs, name, { value: array, enumerable: true })
  }
  return inputs
}

/**
 * Below what an integer input should stay: the extent of the axes that it indexes, and of the positions it is compared with, as
 * the classes of a loss are. If it does neither: 2, and any word for u32, which is then a key of random numbers.
 */
export function boundOf(graph: Graph, input: Node): number {
  const bounds: number[] = []
  const seen = new Set<Node>()
  const follow = (roots: readonly Node[], from: Node): void => {
    const users = usersOf(topological([...roots]))
    const visit = (node: Node): void => {
      if (seen.has(node)) return
      seen.add(node)
      for (const user of users.get(node) ?? []) {
        const { lowering } = opNamed(user.op)
        user.operands.forEach((operand, i) => {
          if (operand !== node) return
          if ((lowering.kind === 'gather' || lowering.kind === 'scatter') && i === 1) {
            bounds.push(user.operands[0].shape[user.attrs.axis as number])
          }
          if (lowering.kind === 'region') {
            const body = user.regions[0]
            follow(body.results.map((r) => r.node), body.inputs[i].node)
          }
        })
        if (lowering.kind === 'pointwise' && user.dtype === 'bool') {
          const positions = user.operands.filter((o) => o !== node).map(extentOfPositions)
          bounds.push(...positions.filter((n) => n > 0))
        } else if (lowering.kind === 'view' || user.op === 'cast') visit(user)
      }
    }
    visit(from)
  }
  follow(rootsOf(graph), input)
  return Math.max(1, bounds.length ? Math.min(...bounds) : input.dtype === 'u32' ? 2 ** 32 : 2)
}

/** The extent that positions along an axis count, through views and casts of them; 0 for anything else. */
function extentOfPositions(node: Node): number {
  for (let at = node; ; [at] = at.operands) {
    const { lowering } = opNamed(at.op)
    if (lowering.kind === 'leaf') return lowering.leaf === 'iota' ? at.shape[at.attrs.axis as number] : 0
    if (lowering.kind !== 'view' && at.op !== 'cast') return 0
  }
}
