import { GradcError, InternalError } from './errors.ts'
import type { Graph, StateDecl } from './graph.ts'
import { sameType } from './types.ts'

/**
 * All states of several functions, each once, in order of first declaration: what one program keeps.
 * @throws GradcError state/duplicate for two owners of one name
 */
export function unionOfStates(graphs: readonly Graph[]): StateDecl[] {
  const union = new Map<string, StateDecl>()
  for (const decl of graphs.flatMap((g) => g.states)) {
    const known = union.get(decl.name)
    if (!known) union.set(decl.name, decl)
    else if (known.owner !== decl.owner) {
      throw new GradcError('state/duplicate', `two different states are named ${JSON.stringify(decl.name)}`, {
        hint: 'share one layer between the functions, or give the layers different names',
      })
    } else if (!sameType(known, decl)) throw new InternalError('states', `state ${JSON.stringify(decl.name)} has two types`)
  }
  return [...union.values()]
}
