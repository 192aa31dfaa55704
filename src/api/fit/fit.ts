import { showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import { saveFile } from '../files.ts'
import { Bar, type Output } from './bar.ts'
import { checkBatches, countOf, Walk, type Batches } from './batches.ts'
import { Best } from './best.ts'
import { ABORTED, pause } from './event-loop.ts'
import { Journal } from './journal.ts'
import { Means, scalarsOf } from './means.ts'
import { checkFit, type BatchOf, type Epoch, type FitOptions, type Progress, type Scalars, type Trainee } from './options.ts'

/** What came of training. */
export interface FitResult {
  /** Epochs and steps that are finished, those of `done` included. */
  readonly epochs: number
  readonly steps: number
  /** Why it ended: all epochs are finished, early stopping, or the signal. */
  readonly stopped: 'epochs' | 'patience' | 'signal'
  /** The epochs that this run has finished. */
  readonly history: readonly Epoch[]
  /** The epoch with the best monitored number; null without early stopping, or if there was none but NaN. */
  readonly best: { readonly epoch: number; readonly value: number } | null
}

/** Models that are being trained: two loops over one state would each undo what the other counts on. */
const busy = new WeakSet<object>()

/**
 * Trains a model: calls its `train` with each batch of each epoch, and lets the event loop have its turn every few milliseconds.
 * It can be aborted, watched, written down, saved, stopped early and scheduled from outside:
 *
 *     await fit(model, (epoch) => shuffled(epoch), {
 *       epochs: 20, patience: 3, validate: () => lossOn(test), schedule: { lr: ({ step }) => 1e-3 * 0.999 ** step },
 *       saveEvery: { epochs: 1, to: 'net.safetensors' }, logTo: { tensorboard: 'runs/1' }, signal,
 *     })
 *
 * An abort is an end like others: it resolves, with `stopped: 'signal'`. An error of a step, of the batches or of a callback rejects;
 * the model is then as the last finished step left it, and the logs are closed.
 * Errors: option/invalid (before the first step; or an epoch without batches, a schedule or validation that gives no number),
 * file/invalid, and those of the model's calls.
 */
export async function fit<I extends object, R extends object, K extends Scalars<I> = never>(
  model: Trainee<I, R>, batches: Batches<NoInfer<BatchOf<I, K>>>, options: FitOptions<R, K> = {},
): Promise<FitResult> {
  checkFit(model, options)
  checkBatches(batches, (options.epochs ?? 1) - (options.done?.epochs ?? 0))
  if (busy.has(model)) throw new GradcError('option/invalid', 'the model is being trained already', { hint: 'await the first fit()' })
  busy.add(model)
  try {
    return await new Run(model, batches as Batches<object>, options).all()
  } finally {
    busy.delete(model)
  }
}

class Run<I extends object, R extends object, K extends string> {
  readonly #model: Trainee<I, R>
  readonly #batches: Batches<object>
  readonly #options: FitOptions<R, K>
  readonly #schedule: readonly [name: string, rule: (at: Progress) => number][]
  readonly #bar: Bar | undefined
  readonly #best: Best | undefined
  readonly #history: Epoch[] = []
  #journal: Journal = new Journal([], 1)
  #epochs: number
  #steps: number
  #saved: number
  #yielded = performance.now()
  /** Steps of an epoch, as far as anybody knows. */
  #expected: number | undefined

  constructor(model: Trainee<I, R>, batches: Batches<object>, options: FitOptions<R, K>) {
    this.#model = model
    this.#batches = batches
    this.#options = options
    const { done = {}, patience, monitor = 'loss', mode = 'min', minDelta = 0, restoreBest: keep = patience !== undefined } = options
    const rules = Object.entries(options.schedule ?? {}) as [string, ((at: Progress) => number) | undefined][]
    this.#schedule = rules.flatMap(([name, rule]) => (rule ? [[name, rule] as const] : [])) as [string, (at: Progress) => number][]
    if (patience !== undefined || keep) this.#best = new Best({ patience, monitor, mode, minDelta, keep })
    this.#epochs = done.epochs ?? 0
    this.#steps = done.steps ?? 0
    this.#saved = this.#steps
    const { stepsPerEpoch = Infinity } = options
    const expected = Math.min(stepsPerEpoch, countOf(batches) ?? Infinity)
    if (expected < Infinity) this.#expected = expected
    const output = outputOf(options.progress)
    if (output) this.#bar = new Bar(output, options.epochs ?? 1)
  }

  async all(): Promise<FitResult> {
    this.#journal = await Journal.open(this.#options.logTo)
    try {
      const result = await this.#train()
      this.#bar?.end()
      await this.#journal.close()
      return result
    } catch (error) {
      // The first error tells; what goes wrong while cleaning up comes of it.
      await this.#journal.close().catch(() => {})
      try {
        this.#bar?.end()
      } catch {}
      throw error
    }
  }

  async #train(): Promise<FitResult> {
    const { epochs = 1, signal, saveEvery } = this.#options
    let stopped: FitResult['stopped'] = 'epochs'
    while (this.#epochs < epochs && stopped === 'epochs') {
      if (signal?.aborted || !(await this.#epoch())) stopped = 'signal'
      else if (this.#best?.isSpent) stopped = 'patience'
    }
    const changed = stopped !== 'signal' && this.#best?.restore(this.#model)
    if (saveEvery && (changed || this.#saved !== this.#steps)) await this.#save(this.#epochs)
    return { epochs: this.#epochs, steps: this.#steps, stopped, history: this.#history, best: this.#best?.found ?? null }
  }

  /** One epoch. False: the signal came before its end. */
  async #epoch(): Promise<boolean> {
    const epoch = this.#epochs + 1
    const walk = await Walk.open(this.#batches, epoch, this.#options.signal)
    if (walk === ABORTED) return false
    const means = new Means()
    let finished = false
    try {
      finished = await this.#walk(epoch, walk, means)
    } catch (error) {
      await walk.close().catch(() => {})
      throw error
    }
    await walk.close()
    if (!finished) return false
    if (!means.count) {
      throw new GradcError('option/invalid', `epoch ${epoch} has no batches`, {
        hint: 'what is walked once is over then: pass a list, or a function (epoch) => iterable',
      })
    }
    this.#expected = means.count
    await this.#end({ epoch, step: this.#steps }, means)
    return true
  }

  async #walk(epoch: number, walk: Walk<object>, means: Means): Promise<boolean> {
    const { onStep, signal, saveEvery, stepsPerEpoch = Infinity, yieldEvery = 8 } = this.#options
    while (means.count < stepsPerEpoch) {
      if (performance.now() - this.#yielded >= yieldEvery) await this.#pause()
      if (signal?.aborted) return false
      const next = walk.next()
      // Awaiting what is there already would cost as much as a small step.
      const batch = 'done' in next ? next : await next
      if (batch === ABORTED) return false
      if (batch.done) break
      const scheduled = this.#scheduled({ epoch, step: this.#steps })
      const inputs = this.#schedule.length ? { ...batch.value, ...scheduled } : batch.value
      const results = this.#model.train(inputs as I)
      const step = ++this.#steps
      means.add(results)
      this.#bar?.step(epoch, means.count, this.#expected, results)
      if (this.#journal.takes(step)) {
        const entry = { kind: 'step', epoch, step, results: Object.fromEntries(scalarsOf(results)), ...(scheduled && { schedule: scheduled }) } as const
        if (this.#journal.add(entry)) await this.#journal.flush()
      }
      const waiting = onStep?.({ epoch, step, results })
      if (waiting !== undefined) await waiting
      if (saveEvery?.steps && step % saveEvery.steps === 0) await this.#save(epoch)
    }
    return true
  }

  /** All that follows the last step of an epoch. */
  async #end(at: Progress, means: Means): Promise<void> {
    const { validate, onEpoch, saveEvery } = this.#options
    await this.#pause()
    const results = means.values()
    const validation = validate ? numbersOf(await validate(at)) : {}
    const epoch: Epoch = { ...at, results, validation }
    this.#bar?.epoch(at.epoch, means.count, results, validation)
    this.#journal.add({ kind: 'epoch', ...at, results, ...(validate && { validation }) })
    await this.#journal.flush()
    this.#best?.take(at.epoch, validate ? validation : results, this.#model)
    this.#history.push(epoch)
    this.#epochs = at.epoch
    const every = saveEvery?.epochs ?? (saveEvery && !saveEvery.steps ? 1 : undefined)
    if (every && at.epoch % every === 0) await this.#save(at.epoch)
    await onEpoch?.(epoch)
  }

  #scheduled(at: Progress): Record<string, number> | undefined {
    if (!this.#schedule.length) return undefined
    return Object.fromEntries(this.#schedule.map(([name, rule]) => {
      const value: unknown = rule(at)
      if (typeof value === 'number' && Number.isFinite(value)) return [name, value]
      throw new GradcError('option/invalid', `the schedule of ${JSON.stringify(name)} gave ${showValue(value)} at step ${at.step}`, {
        hint: 'it returns a finite number',
      })
    }))
  }

  async #save(epoch: number): Promise<void> {
    const { to } = this.#options.saveEvery!
    this.#saved = this.#steps
    if (typeof to === 'string') await saveFile(this.#model, to)
    else await to(this.#model.save() as Uint8Array<ArrayBuffer>, { epoch, step: this.#steps })
  }

  async #pause(): Promise<void> {
    await pause()
    this.#yielded = performance.now()
  }
}

/** What `validate` gave, by name. */
function numbersOf(found: unknown): Readonly<Record<string, number>> {
  if (typeof found === 'number') return { loss: found }
  const entries = typeof found === 'object' && found !== null && !Array.isArray(found) ? Object.entries(found) : []
  if (entries.length && entries.every(([, value]) => typeof value === 'number')) return Object.fromEntries(entries)
  throw new GradcError('option/invalid', `validate gave ${showValue(found)}`, { hint: 'it returns a number, or numbers by name: { loss, accuracy }' })
}

/** stderr, if it is a terminal and nobody says otherwise. */
function outputOf(progress: boolean | Output | undefined): Output | undefined {
  if (typeof progress === 'object') return progress
  const output = progress === false ? undefined : globalThis.process?.stderr
  return progress || output?.isTTY ? output : undefined
}
