import { checkList, isTensor, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Graph, Init, Named, Node, StateDecl } from '../../ir/graph.ts'
import { add, cast } from '../../ir/lang/index.ts'
import type { Entry, Optimizer, TransformContext } from '../../ir/optimizer.ts'
import { sameType, showType, type TensorType } from '../../ir/types.ts'
import { valueAndGrad, type Stabilise } from './gradient.ts'
import { checkDependence, checkLoss, dependences } from './path.ts'

/** What to minimise, by what, and how. */
export interface MinimiseSpec {
  /** Name of the result to minimise: a floating-point scalar. */
  readonly loss: string
  readonly optimizer: Optimizer
  /** Names of the states to update; all trainable states that the loss depends on if absent. */
  readonly wrt?: readonly string[]
  /** Stability rules, run on the whole function before it is differentiated. */
  readonly stabilise?: Stabilise
}

/**
 * The function extended to a training step: the same results, and updates for the trainable states that the loss
 * depends on and for the optimiser's own states. States that already have an update cannot get a second one.
 * Errors: option/invalid, state/unknown, state/duplicate, grad/scalar, grad/dtype, grad/independent.
 */
export function minimise(graph: Graph, spec: MinimiseSpec): Graph {
  checkOptimizer(spec.optimizer)
  if (spec.wrt !== undefined) checkList('minimize', 'wrt', spec.wrt)
  const loss = lossOf(graph, spec.loss)
  checkLoss(loss)
  const chosen = parametersOf(graph, loss, spec)
  const { results, updates } = stabilisedGraph(graph, chosen, spec.stabilise)
  const { gradients } = valueAndGrad(results.find((r) => r.name === spec.loss)!.node, chosen.map((p) => p.node))
  const entries = chosen.map(({ name, node }, i) => ({ name, parameter: node, gradient: gradients[i] }))
  const step = graph.builder.derivedFrom(loss, () => stepOf(spec.optimizer, graph, entries))
  // An optimiser that updates twice in one step counts it once.
  const added = step.updates.filter((s) => !updates.some((u) => u.name === s.name && u.node === s.node))
  return { ...graph, results, updates: [...updates, ...added], states: step.states }
}

function checkOptimizer(optimizer: Optimizer): void {
  if (typeof optimizer?.name !== 'string' || typeof optimizer.update !== 'function') {
    throw new GradcError('option/invalid', `${showValue(optimizer)} is no optimiser`, { hint: 'for example optim.adam({ lr: 1e-3 })' })
  }
  if (optimizer.partial) {
    throw new GradcError('option/invalid', `${JSON.stringify(optimizer.name)} changes gradients, but takes no step`, {
      hint: 'end with an optimiser: optim.chain(optim.clipByGlobalNorm(1), optim.sgd({ lr: 0.1 }))',
    })
  }
}

function lossOf(graph: Graph, name: string): Node {
  const found = graph.results.find((r) => r.name === name)
  if (found) return found.node
  throw new GradcError('option/invalid', `${graph.name} has no result ${showValue(name)} to minimise`, {
    hint: `its results are ${graph.results.map((r) => r.name).join(', ') || 'none'}`,
  })
}

/** The states to update, in order of declaration, checked one by one. */
function parametersOf(graph: Graph, loss: Node, { wrt }: MinimiseSpec): Named[] {
  for (const name of wrt ?? []) checkTrainable(graph, name)
  const candidates = graph.states
    .filter((s) => (wrt ? wrt.includes(s.name) : s.trainable))
    .map((decl) => ({ name: decl.name, node: graph.builder.state(decl) }))
  const how = dependences(loss, candidates.map((c) => c.node))
  const chosen = candidates.filter(({ node }, i) => {
    const skipped = !wrt && (how[i].kind === 'independent' || how[i].kind === 'stopped')
    if (!skipped) checkDependence(loss, node, how[i])
    return !skipped
  })
  if (!chosen.length) {
    throw new GradcError('grad/independent', 'the loss depends on no trainable state', {
      parties: [{ label: 'loss', node: loss }],
      hint: 'use a layer with parameters in the loss, or name the states to update in `wrt`',
    })
  }
  for (const { name, node } of chosen) {
    if (!graph.updates.some((u) => u.name === name)) continue
    throw new GradcError('state/duplicate', `state ${JSON.stringify(name)} already has an update`, {
      parties: [{ label: 'x', node }],
      hint: 'name the states of each optimiser in `wrt`',
    })
  }
  return chosen
}

