import { checkOptions, showValue } from '../ir/arguments.ts'
import { checkDtype, FLOATS } from '../ir/checks.ts'
import { GradcError } from '../ir/errors.ts'
import type { Init, Node } from '../ir/graph.ts'
import { add, cos, exp, mul, sin, sub } from '../ir/lang/pointwise.ts'
import type { Tensor } from '../ir/lang/tensor.ts'
import { concat, expandDims, reshape, slice, stack } from '../ir/lang/view.ts'
import type { DType } from '../ir/types.ts'
import { normal } from './init.ts'
import { layerOf, type Layer } from './layer.ts'
import { checkChoice } from './numbers.ts'
import { checkCount, checkFloat } from './options.ts'
import { Parameter } from './parameter.ts'

/** Options of {@link learnedPositionalEmbedding}. */
export interface PositionalOptions {
  /** Default normal(0, 0.02), as GPT-2. */
  readonly weightInit?: Init
  /** Element type of the table and of x; default `f32`. */
  readonly dtype?: DType
}

/**
 * x plus a learned vector a position: [..., L, dim] with L ≤ maxLength. The parameter is `weight` [maxLength, dim].
 * Errors: option/invalid; applied: shape/mismatch, dtype/mismatch.
 */
export function learnedPositionalEmbedding(maxLength: number, dim: number, options: PositionalOptions = {}): Layer {
  const name = 'learnedPositionalEmbedding'
  checkOptions(name, options, ['weightInit', 'dtype'])
  checkCount(name, 'the largest length', maxLength, `nn.${name}(128, 64)`)
  checkCount(name, 'the dimension', dim, `nn.${name}(128, 64)`)
  const { weightInit = normal(0, 0.02), dtype = 'f32' } = options
  checkFloat(name, dtype)
  const weight = new Parameter('weight', [maxLength, dim], weightInit, { dtype })
  return layerOf([['weight', weight]], (x) => {
    const [length, width] = x.shape.slice(-2)
    if (x.shape.length < 2 || width !== dim || length > maxLength) {
      throw new GradcError('shape/mismatch', `${name}(${maxLength}, ${dim}) was given [${x.shape.join(', ')}]`, {
        parties: [{ label: 'x', node: x }],
        hint: `x must be [..., L, ${dim}] with L up to ${maxLength}`,
      })
    }
    return add(x, slice(weight.of(x), { stop: length }))
  })
}

/** Options of {@link sinusoidalPositions}. */
export interface SinusoidalOptions {
  /** The longest wave is 2π times this many positions; default 10000. */
  readonly base?: number
}

/**
 * The vectors of positions 0..L−1 for x [..., L, E] with even E, [L, E]: sin(p/base^(2i/E)) at 2i and cos of it at 2i + 1
 * (Vaswani et al., NeurIPS 2017, 3.5). Add them: `add(x, nn.sinusoidalPositions(x))`. Computed from the position: no table.
 * Errors: shape/mismatch, dtype/unsupported, option/invalid.
 */
export function sinusoidalPositions<D extends DType>(x: Tensor<D>, options: SinusoidalOptions = {}): Tensor<D> {
  checkOptions('sinusoidalPositions', options, ['base'])
  const { base = 10_000 } = options
  checkPairs('sinusoidalPositions', x, base)
  const [length, width] = x.shape.slice(-2)
  const turn = angles(x, base, 0)
  return reshape(stack([sin(turn), cos(turn)], -1), [length, width])
}

/** Options of {@link rotary}. */
export interface RotaryOptions {
  /** The slowest pair turns once in 2π times this many positions; default 10000. */
  readonly base?: number
  /** Which features turn together: neighbours (2i, 2i+1) as in the paper (default), or (i, i + E/2) as in GPT-NeoX and Llama. */
  readonly pairs?: 'neighbours' | 'halves'
  /** Position of the first vector; default 0. */
  readonly offset?: number
}

/**
 * Rotary positions (Su et al., 2021): each pair of features of x [..., L, E], E even, turned by position/base^(2i/E) radians.
 * Turn queries and keys alike: their products then depend on the distance only.
 * Errors: shape/mismatch, dtype/unsupported, option/invalid.
 */
export function rotary<D extends DType>(x: Tensor<D>, options: RotaryOptions = {}): Tensor<D> {
  checkOptions('rotary', options, ['base', 'pairs', 'offset'])
  const { base = 10_000, pairs = 'neighbours', offset = 0 } = options
  checkPairs('rotary', x, base)
  checkChoice('rotary', 'pairs', pairs, ['neighbours', 'halves'])
  if (!Number.isInteger(offset)) {
    throw new GradcError('option/invalid', `rotary: offset must be an integer, got ${showValue(offset)}`)
  }
  const half = x.shape[x.shape.length - 1] / 2
  const before = x.shape.slice(0, -1)
  const near = pairs === 'neighbours'
  const split = reshape(x, near ? [...before, half, 2] : [...before, 2, half])
  const axis = near ? x.shape.length : x.shape.length - 1
  const [a, b] = [0, 1].map((i) => reshape(slice(split, ...whole(axis), { start: i, stop: i + 1 }), [...before, half]))
  const turn = angles(x, base, offset)
  const [c, s] = [cos(turn), sin(turn)]
  const turned = [sub(mul(a, c), mul(b, s)), add(mul(a, s), mul(b, c))]
  return near ? reshape(concat(turned.map((t) => expandDims(t, -1)), axis), x.shape) : concat(turned, axis)
}

const whole = (n: number): null[] => new Array<null>(n).fill(null)

/** position / base^(2i/E) in radians, [L, E/2]. */
function angles<D extends DType>(x: Tensor<D>, base: number, offset: number): Tensor<D> {
  const [length, width] = x.shape.slice(-2)
  const shape = [length, width / 2]
  const [position, pair] = [0, 1].map((axis) => x.builder.iota(shape, axis, x.dtype) as Tensor<D>)
  return mul(add(position, offset), exp(mul(pair, (-2 * Math.log(base)) / width)))
}

function checkPairs(name: string, x: Node, base: number): void {
  checkDtype(name, FLOATS, [x])
  if (typeof base !== 'number' || !(base > 0) || !Number.isFinite(base)) {
    throw new GradcError('option/invalid', `${name}: base must be a positive number, got ${showValue(base)}`)
  }
  const width = x.shape.at(-1)
  if (x.shape.length > 1 && width! > 0 && width! % 2 === 0) return
  throw new GradcError('shape/mismatch', `${name} takes [..., L, E] with even E, got [${x.shape.join(', ')}]`, {
    parties: [{ label: 'x', node: x }],
    hint: 'features come last, in pairs',
  })
}
