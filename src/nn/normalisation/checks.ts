import { checkDtype, FLOATS } from '../../ir/checks.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'

/** Throws unless x is a float tensor [N, channels, ...window] of one of the ranks. shape/mismatch, dtype/unsupported. */
export function checkChannels(layer: string, x: Node, channels: number, ranks: readonly number[] | null): void {
  checkDtype(layer, FLOATS, [x])
  const rank = x.shape.length
  if (rank < 2 || (ranks && !ranks.includes(rank))) {
    const wants = ranks ? ranks.map((r) => WANTED[r]).join(' or ') : '[N, C, ...]'
    throw new GradcError('shape/mismatch', `${layer} takes ${wants}, got a tensor of rank ${rank}`, {
      parties: [{ label: 'x', node: x }],
      hint: 'one example alone has a batch axis of extent 1: expandDims(x, 0)',
    })
  }
  if (x.shape[1] === channels) return
  throw new GradcError('shape/mismatch', `${layer} of ${channels} channels was given ${x.shape[1]}`, {
    parties: [{ label: 'x', node: x }],
    hint: `channels are axis 1: x must be [N, ${channels}${', ...'.repeat(Math.min(rank - 2, 1))}]`,
  })
}

const WANTED: Readonly<Record<number, string>> = { 2: '[N, C]', 3: '[N, C, L]', 4: '[N, C, H, W]', 5: '[N, C, D, H, W]' }
