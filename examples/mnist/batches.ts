import type { Digits } from './idx.ts'

/** Numbers in [0, 1), the same for the same seed. */
export type Random = () => number

/** A small generator of 32 bits of state (Tommy Ettinger's mulberry32): good enough to shuffle, and the same everywhere. */
export function mulberry32(seed: number): Random {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Brings `items` into random order, every order being equally likely (Fisher and Yates). */
export function shuffle(items: Uint32Array, random: Random): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const item = items[i]
    items[i] = items[j]
    items[j] = item
  }
}

/** Mean and standard deviation of all pixels of the training images, paper being 0 and ink 1. */
const MEAN = 0.1307
const DEVIATION = 0.3081

/** Inputs of a step: `x` is size × 784 pixels of mean 0 and deviation 1, `y` the digits. */
export interface Batch {
  readonly x: Float32Array<ArrayBuffer>
  readonly y: Int32Array<ArrayBuffer>
}

/**
 * All images in batches of `size`, shuffled if `random` is given, in order otherwise. What does not fill a batch at the
 * end is left out. Every batch is the same two arrays, filled anew.
 */
export function* batchesOf({ count, pixels, labels }: Digits, size: number, random?: Random): Generator<Batch, void, void> {
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  if (random) shuffle(order, random)
  const area = pixels.length / count
  const x = new Float32Array(size * area)
  const y = new Int32Array(size)
  for (let start = 0; start + size <= count; start += size) {
    for (let row = 0; row < size; row++) {
      const image = order[start + row]
      for (let p = 0; p < area; p++) x[row * area + p] = (pixels[image * area + p] / 255 - MEAN) / DEVIATION
      y[row] = labels[image]
    }
    yield { x, y }
  }
}
