import { showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import type { Graph, Node, StateDecl } from '../ir/graph.ts'
import { cast } from '../ir/lang/pointwise.ts'
import { transplant } from '../ir/transplant.ts'

/** Names of states in which `optim.ema` keeps averages, whatever stands around it. */
const AVERAGE = /^[^:]*:(?:[^:]*\.)?ema\.average:(.*)$/s

/**
 * The graph with the averages that the step `train` keeps in place of the states that they average.
 * Errors: state/unknown, option/invalid.
 */
export function averagedGraph(graph: Graph, train: { readonly graph: Graph }): Graph {
  if (!Array.isArray(train?.graph?.states)) {
    throw new GradcError('option/invalid', `averaged was given ${showValue(train)}, which is no training step`, { hint: HINT })
  }
  const averages = new Map<string, StateDecl>()
  for (const decl of train.graph.states) {
    const found = AVERAGE.exec(decl.name)
    if (found) averages.set(found[1], decl)
  }
  const replaced = graph.states.filter((s) => averages.has(s.name) && trains(train.graph, s))
  if (!replaced.length) {
    throw new GradcError('state/unknown', 'the training step averages no state that this function reads', { hint: HINT })
  }
  const b = graph.builder
  const forms = new Map<Node, Node>()
  for (const s of replaced) {
    const { name, dtype, shape } = averages.get(s.name)!
    forms.set(stateNode(graph, s), cast(b.make('state', [], { name, dtype, shape }), s.dtype))
  }
  for (const s of graph.states) {
    const node = stateNode(graph, s)
    if (!forms.has(node)) forms.set(node, node)
  }
  for (const { node } of graph.inputs) forms.set(node, node)
  const named = [...graph.results, ...graph.updates]
  const nodes = transplant(b, named.map((r) => r.node), forms).map((node, i) => ({ name: named[i].name, node }))
  // A state that is updated stays: it is read as an average, and moves as before.
  const stays = graph.states.filter((s) => !replaced.includes(s) || graph.updates.some((u) => u.name === s.name))
  return {
    ...graph,
    states: [...stays, ...replaced.map((s) => averages.get(s.name)!)],
    results: nodes.slice(0, graph.results.length),
    updates: nodes.slice(graph.results.length),
  }
}

const HINT = 'predict.averaged(train), where train = fn(...).minimize(loss, optim.ema(...)) trains the same layers'
const stateNode = ({ builder }: Graph, { name, dtype, shape }: StateDecl): Node =>
  builder.make('state', [], { name, dtype, shape })
/** Is it this very state, not another one of its name, that the step trains? */
const trains = ({ states }: Graph, decl: StateDecl): boolean => states.some((s) => s.name === decl.name && s.owner === decl.owner)
