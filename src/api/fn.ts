import { checkOptions, showValue } from '../ir/arguments.ts'
import { Builder } from '../ir/builder.ts'
import { GradcError } from '../ir/errors.ts'
import { rootsOf, topological, type Graph, type Named, type Node } from '../ir/graph.ts'
import type { Scalar, Tensor } from '../ir/lang/tensor.ts'
import type { DType } from '../ir/types.ts'
import type { Optimizer } from '../ir/optimizer.ts'
import { minimise } from '../passes/differentiate/minimise.ts'
import type { Monitor } from '../passes/differentiate/monitor.ts'
import { stabiliseNodes } from '../passes/simplify.ts'
import { averagedGraph } from './averaged.ts'
import type { Spec } from './spec.ts'

/** Input types by name. */
export type Specs = { readonly [name: string]: Spec }
/** The tensors that a body computes with: those of rank 0 are scalars. */
export type InputsOf<I extends Specs> = {
  readonly [K in keyof I]: I[K] extends Spec<infer D, infer S> ? (S extends readonly [] ? Scalar<D> : Tensor<D>) : never
}
/** Result tensors by name. */
export type Results = { readonly [name: string]: Tensor }
/** Names of the results that are scalars. */
export type ScalarNames<R extends Results> = { [K in keyof R]: R[K] extends Scalar<DType> ? K : never }[keyof R] & string

/** What `compile` needs of a function. */
export interface Declared<I extends Specs = Specs, R extends Results = Results> {
  readonly inputs: I
  readonly graph: Graph
  readonly results: R
  /** What was minimised to make it a training step. */
  readonly training?: readonly Training[]
  /** Names of the states whose gradients lie one after the other in its result, or input, `gradients`. */
  readonly parameters?: readonly string[]
}

/** A loss that a training step minimises. */
export interface Training {
  /** The function before it was differentiated. */
  readonly graph: Graph
  /** Name of the result that is minimised. */
  readonly loss: string
  /** Names of the states that are updated. */
  readonly wrt: readonly string[]
}

/** A declared function: a graph with typed inputs and results. Immutable: `minimize` gives a new one. */
export class Fn<I extends Specs = Specs, R extends Results = Results> implements Declared<I, R> {
  readonly inputs: I
  readonly graph: Graph
  /** Carries the result types; never present at run time. */
  declare readonly results: R
  readonly training: readonly Training[]
  readonly parameters?: readonly string[]

  constructor(inputs: I, graph: Graph, { training = [], parameters }: Pick<Declared, 'training' | 'parameters'> = {}) {
    this.inputs = inputs
    this.graph = graph
    this.training = training
    if (parameters) this.parameters = parameters
  }

  /**
   * The same function as a training step: each call also updates the trainable states that the result `loss` depends on.
   * @param loss name of a scalar float result
   * @param optimizer what turns gradients into updates, such as `optim.adam({ lr: 1e-3 })`
   * @param options `wrt`: names of the states to train; without it, all trainable ones that the loss depends on.
   *   `monitor`: further results that tell of the optimisation, see {@link Monitored}; none without it
   * @throws GradcError grad/scalar, grad/dtype, grad/independent, state/unknown, state/duplicate, name/duplicate,
   *   dtype/unsupported, option/invalid, parameter/unmatched
   */
  minimize<const M extends Monitor = never>(
    loss: ScalarNames<R>, optimizer: Optimizer, options: MinimizeOptions<M> = {},
  ): Fn<I, R & Monitored<M>> {
    checkOptions('minimize', options, ['wrt', 'monitor'])
    const step = minimise(this.graph, { loss, optimizer, stabilise: stabiliseNodes, ...options })
    const { states, updates } = this.graph
    const isNew = (name: string): boolean => states.some((s) => s.name === name && s.trainable) && !updates.some((u) => u.name === name)
    const wrt = step.updates.map((u) => u.name).filter(isNew)
    return new Fn<I, R & Monitored<M>>(this.inputs, step, { training: [...this.training, { graph: this.graph, loss, wrt }] })
  }

  /**
   * The same function, with the averages that `optim.ema` keeps in the training step `train` in place of the weights:
   * `compile({ train, predict: predict.averaged(train) })`. States that have no average are read as they are.
   * @throws GradcError state/unknown if `train` averages no state that this function reads, option/invalid
   */
  averaged(train: Declared): Fn<I, R> {
    return new Fn<I, R>(this.inputs, averagedGraph(this.graph, train))
  }
}

/** Options of {@link Fn.minimize}. */
export interface MinimizeOptions<M extends Monitor = never> {
  readonly wrt?: readonly string[]
  readonly monitor?: readonly M[]
}

