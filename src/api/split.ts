import { checkList, checkOptions, showValue } from '../ir/arguments.ts'
import { Builder } from '../ir/builder.ts'
import { GradcError } from '../ir/errors.ts'
import type { Graph, Named, Node, StateDecl } from '../ir/graph.ts'
import { cast } from '../ir/lang/pointwise.ts'
import type { Tensor } from '../ir/lang/tensor.ts'
import { concat, reshape, slice } from '../ir/lang/view.ts'
import type { Entry, Optimizer } from '../ir/optimizer.ts'
import { sizeOf } from '../ir/types.ts'
import { changesOf, minimise } from '../passes/differentiate/minimise.ts'
import { OptimizerState } from '../passes/differentiate/optimizer-state.ts'
import { stabiliseNodes } from '../passes/simplify.ts'
import { Fn, type Results, type ScalarNames, type Specs } from './fn.ts'
import type { Spec } from './spec.ts'

/** Options of {@link split}. */
export interface SplitOptions<K extends string = never> {
  /** Names of the states to train; without it, all trainable ones that the loss depends on. */
  readonly wrt?: readonly string[]
  /** Names of inputs that the optimiser reads, such as a learning rate: `apply` takes them too. */
  readonly inputs?: readonly K[]
}

/** The two halves of a training step: functions by name, as `compile` takes them. */
export type Split<I extends Specs, R extends Results, K extends keyof I> = {
  /** The function with a further result `gradients`; changes no parameter and no state of the optimiser. */
  readonly gradients: Fn<I, R & { readonly gradients: Tensor<'f32'> }>
  /** Updates parameters and optimiser by an input `gradients`; no results. */
  readonly apply: Fn<{ readonly gradients: Spec<'f32', readonly [number]> } & Pick<I, K>, Readonly<Record<never, Tensor>>>
}

/**
 * A training step in two functions of one program, so that something can happen between them: the mean of the gradients of
 * several workers (data-parallel training), of several devices (federated training), or a look at them. `gradients` is one f32
 * vector of all gradients one after the other, each row by row, in the order of the manifest's `parameters`. One after the other,
 * both do what `minimize` does in one.
 * With loss scaling they are the gradients of the scaled loss, as `apply` takes them.
 * Errors: those of `minimize`; name/duplicate (a result or input of the name gradients), dtype/unsupported (f64 parameters, which
 * an f32 vector would round).
 * @example
 * const { gradients, apply } = split(fn({ x: f32(64, 784), y: i32(64) }, body), 'loss', optim.adam({ lr: 1e-3 }))
 * const model = await compile({ gradients, apply }).load()
 * const { loss, gradients: own } = model.gradients({ x, y })
 * model.apply({ gradients: meanOverWorkers(own) })
 */
export function split<I extends Specs, R extends Results, const K extends keyof I & string = never>(
  train: Fn<I, R>, loss: ScalarNames<R>, optimizer: Optimizer, options: SplitOptions<K> = {},
): Split<I, R, K> {
  checkOptions('split', options, ['wrt', 'inputs'])
  if (!(train instanceof Fn)) {
    throw new GradcError('option/invalid', `split was given ${showValue(train)}, not a function of fn(...)`, { hint: HINT })
  }
  const { wrt, inputs = [] } = options
  checkList('split', 'inputs', inputs)
  checkFree(train.graph.results, 'result')
  const found: Entry[] = []
  const collector = collecting(optimizer, found)
  const step = minimise(train.graph, { loss, optimizer: collector, wrt, stabilise: stabiliseNodes })
  const wide = found.find((e) => e.parameter.dtype === 'f64')
  if (wide) {
    throw new GradcError('dtype/unsupported', `parameter ${JSON.stringify(wide.name)} is f64, flat gradients are f32`, {
      parties: [{ label: 'x', node: wide.parameter }],
      hint: 'split models of f32, f16 or bf16 parameters',
    })
  }
  const parameters = found.map((e) => e.name)
  const flat = step.builder.derivedFrom(found[0].parameter, () => concat(found.map((e) => vector(e.gradient))))
  const own = new Set(train.graph.updates.map((u) => u.name))
  const gradients: Graph = {
    ...step,
    results: [...step.results, { name: 'gradients', node: flat }],
    updates: step.updates.filter((u) => own.has(u.name)),
  }
  const apply = applying(train.graph, found, { optimizer, owner: collector, inputs })
  const training = [...train.training, { graph: train.graph, loss, wrt: parameters }]
  const specs = Object.fromEntries(apply.inputs.map(({ name, node }) => [name, { dtype: node.dtype, shape: node.shape }]))
  return {
    gradients: new Fn(train.inputs, gradients, { training, parameters }),
    apply: new Fn(specs as never, apply, { parameters }),
  }
}

