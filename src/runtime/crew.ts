import type { Code, Manifest } from '../ir/manifest.ts'
import type { Fail, Running } from './boot.ts'
import type { unshare } from './unshare.ts'

/** How to start a model. */
export interface StartOptions {
  /** Seed of the first values; default: the manifest's. */
  readonly seed?: number
  /** How many threads, 1 to those that the program was compiled for; default: as many as the machine has of them. */
  readonly threads?: number
}

/** Code that runs, on how many threads, and how that ends. */
export interface Started extends Code {
  readonly threads: number
  readonly close: () => void
}

/** A model in a worker: every method of the model as a promise; arrays that come back are copies. */
export interface Spawned {
  readonly manifest: Manifest
  readonly threads: number
  /** Ends the worker and its threads; what was not answered yet is refused with model/closed. */
  close(): void
  reset(seed?: number): Promise<void>
  flat(): Promise<ReturnType<Running['flat']>>
  setFlat(values: Float32Array | Float64Array): Promise<void>
  save(): Promise<Uint8Array<ArrayBuffer>>
  restore(...given: Parameters<Running['restore']>): Promise<ReturnType<Running['restore']>>
}

/** Workers of one program. */
export interface Crew {
  /** How many threads to take. Errors: option/invalid. */
  readonly threadsOf: (asked: number | undefined) => number
  /** Instantiates WebAssembly that was emitted for threads. Where there can be no more than one, it runs on that. */
  readonly start: (wasm: Uint8Array<ArrayBuffer>, threads: number) => Promise<Started>
  /** Code that runs on one thread, and can be closed. */
  readonly alone: (code: Code) => Started
  readonly spawn: (options?: StartOptions) => Promise<Spawned & Record<string, unknown>>
  /** In a worker that was started by this program: does what it was started for; `load` makes the model if it is to have one. */
  readonly serve: (load: ((options?: StartOptions) => Promise<Running & Record<string, unknown>>) | null) => void
}

/** A worker of any host. */
interface Hired {
  readonly post: (message: unknown) => void
  readonly listen: (heard: (message: any) => void, lost: () => void) => void
  /** Does it keep the host's own program from ending? */
  readonly hold: (held: boolean) => void
  readonly end: () => void
}

/**
 * Threads of a model and models in workers. `host`: functions that the code imports; `address`: of a module that serves, when it
 * is run as a worker. An emitted module carries this function's text, so it uses nothing from outside itself but types and globals.
 */
