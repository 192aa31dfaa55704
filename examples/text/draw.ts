import type { Random } from '../mnist/batches.ts'

/**
 * Draws a position with the probabilities softmax(logits / temperature): below 1 the likely ones become likelier, above 1 less
 * so.
 * @throws Error if a logit is NaN
 */
export function draw(logits: Float32Array, temperature: number, random: Random): number {
  const peak = logits.reduce((a, b) => Math.max(a, b), -Infinity)
  const weights = Float64Array.from(logits, (z) => Math.exp((z - peak) / temperature))
  const total = weights.reduce((a, b) => a + b, 0)
  if (!(total > 0)) throw new Error('the logits are no numbers: nothing can be drawn')
  let rest = random() * total
  for (let i = 0; i < weights.length; i++) {
    rest -= weights[i]
    if (rest < 0) return i
  }
  // Rounding may leave a little: it belongs to the last position that could be drawn.
  return weights.findLastIndex((w) => w > 0)
}
