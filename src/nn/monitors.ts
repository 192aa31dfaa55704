import { checkTensors, showValue } from '../ir/arguments.ts'
import { checkDtype, FLOATS, refuse } from '../ir/checks.ts'
import { GradcError } from '../ir/errors.ts'
import type { Builder } from '../ir/builder.ts'
import type { Node } from '../ir/graph.ts'
import { cast, equal, sqrt, square, stopGradient, sub } from '../ir/lang/pointwise.ts'
import { mean } from '../ir/lang/reduce.ts'
import type { Scalar, Tensor } from '../ir/lang/tensor.ts'

/** What {@link activationStatistics} tells about one tensor. */
export type ActivationStatistics<N extends string> = { readonly [K in `${N}:${'mean' | 'std' | 'zeros'}`]: Scalar<'f32'> }

/**
 * Mean, standard deviation (of all elements, biased) and fraction of exact zeros of a tensor, as f32 scalars to be returned
 * beside the loss; NaN if x is empty. They take no part in gradients.
 *
 *     return { loss, ...nn.activationStatistics('hidden', h) }       // 'hidden:mean', 'hidden:std', 'hidden:zeros'
 *
 * Which op made the first NaN is told by `load({ checkFinite: true })` and `program.firstNonFinite`.
 * x is f32 or f64. Errors: name/invalid, dtype/unsupported.
 */
export function activationStatistics<N extends string>(name: N, x: Tensor): ActivationStatistics<N> {
  checkName(name)
  checkDtype('activationStatistics', FLOATS, [x])
  const fixed = stopGradient(x)
  const centre = mean(fixed)
  const statistics = {
    [`${name}:mean`]: cast(centre, 'f32'),
    [`${name}:std`]: cast(sqrt(mean(square(sub(fixed, centre)))), 'f32'),
    [`${name}:zeros`]: mean(cast(equal(fixed, 0), 'f32')),
  }
  return statistics as ActivationStatistics<N>
}

/** See {@link watch}. */
export interface Watch {
  /** Remembers a tensor, and gives it back. Errors: name/invalid, name/duplicate, dtype/unsupported. */
  <T extends Tensor>(name: string, x: T): T
  /** The function, with its value remembered at each use. Errors: name/invalid, option/invalid; used: as above. */
  (name: string, f: (x: Tensor) => Tensor): (x: Tensor) => Tensor
  /** {@link activationStatistics} of all that the function which `x` belongs to made so far. */
  results(x: Node): { readonly [name: string]: Scalar<'f32'> }
}

/**
 * Statistics of activations within a model, asked for by one function and free for the others: nothing is computed unless
 * the results are returned.
 *
 *     const watch = nn.watch()
 *     const net = nn.sequential(nn.linear(784, 128), watch('hidden', nn.relu), nn.linear(128, 10))
 *     fn({ x, y }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y), ...watch.results(x) }))
 */
export function watch(): Watch {
  const seen = new WeakMap<Builder, Map<string, Tensor>>()
  const remember = <T extends Tensor>(name: string, x: T): T => {
    checkDtype('watch', FLOATS, [x])
    const tensors = seen.get(x.builder) ?? new Map<string, Tensor>()
    seen.set(x.builder, tensors)
    const before = tensors.get(name)
    if (before && before !== x) {
      refuse('name/duplicate', `two tensors are watched as ${JSON.stringify(name)}`, [before, x], 'give each a name of its own')
    }
    tensors.set(name, x)
    return x
  }
  const watched = (name: string, what: unknown): unknown => {
    checkName(name)
    if (typeof what !== 'function') return remember(name, what as Tensor)
    if ('parameters' in what) {
      const quoted = JSON.stringify(name)
      throw new GradcError('option/invalid', `watch(${quoted}) was given a layer, whose parameters would change their names`, {
        hint: `watch what it gives: watch(${quoted}, layer(x)), or the activation that follows`,
      })
    }
    return (x: Tensor): Tensor => remember(name, (what as (x: Tensor) => Tensor)(x))
  }
  const results = (x: Node): object => {
    checkTensors('watch.results', [x])
    return Object.assign({}, ...[...(seen.get(x.builder) ?? [])].map(([name, t]) => activationStatistics(name, t)))
  }
  return Object.assign(watched, { results }) as Watch
}

function checkName(name: unknown): void {
  if (typeof name === 'string' && name !== '') return
  throw new GradcError('name/invalid', `statistics cannot be named ${showValue(name)}`, {
    hint: "nn.activationStatistics('hidden', h)",
  })
}
