import { shuffle, type Random } from '../mnist/batches.ts'
import type { Digits } from '../mnist/idx.ts'

/** Inputs of a step: `x` is size × 784 pixels from 0 (paper) to 1 (ink). */
export interface Images {
  readonly x: Float32Array<ArrayBuffer>
}

/**
 * All images in batches of `size`, shuffled if `random` is given, in order otherwise. What does not fill a batch at the end
 * is left out. Every batch is the same array, filled anew.
 */
export function* imagesOf({ count, pixels }: Digits, size: number, random?: Random): Generator<Images, void, void> {
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  if (random) shuffle(order, random)
  const area = pixels.length / count
  const x = new Float32Array(size * area)
  for (let start = 0; start + size <= count; start += size) {
    for (let row = 0; row < size; row++) {
      const image = order[start + row] * area
      for (let p = 0; p < area; p++) x[row * area + p] = pixels[image + p] / 255
    }
    yield { x }
  }
}

/** The first `count` images alone. */
export const firstOf = ({ count, pixels, labels }: Digits, wanted: number): Digits => {
  const n = Math.min(count, wanted)
  return { count: n, pixels: pixels.subarray(0, (n * pixels.length) / count), labels: labels.subarray(0, n) }
}
