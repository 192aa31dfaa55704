import { Builder } from '../ir/builder.ts'
import { GradcError } from '../ir/errors.ts'
import { isTensor, showValue } from '../ir/arguments.ts'
import type { Graph, Named, Node, StateDecl } from '../ir/graph.ts'
import { opNamed } from '../ir/ops/index.ts'
import { bitwiseXor } from '../ir/lang/pointwise.ts'
import { sameType, showType } from '../ir/types.ts'

/** FNV-1a over UTF-16 units (Fowler, Noll, Vo): tells apart the random streams of states, whatever their order. */
function hashOf(name: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193)
  return h >>> 0
}

/**
 * The graph that makes the first value of every state from one `u32[2]` input, `key`. States that start at zero are
 * left out: the runtime clears all states first. Errors: option/invalid (an initialiser that gives another type), and theirs.
 */
export function firstValues(states: readonly StateDecl[]): Graph {
  const builder = new Builder()
  const key = builder.input('key', { dtype: 'u32', shape: [2] })
  const updates: Named[] = []
  for (const decl of states) {
    builder.state(decl)
    const node = decl.init(builder, decl, bitwiseXor(key, builder.literal(hashOf(decl.name), key)))
    if (!isTensor(node) || node.builder !== builder || !sameType(node, decl)) {
      const gave = isTensor(node) ? showType(node) : showValue(node)
      throw new GradcError('option/invalid', `the initialiser of state ${JSON.stringify(decl.name)} gave ${gave}`, {
        hint: `it must give ${showType(decl)}; an initialiser with options is called first: init.normal(0, 0.02)`,
      })
    }
    if (!isZero(node)) updates.push({ name: decl.name, node })
  }
  return { name: 'init', builder, inputs: builder.inputs, states, results: [], updates }
}

/** A literal +0: what cleared memory holds anyway. */
function isZero(node: Node): boolean {
  const { lowering } = opNamed(node.op)
  return lowering.kind === 'leaf' && lowering.leaf === 'literal' && Object.is(node.attrs.value, 0)
}
