import { checkList, isTensor, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Graph, Named, Node } from '../../ir/graph.ts'
import { isHalf } from '../../ir/half.ts'
import { add, cast } from '../../ir/lang/index.ts'
import { opNamed } from '../../ir/ops/index.ts'
import type { Entry, Optimizer, TransformContext } from '../../ir/optimizer.ts'
import { isFloat, sameType, showType } from '../../ir/types.ts'
import { valueAndGrad, vjp, type Stabilise } from './gradient.ts'
import { checkMonitors, monitored, type Change, type Monitor } from './monitor.ts'
import { broken, OptimizerState } from './optimizer-state.ts'
import { checkDependence, checkLoss, dependences } from './path.ts'

/** What to minimise, by what, and how. */
export interface MinimiseSpec {
  /** Name of the result to minimise: a floating-point scalar. */
  readonly loss: string
  readonly optimizer: Optimizer
  /** Names of the states to update; all trainable states that the loss depends on if absent. */
  readonly wrt?: readonly string[]
  /** Results to add that tell of the optimisation, see {@link Monitor}; none if absent. */
  readonly monitor?: readonly Monitor[]
  /** Stability rules, run on the whole function before it is differentiated. */
  readonly stabilise?: Stabilise
}

/**
 * The function extended to a training step: the same results, and updates for the trainable states that the loss
 * depends on and for the optimiser's own states. States that already have an update cannot get a second one.
 * Errors: option/invalid, state/unknown, state/duplicate, name/duplicate, grad/scalar, grad/dtype, grad/independent,
 * dtype/unsupported (f16 or bf16 parameters and an optimiser that does not round), and those of the optimiser.
 */
export function minimise(graph: Graph, spec: MinimiseSpec): Graph {
  const { optimizer, monitor = [] } = spec
  checkOptimizer(optimizer)
  if (spec.wrt !== undefined) checkList('minimize', 'wrt', spec.wrt)
  checkMonitors(monitor)
  const loss = lossOf(graph, spec.loss)
  checkLoss(loss)
  const chosen = parametersOf(graph, loss, spec)
  const { results, updates } = stabilisedGraph(graph, chosen, spec.stabilise)
  const state = new OptimizerState(optimizer, graph)
  const b = graph.builder
  const seed = b.derivedFrom(loss, () => seedOf(optimizer, state.context))
  const gradients = gradientsOf(results.find((r) => r.name === spec.loss)!.node, chosen.map((p) => p.node), seed)
  const entries = chosen.map(({ name, node }, i) => ({ name, parameter: node, gradient: gradients[i] }))
  const step = b.derivedFrom(loss, () => {
    const changes = changesOf(optimizer, entries, state.context)
    return { changes, monitors: monitored(monitor, entries, changes, seed) }
  })
  const added = [...entries.flatMap(({ name }, i) => named(name, step.changes[i].next)), ...state.updates]
  return {
    ...graph,
    results: joined(results, step.monitors),
    updates: [...updates, ...unlessMade(added, updates)],
    states: state.states,
  }
}

const named = (name: string, node: Node | null): Named[] => (node ? [{ name, node }] : [])

/** Results of the function and of monitors; their names must differ. */
function joined(results: readonly Named[], monitors: readonly Named[]): Named[] {
  for (const { name, node } of monitors) {
    if (!results.some((r) => r.name === name)) continue
    throw new GradcError('name/duplicate', `there is a result ${JSON.stringify(name)} already`, {
      parties: [{ label: 'x', node }],
      hint: 'give the function’s own result another name, or leave the monitor out of all but one minimize',
    })
  }
  return [...results, ...monitors]
}

/** An optimiser that updates twice in one step counts it once; what it decides by gradients it cannot decide twice. */
function unlessMade(added: readonly Named[], updates: readonly Named[]): Named[] {
  return added.filter(({ name, node }) => {
    const before = updates.find((u) => u.name === name)
    if (!before) return true
    if (before.node === node) return false
    throw new GradcError('state/duplicate', `state ${JSON.stringify(name)} gets two new values in one step`, {
      parties: [{ label: 'x', node: before.node }, { label: 'y', node }],
      hint: 'use two optimiser objects with names of their own, or minimise by all parameters at once',
    })
  })
}

function checkOptimizer(optimizer: Optimizer): void {
  if (typeof optimizer?.name !== 'string' || typeof optimizer.update !== 'function') {
    throw new GradcError('option/invalid', `${showValue(optimizer)} is no optimiser`, {
      hint: 'for example optim.adam({ lr: 1e-3 })',
    })
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
function parametersOf(graph: Graph, loss: Node, { wrt, optimizer }: MinimiseSpec): Named[] {
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
    if (isHalf(node.dtype) && !optimizer.replaces) {
      throw new GradcError('dtype/unsupported', `${JSON.stringify(optimizer.name)} cannot update ${node.dtype} weights`, {
        parties: [{ label: 'x', node }],
        hint: 'keep f32 copies of them, optim.masterWeights(...), or round at random, optim.stochasticRounding(...)',
      })
    }
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

/** The factor of the loss that the optimiser asks for; null for none. */
function seedOf(optimizer: Optimizer, context: TransformContext): Node | null {
  if (!optimizer.seed) return null
  const seed: unknown = optimizer.seed(context)
  if (isTensor(seed) && !seed.shape.length && isFloat(seed.dtype)) return seed
  throw broken(optimizer, `gave ${isTensor(seed) ? showType(seed) : showValue(seed)} as its seed`)
}

/** The gradients of seed·loss. */
function gradientsOf(loss: Node, parameters: readonly Node[], seed: Node | null): readonly Node[] {
  if (!seed) return valueAndGrad(loss, parameters).gradients
  return vjp([loss], parameters, [cast(seed, loss.dtype)]).map((g, i) => g ?? loss.builder.zeros(parameters[i]))
}

/** Runs the optimiser. Its states change as {@link OptimizerState} says afterwards. */
export function changesOf(optimizer: Optimizer, entries: readonly Entry[], context: TransformContext): Change[] {
  const given = optimizer.update(context, entries)
  checkList(optimizer.name, 'deltas', given)
  return entries.map(({ name, parameter }, i) => {
    const node = given[i]
    if (!isTensor(node) || !sameType(node, parameter)) {
      const what = isTensor(node) ? showType(node) : showValue(node)
      const role = optimizer.replaces ? 'value' : 'delta'
      throw broken(optimizer, `gave ${what} as the ${role} of ${JSON.stringify(name)}`, parameter)
    }
    if (optimizer.replaces) return { delta: null, next: node === parameter ? null : node }
    return isStill(node) ? { delta: null, next: null } : { delta: node, next: add(parameter, node) }
  })
}

/** A literal zero of either sign. */
function isStill(delta: Node): boolean {
  const { lowering } = opNamed(delta.op)
  return lowering.kind === 'leaf' && lowering.leaf === 'literal' && delta.attrs.value === 0
}
