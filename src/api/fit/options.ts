import { checkFunction, checkOptions, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Restoring, Saving } from '../files.ts'
import type { Output } from './bar.ts'
import { checkCount } from './checks.ts'
import { checkLogTo, type LogTo } from './journal.ts'

/** What can be trained: a model with a function `train`, of gradc or of a module that it wrote. */
export interface Trainee<I extends object, R extends object> extends Saving, Restoring<unknown> {
  readonly train: (inputs: I) => R
  readonly manifest: {
    readonly functions: readonly {
      readonly name: string
      readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[]
      readonly results: readonly { readonly name: string; readonly shape: readonly number[] }[]
    }[]
  }
}

/** How far training is: the epoch, from 1, and the number of steps that are finished, over all epochs. */
export interface Progress {
  readonly epoch: number
  readonly step: number
}

/** A finished step, and its results: arrays are live views, good until the next call of the model. */
export interface Step<R> extends Progress {
  readonly results: R
}

/** A finished epoch. */
export interface Epoch extends Progress {
  /** Means of the numbers among the results of its steps. */
  readonly results: Readonly<Record<string, number>>
  /** What `validate` found; empty without it. */
  readonly validation: Readonly<Record<string, number>>
}

/** Names of the scalar inputs. */
export type Scalars<I> = { [K in keyof I]-?: number extends I[K] ? K : never }[keyof I] & string
/** Scalar inputs that are computed before each step, such as a learning rate. */
export type Schedule<K extends string> = { readonly [P in K]: (at: Progress) => number }
/** What a batch has: all inputs but those that are computed, which it may have, too. */
export type BatchOf<I extends object, K extends string> = Omit<I, K> & { readonly [P in K & keyof I]?: I[P] }

/** When and where to save. */
export interface SaveEvery {
  /** After every n-th step. */
  readonly steps?: number
  /** After every n-th epoch; default 1 if there is no `steps`. */
  readonly epochs?: number
  /** A path, for `saveFile` (Node), or a function that keeps the safetensors file elsewhere; it is awaited. */
  readonly to: string | ((file: Uint8Array<ArrayBuffer>, at: Progress) => unknown)
}

/** How to train. Callbacks may be async; they are awaited. */
export interface FitOptions<R extends object = object, K extends string = string> {
  /** Train until so many epochs are finished, those of `done` included; default 1. */
  readonly epochs?: number
  /** An epoch ends after so many steps, even if there are more batches. */
  readonly stepsPerEpoch?: number
  /** What earlier runs have finished, in a resumed one (what they gave will do): counting goes on from there. Default: nothing. */
  readonly done?: { readonly epochs?: number; readonly steps?: number }
  /** Scalar inputs by name, computed before each step: `{ lr: ({ step }) => 0.1 * 0.99 ** step }`. */
  readonly schedule?: Schedule<K>
  /** After every step. */
  readonly onStep?: (step: Step<R>) => unknown
  /** After every epoch, when all else of it is done. */
  readonly onEpoch?: (epoch: Epoch) => unknown
  /** After every epoch: numbers by name, such as a loss on other examples. A number alone is called `loss`. */
  readonly validate?: (at: Progress) => number | Readonly<Record<string, number>> | PromiseLike<number | Readonly<Record<string, number>>>
  /** Early stopping: training ends when `monitor` was no better for so many epochs in a row, ≥ 1. Default: it does not. */
  readonly patience?: number
  /** Which number tells the best epoch, of `validate` or, without it, of the results; default 'loss'. */
  readonly monitor?: string
  /** Whether it should fall or rise; default 'min'. */
  readonly mode?: 'min' | 'max'
  /** By how much it must be better to count, ≥ 0; default 0. */
  readonly minDelta?: number
  /** Whether the model goes back to its best epoch at the end (not on an abort, so that it can be resumed). Default: with `patience`. */
  readonly restoreBest?: boolean
  /** Saves now and then, and at the end, an abort included. Default: never. */
  readonly saveEvery?: SaveEvery
  /** Writes down losses and other scalars (Node). */
  readonly logTo?: LogTo
  /** Progress: false, or what to write it to. Default: to stderr, if that is a terminal. */
  readonly progress?: boolean | Output
  /** Ends training after the step that runs; the model stays as it is then. */
  readonly signal?: AbortSignal
  /** Gives the event loop its turn after so many milliseconds, ≥ 0; default 8. A step itself is never interrupted. */
  readonly yieldEvery?: number
}

const OPTIONS = [
  'epochs', 'stepsPerEpoch', 'done', 'schedule', 'onStep', 'onEpoch', 'validate', 'patience', 'monitor', 'mode', 'minDelta', 'restoreBest',
  'saveEvery', 'logTo', 'progress', 'signal', 'yieldEvery',
]

