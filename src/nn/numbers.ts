import { showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'

// Checks of numbers and names among options. All throw option/invalid.

/** A finite number. */
export function checkFinite(whose: string, option: string, value: unknown): void {
  if (typeof value === 'number' && Number.isFinite(value)) return
  throw new GradcError('option/invalid', `${whose}: ${option} must be a finite number, got ${showValue(value)}`)
}

/** A finite number ≥ 0. */
export function checkNotNegative(whose: string, option: string, value: number): void {
  checkFinite(whose, option, value)
  if (value < 0) throw new GradcError('option/invalid', `${whose}: ${option} must not be negative, got ${value}`)
}

/** A finite number > 0. */
export function checkPositive(whose: string, option: string, value: number): void {
  checkFinite(whose, option, value)
  if (value <= 0) throw new GradcError('option/invalid', `${whose}: ${option} must be positive, got ${value}`)
}

/** One of the given words. */
export function checkChoice(whose: string, option: string, value: unknown, choices: readonly string[]): void {
  if (typeof value === 'string' && choices.includes(value)) return
  const hint = `choose ${choices.map((c) => JSON.stringify(c)).join(' or ')}`
  throw new GradcError('option/invalid', `${whose}: ${option} cannot be ${showValue(value)}`, { hint })
}
