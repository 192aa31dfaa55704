import { showValue } from '../ir/arguments.ts'
import { FLOATS } from '../ir/checks.ts'
import { GradcError } from '../ir/errors.ts'
import type { DType } from '../ir/types.ts'

// Checks of what layers are declared with, before any tensor is there. All throw option/invalid.

/** A positive integer: features, channels, heads. `call` shows how it is meant: `nn.groupNorm(4, 16)`. */
export function checkCount(layer: string, what: string, value: unknown, call: string): void {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return
  throw new GradcError('option/invalid', `${layer}: ${what} must be a positive integer, got ${showValue(value)}`, { hint: call })
}

/** A finite number that is not negative. */
export function checkEpsilon(layer: string, value: unknown): void {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return
  throw new GradcError('option/invalid', `${layer}: eps must be a finite number that is not negative, got ${showValue(value)}`)
}

/** A number from 0 to 1, both included. */
export function checkShare(layer: string, what: string, value: unknown): void {
  if (typeof value === 'number' && value >= 0 && value <= 1) return
  throw new GradcError('option/invalid', `${layer}: ${what} must be a number from 0 to 1, got ${showValue(value)}`)
}

/** true or false, each of the named options that is there. */
export function checkFlags(layer: string, flags: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(flags)) {
    if (typeof value === 'boolean') continue
    throw new GradcError('option/invalid', `${layer}: ${name} must be true or false, got ${showValue(value)}`)
  }
}

/** An element type that layers compute in: f32 or f64. */
export function checkFloat(layer: string, dtype: DType): void {
  if (FLOATS.includes(dtype)) return
  throw new GradcError('option/invalid', `${layer}: dtype must be one of ${FLOATS.join(', ')}, got ${showValue(dtype)}`)
}