/**
 * Results that monitors add, numbers: `gradientNorm`, ‖all gradients‖₂, and `gradientNorm:<parameter>`, both before clipping and
 * without loss scaling; `updateRatio:<parameter>`, ‖new − old‖₂ / max(‖old‖₂, 1e-12). The usual ratio of a healthy step is near
 * 1e-3.
 */
export type Monitored<M extends Monitor> = ('gradientNorm' extends M
  ? { readonly gradientNorm: Scalar<'f32'>; readonly [K: `gradientNorm:${string}`]: Scalar<'f32'> }
  : unknown) &
  ('updateRatio' extends M ? { readonly [K: `updateRatio:${string}`]: Scalar<'f32'> } : unknown)

/**
 * Declares a function of static shapes. `body` runs once, here; what it builds is checked at once, and what it returns
 * are the results by name. Rank-0 results come back as numbers, others as live typed-array views.
 * @throws GradcError option/invalid, name/invalid, result/invalid, build/foreign, and whatever the body's ops refuse
 * @example fn({ x: f32(64, 784), y: i32(64) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) }))
 */
export function fn<const I extends Specs, R extends Results>(inputs: I, body: (inputs: InputsOf<I>) => R): Fn<I, R> {
  if (!isRecord(inputs)) {
    throw new GradcError('option/invalid', `the inputs of a function cannot be ${showValue(inputs)}`, { hint: EXAMPLE })
  }
  if (typeof body !== 'function') {
    throw new GradcError('option/invalid', `the body of a function cannot be ${showValue(body)}`, { hint: EXAMPLE })
  }
  const builder = new Builder()
  const graph = builder.capture((): Graph => {
    const tensors = {}
    for (const name of Object.keys(inputs)) {
      if (name === '') throw new GradcError('name/invalid', 'an input has an empty name', { hint: 'fn({ x: f32(2) }, ({ x }) => ...)' })
      checkSpec(name, inputs[name])
      Object.defineProperty(tensors, name, { value: builder.input(name, inputs[name]), enumerable: true })
    }
    const results = named(body(tensors as InputsOf<I>), builder)
    const graph: Graph = { name: 'fn', builder, inputs: builder.inputs, states: builder.states, results, updates: builder.updates }
    refuseStrays(graph)
    return graph
  })
  return new Fn<I, R>(inputs, graph)
}

const EXAMPLE = 'fn({ x: f32(64, 784) }, ({ x }) => ({ y: ... }))'

/** What a scan's body or a custom adjoint was given has no value anywhere else, nor has what was computed from it. */
function refuseStrays(graph: Graph): void {
  const declared = new Set(graph.inputs.map((i) => i.node))
  const order = topological(rootsOf(graph))
  const strays = new Set(order.filter((n) => n.op === 'input' && !declared.has(n)))
  if (!strays.size) return
  const [stray] = strays
  const user = order.find((n) => n.operands.some((o) => strays.has(o))) ?? stray
  const [where, hint] = String(stray.attrs.name).startsWith('\u0000scan')
    ? ['the body of a scan', 'give it as an output of the step, out: { y }, and use what scan returns']
    : ['the adjoint of a custom value', 'what the adjoint computes is only for the cotangents that it returns']
  throw new GradcError('build/foreign', `a value of ${where} is used outside of it`, { parties: [{ label: 'x', node: user }], hint })
}

/** A plain object: a promise, a map or an array has no entries to take by name. */
function isRecord(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: object | null = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function checkSpec(name: string, spec: Spec | undefined): void {
  if (typeof spec === 'object' && spec !== null && typeof spec.dtype === 'string' && Array.isArray(spec.shape)) return
  throw new GradcError('option/invalid', `input ${JSON.stringify(name)} is declared as ${showValue(spec)}, which is no type`, {
    hint: typeof spec === 'function' ? 'call it with the extents: f32(64, 784), or f32() for a scalar' : EXAMPLE,
  })
}

function named(results: unknown, builder: Builder): Named[] {
  const hint = 'return a record of tensors, such as { loss, accuracy }'
  if (!isRecord(results) || isNode(results)) {
    const what = results instanceof Promise ? 'a promise: it runs once and cannot wait' : showValue(results)
    throw new GradcError('result/invalid', `the body of a function must return a record of tensors, not ${what}`, { hint })
  }
  return Object.entries(results).map(([name, node]): Named => {
    if (name === '') throw new GradcError('name/invalid', 'a result has an empty name', { hint })
    if (!isNode(node)) {
      throw new GradcError('result/invalid', `result ${JSON.stringify(name)} is ${showValue(node)}, not a tensor`, { hint })
    }
    if (node.builder !== builder) {
      throw new GradcError(
        'build/foreign',
        `result ${JSON.stringify(name)} is a value of another function`,
        { parties: [{ label: 'x', node }], hint },
      )
    }
    return { name, node }
  })
}

const isNode = (x: unknown): x is Node => typeof x === 'object' && x !== null && (x as Node).builder instanceof Builder
