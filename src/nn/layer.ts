import { checkTensors, isTensor, showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import type { Tensor } from '../ir/lang/tensor.ts'
import type { DType } from '../ir/types.ts'
import { adopt, checkKey, Parameter } from './parameter.ts'

/** Element type of what a layer gives: that of x, and f32 for integers, which are looked up (an embedding). */
export type Activation<D extends DType> = D extends 'i32' | 'u32' | 'bool' ? 'f32' : D

/** A function of one tensor with parameters. Plain functions serve as layers too, without parameters. */
export interface Layer {
  <D extends DType>(x: Tensor<D>): Tensor<Activation<D>>
  /**
   * The same function, in evaluation: dropout passes everything, batch norm takes its running statistics. The same
   * parameters, so a program trains with `net(x)` and predicts with `net.evaluation(x)` over one state.
   */
  evaluation<D extends DType>(x: Tensor<D>): Tensor<Activation<D>>
  /** Its parameters and those of its children, each once, in order of declaration. */
  readonly parameters: readonly Parameter[]
}

/** What a layer may have below it. */
export type Child = Layer | Parameter | ((x: Tensor) => Tensor)

/**
 * A layer made of named children: their keys begin the names of their parameters, as attribute names do in PyTorch.
 *
 *     const net = nn.model({ fc1: nn.linear(784, 128), fc2: nn.linear(128, 10) }, ({ fc1, fc2 }, x) => fc2(nn.relu(fc1(x))))
 *     net.parameters.map((p) => p.name)      // fc1.weight, fc1.bias, fc2.weight, fc2.bias
 *
 * Without `forward` the children are applied in order of declaration; then none may be a bare {@link Parameter}.
 * Errors: name/invalid, option/invalid.
 */
export function model<C extends Readonly<Record<string, Child>>>(
  children: C,
  forward?: (children: C, x: Tensor) => Tensor,
): Layer {
  if (typeof children !== 'object' || children === null || Array.isArray(children)) {
    throw new GradcError(
      'option/invalid',
      `the children of a model cannot be ${showValue(children)}`,
      { hint: 'nn.model({ fc1: nn.linear(784, 128), ... })' },
    )
  }
  if (forward !== undefined && typeof forward !== 'function') {
    throw new GradcError('option/invalid', `the forward of a model cannot be ${showValue(forward)}`, { hint: '(children, x) => ...' })
  }
  const entries = Object.entries(children)
  for (const [key] of entries) checkKey(key)
  if (forward) return layerOf(entries, (x) => forward(children, x))
  const bare = entries.find(([, child]) => child instanceof Parameter)
  if (bare) {
    throw new GradcError('option/invalid', `${JSON.stringify(bare[0])} is a parameter, which cannot be applied`, {
      hint: 'say how it is used: nn.model({ ... }, (children, x) => ...)',
    })
  }
  return layerOf(entries, (x) => inOrder(entries.map(([, child]) => child as Layer), x))
}

/**
 * Layers and plain functions, one after the other. Parameters are named by position as in PyTorch, plain functions
 * counted: `sequential(linear(4, 3), relu, linear(3, 2))` has `0.weight`, `0.bias`, `2.weight`, `2.bias`. A layer that
 * stands in several places, or in another model already, is shared and keeps its first name.
 * Errors: option/invalid.
 */
export function sequential(...layers: readonly ((x: Tensor) => Tensor)[]): Layer {
  return layerOf(layers.map((layer, i) => [String(i), layer]), (x) => inOrder(layers, x))
}

const inOrder = (layers: readonly ((x: Tensor) => Tensor)[], x: Tensor): Tensor =>
  layers.reduce((value, layer) => layer(value), x)

/** Makes the layer and adopts its children. */
export function layerOf(children: readonly (readonly [string, Child])[], forward: (x: Tensor) => Tensor): Layer {
  for (const [key, child] of children) {
    if (typeof child === 'function' || child instanceof Parameter) continue
    throw new GradcError('option/invalid', `${JSON.stringify(key)} is neither a layer nor a function nor a parameter`, {
      hint: 'a layer is called with its sizes: nn.linear(784, 128)',
    })
  }
  const parameters = new Set(children.flatMap(([, child]) => parametersOf(child)))
  const apply = <D extends DType>(x: Tensor<D>): Tensor<Activation<D>> => {
    checkTensors('a layer', [x])
    const y = forward(x)
    if (isTensor(y)) return y as Tensor<Activation<D>>
    throw new GradcError('operand/invalid', `a layer gave ${showValue(y)}, which is no tensor`, {
      parties: [{ label: 'x', node: x }],
      hint: 'its function must return a tensor',
    })
  }
  const evaluation = <D extends DType>(x: Tensor<D>): Tensor<Activation<D>> => {
    checkTensors('a layer', [x])
    return x.builder.evaluating(() => apply(x))
  }
  const layer: Layer = Object.assign(apply, { evaluation, parameters: Object.freeze([...parameters]) })
  for (const [key, child] of children) {
    // A plain function may be used everywhere: it has no name to keep.
    if (child instanceof Parameter || 'parameters' in child) adopt(layer, key, child)
  }
  return layer
}

function parametersOf(child: Child): readonly Parameter[] {
  if (child instanceof Parameter) return [child]
  return 'parameters' in child ? child.parameters : []
}
