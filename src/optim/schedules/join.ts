import { checkList, checkOptions, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'
import { add, cast, div, less, mul, sub, where } from '../../ir/lang/pointwise.ts'
import type { Hyper } from '../../ir/optimizer.ts'
import { ANY, checkCount, checkNumber, checkOption } from '../hyper.ts'
import { number, since, valueAt, type Schedule } from './at.ts'
import { checkAscending } from './steps.ts'

/**
 * One schedule after the other: the i-th one from boundary i − 1 on, each counting from 0 again, as `optax.join_schedules` and
 * PyTorch's `SequentialLR`. Boundaries are whole numbers ≥ 1, ascending, one fewer than schedules. Errors: option/invalid,
 * attr/invalid.
 */
export function join(schedules: readonly Hyper[], boundaries: readonly number[]): Schedule {
  checkList('join', 'schedules', schedules)
  checkAscending('join', 'boundaries', boundaries)
  if (schedules.length !== boundaries.length + 1) {
    throw new GradcError('option/invalid', `join was given ${schedules.length} schedules and ${boundaries.length} boundaries`, {
      hint: 'boundaries stand between schedules: join([a, b], [100])',
    })
  }
  for (const s of schedules) checkOption('join', 'a schedule', s, ANY)
  return (at) => {
    const value = (s: Hyper, i: number): Node => valueAt('join', `schedule ${i}`, s, since(at, i && boundaries[i - 1]))
    const [first, ...rest] = schedules.map((s, i) => cast(value(s, i), 'f32'))
    return rest.reduce((before, after, i) => where(less(at.step, boundaries[i]), before, after), first)
  }
}

/** Options of {@link linearWarmup}. */
export interface WarmupOptions {
  /** Number of steps on the way up, a whole number ≥ 1. */
  readonly steps: number
  /** Value in the first step. Default 0. */
  readonly start?: number
  /** What it leads into: a number to stay at, or a schedule, which counts from 0 when the warm-up is over. */
  readonly into: Hyper
}

/**
 * A straight line from `start` to the first value of `into`, which then goes on; with a cosine,
 * `optax.warmup_cosine_decay_schedule`.
 * Errors: option/invalid.
 */
export function linearWarmup(options: WarmupOptions): Schedule {
  checkOptions('linearWarmup', options, ['steps', 'start', 'into'])
  const { steps, start = 0, into } = options
  checkCount('linearWarmup', 'steps', steps)
  checkNumber('linearWarmup', 'start', start, ANY)
  if (typeof into !== 'function' && typeof into !== 'number') {
    throw new GradcError('option/invalid', `into of linearWarmup must be a number or a schedule, got ${showValue(into)}`)
  }
  checkOption('linearWarmup', 'into', into, ANY)
  return (at) => {
    const peak = cast(valueAt('linearWarmup', 'into', into, { inputs: at.inputs, step: number(at, 0) }), 'f32')
    const rising = add(mul(sub(peak, start), div(at.step, steps)), start)
    const after = cast(valueAt('linearWarmup', 'into', into, since(at, steps)), 'f32')
    return where(less(at.step, steps), rising, after)
  }
}
