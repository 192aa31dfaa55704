import {
  add, broadcastTo, einsum, expandDims, grad, mean, mul, nn, square, sub, sum, type Scalar, type Tensor,
} from '../../src/index.ts'

/** Weights and biases of the layers; with a leading axis for tasks, each task has its own. */
export type Weights = readonly { readonly weight: Tensor<'f32'>; readonly bias: Tensor<'f32'> }[]

/** Points as tensors: [tasks, points, 1]. */
export interface Examples {
  readonly x: Tensor<'f32'>
  readonly y: Tensor<'f32'>
}

const SIZES = [1, 40, 40, 1] as const

/** A net whose weights any function may read, as they are before a task changes them. */
export interface Net {
  /** The weights in the function that `x` belongs to. */
  of(x: Tensor): Weights
}

/** The net 1-40-40-1, with PyTorch's first weights and no bias. */
export function declareNet(): Net {
  const layers = SIZES.slice(1).map((outputs, i) => {
    const bound = 1 / Math.sqrt(SIZES[i])
    return {
      weight: new nn.Parameter('weight', [outputs, SIZES[i]], nn.init.uniform(-bound, bound)),
      bias: new nn.Parameter('bias', [outputs], nn.init.zeros),
    }
  })
  // Models give their parameters names, here fc1.weight to fc3.bias; none of them is applied.
  const unapplied = (_: unknown, x: Tensor): Tensor => x
  nn.model(Object.fromEntries(layers.map((layer, i) => [`fc${i + 1}`, nn.model(layer, unapplied)])), unapplied)
  const read = (p: nn.Parameter, x: Tensor): Tensor<'f32'> => p.of(x) as Tensor<'f32'>
  return { of: (x) => layers.map(({ weight, bias }) => ({ weight: read(weight, x), bias: read(bias, x) })) }
}

/** A copy of the weights for each task. */
export const perTask = (weights: Weights, tasks: number): Weights =>
  weights.map(({ weight, bias }) => ({
    weight: broadcastTo(weight, [tasks, ...weight.shape]),
    bias: broadcastTo(bias, [tasks, ...bias.shape]),
  }))

/** Every task's net applied to its points: [tasks, points, 1]. */
export function applied(weights: Weights, x: Tensor<'f32'>): Tensor<'f32'> {
  return weights.reduce((h, { weight, bias }, i) => {
    const z = add(einsum('tki,toi->tko', h, weight), expandDims(bias, 1))
    return i < weights.length - 1 ? nn.relu(z) : z
  }, x)
}

/** Mean squared error over all points of all tasks. */
export const lossOf = (weights: Weights, { x, y }: Examples): Scalar<'f32'> => mean(square(sub(applied(weights, x), y)))

/**
 * Each task's weights after one step of gradient descent on its own examples. The gradient is a tensor like any other, so what
 * is computed with the new weights can be differentiated by the first ones.
 */
export function adapted(weights: Weights, examples: Examples, rate: number): Weights {
  const [, points] = examples.x.shape
  const error = sub(applied(weights, examples.x), examples.y)
  // A sum over tasks: the weights of each task get the gradient of its own mean.
  const loss = mul(sum(square(error)), 1 / points)
  const gradients = grad(loss, weights.flatMap(({ weight, bias }) => [weight, bias]))
  return weights.map(({ weight, bias }, i) => ({
    weight: sub(weight, mul(gradients[2 * i], rate)),
    bias: sub(bias, mul(gradients[2 * i + 1], rate)),
  }))
}
