import { shuffle, type Random } from '../mnist/batches.ts'

/** Inputs of a step: `y` is what follows `x`, both size × steps characters, row by row. */
export interface Batch {
  readonly x: Int32Array<ArrayBuffer>
  readonly y: Int32Array<ArrayBuffer>
}

/** How many batches {@link streamsOf} makes of a text of this length. */
export const countStreams = (length: number, size: number, steps: number): number =>
  Math.floor(Math.floor((length - 1) / size) / steps)

/**
 * The text as `size` streams side by side, `steps` characters of each a batch: row b of a batch goes on where row b of the
 * batch before ended, so a recurrent net may carry its state. Every batch is the same two arrays, filled anew.
 */
export function* streamsOf(text: Int32Array, size: number, steps: number): Generator<Batch, void, void> {
  const length = Math.floor((text.length - 1) / size)
  const batch = empty(size, steps)
  for (let at = 0; at + steps <= length; at += steps) {
    for (let row = 0; row < size; row++) fill(batch, text, row, row * length + at, steps)
    yield batch
  }
}

/** How many batches {@link windowsOf} makes of a text of this length. */
export const countWindows = (length: number, size: number, steps: number): number =>
  Math.floor(Math.floor((length - steps) / steps) / size)

/**
 * The text in windows of `steps` characters, `size` of them a batch: shuffled and cut at a random place if `random` is given, in
 * order otherwise. What does not fill a batch is left out. Every batch is the same two arrays, filled anew.
 */
export function* windowsOf(text: Int32Array, size: number, steps: number, random?: Random): Generator<Batch, void, void> {
  const windows = Math.floor((text.length - steps) / steps)
  const phase = random ? Math.floor(random() * steps) : 0
  const order = Uint32Array.from({ length: Math.max(windows, 0) }, (_, i) => i)
  if (random) shuffle(order, random)
  const batch = empty(size, steps)
  for (let start = 0; start + size <= windows; start += size) {
    for (let row = 0; row < size; row++) fill(batch, text, row, phase + order[start + row] * steps, steps)
    yield batch
  }
}

const empty = (size: number, steps: number): Batch => ({ x: new Int32Array(size * steps), y: new Int32Array(size * steps) })

function fill({ x, y }: Batch, text: Int32Array, row: number, from: number, steps: number): void {
  x.set(text.subarray(from, from + steps), row * steps)
  y.set(text.subarray(from + 1, from + 1 + steps), row * steps)
}
