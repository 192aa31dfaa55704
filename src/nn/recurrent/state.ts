import { isTensor, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Node } from '../../ir/graph.ts'
import { sameType, showType, type TensorType } from '../../ir/types.ts'
import type { Carry } from './formulas.ts'

/** The state that a run starts from: what is given, zeros where nothing is. Errors: option/invalid, shape/mismatch, dtype/mismatch. */
export function startOf(name: string, x: Node, names: readonly string[], type: TensorType, given: unknown): Carry {
  const hint = `give { ${names.join(', ')} }, each ${showType(type)}, or nothing: zeros`
  if (given !== undefined && (typeof given !== 'object' || given === null || Array.isArray(given) || isTensor(given))) {
    throw new GradcError('option/invalid', `${name}: the state cannot be ${showValue(given)}`, { parties: [{ label: 'x', node: x }], hint })
  }
  const record = (given ?? {}) as Readonly<Record<string, unknown>>
  const strange = Object.keys(record).find((key) => !names.includes(key))
  if (strange !== undefined) {
    throw new GradcError('option/invalid', `${name} has no state ${JSON.stringify(strange)}`, { parties: [{ label: 'x', node: x }], hint })
  }
  return Object.fromEntries(names.map((key) => {
    const value = record[key]
    if (value === undefined) return [key, x.builder.zeros(type)]
    if (!isTensor(value)) {
      throw new GradcError('operand/invalid', `${name}: the state ${key} cannot be ${showValue(value)}`, { parties: [{ label: 'x', node: x }], hint })
    }
    if (sameType(value, type)) return [key, value]
    const code = value.dtype === type.dtype ? 'shape/mismatch' : 'dtype/mismatch'
    throw new GradcError(code, `${name}: the state ${key} is ${showType(value)}, not ${showType(type)}`, {
      parties: [{ label: 'x', node: x }, { label: key, node: value }],
      hint,
    })
  }))
}

/** Throws dtype/mismatch, shape/mismatch or shape/contract unless x has these axes and as many features, in this dtype. */
export function checkInput(name: string, x: Node, axes: readonly string[], type: { readonly features: number; readonly dtype: string }): void {
  const parties = [{ label: 'x', node: x }]
  const wanted = `[${[...axes, type.features].join(', ')}]`
  if (x.dtype !== type.dtype) {
    throw new GradcError('dtype/mismatch', `${name} computes in ${type.dtype}, x is ${x.dtype}`, { parties, hint: `cast(x, '${type.dtype}')` })
  }
  if (x.shape.length !== axes.length + 1) {
    throw new GradcError('shape/mismatch', `${name} takes ${wanted}, got [${x.shape.join(', ')}]`, { parties, hint: 'expandDims(x, axis) adds an axis' })
  }
  if (x.shape.at(-1) !== type.features) {
    throw new GradcError('shape/contract', `cannot contract ${x.shape.at(-1)} with ${type.features}: ${name} takes ${wanted}`, {
      parties,
      hint: `nn.${name}({ input: ${x.shape.at(-1)}, ... })`,
    })
  }
}
