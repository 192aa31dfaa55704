import { add, erf, jacobian, matmul, mul, nn, reshape, transpose, type Tensor } from '../../src/index.ts'

/** Features of an input. */
export const FEATURES = 2

/** A net as functions of its inputs [points, features]. */
export interface Net {
  /** [points] */
  outputs(x: Tensor<'f64'>): Tensor<'f64'>
  /** The empirical tangent kernel [points, points]: K(x, y) = Σ over parameters θ of ∂f(x)/∂θ · ∂f(y)/∂θ. */
  kernel(x: Tensor<'f64'>): Tensor<'f64'>
}

/**
 * f(x) = a·erf(W·x + b)/√width, all parameters drawn from the standard normal distribution, in doubles: in this
 * parametrisation the kernel has a limit when the width grows (Jacot, Gabriel, Hongler, NeurIPS 2018).
 */
export function netOf(width: number): Net {
  const drawn = (name: string, shape: readonly number[]): nn.Parameter =>
    new nn.Parameter(name, shape, nn.init.normal(0, 1), { dtype: 'f64' })
  const parameters = [drawn('weight', [width, FEATURES]), drawn('bias', [width]), drawn('outer', [width])]
  const valuesFor = (x: Tensor): Tensor<'f64'>[] => parameters.map((p) => p.of(x) as Tensor<'f64'>)
  const outputs = (x: Tensor<'f64'>): Tensor<'f64'> => {
    const [weight, bias, outer] = valuesFor(x)
    return mul(matmul(erf(add(matmul(x, transpose(weight)), bias)), outer), 1 / Math.sqrt(width))
  }
  const kernel = (x: Tensor<'f64'>): Tensor<'f64'> =>
    jacobian(outputs(x), valuesFor(x))
      .map((j) => reshape(j, [x.shape[0], -1]))
      .map((j) => matmul(j, transpose(j)))
      .reduce((k, part) => add(k, part))
  return { outputs, kernel }
}