const HINT = "split(fn({ x: f32(64, 784) }, ({ x }) => ({ loss: ... })), 'loss', optim.adam({ lr: 1e-3 }))"

function checkFree(named: readonly Named[], what: string): void {
  const taken = named.find((n) => n.name === 'gradients')
  if (!taken) return
  throw new GradcError('name/duplicate', `there is ${what === 'input' ? 'an input' : 'a result'} "gradients" already`, {
    parties: [{ label: 'x', node: taken.node }],
    hint: 'split adds one: give the other another name',
  })
}

/** The optimiser, but instead of an update it tells the gradients and changes nothing. */
function collecting(optimizer: Optimizer, found: Entry[]): Optimizer {
  if (typeof optimizer !== 'object' || optimizer === null) return optimizer
  const update: Optimizer['update'] = ({ builder }, entries) => {
    found.push(...entries)
    return entries.map(({ parameter }) => (optimizer.replaces ? parameter : builder.literal(-0, parameter)))
  }
  return Object.create(optimizer, { update: { value: update } }) as Optimizer
}

const vector = (x: Node): Tensor<'f32'> => reshape(cast(x, 'f32'), [sizeOf(x.shape)])

interface Application {
  readonly optimizer: Optimizer
  /** Whom the optimiser's states belong to: one object for both halves, since a scale of the loss is a state of both. */
  readonly owner: Optimizer
  readonly inputs: readonly string[]
}

function applying(train: Graph, found: readonly Entry[], { optimizer, owner, inputs }: Application): Graph {
  const builder = new Builder()
  const total = found.reduce((n, e) => n + sizeOf(e.parameter.shape), 0)
  const flat = builder.input('gradients', { dtype: 'f32', shape: [total] }) as Tensor<'f32'>
  for (const name of inputs) {
    const input = train.inputs.find((i) => i.name === name)
    if (!input) {
      throw new GradcError('option/invalid', `inputs of split: the function has no input ${showValue(name)}`, {
        hint: `its inputs are ${train.inputs.map((i) => i.name).join(', ') || 'none'}`,
      })
    }
    checkFree([input], 'input')
    builder.input(name, { dtype: input.node.dtype, shape: input.node.shape })
  }
  let at = 0
  const entries = found.map(({ name, parameter }): Entry => {
    const decl = train.states.find((s) => s.name === name) as StateDecl
    const part = slice(flat, { start: at, stop: (at += sizeOf(parameter.shape)) })
    return { name, parameter: builder.state(decl), gradient: cast(reshape(part, parameter.shape), parameter.dtype) }
  })
  const graph: Graph = { name: 'apply', builder, inputs: builder.inputs, states: builder.states, results: [], updates: [] }
  const state = new OptimizerState(owner, graph)
  const changes = changesOf(optimizer, entries, state.context)
  const moved = entries.flatMap(({ name }, i): Named[] => {
    const { next } = changes[i]
    return next ? [{ name, node: next }] : []
  })
  return { ...graph, states: state.states, updates: [...moved, ...state.updates] }
}
