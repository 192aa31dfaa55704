import { checkOptions, checkTensors } from '../../ir/arguments.ts'
import { checkDtype, FLOATS } from '../../ir/checks.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { pad, reshape, window } from '../../ir/lang/view.ts'
import { checkImages, checkReach, LEADING, reachOf, sizesOf, spatialAxes, switchOf, type Sizes } from '../convolution/sizes.ts'

/** How the windows of a pooling lie. */
export interface PoolOptions {
  /** Steps from one window to the next; default the kernel: windows side by side. */
  readonly stride?: Sizes
  /** Elements added at both ends of each spatial axis, at most half of what a window reaches over; default 0. */
  readonly padding?: Sizes
  /** Windows that begin inside but reach over the end count too; default false. */
  readonly ceilMode?: boolean
}

/** Checked windows of a pooling over `rank` spatial axes. */
export interface Pooling {
  readonly whose: string
  readonly rank: number
  readonly size: readonly number[]
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  readonly padding: readonly number[]
  readonly ceil: boolean
}

/** Checks kernel and options. Errors: option/invalid. */
export function poolingOf(
  whose: string, rank: number, kernel: Sizes, options: PoolOptions & { readonly dilation?: Sizes }, more: readonly string[],
): Pooling {
  checkOptions(whose, options, ['stride', 'padding', 'ceilMode', ...more])
  const size = sizesOf(whose, 'the kernel', kernel, rank, 1)
  const stride = sizesOf(whose, 'stride', options.stride ?? size, rank, 1)
  const dilation = sizesOf(whose, 'dilation', options.dilation ?? 1, rank, 1)
  const padding = sizesOf(whose, 'padding', options.padding ?? 0, rank, 0)
  padding.forEach((p, i) => {
    const reach = reachOf(size[i], dilation[i])
    const most = Math.floor(reach / 2)
    if (p <= most) return
    throw new GradcError('option/invalid', `${whose}: padding ${p} is more than half of a window that reaches over ${reach}`, {
      hint: `at most ${most}: a window must meet elements`,
    })
  })
  return { whose, rank, size, stride, dilation, padding, ceil: switchOf(whose, 'ceilMode', options.ceilMode ?? false) }
}

/** Is x a batch of images of floats with elements along each spatial axis, and does a window fit? */
export function checkPooled(x: Tensor, { whose, rank, size, dilation, padding }: Pooling): void {
  checkTensors(whose, [x])
  checkDtype(whose, FLOATS, [x])
  checkImages(whose, x, rank)
  checkFilled(whose, x)
  checkReach(whose, x, size.map((k, i) => reachOf(k, dilation[i])), padding.map((p) => [p, p]))
}

/** Each spatial axis must have elements: else shape/mismatch. */
export function checkFilled(whose: string, x: Tensor): void {
  const empty = x.shape.findIndex((d, a) => a >= LEADING && d === 0)
  if (empty < 0) return
  throw new GradcError('shape/mismatch', `${whose} of an axis without elements`, {
    parties: [{ label: 'x', node: x, mark: { axis: empty, text: 'must be at least 1' } }],
    hint: 'only the batch may be empty',
  })
}

/** Positions along a spatial axis of x, and how much the last window reaches over the padded end. */
export function positionsOf(x: Tensor, i: number, pooling: Pooling): { count: number; over: number } {
  const { size, stride, dilation, padding, ceil } = pooling
  const extent = x.shape[LEADING + i]
  const free = extent + 2 * padding[i] - reachOf(size[i], dilation[i])
  let count = Math.floor(free / stride[i]) + 1
  if (ceil) {
    count = Math.ceil(free / stride[i]) + 1
    // As PyTorch: the last window must begin inside x or its left padding.
    if ((count - 1) * stride[i] >= extent + padding[i]) count--
  }
  return { count, over: Math.max(0, (count - 1) * stride[i] - free) }
}

/** The windows of x and the axes to fold: [n, c, ...positions, ...kernel], or blocks side by side. */
export function windowsOf(x: Tensor, pooling: Pooling, fill: number): { view: Tensor; axes: number[] } {
  const { rank, size, stride, dilation, padding } = pooling
  const spatial = spatialAxes(rank)
  const at = spatial.map((_, i) => positionsOf(x, i, pooling))
  const margins = at.map(({ over }, i) => [padding[i], padding[i] + over])
  const padded = margins.some(([low, high]) => low + high > 0) ? pad(x, [[0, 0], [0, 0], ...margins], fill) : x
  const tiles = spatial.every((a, i) => stride[i] === size[i] && dilation[i] === 1 && at[i].count * size[i] === padded.shape[a])
  if (tiles) {
    // Windows that touch without a rest are blocks, whose gradient need not be added where windows overlap.
    const view = reshape(padded, [...x.shape.slice(0, LEADING), ...at.flatMap(({ count }, i) => [count, size[i]])])
    return { view, axes: spatial.map((_, i) => LEADING + 2 * i + 1) }
  }
  return { view: window(padded, { axes: spatial, size, stride, dilation }), axes: spatial.map((a) => a + rank) }
}
