import { checkList, checkOptions, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import { add, cast, div, exp, floor, greaterEqual, mul, pow } from '../../ir/lang/pointwise.ts'
import { ANY, checkCount, checkNumber, POSITIVE } from '../hyper.ts'
import { number, type Schedule } from './at.ts'

/** The same value for ever. Errors: option/invalid. */
export function constant(value: number): Schedule {
  checkNumber('constant', 'value', value, ANY)
  return (at) => number(at, value)
}

/**
 * initial·factor^⌊t/every⌋, as PyTorch's `StepLR(every, factor)`. `every` a whole number ≥ 1; factor > 0, default 0.1.
 * Errors: option/invalid.
 */
export function step(options: { readonly initial: number; readonly every: number; readonly factor?: number }): Schedule {
  checkOptions('step', options, ['initial', 'every', 'factor'])
  const { initial, every, factor = 0.1 } = options
  checkNumber('step', 'initial', initial, ANY)
  checkCount('step', 'every', every)
  checkNumber('step', 'factor', factor, POSITIVE)
  return (at) => mul(pow(number(at, factor), floor(div(at.step, every))), initial)
}

/**
 * initial·factor^(number of milestones ≤ t), as PyTorch's `MultiStepLR(milestones, factor)`. Milestones are whole numbers ≥ 1,
 * ascending; factor > 0, default 0.1. Errors: option/invalid, attr/invalid.
 */
export function multiStep(
  options: { readonly initial: number; readonly milestones: readonly number[]; readonly factor?: number },
): Schedule {
  checkOptions('multiStep', options, ['initial', 'milestones', 'factor'])
  const { initial, milestones, factor = 0.1 } = options
  checkNumber('multiStep', 'initial', initial, ANY)
  checkAscending('multiStep', 'milestones', milestones)
  checkNumber('multiStep', 'factor', factor, POSITIVE)
  return (at) => {
    const passed = milestones.map((m) => cast(greaterEqual(at.step, m), 'f32')).reduce((a, b) => add(a, b), number(at, 0))
    return mul(pow(number(at, factor), passed), initial)
  }
}

/**
 * initial·factor^t, as PyTorch's `ExponentialLR(factor)`; with `every` = n, initial·factor^(t/n), as `optax.exponential_decay`.
 * factor > 0; every > 0, default 1. Errors: option/invalid.
 */
export function exponential(options: { readonly initial: number; readonly factor: number; readonly every?: number }): Schedule {
  checkOptions('exponential', options, ['initial', 'factor', 'every'])
  const { initial, factor, every = 1 } = options
  checkNumber('exponential', 'initial', initial, ANY)
  checkNumber('exponential', 'factor', factor, POSITIVE)
  checkNumber('exponential', 'every', every, POSITIVE)
  return (at) => mul(exp(mul(at.step, Math.log(factor) / every)), initial)
}

/** Throws option/invalid unless the values are whole numbers ≥ 1, each larger than the one before. */
export function checkAscending(whose: string, option: string, values: readonly number[]): void {
  checkList(whose, option, values)
  values.forEach((value, i) => {
    checkCount(whose, option, value)
    if (i === 0 || value > values[i - 1]) return
    throw new GradcError('option/invalid', `${option} of ${whose} must ascend, got ${showValue(value)} after ${values[i - 1]}`)
  })
}
