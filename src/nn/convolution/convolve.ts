import { checkOptions, checkTensors, showValue } from '../../ir/arguments.ts'
import { checkDtype, checkSameDtype, NUMBERS } from '../../ir/checks.ts'
import { GradcError, type Party } from '../../ir/errors.ts'
import { einsum } from '../../ir/lang/contract.ts'
import { add } from '../../ir/lang/pointwise.ts'
import type { Agree, Tensor } from '../../ir/lang/tensor.ts'
import { reshape, window } from '../../ir/lang/view.ts'
import { sameShape, showType, sizeOf, type DType, type Shape, type TensorType } from '../../ir/types.ts'
import { checkMargins, extended, modeOf, type Margin, type PaddingMode } from './margins.ts'
import { checkImages, checkReach, countOf, LEADING, reachOf, sizesOf, spatialAxes, type Sizes } from './sizes.ts'

/** How a kernel slides over its input. */
export interface SlidingOptions {
  /** Steps from one position to the next; default 1. */
  readonly stride?: Sizes
  /**
   * Elements added at both ends of each spatial axis (default 0); `valid` is 0, `same` keeps the extents (stride 1 only; if
   * the sum is odd the end gets one more).
   */
  readonly padding?: Sizes | 'same' | 'valid'
  /** Distance of the elements that the kernel touches; default 1. */
  readonly dilation?: Sizes
  /** Input and output channels fall into so many groups that do not see each other; default 1. */
  readonly groups?: number
  /** What the padding holds; default zeros. */
  readonly paddingMode?: PaddingMode
}

/** Options of {@link convolve}. */
export interface ConvolveOptions extends SlidingOptions {
  /** Added to each output channel: [out]. */
  readonly bias?: Tensor
}

/** Checked options of a convolution over `rank` spatial axes. */
export interface Sliding {
  readonly whose: string
  readonly rank: number
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  readonly groups: number
  readonly mode: PaddingMode
  /** What is added around each spatial axis, for a kernel of these extents. */
  margins(kernel: readonly number[]): readonly Margin[]
}

/** Names of the options of {@link SlidingOptions}. */
export const SLIDING: readonly string[] = ['stride', 'padding', 'dilation', 'groups', 'paddingMode']

/** Checks the options. Errors: option/invalid. */
export function slidingOf(whose: string, rank: number, options: SlidingOptions): Sliding {
  const stride = sizesOf(whose, 'stride', options.stride ?? 1, rank, 1)
  const dilation = sizesOf(whose, 'dilation', options.dilation ?? 1, rank, 1)
  const groups = countOf(whose, 'groups', options.groups ?? 1)
  const mode = modeOf(whose, options.paddingMode ?? 'zeros')
  const { padding = 0 } = options
  const common = { whose, rank, stride, dilation, groups, mode }
  if (padding === 'same') {
    if (stride.some((s) => s !== 1)) {
      throw new GradcError('option/invalid', `${whose}: padding 'same' needs stride 1, got ${stride.join(', ')}`, {
        hint: 'give the padding as numbers',
      })
    }
    // PyTorch's order: the end gets the odd one.
    return { ...common, margins: (kernel) => kernel.map((k, i) => halves((k - 1) * dilation[i])) }
  }
  if (typeof padding === 'string' && padding !== 'valid') {
    throw new GradcError('option/invalid', `${whose}: padding cannot be ${showValue(padding)}`, {
      hint: `numbers, 'same' or 'valid'`,
    })
  }
  const both = sizesOf(whose, 'padding', padding === 'valid' ? 0 : padding, rank, 0).map((p): Margin => [p, p])
  return { ...common, margins: () => both }
}

const halves = (total: number): Margin => [Math.floor(total / 2), Math.ceil(total / 2)]

/** Labels of positions and kernel axes in specifications. */
export const POSITIONS = 'xyz'
export const KERNEL = 'ijk'

/**
 * Cross-correlation, as PyTorch's conv1d, conv2d and conv3d: x [n, in, ...] with weight [out, in / groups, ...kernel] to
 * [n, out, ...], where y[n, o, p] = bias[o] + Σ x[n, c, p·stride + k·dilation − padding]·weight[o, c, k]. One contraction over a
 * window view, without a buffer for patches. An axis of L gives ⌊(L + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1.
 * Errors: option/invalid, shape/contract (channels), shape/mismatch (rank, reach, bias), dtype/mismatch, dtype/unsupported.
 */
export function convolve<D extends DType, E extends DType>(
  x: Tensor<D>, weight: Tensor<E> & Agree<D, E>, options: ConvolveOptions = {},
): Tensor<D & E> {
  checkTensors('convolve', [x, weight])
  checkOptions('convolve', options, [...SLIDING, 'bias'])
  const rank = weight.shape.length - LEADING
  if (rank < 1 || rank > 3) {
    throw new GradcError('shape/mismatch', 'convolve takes a weight [out, in / groups, ...kernel], rank 3 to 5', {
      parties: [{ label: 'x', node: x }, { label: 'weight', node: weight }],
      hint: 'for x [n, c, h, w]: weight [out, c, kh, kw]',
    })
  }
  const sliding = slidingOf('convolve', rank, options)
  checkInput(x, weight, showType(weight), sliding, [{ label: 'weight', node: weight }])
  const { bias = null } = options
  if (bias !== null) checkTensors('the bias of convolve', [bias])
  return convolved(x, weight as Tensor, bias, sliding) as Tensor<D & E>
}

