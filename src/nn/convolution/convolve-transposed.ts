import { checkOptions, checkTensors } from '../../ir/arguments.ts'
import { checkDtype, checkSameDtype, NUMBERS } from '../../ir/checks.ts'
import { GradcError, type Party } from '../../ir/errors.ts'
import { einsum } from '../../ir/lang/contract.ts'
import { apply, type Agree, type Tensor } from '../../ir/lang/tensor.ts'
import { pad, reshape, slice } from '../../ir/lang/view.ts'
import { showType, type DType, type TensorType } from '../../ir/types.ts'
import { biased, checkChannels, KERNEL, merged, parted, POSITIONS } from './convolve.ts'
import { checkImages, countOf, LEADING, reachOf, sizesOf, spatialAxes, type Sizes } from './sizes.ts'

/** How a kernel spreads what it reads; the options of the convolution that this is the transpose of. */
export interface SpreadingOptions {
  /** Distance of the places that neighbours are spread around; default 1. */
  readonly stride?: Sizes
  /** Elements cut off at both ends of each spatial axis; default 0. */
  readonly padding?: Sizes
  /** Elements more at the end of each spatial axis, fewer than stride or dilation; default 0. */
  readonly outputPadding?: Sizes
  /** Distance of the elements that the kernel touches; default 1. */
  readonly dilation?: Sizes
  /** Input and output channels fall into so many groups that do not see each other; default 1. */
  readonly groups?: number
}

/** Options of {@link convolveTransposed}. */
export interface ConvolveTransposedOptions extends SpreadingOptions {
  /** Added to each output channel: [out]. */
  readonly bias?: Tensor
}

/** Checked options of a transposed convolution over `rank` spatial axes. */
export interface Spreading {
  readonly whose: string
  readonly rank: number
  readonly stride: readonly number[]
  readonly padding: readonly number[]
  readonly outputPadding: readonly number[]
  readonly dilation: readonly number[]
  readonly groups: number
}

/** Names of the options of {@link SpreadingOptions}. */
export const SPREADING: readonly string[] = ['stride', 'padding', 'outputPadding', 'dilation', 'groups']

/** Checks the options. Errors: option/invalid. */
export function spreadingOf(whose: string, rank: number, options: SpreadingOptions): Spreading {
  const stride = sizesOf(whose, 'stride', options.stride ?? 1, rank, 1)
  const dilation = sizesOf(whose, 'dilation', options.dilation ?? 1, rank, 1)
  const padding = sizesOf(whose, 'padding', options.padding ?? 0, rank, 0)
  const outputPadding = sizesOf(whose, 'outputPadding', options.outputPadding ?? 0, rank, 0)
  outputPadding.forEach((extra, i) => {
    if (extra < Math.max(stride[i], dilation[i])) return
    const steps = `stride ${stride[i]} and dilation ${dilation[i]}`
    throw new GradcError('option/invalid', `${whose}: outputPadding ${extra} with ${steps}`, {
      hint: 'it chooses among the extents that one stride maps to the same one, so it is smaller than stride or dilation',
    })
  })
  return { whose, rank, stride, padding, outputPadding, dilation, groups: countOf(whose, 'groups', options.groups ?? 1) }
}

/**
 * The transpose (the gradient by its input) of a convolution, as PyTorch's conv_transpose: x [n, in, ...] with weight
 * [in, out / groups, ...kernel] to [n, out, ...]. Each element adds its multiple of the kernel around its place; an axis of
 * L gives (L − 1)·stride − 2·padding + dilation·(kernel − 1) + outputPadding + 1. One contraction over a window view where the stride is 1
 * or divides the kernel, several of them or patches that are stored and added elsewhere, whichever is estimated cheaper.
 * Errors: option/invalid, shape/contract (channels), shape/mismatch (rank, no elements left, bias), dtype/mismatch,
 * dtype/unsupported.
 */
