import { checkOptions, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import { checkCount } from './checks.ts'
import { scalarsRecord, versionRecord } from './tfevents.ts'

/** Where training is written down (Node). */
export interface LogTo {
  /**
   * A file of JSON lines, made or added to: `{ kind: 'step', time, epoch, step, results, schedule }` and
   * `{ kind: 'epoch', time, epoch, step, results, validation }`, where `time` is in milliseconds since 1970 and `results` of an epoch are
   * means. JSON has no NaN and no infinities: they are the strings "NaN", "Infinity" and "-Infinity".
   */
  readonly jsonl?: string
  /** A folder for TensorBoard, which gets a new event file: scalars `train/NAME`, `schedule/NAME`, `epoch/NAME` and `validation/NAME`. */
  readonly tensorboard?: string
  /** Writes down every n-th step; default 1. Epochs are always written down. */
  readonly every?: number
}

/** What is written down: scalars by name, in groups. */
export interface Entry {
  readonly kind: 'step' | 'epoch'
  readonly epoch: number
  readonly step: number
  readonly results: Readonly<Record<string, number>>
  readonly schedule?: Readonly<Record<string, number>>
  readonly validation?: Readonly<Record<string, number>>
}

/** Entries are kept for at most so many milliseconds or bytes. */
const FLUSH_MS = 1000
const FLUSH_BYTES = 65_536

/** Throws option/invalid for what says no place. */
export function checkLogTo(logTo: unknown): void {
  if (logTo === undefined) return
  checkOptions('logTo', logTo, ['jsonl', 'tensorboard', 'every'])
  const { every, ...places } = logTo as LogTo
  for (const [name, place] of Object.entries(places)) {
    if (place === undefined || (typeof place === 'string' && place !== '')) continue
    throw new GradcError('option/invalid', `${name} of logTo cannot be ${showValue(place)}: it is a path`, {
      hint: "logTo: { jsonl: 'run.jsonl', tensorboard: 'runs/1' }",
    })
  }
  if (every !== undefined) checkCount('logTo', 'every', every, 1)
}

/** The logs of a run, open. */
export class Journal {
  readonly #files: readonly JournalFile[]
  readonly #every: number
  #flushed = Date.now()

  constructor(files: readonly JournalFile[], every: number) {
    this.#files = files
    this.#every = every
  }

  /** Opens the files, and makes their folders. Errors: file/invalid. */
  static async open({ jsonl, tensorboard, every = 1 }: LogTo = {}): Promise<Journal> {
    const files: JournalFile[] = []
    try {
      if (jsonl) files.push(await JournalFile.open(jsonl, lineOf))
      if (tensorboard) {
        files.push(await JournalFile.open(await eventFileIn(tensorboard), eventOf))
        files[files.length - 1].push(versionRecord(Date.now() / 1000))
      }
    } catch (error) {
      for (const file of files) await file.close().catch(() => {})
      throw error
    }
    return new Journal(files, every)
  }

  /** Will the entry of this step be written down? */
  takes(step: number): boolean {
    return this.#files.length > 0 && step % this.#every === 0
  }

  /** Takes an entry. Is it time to {@link flush}? */
  add(entry: Entry): boolean {
    const now = Date.now()
    for (const file of this.#files) file.add(entry, now)
    return now - this.#flushed > FLUSH_MS || this.#files.some((f) => f.waiting > FLUSH_BYTES)
  }

  /** Writes what was taken. Errors: file/invalid. */
  async flush(): Promise<void> {
    this.#flushed = Date.now()
    for (const file of this.#files) await file.flush()
  }

  /** Writes the rest and closes. Errors: file/invalid. */
  async close(): Promise<void> {
    const closed = await Promise.allSettled(this.#files.map((file) => file.close()))
    for (const result of closed) if (result.status === 'rejected') throw result.reason
  }
}

type Handle = Awaited<ReturnType<typeof import('node:fs/promises').open>>

/** One log file, added to. */
class JournalFile {
  readonly #path: string
  readonly #file: Handle
  readonly #encode: (entry: Entry, time: number) => Uint8Array
  #parts: Uint8Array[] = []
  waiting = 0

  private constructor(path: string, file: Handle, encode: (entry: Entry, time: number) => Uint8Array) {
    this.#path = path
    this.#file = file
    this.#encode = encode
  }

  static async open(path: string, encode: (entry: Entry, time: number) => Uint8Array): Promise<JournalFile> {
    try {
      const { mkdir, open } = await import('node:fs/promises')
      const { dirname } = await import('node:path')
      await mkdir(dirname(path), { recursive: true })
      return new JournalFile(path, await open(path, 'a'), encode)
    } catch (cause) {
      throw unwritable(path, cause)
    }
  }

  add(entry: Entry, time: number): void {
    this.push(this.#encode(entry, time))
  }

  push(bytes: Uint8Array): void {
    this.#parts.push(bytes)
    this.waiting += bytes.length
  }

  async flush(): Promise<void> {
    if (!this.waiting) return
    const bytes = new Uint8Array(this.waiting)
    let at = 0
    for (const part of this.#parts) {
      bytes.set(part, at)
      at += part.length
    }
    this.#parts = []
    this.waiting = 0
    await this.#file.appendFile(bytes).catch((cause: unknown) => {
      throw unwritable(this.#path, cause)
    })
  }

  async close(): Promise<void> {
    try {
      await this.flush()
    } finally {
      await this.#file.close()
    }
  }
}

const unwritable = (path: string, cause: unknown): GradcError =>
  new GradcError('file/invalid', `the log ${showValue(path)} cannot be written: ${(cause as Error).message}`, { cause })

let opened = 0
/** TensorBoard takes every file with `tfevents` in its name, in the order of the time that follows. */
async function eventFileIn(folder: string): Promise<string> {
  const { hostname } = await import('node:os')
  const { join } = await import('node:path')
  const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, '0')
  return join(folder, `events.out.tfevents.${seconds}.${hostname().replace(/[^\w.-]/g, '_')}.${process.pid}.${opened++}`)
}

const eventOf = ({ kind, step, results, schedule, validation }: Entry, time: number): Uint8Array => {
  const tagged = (group: string, values: object = {}): [string, number][] => Object.entries(values).map(([name, v]) => [`${group}/${name}`, v])
  const scalars = [...tagged(kind === 'step' ? 'train' : 'epoch', results), ...tagged('schedule', schedule), ...tagged('validation', validation)]
  return scalarsRecord(time / 1000, step, Object.fromEntries(scalars))
}

const lineOf = ({ kind, epoch, step, ...groups }: Entry, time: number): Uint8Array => {
  // Not the replacer of JSON.stringify, which would also be given what is no number.
  const told = Object.entries(groups).filter(([, values]) => values !== undefined).map(([group, values]) => [
    group,
    Object.fromEntries(Object.entries(values as Record<string, number>).map(([name, v]) => [name, Number.isFinite(v) ? v : String(v)])),
  ])
  return new TextEncoder().encode(`${JSON.stringify({ kind, time, epoch, step, ...Object.fromEntries(told) })}\n`)
}
