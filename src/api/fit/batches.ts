import { showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import { ABORTED, unlessAborted } from './event-loop.ts'

/** One after the other, at once or awaited. */
export type Stream<B> = Iterable<B> | AsyncIterable<B>
/**
 * Inputs of the training step, one record a step: a list or another iterable that can be walked once an epoch, or a function that
 * is given the epoch, from 1, and returns what to walk (and may shuffle).
 */
export type Batches<B> = Stream<B> | ((epoch: number) => Stream<B> | PromiseLike<Stream<B>>)

const HINT = 'pass a list of input records, another iterable of them, or a function (epoch) => iterable'

/** Throws option/invalid for what cannot be walked `epochs` times. */
export function checkBatches(batches: unknown, epochs: number): void {
  if (typeof batches === 'function') return
  if (!isStream(batches)) throw new GradcError('option/invalid', `batches cannot be ${showValue(batches)}`, { hint: HINT })
  if (epochs > 1 && 'next' in batches && typeof batches.next === 'function') {
    throw new GradcError('option/invalid', `batches are an iterator, which is walked once, not in each of ${epochs} epochs`, {
      hint: 'pass the generator function itself: fit(model, (epoch) => batchesOf(epoch), ...)',
    })
  }
}

const isStream = (value: unknown): value is Stream<unknown> =>
  typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value) && !ArrayBuffer.isView(value)

/** How many batches an epoch has, where that can be seen. */
export const countOf = (batches: unknown): number | undefined => (Array.isArray(batches) ? batches.length : undefined)

/** The way through the batches of one epoch. */
export class Walk<B> {
  readonly #iterator: Iterator<B> | AsyncIterator<B>
  readonly #signal: AbortSignal | undefined
  #state: 'open' | 'waiting' | 'over' = 'open'

  constructor(stream: Stream<B>, signal: AbortSignal | undefined) {
    if (!isStream(stream)) throw new GradcError('option/invalid', `batches gave ${showValue(stream)}`, { hint: HINT })
    this.#iterator = Symbol.asyncIterator in stream ? stream[Symbol.asyncIterator]() : stream[Symbol.iterator]()
    this.#signal = signal
  }

  /** Begins an epoch. ABORTED: the signal came first. */
  static async open<B>(batches: Batches<B>, epoch: number, signal: AbortSignal | undefined): Promise<Walk<B> | typeof ABORTED> {
    const stream = typeof batches === 'function' ? await unlessAborted(Promise.resolve(batches(epoch)), signal) : batches
    return stream === ABORTED ? ABORTED : new Walk(stream, signal)
  }

  /** The next batch, undefined after the last one. Iterables that are not async give it at once. ABORTED: the signal came first. */
  next(): IteratorResult<B> | Promise<IteratorResult<B> | typeof ABORTED> {
    // An iterator that throws is over, and wants no return().
    const before = this.#state
    this.#state = 'over'
    const next = this.#iterator.next()
    if (!isPromise(next)) return this.#seen(next, before)
    this.#state = 'waiting'
    return this.#wait(next)
  }

  async #wait(next: PromiseLike<IteratorResult<B>>): Promise<IteratorResult<B> | typeof ABORTED> {
    try {
      const result = await unlessAborted(next, this.#signal)
      return result === ABORTED ? ABORTED : this.#seen(result, 'open')
    } catch (error) {
      this.#state = 'over'
      throw error
    }
  }

  #seen(result: IteratorResult<B>, state: 'open' | 'waiting' | 'over'): IteratorResult<B> {
    this.#state = result.done ? 'over' : state
    return result
  }

  /** Lets the iterator clean up, if it has not come to its end. */
  async close(): Promise<void> {
    const state = this.#state
    this.#state = 'over'
    if (state === 'over') return
    const closed = Promise.resolve(this.#iterator.return?.())
    // One that still makes a batch cleans up when it has; nobody waits for it.
    if (state === 'waiting') closed.catch(() => {})
    else await closed
  }
}

const isPromise = <T>(value: T | PromiseLike<T>): value is PromiseLike<T> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
