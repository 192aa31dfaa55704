import { showValue } from '../../ir/arguments.ts'
import { GradcError, type Party } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'
import { broadcastTo, type Tensor } from '../../ir/lang/tensor.ts'
import { concat, flip, pad, slice } from '../../ir/lang/view.ts'

/** What stands in the margins: zeros, the mirror image without the edge, the opposite end, or the edge repeated. */
export type PaddingMode = 'zeros' | 'reflect' | 'circular' | 'replicate'

/** Elements before and after an axis. */
export type Margin = readonly [low: number, high: number]

const MODES: readonly PaddingMode[] = ['zeros', 'reflect', 'circular', 'replicate']

/** A known mode. Errors: option/invalid. */
export function modeOf(whose: string, value: unknown): PaddingMode {
  if (MODES.includes(value as PaddingMode)) return value as PaddingMode
  throw new GradcError('option/invalid', `${whose}: paddingMode cannot be ${showValue(value)}`, {
    hint: `one of ${MODES.join(', ')}`,
  })
}

/**
 * As in PyTorch a mirror needs more elements than its margin, a circle at least as many, and a repeated edge one: else
 * shape/mismatch. The margins belong to the last axes.
 */
export function checkMargins(
  whose: string, x: Node, margins: readonly Margin[], mode: PaddingMode, parties: readonly Party[],
): void {
  margins.forEach(([low, high], i) => {
    const axis = x.shape.length - margins.length + i
    const most = Math.max(low, high)
    const least = mode === 'zeros' || most === 0 ? 0 : { reflect: most + 1, circular: most, replicate: 1 }[mode]
    if (x.shape[axis] >= least) return
    throw new GradcError('shape/mismatch', `${whose}: ${mode} padding of ${low} and ${high} around ${x.shape[axis]} elements`, {
      parties: [{ label: 'x', node: x, mark: { axis, text: `must be at least ${least}` } }, ...parties],
      hint: `less padding, or paddingMode 'zeros'`,
    })
  })
}

/** x with margins around its last axes, one an axis, which {@link checkMargins} has let pass. */
export function extended(x: Tensor, margins: readonly Margin[], mode: PaddingMode): Tensor {
  if (margins.every(([low, high]) => low === 0 && high === 0)) return x
  const first = x.shape.length - margins.length
  if (mode === 'zeros') return pad(x, x.shape.map((_, a) => margins[a - first] ?? [0, 0]))
  return margins.reduce((y, margin, i) => around(y, first + i, margin, mode), x)
}

function around(x: Tensor, axis: number, [low, high]: Margin, mode: Exclude<PaddingMode, 'zeros'>): Tensor {
  if (low === 0 && high === 0) return x
  const extent = x.shape[axis]
  const part = (start: number, size: number): Tensor =>
    slice(x, ...new Array<null>(axis).fill(null), { start, stop: start + size })
  const edge = (start: number, size: number): Tensor =>
    broadcastTo(part(start, 1), x.shape.map((d, a) => (a === axis ? size : d)))
  const [before, after] = {
    reflect: () => [flip(part(1, low), axis), flip(part(extent - 1 - high, high), axis)],
    circular: () => [part(extent - low, low), part(0, high)],
    replicate: () => [edge(0, low), edge(extent - 1, high)],
  }[mode]()
  return concat([...(low ? [before] : []), x, ...(high ? [after] : [])], axis)
}
