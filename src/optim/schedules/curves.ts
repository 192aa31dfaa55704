import { checkOptions, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'
import { add, cos, div, greaterEqual, less, maximum, minimum, mul, pow, rem, sub, where } from '../../ir/lang/pointwise.ts'
import { ANY, BETWEEN, checkCount, checkNumber, POSITIVE } from '../hyper.ts'
import { number, type Schedule } from './at.ts'

/** From 0 to 1 over `steps` steps, then 1. */
const progress = (step: Node, steps: number): Node => div(minimum(step, steps), steps)

/** From 1 to 0 along half a cosine, as `share` goes from 0 to 1. */
const falling = (share: Node): Node => mul(add(cos(mul(share, Math.PI)), 1), 0.5)

/** end + (start − end)·rest. */
const between = (start: number, end: number, rest: Node): Node => add(mul(rest, start - end), end)

/** Options of a schedule that goes from `initial` to `end` in `steps` steps, a whole number ≥ 1, and stays there. */
export interface CurveOptions {
  readonly initial: number
  readonly steps: number
  /** Default 0. */
  readonly end?: number
}

function curve(whose: string, options: CurveOptions, more: readonly string[] = []): Required<CurveOptions> {
  checkOptions(whose, options, ['initial', 'steps', 'end', ...more])
  const { initial, steps, end = 0 } = options
  checkNumber(whose, 'initial', initial, ANY)
  checkCount(whose, 'steps', steps)
  checkNumber(whose, 'end', end, ANY)
  return { initial, steps, end }
}

/** A straight line, as `optax.linear_schedule` and PyTorch's `LinearLR`. Errors: option/invalid. */
export function linear(options: CurveOptions): Schedule {
  const { initial, steps, end } = curve('linear', options)
  return (at) => between(initial, end, sub(1, progress(at.step, steps)))
}

/**
 * end + (initial − end)·(1 − t/steps)^power, as `optax.polynomial_schedule` and PyTorch's `PolynomialLR` (end 0). power > 0,
 * default 1. Errors: option/invalid.
 */
export function polynomial(options: CurveOptions & { readonly power?: number }): Schedule {
  const { initial, steps, end } = curve('polynomial', options, ['power'])
  const { power = 1 } = options
  checkNumber('polynomial', 'power', power, POSITIVE)
  return (at) => between(initial, end, pow(sub(1, progress(at.step, steps)), power))
}

/**
 * Half a cosine, end + (initial − end)·½(1 + cos(π·t/steps)) (Loshchilov & Hutter, ICLR 2017), as `optax.cosine_decay_schedule`
 * and PyTorch's `CosineAnnealingLR` up to `steps`; PyTorch's climbs again behind them, this one stays at `end`.
 * Errors: option/invalid.
 */
export function cosine(options: CurveOptions): Schedule {
  const { initial, steps, end } = curve('cosine', options)
  return (at) => between(initial, end, falling(progress(at.step, steps)))
}

/** The step count is an f32: whole numbers up to here. */
const LAST = 2 ** 24

/**
 * Cosines one after the other, each `growth` times as long as the one before, the first one of `steps` steps
 * (SGDR: Loshchilov & Hutter, ICLR 2017), as PyTorch's `CosineAnnealingWarmRestarts`. growth: a whole number ≥ 1, default 1.
 * Errors: option/invalid.
 */
export function cosineRestarts(options: CurveOptions & { readonly growth?: number }): Schedule {
  const { initial, steps, end } = curve('cosineRestarts', options, ['growth'])
  const { growth = 1 } = options
  checkCount('cosineRestarts', 'growth', growth)
  return (at) => {
    if (growth === 1) return between(initial, end, falling(div(rem(at.step, steps), steps)))
    // At most 24 cycles begin before the last step that can be counted.
    let [begin, length]: [Node, Node] = [number(at, 0), number(at, steps)]
    for (let start = steps, n = steps * growth; start < LAST; start += n, n *= growth) {
      const begun = greaterEqual(at.step, start)
      begin = where(begun, start, begin)
      length = where(begun, n, length)
    }
    return between(initial, end, falling(div(sub(at.step, begin), length)))
  }
}

/** Options of {@link oneCycle}. */
export interface OneCycleOptions {
  /** The largest value. */
  readonly peak: number
  /** Of the whole cycle, a whole number ≥ 2. */
  readonly steps: number
  /** Share of the steps before the peak, in (0, 1), so that more than one step lies before it. Default 0.3. */
  readonly warmup?: number
  /** peak / value in the first step, > 0. Default 25. */
  readonly div?: number
  /** Value in the first step / value in the last, > 0. Default 1e4. */
  readonly finalDiv?: number
  /** Shape of both halves. Default 'cosine'. */
  readonly anneal?: 'cosine' | 'linear'
}

/**
 * Up from peak/div and down to peak/div/finalDiv in step `steps` − 1, then there (Smith & Topin, 2017), as PyTorch's
 * `OneCycleLR`.
 * Errors: option/invalid.
 */
export function oneCycle(options: OneCycleOptions): Schedule {
  checkOptions('oneCycle', options, ['peak', 'steps', 'warmup', 'div', 'finalDiv', 'anneal'])
  const { peak, steps, warmup = 0.3, div: divisor = 25, finalDiv = 1e4, anneal = 'cosine' } = options
  checkNumber('oneCycle', 'peak', peak, ANY)
  checkCount('oneCycle', 'steps', steps, 2)
  checkNumber('oneCycle', 'warmup', warmup, BETWEEN)
  checkNumber('oneCycle', 'div', divisor, POSITIVE)
  checkNumber('oneCycle', 'finalDiv', finalDiv, POSITIVE)
  if (anneal !== 'cosine' && anneal !== 'linear') {
    throw new GradcError('option/invalid', `anneal of oneCycle must be 'cosine' or 'linear', got ${showValue(anneal)}`)
  }
  const [top, last] = [warmup * steps - 1, steps - 1]
  if (top <= 0) {
    throw new GradcError('option/invalid', `oneCycle of ${steps} steps has no step before its peak`, {
      hint: 'warmup·steps must exceed 1',
    })
  }
  const start = peak / divisor
  return (at) => {
    const rest = (share: Node): Node => (anneal === 'cosine' ? falling(share) : sub(1, share))
    const up = between(start, peak, rest(progress(at.step, top)))
    const down = between(peak, start / finalDiv, rest(progress(maximum(sub(at.step, top), 0), last - top)))
    return where(less(at.step, top), up, down)
  }
}
