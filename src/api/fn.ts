import { checkOptions, showValue } from '../ir/arguments.ts'
import { Builder } from '../ir/builder.ts'
import { GradcError } from '../ir/errors.ts'
import type { Graph, Named, Node } from '../ir/graph.ts'
import type { Scalar, Tensor } from '../ir/lang/tensor.ts'
import type { DType } from '../ir/types.ts'
import type { Optimizer } from '../ir/optimizer.ts'
import { minimise } from '../passes/differentiate/minimise.ts'
import { stabiliseNodes } from '../passes/simplify.ts'
import type { Spec } from './spec.ts'

/** Input types by name. */
export type Specs = { readonly [name: string]: Spec }
/** The tensors that a body computes with: those of rank 0 are scalars. */
export type InputsOf<I extends Specs> = {
  readonly [K in keyof I]: I[K] extends Spec<infer D, infer S> ? (S extends readonly [] ? Scalar<D> : Tensor<D>) : never
}
/** Result tensors by name. */
export type Results = { readonly [name: string]: Tensor }
type ScalarNames<R extends Results> = { [K in keyof R]: R[K] extends Scalar<DType> ? K : never }[keyof R] & string

/** What `compile` needs of a function. */
export interface Declared<I extends Specs = Specs, R extends Results = Results> {
  readonly inputs: I
  readonly graph: Graph
  readonly results: R
}

/** A declared function: a graph with typed inputs and results. Immutable: `minimize` gives a new one. */
export class Fn<I extends Specs = Specs, R extends Results = Results> implements Declared<I, R> {
  readonly inputs: I
  readonly graph: Graph
  /** Carries the result types; never present at run time. */
  declare readonly results: R

  constructor(inputs: I, graph: Graph) {
    this.inputs = inputs
    this.graph = graph
  }

  /**
   * The same function as a training step: each call also updates the trainable states that the result `loss` depends on.
   * @param loss name of a scalar float result
   * @param optimizer what turns gradients into updates, such as `optim.adam({ lr: 1e-3 })`
   * @param options `wrt`: names of the states to train; without it, all trainable ones that the loss depends on
   * @throws GradcError grad/scalar, grad/dtype, grad/independent, state/unknown, state/duplicate, option/invalid
   */
  minimize(loss: ScalarNames<R>, optimizer: Optimizer, options: { readonly wrt?: readonly string[] } = {}): Fn<I, R> {
    checkOptions('minimize', options, ['wrt'])
    return new Fn<I, R>(this.inputs, minimise(this.graph, { loss, optimizer, stabilise: stabiliseNodes, ...options }))
  }
}

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
    return { name: 'fn', builder, inputs: builder.inputs, states: builder.states, results, updates: builder.updates }
  })
  return new Fn<I, R>(inputs, graph)
}

const EXAMPLE = 'fn({ x: f32(64, 784) }, ({ x }) => ({ y: ... }))'

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