function checkTrainable(graph: Graph, name: string): void {
  const decl = graph.states.find((s) => s.name === name)
  if (!decl) {
    throw new GradcError('state/unknown', `${graph.name} has no state ${showValue(name)}`, {
      hint: `its states are ${graph.states.map((s) => s.name).join(', ') || 'none'}`,
    })
  }
  if (!decl.trainable) {
    throw new GradcError('option/invalid', `state ${JSON.stringify(name)} is not trainable`, {
      parties: [{ label: 'x', node: graph.builder.state(decl) }],
      hint: 'declare it as trainable, or leave it out of `wrt`',
    })
  }
}

/** All results and updates take the stable forms, so that what the loss shares with a metric stays shared. */
function stabilisedGraph(graph: Graph, parameters: readonly Named[], stabilise?: Stabilise): Pick<Graph, 'results' | 'updates'> {
  if (!stabilise) return graph
  const roots = [...graph.results, ...graph.updates].map((r) => r.node)
  const forms = stabilise(roots, new Set(parameters.map((p) => p.node)))
  const rename = ({ name, node }: Named): Named => ({ name, node: forms.get(node) ?? node })
  return { results: graph.results.map(rename), updates: graph.updates.map(rename) }
}

/** Runs the optimiser: new values of the parameters, of its slots, and of the step count if anything read it; all states. */
function stepOf(optimizer: Optimizer, graph: Graph, entries: readonly Entry[]): Pick<Graph, 'updates' | 'states'> {
  const b = graph.builder
  const states = new Map(graph.states.map((s) => [s.name, s]))
  const next = new Map<Node, Node | null>()
  const broken = (why: string, node: Node): GradcError =>
    new GradcError('option/invalid', `the optimiser ${JSON.stringify(optimizer.name)} ${why}`, {
      parties: isTensor(node) ? [{ label: 'of', node }] : [],
      hint: 'a transform gives one tensor an entry, and each slot one new value, of the same type',
    })
  // Not registered with the builder: another training step may be made of the same function.
  const declare = (name: string, { dtype, shape }: TensorType, init: Init): Node => {
    const decl: StateDecl = { name, dtype, shape, init, trainable: false, owner: optimizer }
    const node = b.make('state', [], { name, dtype, shape })
    checkFree(states.get(name) ?? decl, decl, node)
    states.set(name, decl)
    if (!next.has(node)) next.set(node, null)
    return node
  }
  const context: TransformContext = {
    builder: b,
    inputs: Object.fromEntries(graph.inputs.map(({ name, node }) => [name, node])),
    get step(): Node {
      const step = declare(`${optimizer.name}:step`, { dtype: 'i32', shape: [] }, startAtZero)
      next.set(step, add(step, 1))
      return cast(step, 'f32')
    },
    slot: (entry, kind, type = entry.parameter, init = startAtZero) =>
      declare(`${optimizer.name}:${kind}:${entry.name}`, type, init),
    assign(slot, value) {
      if (next.get(slot) !== null) throw broken('assigned a slot twice, or what is no slot of its own', slot)
      if (!isTensor(value) || !sameType(slot, value)) {
        throw broken(`assigned ${isTensor(value) ? showType(value) : showValue(value)} to a slot`, slot)
      }
      next.set(slot, value)
    },
  }
  const deltas = optimizer.update(context, entries)
  checkList(optimizer.name, 'deltas', deltas)
  const parameters = entries.map(({ name, parameter }, i) => {
    const delta = deltas[i]
    if (isTensor(delta) && sameType(delta, parameter)) return { name, node: add(parameter, delta) }
    throw broken(`gave ${isTensor(delta) ? showType(delta) : showValue(delta)} as the delta of ${JSON.stringify(name)}`, parameter)
  })
  const slots = [...next].flatMap(([slot, value]) => (value ? [{ name: slot.attrs.name as string, node: value }] : []))
  return { updates: [...parameters, ...slots], states: [...states.values()] }
}

const startAtZero: Init = (b, type) => b.zeros(type)

function checkFree(before: StateDecl, decl: StateDecl, node: Node): void {
  if (before.owner === decl.owner && sameType(before, decl)) return
  throw new GradcError('state/duplicate', `two states are named ${JSON.stringify(decl.name)}`, {
    parties: [{ label: 'x', node }],
    hint: 'use one optimiser object for both, or give one of them a name: optim.adam({ name: ... })',
  })
}
