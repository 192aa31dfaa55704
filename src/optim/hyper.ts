import { isTensor, showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import type { Node } from '../ir/graph.ts'
import { cast } from '../ir/lang/pointwise.ts'
import type { Hyper, HyperContext, TransformContext } from '../ir/optimizer.ts'
import { isFloat, type DType } from '../ir/types.ts'

/** An interval of numbers; ends belong to it unless they are open. */
export interface Domain {
  readonly low: number
  readonly high?: number
  readonly open?: 'low' | 'high' | 'both'
}

export const ANY: Domain = { low: -Infinity, open: 'low' }
export const NON_NEGATIVE: Domain = { low: 0 }
export const POSITIVE: Domain = { low: 0, open: 'low' }
/** Decay rates of running means. */
export const BELOW_ONE: Domain = { low: 0, high: 1, open: 'high' }
/** Shares, and factors that shrink. */
export const BETWEEN: Domain = { low: 0, high: 1, open: 'both' }

/** Throws option/invalid for a number outside its domain, NaN, an infinity, or what is no number. */
export function checkNumber(transform: string, option: string, value: unknown, domain: Domain): void {
  const { low, high = Infinity, open } = domain
  const inside = typeof value === 'number' && Number.isFinite(value) && value >= low && value <= high
  const [left, right] = [open === 'low' || open === 'both', open === 'high' || open === 'both']
  if (inside && !(left && value === low) && !(right && value === high)) return
  const interval = `${left ? '(' : '['}${low}, ${high}${right || high === Infinity ? ')' : ']'}`
  throw new GradcError('option/invalid', `${option} of ${transform} must be in ${interval}, got ${showValue(value)}`)
}

/** As {@link checkNumber}, for a hyper-parameter: functions pass. */
export function checkOption(transform: string, option: string, value: unknown, domain: Domain): void {
  if (typeof value !== 'function') checkNumber(transform, option, value, domain)
}

/** Throws option/invalid unless the value is a whole number of at least `low`. */
export function checkCount(transform: string, option: string, value: unknown, low = 1): void {
  if (Number.isSafeInteger(value) && (value as number) >= low) return
  throw new GradcError('option/invalid', `${option} of ${transform} must be a whole number ≥ ${low}, got ${showValue(value)}`)
}

/** Throws option/invalid unless the value is a boolean. */
export function checkFlag(transform: string, option: string, value: unknown): void {
  if (typeof value === 'boolean') return
  throw new GradcError('option/invalid', `${option} of ${transform} must be true or false, got ${showValue(value)}`)
}

/** Throws name/invalid for a transform's name that is empty or has a colon, which parts the names of its states. */
export function checkName(name: unknown): void {
  if (typeof name === 'string' && name !== '' && !name.includes(':')) return
  throw new GradcError('name/invalid', `the name of a transform cannot be ${showValue(name)}`, {
    hint: 'take a non-empty string without a colon',
  })
}

/** The value of a hyper-parameter in one step, as a scalar of the dtype. Functions must give a floating-point scalar. */
export function valueOf(transform: string, option: string, hyper: Hyper, at: TransformContext, dtype: DType): Node {
  if (typeof hyper === 'number') return at.builder.literal(hyper, { dtype, shape: [] })
  return cast(scalarOf(transform, option, hyper, at), dtype)
}

/** What the function of a hyper-parameter gives, checked: a floating-point scalar. */
export function scalarOf(transform: string, option: string, hyper: (at: HyperContext) => Node, at: HyperContext): Node {
  const node: unknown = hyper(at)
  if (!isTensor(node)) {
    throw new GradcError('option/invalid', `${option} of ${transform} gave ${showValue(node)}, which is no tensor`, {
      hint: `the inputs are ${Object.keys(at.inputs).join(', ') || 'none'}; a fixed number is passed as such, without a function`,
    })
  }
  if (node.shape.length || !isFloat(node.dtype)) {
    throw new GradcError('option/invalid', `${option} of ${transform} must be a floating-point scalar`, {
      parties: [{ label: option, node }],
      hint: 'declare it as an input f32(), or compute it from { step, inputs }',
    })
  }
  return node
}
