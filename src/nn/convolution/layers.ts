import { checkOptions, checkTensors } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Init } from '../../ir/graph.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { showType, sizeOf, type DType, type Shape } from '../../ir/types.ts'
import { uniform } from '../init.ts'
import { layerOf, type Layer } from '../layer.ts'
import { Parameter } from '../parameter.ts'
import { checkInput, convolved, SLIDING, slidingOf, type SlidingOptions } from './convolve.ts'
import { checkSpread, convolvedTransposed, SPREADING, spreadingOf, type SpreadingOptions } from './convolve-transposed.ts'
import { countOf, sizesOf, switchOf, type Sizes } from './sizes.ts'

/** What the parameters of a convolution are. */
export interface KernelOptions {
  /** Whether to add a bias; default true. */
  readonly bias?: boolean
  /** Default uniform in ±1/√fan in, as PyTorch: the elements that one output channel's kernel has. */
  readonly weightInit?: Init
  /** Default as `weightInit`. */
  readonly biasInit?: Init
  /** Element type of the parameters and of x; default `f32`. */
  readonly dtype?: DType
}

/** Options of {@link conv1d}, {@link conv2d} and {@link conv3d}. */
export interface ConvOptions extends SlidingOptions, KernelOptions {}
/** Options of {@link convTranspose1d}, {@link convTranspose2d} and {@link convTranspose3d}. */
export interface ConvTransposeOptions extends SpreadingOptions, KernelOptions {}

const KERNEL_OPTIONS = ['bias', 'weightInit', 'biasInit', 'dtype']

/**
 * Convolution over [n, in, length]: see {@link conv2d}. Parameters `weight` [out, in / groups, k] and `bias` [out].
 * Errors: option/invalid here; shape/contract, shape/mismatch, dtype/mismatch when applied.
 */
export const conv1d = (inputs: number, outputs: number, kernel: Sizes, options: ConvOptions = {}): Layer =>
  convolution('conv1d', 1, inputs, outputs, kernel, options)

/**
 * Convolution over [n, in, height, width] to [n, out, ...] as PyTorch's Conv2d, which is a cross-correlation: see `convolve`
 * for the formula and the extents. Parameters in PyTorch's layout: `weight` [out, in / groups, kh, kw] and `bias` [out].
 * Depthwise with `groups` equal to `in`.
 * Errors: option/invalid here; shape/contract, shape/mismatch, dtype/mismatch when applied.
 */
export const conv2d = (inputs: number, outputs: number, kernel: Sizes, options: ConvOptions = {}): Layer =>
  convolution('conv2d', 2, inputs, outputs, kernel, options)

/**
 * Convolution over [n, in, depth, height, width]: see {@link conv2d}. Parameters `weight` [out, in / groups, kd, kh, kw] and
 * `bias` [out]. Errors: option/invalid here; shape/contract, shape/mismatch, dtype/mismatch when applied.
 */
export const conv3d = (inputs: number, outputs: number, kernel: Sizes, options: ConvOptions = {}): Layer =>
  convolution('conv3d', 3, inputs, outputs, kernel, options)

/**
 * Transposed convolution over [n, in, length]: see {@link convTranspose2d}. Parameters `weight` [in, out / groups, k] and
 * `bias` [out]. Errors: option/invalid here; shape/contract, shape/mismatch, dtype/mismatch when applied.
 */
export const convTranspose1d = (inputs: number, outputs: number, kernel: Sizes, options: ConvTransposeOptions = {}): Layer =>
  transposed('convTranspose1d', 1, inputs, outputs, kernel, options)

/**
 * Transposed convolution over [n, in, height, width] to [n, out, ...] as PyTorch's ConvTranspose2d: see `convolveTransposed` for
 * what it computes and the extents. Parameters in PyTorch's layout: `weight` [in, out / groups, kh, kw] and `bias` [out].
 * Errors: option/invalid here; shape/contract, shape/mismatch, dtype/mismatch when applied.
 */
export const convTranspose2d = (inputs: number, outputs: number, kernel: Sizes, options: ConvTransposeOptions = {}): Layer =>
  transposed('convTranspose2d', 2, inputs, outputs, kernel, options)

/**
 * Transposed convolution over [n, in, depth, height, width]: see {@link convTranspose2d}.
 * Errors: option/invalid here; shape/contract, shape/mismatch, dtype/mismatch when applied.
 */
export const convTranspose3d = (inputs: number, outputs: number, kernel: Sizes, options: ConvTransposeOptions = {}): Layer =>
  transposed('convTranspose3d', 3, inputs, outputs, kernel, options)

function convolution(whose: string, rank: number, inputs: number, outputs: number, kernel: Sizes, options: ConvOptions): Layer {
  checkOptions(whose, options, [...SLIDING, ...KERNEL_OPTIONS])
  const sliding = slidingOf(whose, rank, options)
  const sizes = checked(whose, rank, inputs, outputs, kernel, sliding.groups)
  return withKernel(whose, [outputs, inputs / sliding.groups, ...sizes], outputs, options, (x, weight, bias) => {
    checkInput(x, weight.type, `${JSON.stringify(weight.name)} ${showType(weight.type)}`, sliding, [])
    return convolved(x, weight.of(x), bias && bias.of(x), sliding)
  })
}

function transposed(
  whose: string, rank: number, inputs: number, outputs: number, kernel: Sizes, options: ConvTransposeOptions,
): Layer {
  checkOptions(whose, options, [...SPREADING, ...KERNEL_OPTIONS])
  const spreading = spreadingOf(whose, rank, options)
  const sizes = checked(whose, rank, inputs, outputs, kernel, spreading.groups)
  return withKernel(whose, [inputs, outputs / spreading.groups, ...sizes], outputs, options, (x, weight, bias) => {
    checkSpread(x, weight.type, `${JSON.stringify(weight.name)} ${showType(weight.type)}`, spreading, [])
    return convolvedTransposed(x, weight.of(x), bias && bias.of(x), spreading)
  })
}

/** The kernel's extents, once channels and groups are sound. */
function checked(
  whose: string, rank: number, inputs: unknown, outputs: unknown, kernel: unknown, groups: number,
): readonly number[] {
  const channels = {
    in: countOf(whose, 'the number of input channels', inputs),
    out: countOf(whose, 'the number of output channels', outputs),
  }
  for (const [side, n] of Object.entries(channels)) {
    if (n % groups === 0) continue
    const call = `${whose}(${channels.in}, ${channels.out})`
    throw new GradcError('option/invalid', `${call}: ${groups} groups do not divide ${n} ${side}put channels`, {
      hint: 'groups must divide both; depthwise is groups equal to the input channels',
    })
  }
  return sizesOf(whose, 'the kernel', kernel, rank, 1)
}

type Forward = (x: Tensor, weight: Parameter, bias: Parameter | null) => Tensor

/** A layer with a weight and a bias, both started from the fan in that PyTorch counts: all but the weight's first axis. */
function withKernel(whose: string, shape: Shape, outputs: number, options: KernelOptions, forward: Forward): Layer {
  const bound = 1 / Math.sqrt(sizeOf(shape.slice(1)))
  const { weightInit = uniform(-bound, bound), biasInit = uniform(-bound, bound), dtype = 'f32' } = options
  const weight = new Parameter('weight', shape, weightInit, { dtype })
  const bias = switchOf(whose, 'bias', options.bias ?? true) ? new Parameter('bias', [outputs], biasInit, { dtype }) : null
  return layerOf([['weight', weight], ...(bias ? [['bias', bias] as const] : [])], (x) => {
    checkTensors(whose, [x])
    return forward(x, weight, bias)
  })
}