export function convolveTransposed<D extends DType, E extends DType>(
  x: Tensor<D>, weight: Tensor<E> & Agree<D, E>, options: ConvolveTransposedOptions = {},
): Tensor<D & E> {
  checkTensors('convolveTransposed', [x, weight])
  checkOptions('convolveTransposed', options, [...SPREADING, 'bias'])
  const rank = weight.shape.length - LEADING
  if (rank < 1 || rank > 3) {
    throw new GradcError('shape/mismatch', 'convolveTransposed takes a weight [in, out / groups, ...kernel], rank 3 to 5', {
      parties: [{ label: 'x', node: x }, { label: 'weight', node: weight }],
      hint: 'for x [n, c, h, w]: weight [c, out, kh, kw]',
    })
  }
  const spreading = spreadingOf('convolveTransposed', rank, options)
  checkSpread(x, weight, showType(weight), spreading, [{ label: 'weight', node: weight }])
  const { bias = null } = options
  if (bias !== null) checkTensors('the bias of convolveTransposed', [bias])
  return convolvedTransposed(x, weight as Tensor, bias, spreading) as Tensor<D & E>
}

/** Does the weight, told by its text and type, fit to x? Nothing is declared before. */
export function checkSpread(x: Tensor, weight: TensorType, shown: string, spreading: Spreading, parties: readonly Party[]): void {
  const { whose, rank, groups } = spreading
  const [inputs, , ...kernel] = weight.shape
  checkImages(`${whose} with ${shown}`, x, rank, parties)
  const all: readonly Party[] = [{ label: 'x', node: x }, ...parties]
  if (inputs % groups !== 0) {
    throw new GradcError('option/invalid', `${whose} with ${shown}: ${groups} groups do not divide ${inputs} input channels`, {
      parties: all, hint: 'groups must divide both in and out',
    })
  }
  checkChannels(whose, x, inputs, shown, parties)
  if (kernel.includes(0)) {
    throw new GradcError('shape/invalid', `${whose} with ${shown}: a kernel needs at least one element`, { parties: all })
  }
  extents(x, kernel, spreading).forEach(({ out }, i) => {
    const at = i + LEADING
    if (x.shape[at] >= 1 && out >= 1) return
    throw new GradcError('shape/mismatch', `${whose} with ${shown}: spatial axis ${i} of ${x.shape[at]} would become ${out}`, {
      parties: all, hint: x.shape[at] < 1 ? 'x needs at least one element an axis' : 'less padding',
    })
  })
}

/** Per spatial axis: how far the spread elements reach, how much of outputPadding fits into the last stride, what remains. */
function extents(x: Tensor, kernel: readonly number[], { stride, dilation, padding, outputPadding }: Spreading): {
  reached: number; rest: number; out: number
}[] {
  return kernel.map((k, i) => {
    const full = (x.shape[i + LEADING] - 1) * stride[i] + reachOf(k, dilation[i])
    const inStride = Math.min(outputPadding[i], stride[i] - 1)
    return { reached: full + inStride, rest: outputPadding[i] - inStride, out: full + outputPadding[i] - 2 * padding[i] }
  })
}

/** The transposed convolution itself, of checked operands. */
export function convolvedTransposed(x: Tensor, weight: Tensor, bias: Tensor | null, spreading: Spreading): Tensor {
  const { whose, rank, groups, stride, dilation, padding } = spreading
  checkSameDtype(whose, [x, weight])
  checkDtype(whose, NUMBERS, [x])
  const [inputs, outputs, ...kernel] = weight.shape
  const [p, k] = [POSITIONS.slice(0, rank), KERNEL.slice(0, rank)]
  const [n, , ...positions] = x.shape
  const split = parted(groups, inputs / groups, outputs)
  const sizes = extents(x, kernel, spreading)
  const channels = reshape(x, [n, ...split.c.map((l) => split.extents[l]), ...positions])
  const labels = [...new Set([...split.c, ...split.o])]
  const weights = reshape(weight, [...labels.map((l) => split.extents[l]), ...kernel])
  const patches = einsum(`n${split.c.join('')}${p},${labels.join('')}${k}->n${split.o.join('')}${p}${k}`, channels, weights)
  const lead = [n, ...split.o.map((l) => split.extents[l])]
  const axes = spatialAxes(rank).map((a) => a + split.o.length - 1)
  const shape = [...lead, ...sizes.map((s) => s.reached)]
  const added = apply('overlapAdd', [patches], { shape, axes, size: kernel, stride, dilation })
  // Where dilation exceeds stride the last elements of outputPadding lie beyond every window: zeros.
  const longer = sizes.some((s) => s.rest > 0) ? pad(added, [...lead.map(() => [0, 0]), ...sizes.map((s) => [0, s.rest])]) : added
  const cut = sizes.map((s, i) => ({ start: padding[i], stop: padding[i] + s.out }))
  return merged(biased(whose, slice(longer, ...lead.map(() => null), ...cut), bias, rank), groups * outputs, rank)
}
