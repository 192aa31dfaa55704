import { rootsOf, topological, type Graph, type Node } from '../../ir/graph.ts'
import type { Layout } from '../../ir/plan.ts'
import { unionOfStates } from '../../ir/states.ts'
import { bytesOf, type TensorType, type TypedArray } from '../../ir/types.ts'
import { loweringOf } from '../fuse/kinds.ts'
import { roundUp } from '../schedule/liveness.ts'

/**
 * Places all states (in order of declaration, each name once) and all constants that the functions reach (each array
 * once) in regions of their own. Throws GradcError state/duplicate for two owners of one name.
 */
export function layoutOf(graphs: readonly Graph[]): Layout {
  const states = new Map<string, { offset: number; type: TensorType }>()
  let stateBytes = 0
  for (const decl of unionOfStates(graphs)) {
    states.set(decl.name, { offset: stateBytes, type: { dtype: decl.dtype, shape: decl.shape } })
    stateBytes += roundUp(bytesOf(decl))
  }
  const constants = new Map<TypedArray, { node: Node; offset: number }>()
  let constantBytes = 0
  for (const graph of withBodies(graphs)) {
    for (const node of topological(rootsOf(graph))) {
      const lowering = loweringOf(node)
      if (lowering.kind !== 'leaf' || lowering.leaf !== 'constant' || constants.has(valuesOf(node))) continue
      constants.set(valuesOf(node), { node, offset: constantBytes })
      constantBytes += roundUp(bytesOf(node))
    }
  }
  return { states, stateBytes, constants: [...constants.values()], constantBytes }
}

/** The graphs and the bodies of all loops in them. */
function withBodies(graphs: readonly Graph[]): Set<Graph> {
  const all = new Set(graphs)
  for (const graph of all) for (const node of topological(rootsOf(graph))) for (const body of node.regions) all.add(body)
  return all
}

/** The array of a constant, which is its identity: functions that share it share its bytes. */
export const valuesOf = (node: Node): TypedArray => node.attrs.values as TypedArray