/** Does the weight, told by its text and type, fit to x? Nothing is declared before. */
export function checkInput(x: Tensor, weight: TensorType, shown: string, sliding: Sliding, parties: readonly Party[]): void {
  const { whose, rank, groups, dilation } = sliding
  const [outputs, inputs, ...kernel] = weight.shape
  checkImages(`${whose} with ${shown}`, x, rank, parties)
  if (outputs % groups !== 0) {
    throw new GradcError('option/invalid', `${whose} with ${shown}: ${groups} groups do not divide ${outputs} output channels`, {
      parties: [{ label: 'x', node: x }, ...parties],
      hint: 'groups must divide both in and out',
    })
  }
  checkChannels(whose, x, inputs * groups, shown, parties)
  if (kernel.includes(0)) {
    throw new GradcError('shape/invalid', `${whose} with ${shown}: a kernel needs at least one element`, {
      parties: [{ label: 'x', node: x }, ...parties],
    })
  }
  const margins = sliding.margins(kernel)
  checkReach(`${whose} with ${shown}`, x, kernel.map((k, i) => reachOf(k, dilation[i])), margins, parties)
  checkMargins(`${whose} with ${shown}`, x, margins, sliding.mode, parties)
}

/** The channels of x must be those of the weight: else shape/contract. */
export function checkChannels(whose: string, x: Tensor, inputs: number, shown: string, parties: readonly Party[]): void {
  if (x.shape[1] === inputs) return
  const order = [0, -1, ...x.shape.slice(LEADING).map((_, i) => i + 1)]
  throw new GradcError('shape/contract', `${whose} with ${shown}: cannot contract ${x.shape[1]} channels with ${inputs}`, {
    parties: [{ label: 'x', node: x, mark: { axis: 1, text: `must equal ${inputs}, the channels of the weight` } }, ...parties],
    hint: x.shape.at(-1) === inputs
      ? `channels stand before the spatial axes: transpose(x, [${order.join(', ')}])`
      : `a kernel for ${x.shape[1]} input channels`,
  })
}

/** The convolution itself, of checked operands. */
export function convolved(x: Tensor, weight: Tensor, bias: Tensor | null, sliding: Sliding): Tensor {
  const { whose, rank, groups, stride, dilation } = sliding
  checkSameDtype(whose, [x, weight])
  checkDtype(whose, NUMBERS, [x])
  const [outputs, inputs, ...kernel] = weight.shape
  const [p, k] = [POSITIONS.slice(0, rank), KERNEL.slice(0, rank)]
  const split = parted(groups, inputs, outputs / groups)
  // Groups are parted after padding: a reshape of what is stored anyway costs nothing, here and in the gradient.
  const padded = extended(x, sliding.margins(kernel), sliding.mode)
  const channels = reshape(padded, [x.shape[0], ...split.c.map((l) => split.extents[l]), ...padded.shape.slice(LEADING)])
  const axes = spatialAxes(rank).map((a) => a + split.c.length - 1)
  const patches = window(channels, { axes, size: kernel, stride, dilation })
  const labels = [...new Set([...split.o, ...split.c])]
  const weights = reshape(weight, [...labels.map((l) => split.extents[l]), ...kernel])
  const y = einsum(`n${split.c.join('')}${p}${k},${labels.join('')}${k}->n${split.o.join('')}${p}`, patches, weights)
  return merged(biased(whose, y, bias, rank), outputs, rank)
}

/** A label of channels: group, input or output channel of a group. */
type ChannelLabel = 'g' | 'c' | 'o'

/** Which labels input and output channels have: groups, and channels of a group if there are several. */
export function parted(groups: number, inputs: number, outputs: number): {
  c: ChannelLabel[]; o: ChannelLabel[]; extents: Record<ChannelLabel, number>
} {
  const extents = { g: groups, c: inputs, o: outputs }
  if (groups === 1) return { c: ['c'], o: ['o'], extents }
  // An axis of extent 1 (depthwise) would keep the kernels that follow from joining in.
  return { c: inputs === 1 ? ['g'] : ['g', 'c'], o: outputs === 1 ? ['g'] : ['g', 'o'], extents }
}

/** Groups and their channels as one axis again. */
export const merged = (y: Tensor, outputs: number, rank: number): Tensor =>
  reshape(y, [y.shape[0], outputs, ...y.shape.slice(y.shape.length - rank)])

/**
 * One number for each output channel added: to [n, out, ...], or to [n, group, out / groups, ...], so that it joins the kernel
 * of the contraction. Errors: shape/mismatch, dtype/mismatch.
 */
export function biased(whose: string, y: Tensor, bias: Tensor | null, rank: number): Tensor {
  if (bias === null) return y
  const channels = y.shape.slice(1, y.shape.length - rank)
  const shape: Shape = [sizeOf(channels)]
  if (!sameShape(bias.shape, shape)) {
    throw new GradcError('shape/mismatch', `${whose}: the bias must be [${shape[0]}], one an output channel`, {
      parties: [{ label: 'bias', node: bias }],
      hint: `a tensor ${showType({ dtype: y.dtype, shape })}`,
    })
  }
  return add(y, reshape(bias, [...channels, ...new Array<number>(rank).fill(1)]))
}
