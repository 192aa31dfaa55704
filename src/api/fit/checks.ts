import { showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'

/** Throws option/invalid unless the value is a whole number of at least `low`. */
export function checkCount(whose: string, option: string, value: unknown, low: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= low) return
  throw new GradcError('option/invalid', `${option} of ${whose} must be a whole number ≥ ${low}, got ${showValue(value)}`)
}