/** Throws option/invalid for a model or options that make no sense, before anything is done. */
export function checkFit(model: unknown, options: unknown): void {
  checkOptions('fit', options, OPTIONS)
  const trainee = model as Trainee<object, object> | null | undefined
  const parts = [trainee?.train, trainee?.save, trainee?.restore, trainee?.manifest?.functions.find]
  if (!trainee || !parts.every((part) => typeof part === 'function')) {
    throw new GradcError('option/invalid', `${showValue(model)} is no model with a function "train"`, {
      hint: 'const model = await compile({ train: fn(...).minimize(...) }).load(); await fit(model, batches)',
    })
  }
  const given = options as Readonly<Record<string, unknown>>
  for (const [name, low] of [['epochs', 0], ['stepsPerEpoch', 1], ['patience', 1]] as const) {
    if (given[name] !== undefined) checkCount('fit', name, given[name], low)
  }
  for (const name of ['onStep', 'onEpoch', 'validate']) {
    if (given[name] !== undefined) checkFunction(`${name} of fit`, given[name], `${name}: (at) => ...`)
  }
  for (const name of ['minDelta', 'yieldEvery']) {
    const value = given[name]
    if (value === undefined || (typeof value === 'number' && value >= 0)) continue
    throw new GradcError('option/invalid', `${name} of fit must be a number ≥ 0, got ${showValue(value)}`)
  }
  check('monitor', given.monitor, typeof given.monitor === 'string', 'a name')
  check('mode', given.mode, given.mode === 'min' || given.mode === 'max', "'min' or 'max'")
  check('restoreBest', given.restoreBest, typeof given.restoreBest === 'boolean', 'true or false')
  check('signal', given.signal, typeof (given.signal as AbortSignal | null)?.addEventListener === 'function', 'an AbortSignal')
  const writes = typeof (given.progress as Output | null)?.write === 'function'
  check('progress', given.progress, typeof given.progress === 'boolean' || writes, 'true, false, or has a method write')
  if (given.done !== undefined) {
    checkOptions('done', given.done, ['epochs', 'steps', 'stopped', 'history', 'best'])
    const { epochs = 0, steps = 0 } = given.done as { epochs?: unknown; steps?: unknown }
    checkCount('done', 'epochs', epochs, 0)
    checkCount('done', 'steps', steps, 0)
  }
  const { patience, restoreBest, validate, monitor = 'loss' } = given
  const numbers = scalarsOf(trainee, 'results')
  if ((patience || restoreBest) && !validate && !numbers.includes(monitor as string)) {
    throw new GradcError('option/invalid', `monitor ${showValue(monitor)} is no scalar result of "train"`, {
      hint: `they are ${numbers.map((name) => JSON.stringify(name)).join(', ') || 'none'}; or give validate: () => loss`,
    })
  }
  checkLogTo(given.logTo)
  checkSaveEvery(given.saveEvery)
  checkSchedule(given.schedule, trainee)
}

const scalarsOf = (model: Trainee<object, object>, of: 'inputs' | 'results'): string[] =>
  (model.manifest.functions.find((f) => f.name === 'train')?.[of] ?? []).filter((s) => s.shape.length === 0).map((s) => s.name)

function check(option: string, value: unknown, isRight: boolean, what: string): void {
  if (value === undefined || isRight) return
  throw new GradcError('option/invalid', `${option} of fit cannot be ${showValue(value)}: it is ${what}`)
}

function checkSaveEvery(every: unknown): void {
  if (every === undefined) return
  checkOptions('saveEvery', every, ['steps', 'epochs', 'to'])
  const { to, ...counts } = every as SaveEvery
  for (const [name, value] of Object.entries(counts)) if (value !== undefined) checkCount('saveEvery', name, value, 1)
  if (typeof to === 'function' || (typeof to === 'string' && to !== '')) return
  throw new GradcError('option/invalid', `saveEvery does not say where to: ${showValue(to)}`, { hint: "saveEvery: { epochs: 1, to: 'net.safetensors' }" })
}

function checkSchedule(schedule: unknown, model: Trainee<object, object>): void {
  if (schedule === undefined) return
  const scalars = scalarsOf(model, 'inputs')
  const hint = scalars.length
    ? `the scalar inputs of "train" are ${scalars.map((name) => JSON.stringify(name)).join(', ')}`
    : 'declare an input f32(): fn({ x: f32(64, 784), lr: f32() }, ...).minimize("loss", optim.adam({ lr: ({ inputs }) => inputs.lr }))'
  if (typeof schedule !== 'object' || schedule === null || Array.isArray(schedule)) {
    throw new GradcError('option/invalid', `schedule of fit cannot be ${showValue(schedule)}: it has functions by name of input`, { hint })
  }
  for (const [name, rule] of Object.entries(schedule)) {
    if (!scalars.includes(name)) throw new GradcError('option/invalid', `"train" has no scalar input ${JSON.stringify(name)}`, { hint })
    if (rule !== undefined) checkFunction(`schedule of ${JSON.stringify(name)}`, rule, `schedule: { ${name}: ({ step }) => 0.1 }`)
  }
}
