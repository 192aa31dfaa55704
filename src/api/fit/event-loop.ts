/** Resolves in a later turn of the event loop, as soon as timers, input, rendering and network have had theirs. */
export function pause(): Promise<void> {
  const { scheduler } = globalThis as { scheduler?: { yield?: () => Promise<void> } }
  if (scheduler?.yield) return scheduler.yield()
  if (typeof setImmediate === 'function') return new Promise((resolve) => void setImmediate(resolve))
  // Browsers delay nested timers by 4 ms, but not messages.
  if (typeof MessageChannel === 'function') {
    return new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel()
      // Node's types know its own way of listening only.
      Object.assign(port1, {
        onmessage: () => {
          port1.close()
          resolve()
        },
      })
      port2.postMessage(0)
    })
  }
  return new Promise((resolve) => void setTimeout(resolve, 0))
}

/** Said by {@link unlessAborted} in place of a value. */
export const ABORTED: unique symbol = Symbol('aborted')

/** What a promise gives, or ABORTED as soon as the signal is. What comes of the promise later is nobody's rejection then. */
export function unlessAborted<T>(promise: PromiseLike<T>, signal: AbortSignal | undefined): Promise<T | typeof ABORTED> {
  if (!signal) return Promise.resolve(promise)
  return new Promise((resolve, reject) => {
    const abort = (): void => resolve(ABORTED)
    const forget = (): void => signal.removeEventListener('abort', abort)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    promise.then(
      (value) => {
        forget()
        resolve(value)
      },
      (error: unknown) => {
        forget()
        reject(error as Error)
      },
    )
  })
}