export function crew(
  manifest: Manifest, host: Readonly<Record<string, unknown>>, clear: typeof unshare, address: string, fail: Fail,
): Crew {
  const PATIENCE = 10_000
  const role = `gradc ${manifest.hash}`
  const scope = globalThis as any
  const builtin = (name: string): any => scope.process?.getBuiltinModule?.(name)
  const workers = builtin('node:worker_threads')

  const hire = (): Hired => {
    if (workers) {
      const worker = new workers.Worker(new URL(address), { workerData: role, execArgv: [] })
      return {
        post: (m) => worker.postMessage(m),
        listen: (heard, lost) => void worker.on('message', heard).on('error', lost).on('exit', lost),
        hold: (held) => (held ? worker.ref() : worker.unref()),
        end: () => void worker.terminate(),
      }
    }
    const worker = new scope.Worker(address, { type: 'module', name: role })
    return {
      post: (m) => worker.postMessage(m),
      listen: (heard, lost) => {
        worker.onmessage = ({ data }: { data: unknown }) => heard(data)
        worker.onerror = lost
        worker.onmessageerror = lost
      },
      hold: () => {},
      end: () => worker.terminate(),
    }
  }

  const hint = 'load the program again, and restore what was saved last'
  const closed = (): Error => fail('model/closed', 'the model was closed', 'load the program again')
  const failed = (): Error => fail('model/failed', 'a thread of the model has ended', hint)

  /** Entries that refuse once the model has ended. */
  const guarded = (memory: ArrayBuffer, entries: Code['entries'], threads: number, end: () => void): Started & { lose(): void } => {
    let ended: (() => Error) | null = null
    const finish = (why: () => Error): void => {
      if (ended) return
      ended = why
      end()
    }
    const check = (): void => {
      if (ended) throw ended()
    }
    const run = (entry: () => void) => (): void => {
      check()
      try {
        entry()
      } catch (cause) {
        finish(failed)
        throw Object.assign(failed(), { cause })
      }
    }
    return { memory, entries: entries.map(run), check, threads, close: () => finish(closed), lose: () => finish(failed) }
  }
  const alone = ({ memory, entries }: Code): Started => guarded(memory, entries, 1, () => {})

  const pages = Math.ceil(manifest.memory.bytes / 65536)
  const entriesOf = (exports: any): (() => void)[] => Array.from({ length: manifest.functions.length + 1 }, (_, i) => exports[`f${i}`])

  const single = async (wasm: Uint8Array<ArrayBuffer>): Promise<Started> => {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    const { instance } = await WebAssembly.instantiate(clear(wasm), { m: { ...host, memory } as any })
    const exports = instance.exports as any
    exports.enter(0, 1)
    return alone({ memory: memory.buffer, entries: entriesOf(exports) })
  }

  /** Rejects if the worker is lost, or says nothing for a long time. */
  const answer = (worker: Hired, message: unknown, lost: () => void): Promise<void> => new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('a worker does not answer')), PATIENCE)
    const done = (then: () => void) => (): void => {
      clearTimeout(timer)
      then()
    }
    worker.listen(done(resolve), done(() => {
      reject(new Error('a worker did not start'))
      lost()
    }))
    worker.post(message)
  })

  const several = async (wasm: Uint8Array<ArrayBuffer>, threads: number): Promise<Started> => {
    // Throws where this thread may not wait, as on a page.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0)
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
    const module = await WebAssembly.compile(wasm)
    const { exports } = (await WebAssembly.instantiate(module, { m: { ...host, memory } as any })) as any
    exports.enter(0, threads)
    const hired: Hired[] = []
    const started = guarded(memory.buffer, entriesOf(exports), threads, () => {
      exports.leave()
      for (const w of hired) w.end()
    })
    try {
      for (let i = 1; i < threads; i++) hired.push(hire())
      await Promise.all(hired.map((w, i) => answer(w, { module, memory, thread: i + 1, threads }, started.lose)))
    } catch (error) {
      started.close()
      throw error
    }
    for (const w of hired) w.hold(false)
    return started
  }

  /** Arrays of their own, that nobody shares and nothing else lies in. */
  const copied = (value: any): any => {
    if (ArrayBuffer.isView(value)) return (value as any).slice()
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    const copy = {}
    for (const [key, v] of Object.entries(value)) Object.defineProperty(copy, key, { value: copied(v), enumerable: true })
    return copy
  }

  const spawn = async (options?: StartOptions): Promise<Spawned & Record<string, unknown>> => {
    const worker = hire()
    const waiting = new Map<number, { resolve: (value: any) => void; reject: (error: Error) => void }>()
    let ended: (() => Error) | null = null
    let last = 0
    const finish = (why: () => Error): void => {
      if (ended) return
      ended = why
      worker.end()
      for (const { reject } of waiting.values()) reject(why())
      waiting.clear()
    }
    worker.listen(({ id, value, error }) => {
      const asked = waiting.get(id)
      waiting.delete(id)
      if (!waiting.size) worker.hold(false)
      if (!error) asked?.resolve(value)
      else asked?.reject(error.code ? fail(error.code, error.problem, error.hint) : new Error(error.message))
    }, () => finish(failed))
    const ask = (method: string, given: readonly unknown[]): Promise<any> => new Promise((resolve, reject) => {
      if (ended) throw ended()
      worker.post({ id: last + 1, method, given: given.map(copied) })
      waiting.set(++last, { resolve, reject })
      worker.hold(true)
    })
    const threads = await ask('', [options]).catch((error) => {
      finish(closed)
      throw error
    })
    const model = {} as Spawned & Record<string, unknown>
    const define = (name: string, value: unknown): unknown => Object.defineProperty(model, name, { value, enumerable: true })
    define('manifest', manifest)
    define('threads', threads)
    define('close', () => finish(closed))
    for (const name of [...new Set(manifest.functions.map((f) => f.name)), 'reset', 'flat', 'setFlat', 'save', 'restore']) {
      define(name, (...given: unknown[]) => ask(name, given))
    }
    return model
  }

  const serve: Crew['serve'] = (load) => {
    const inWorker = workers ? !workers.isMainThread && workers.workerData === role : scope.WorkerGlobalScope && scope.name === role
    if (!inWorker) return
    const port = workers ? workers.parentPort : scope
    let model: any
    const call = async ({ id, method, given }: { id: number; method: string; given: unknown[] }): Promise<void> => {
      try {
        if (!method) model = await load!(given[0] as StartOptions)
        port.postMessage({ id, value: method ? copied(model[method](...given)) : model.threads })
      } catch (e) {
        const { code, problem, hint: way, message } = e as Record<string, unknown>
        port.postMessage({ id, error: { code, problem, hint: way, message } })
      }
    }
    const work = async ({ module, memory, thread, threads }: any): Promise<void> => {
      const { exports } = (await WebAssembly.instantiate(module, { m: { ...host, memory } })) as any
      exports.enter(thread, threads)
      port.postMessage('here')
      try {
        exports.work()
      } catch (error) {
        exports.lost()
        throw error
      }
    }
    const heard = (message: any): Promise<void> => (message.module ? work(message) : call(message))
    if (workers) port.on('message', heard)
    else port.onmessage = ({ data }: { data: unknown }) => void heard(data)
  }

  const threadsOf = (asked: number | undefined): number => {
    const most = manifest.threads ?? 1
    if (asked === undefined) {
      return Math.min(most, scope.navigator?.hardwareConcurrency ?? builtin('node:os')?.availableParallelism() ?? 1)
    }
    if (Number.isSafeInteger(asked) && asked >= 1 && asked <= most) return asked
    const way = manifest.threads ? `a whole number from 1 to ${most}` : 'compile({ ... }, { threads: 2 })'
    throw fail('option/invalid', `threads ${String(asked)} is not what the program was compiled for`, way)
  }

  const start = (wasm: Uint8Array<ArrayBuffer>, threads: number): Promise<Started> =>
    threads > 1 ? several(wasm, threads).catch(() => single(wasm)) : single(wasm)

  return { threadsOf, start, alone, spawn, serve }
}
