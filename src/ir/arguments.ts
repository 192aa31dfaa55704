import { GradcError } from './errors.ts'
import type { Node } from './graph.ts'

// What JavaScript lets through although the types forbid it: refused by name where it is given, not later from inside.

/** A value as an error tells it: short, and never an error of its own. */
export function showValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  if (typeof value !== 'object' || value === null) return String(value)
  if (isTensor(value)) return 'a tensor'
  const kind = ArrayBuffer.isView(value) ? Object.prototype.toString.call(value).slice(8, -1) : 'object'
  return `${/^[AEIOU]/i.test(kind) ? 'an' : 'a'} ${kind}`
}

/** Is it a node of some graph? */
export const isTensor = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'operands' in value && 'builder' in value && 'dtype' in value

/** Throws operand/invalid, with a way on, unless all operands are tensors. */
export function checkTensors(op: string, operands: readonly unknown[]): void {
  for (let i = 0; i < operands.length; i++) {
    if (isTensor(operands[i])) continue
    const which = operands.length === 1 ? '' : ` as operand ${i + 1}`
    throw new GradcError(
      'operand/invalid',
      `${op} was given ${showValue(operands[i])}${which}, which is no tensor`,
      { hint: wayTo(operands[i]) },
    )
  }
}

function wayTo(value: unknown): string {
  if (typeof value === 'function') return 'call the function or layer, and pass what it returns'
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return 'numbers come in as inputs: fn({ x: f32(3) }, ({ x }) => ...)'
  if (typeof value === 'object' && value !== null) {
    if ('of' in value) return 'a parameter is read by parameter.of(x), where x is a tensor of the function'
    if ('shape' in value) return 'types declare inputs: fn({ x: f32(3) }, ({ x }) => ...)'
  }
  return 'tensors are the inputs of the function, its parameters, and what is computed from them'
}

/** Throws option/invalid for what is no function. */
export function checkFunction(whose: string, value: unknown, hint: string): void {
  if (typeof value === 'function') return
  throw new GradcError('option/invalid', `${whose} cannot be ${showValue(value)}: it is a function`, { hint })
}

/** Throws option/invalid unless `options` is a record of known names (a tensor or a bare value is none). */
export function checkOptions(whose: string, options: unknown, known: readonly string[]): void {
  const hint = `its options are { ${known.join(', ')} }`
  if (typeof options !== 'object' || options === null || Array.isArray(options) || isTensor(options)) {
    throw new GradcError('option/invalid', `the options of ${whose} cannot be ${showValue(options)}`, { hint })
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new GradcError('option/invalid', `${whose} has no option ${JSON.stringify(name)}`, { hint })
  }
}

/** Throws attr/invalid unless the value is a list. */
export function checkList(op: string, name: string, value: unknown): void {
  if (Array.isArray(value)) return
  throw new GradcError('attr/invalid', `${op}: ${name} must be a list, got ${showValue(value)}`, { hint: `write ${name} as an array` })
}
