import { identity } from '../affine.ts'
import { GradcError } from '../errors.ts'
import type { Attrs, Graph, Node } from '../graph.ts'
import type { OpDef } from '../op.ts'
import { inline } from '../transplant.ts'
import { sameShape, sameType, showType, type TensorType } from '../types.ts'

/** The attributes of a scan, read. */
export interface ScanSpec {
  /** Operands are the first carries, then what is read step by step, then what every step reads whole. */
  readonly carries: number
  readonly scanned: number
  /** Number of steps. */
  readonly length: number
  /** Steps run from the last to the first. */
  readonly reverse: boolean
  /** Reverse mode keeps the carries of each step and computes the rest of the body again. */
  readonly recompute: boolean
  /** Which result this node is: a carry after the last step, or behind those an output of all steps, stacked. */
  readonly index: number
}

export function scanSpec(attrs: Attrs): ScanSpec {
  const { carries, scanned, length, index } = attrs as { readonly [key: string]: number }
  return { carries, scanned, length, index, reverse: attrs.reverse === 1, recompute: attrs.recompute === 1 }
}

/** The attributes of one result of a scan. */
export const scanAttrs = (s: ScanSpec): Attrs => ({
  carries: s.carries, scanned: s.scanned, length: s.length, reverse: Number(s.reverse), recompute: Number(s.recompute), index: s.index,
})

const invalid = (problem: string, operands: readonly Node[], op = 'scan'): GradcError =>
  new GradcError('attr/invalid', `${op}: ${problem}`, { parties: operands.slice(0, 2).map((node, i) => ({ label: 'xy'[i], node })) })

function inferScan(operands: readonly Node[], attrs: Attrs, regions: readonly Graph[]): TensorType {
  const { carries, scanned, length, index } = scanSpec(attrs)
  if (regions.length !== 1) throw invalid('it takes one body', operands)
  const [body] = regions
  const whole = [carries, scanned, length, index].every((n) => Number.isSafeInteger(n) && n >= 0)
  if (!whole) throw invalid(`carries ${carries}, scanned ${scanned}, length ${length} and index ${index} must count something`, operands)
  if (carries + scanned > operands.length || body.inputs.length !== operands.length) {
    throw invalid(`${operands.length} operands for ${carries} carries, ${scanned} scanned and a body of ${body.inputs.length} inputs`, operands)
  }
  body.inputs.forEach(({ name, node }, i) => {
    const x = operands[i]
    const shape = i >= carries && i < carries + scanned ? [length, ...node.shape] : node.shape
    if (x.dtype !== node.dtype || !sameShape(x.shape, shape)) {
      throw invalid(`input ${JSON.stringify(name)} of the body must be ${showType({ dtype: node.dtype, shape })} outside`, [x])
    }
  })
  if (![attrs.reverse, attrs.recompute].every((flag) => flag === 0 || flag === 1)) throw invalid('reverse and recompute are 0 or 1', operands)
  if (body.updates.length || body.states.length) throw invalid('its body cannot have states', operands)
  if (body.results.length < carries || index >= body.results.length) throw invalid(`there is no result ${index}`, operands)
  for (let i = 0; i < carries; i++) {
    const next = body.results[i].node
    if (!sameType(next, operands[i])) throw invalid(`carry ${i} is ${showType(operands[i])}, and ${showType(next)} after a step`, operands)
  }
  const { dtype, shape } = body.results[index].node
  return { dtype, shape: index < carries ? shape : [length, ...shape] }
}

/** Operands of custom: the value, `count` floating-point values to differentiate by, and whatever else the adjoint reads. */
function checkCustom(operands: readonly Node[], count: number, before: number, regions: readonly Graph[]): void {
  const shown = operands.slice(before)
  const types = [...shown, operands[before]]
  const fits =
    regions.length === 1 && Number.isSafeInteger(count) && count >= 0 && shown.length > count &&
    regions[0].inputs.length === types.length && regions[0].inputs.every(({ node }, i) => sameType(node, types[i])) &&
    regions[0].results.length === count && regions[0].results.every(({ node }, i) => sameType(node, shown[1 + i]))
  if (!fits) throw invalid('the adjoint does not fit its values', operands, 'custom')
}

/** Ops with a body: loops, and values with an adjoint of their own. */
export const REGIONS: readonly OpDef[] = [
  {
    // One result of a loop: nodes with the same operands and bodies of one builder are computed together.
    name: 'scan', arity: null, attrs: ['carries', 'scanned', 'length', 'reverse', 'recompute', 'index'], regions: 1,
    infer: inferScan,
    lowering: { kind: 'region' },
  },
  {
    // Operand 0 with an adjoint of its own. The region: (all operands, cotangent) to the cotangents of operands 1 … count.
    name: 'custom', arity: null, attrs: ['count'], regions: 1,
    infer: (operands, attrs, regions) => {
      checkCustom(operands, attrs.count as number, 0, regions)
      return operands[0]
    },
    tangent: (b, d, operands, { attrs, regions }) => {
      const by = operands.slice(1, 1 + (attrs.count as number))
      const tangents = by.map((x, i) => d[i + 1] ?? b.zeros(x))
      return d.slice(1, 1 + by.length).some((x) => x) ? b.make('customTangent', [...tangents, ...operands], attrs, regions) : null
    },
    lowering: { kind: 'view', view: 'affine', source: (node) => identity(node.shape.length) },
  },
  {
    // The tangent of a custom value: linear in its first operands, known only by its transpose. It never outlives reverse mode.
    name: 'customTangent', arity: null, attrs: ['count'], regions: 1,
    infer: (operands, attrs, regions) => {
      const count = attrs.count as number
      checkCustom(operands, count, count, regions)
      return operands[count]
    },
    transpose: (b, ct, { operands, attrs, regions }, at) => {
      const count = attrs.count as number
      return at < count ? inline(b, regions[0], [...operands.slice(count), ct])[at] : null
    },
    lowering: { kind: 'opaque' },
  },
]
