import { checkFunction, checkOptions, checkTensors, isTensor, showValue } from '../arguments.ts'
import { Builder } from '../builder.ts'
import { GradcError } from '../errors.ts'
import type { Named, Node } from '../graph.ts'
import { loop, loopBySegments } from '../loop.ts'
import { outline } from '../region.ts'
import { below } from '../transplant.ts'
import { sameShape, showType, type TensorType } from '../types.ts'
import type { Scalar, Tensor } from './tensor.ts'

/** Tensors by name. */
export type Tensors = { readonly [name: string]: Tensor }

/** What reverse mode keeps of a scan's steps; see {@link ScanOptions}. */
export type Checkpoint = 'all' | 'sqrt' | { readonly slots: number }

/** Options of {@link scan}. */
export interface ScanOptions {
  /** Number of steps; needed only where nothing is scanned. */
  readonly length?: number
  /** Steps run from the last to the first; outputs stand where their step is. Default false. */
  readonly reverse?: boolean
  /**
   * What reverse mode keeps of n steps, beside the carries and what is scanned. `all` (default): products, sums and other
   * values that are dear to compute again. `sqrt`: the carries of about √n steps; the others are computed again, once.
   * `{ slots }`: the carries of that many segments.
   */
  readonly checkpoint?: Checkpoint
}

/** What one step gives: the next carry, and outputs, which are stacked. */
export interface Step<C extends Tensors, Y extends Tensors> {
  readonly carry: C
  readonly out?: Y
}

/** What a loop gives: the carry after the last step, and every step's outputs along a new first axis. */
export interface Scanned<C extends Tensors, Y extends Tensors> {
  readonly carry: C
  readonly out: Y
}

/**
 * A loop of a fixed number of steps: `body` is built once, and code does not grow with the steps. Each step gets the
 * carry of the one before (`init` at first), the slices of `xs` along their first axis, and the number of the step; it
 * gives the next carry, of the same types, and outputs. Tensors of the function may be used inside; what depends on no
 * step is computed once, before the loop. Differentiable both ways: reverse mode runs a loop from the end over kept values.
 *
 *     const { carry, out } = scan({ h }, { x }, ({ h }, { x }) => {
 *       const next = tanh(add(matmul(x, w), matmul(h, u)))
 *       return { carry: { h: next }, out: { y: next } }
 *     })
 *
 * Errors: option/invalid, shape/mismatch and dtype/mismatch (a carry that changes its type, scanned lengths that differ),
 * operand/invalid, build/foreign (a state updated inside).
 * Source: JAX's `lax.scan`; linearise, keep, transpose as in its autodiff.
 */
export function scan<C extends Tensors, X extends Tensors, Y extends Tensors = {}>(
  init: C, xs: X, body: (carry: C, x: X, step: Scalar<'i32'>) => Step<C, Y>, options: ScanOptions = {},
): Scanned<C, Y> {
  checkOptions('scan', options, ['length', 'reverse', 'checkpoint'])
  checkFunction('the body of scan', body, 'scan({ h }, { x }, ({ h }, { x }) => ({ carry: { h: add(h, x) } }))')
  const carries = record('init', init)
  const scanned = record('xs', xs)
  const operands = [...carries, ...scanned].map((o) => o.node)
  if (!operands.length) throw new GradcError('option/invalid', 'scan was given neither a carry nor anything to scan', { hint: 'scan({ h }, { x }, ...)' })
  const b = operands[0].builder
  const length = lengthOf(scanned, options)
  const { checkpoint = 'all', reverse = false } = options
  const segments = segmentsOf(length, checkpoint)
  if (typeof reverse !== 'boolean') throw new GradcError('option/invalid', `scan: reverse cannot be ${showValue(reverse)}`, { hint: 'true or false' })
  // Ids are new, so that the body of one scan never meets another's.
  const mark = b.size
  const slot = (kind: string, type: TensorType): Node =>
    b.make('input', [], { name: `\u0000scan:${mark}:${kind}`, dtype: type.dtype, shape: type.shape })
  const carryIn = carries.map(({ name, node }, i) => ({ name, node: slot(`c${i}:${name}`, node) }))
  const sliceIn = scanned.map(({ name, node }, i) => ({ name, node: slot(`x${i}:${name}`, { dtype: node.dtype, shape: node.shape.slice(1) }) }))
  const step = slot('step', { dtype: 'i32', shape: [] })
  const updates = new Set(b.updates.map((u) => u.node))
  const given = body(tensorsOf(carryIn) as C, tensorsOf(sliceIn) as X, step as Scalar<'i32'>)
  const next = nextCarry(carries, given)
  const outputs = given.out === undefined ? [] : record('out', given.out)
  const inputs = [...carryIn.map(byIndex('c')), ...sliceIn.map(byIndex('x')), { name: 'step', node: step }]
  refuseUpdates(b.updates.filter((u) => !updates.has(u.node)), inputs.map((i) => i.node))
  const roots = [...next.map(byIndex('c')), ...outputs.map(byIndex('y'))]
  const { region, captured } = outline('scan', () => new Builder(), inputs, roots)
  const steps = b.iota([length], 0)
  const kept = carries.length
  const whole = { body: region, carries: operands.slice(0, kept), scanned: [...operands.slice(kept), steps], captured, length, reverse }
  const made = segments === null || segments >= length ? loop(b, whole) : loopBySegments(b, whole, segments)
  return {
    carry: tensorsOf(carries.map(({ name }, i) => ({ name, node: made[i] }))) as C,
    out: tensorsOf(outputs.map(({ name }, i) => ({ name, node: made[kept + i] }))) as Y,
  }
}

/** Entries of a record of tensors of one function. */
function record(what: string, given: Tensors): Named[] {
  if (typeof given !== 'object' || given === null || Array.isArray(given) || isTensor(given)) {
    throw new GradcError('option/invalid', `scan: ${what} cannot be ${showValue(given)}`, { hint: `give tensors by name: { h }` })
  }
  const entries = Object.entries(given).map(([name, node]): Named => ({ name, node }))
  checkTensors(`scan (${what})`, entries.map((e) => e.node))
  return entries
}

const tensorsOf = (entries: readonly Named[]): Tensors => Object.fromEntries(entries.map(({ name, node }) => [name, node]))

/** Names of the user never reach the region: only c0, x0, y0. */
const byIndex = (kind: string) => ({ node }: Named, i: number): Named => ({ name: `${kind}${i}`, node })

function lengthOf(scanned: readonly Named[], { length }: ScanOptions): number {
  const parties = scanned.map(({ name, node }) => ({ label: name, node }))
  const scalar = scanned.find(({ node }) => !node.shape.length)
  if (scalar) {
    throw new GradcError('shape/invalid', `scan: ${JSON.stringify(scalar.name)} is a scalar, which has no steps`, {
      parties: [{ label: 'x', node: scalar.node }],
      hint: 'what every step reads whole is simply used in the body',
    })
  }
  if (scanned.some(({ node }) => node.shape[0] !== scanned[0].node.shape[0])) {
    throw new GradcError('shape/mismatch', 'scan: what is scanned has different numbers of steps', {
      parties,
      hint: 'steps run along the first axis: permute it to the front',
    })
  }
  const found = scanned[0]?.node.shape[0] ?? length
  if (found === undefined || (length !== undefined && length !== found) || !Number.isSafeInteger(found) || found < 0) {
    throw new GradcError('option/invalid', `scan: ${showValue(length)} is no number of steps${scanned.length ? ` for ${scanned[0].node.shape[0]} slices` : ''}`, {
      parties,
      hint: scanned.length ? 'leave length out: it is that of what is scanned' : 'scan({ z }, {}, ..., { length: 10 })',
    })
  }
  return found
}

/** About √n steps a segment, so that nothing is left over if that can be had: what is left over would be cut off and copied. */
function evenly(length: number): number {
  const root = Math.max(1, Math.ceil(Math.sqrt(length)))
  let best = root
  let least = Infinity
  for (let steps = Math.ceil(root / 2); steps <= 2 * root; steps++) {
    const cost = steps + length / steps
    if (length % steps === 0 && cost < least) [best, least] = [steps, cost]
  }
  return best
}

/** Steps of a segment; null for one loop that keeps everything. */
function segmentsOf(length: number, checkpoint: Checkpoint): number | null {
  if (checkpoint === 'all') return null
  if (checkpoint === 'sqrt') return evenly(length)
  if (typeof checkpoint === 'object' && checkpoint !== null) checkOptions('scan (checkpoint)', checkpoint, ['slots'])
  const slots: unknown = typeof checkpoint === 'object' && checkpoint !== null ? checkpoint.slots : undefined
  if (typeof slots === 'number' && Number.isSafeInteger(slots) && slots >= 1) return Math.max(1, Math.ceil(length / slots))
  throw new GradcError('option/invalid', `scan: checkpoint cannot be ${showValue(checkpoint)}`, { hint: "'all', 'sqrt' or { slots: 8 }" })
}

/** The next carry by the names of the first one, each of the same type. */
function nextCarry(carries: readonly Named[], given: Step<Tensors, Tensors>): Named[] {
  const hint = 'a step returns { carry: { ... }, out: { ... } }'
  if (typeof given !== 'object' || given === null || Array.isArray(given) || isTensor(given) || given instanceof Promise) {
    throw new GradcError('result/invalid', `scan: a step gave ${showValue(given)}`, { hint })
  }
  if (!carries.length && given.carry === undefined) return []
  const next = new Map(record('carry', given.carry).map((n) => [n.name, n]))
  const strange = [...next.keys()].find((name) => !carries.some((c) => c.name === name))
  if (strange !== undefined) throw new GradcError('result/invalid', `scan: the carry ${JSON.stringify(strange)} has no first value`, { hint: 'name it in init too' })
  return carries.map(({ name, node }) => {
    const after = next.get(name)
    if (!after) throw new GradcError('result/invalid', `scan: a step gives no next ${JSON.stringify(name)}`, { hint })
    if (after.node.dtype !== node.dtype || !sameShape(after.node.shape, node.shape)) {
      const code = after.node.dtype === node.dtype ? 'shape/mismatch' : 'dtype/mismatch'
      throw new GradcError(code, `scan: the carry ${JSON.stringify(name)} begins as ${showType(node)} and is ${showType(after.node)} after a step`, {
        parties: [{ label: 'x', node }, { label: 'y', node: after.node }],
        hint: 'a carry keeps its type: give init the type that the step makes',
      })
    }
    return after
  })
}

/** A state's new value cannot come out of a loop. */
function refuseUpdates(updates: readonly Named[], inside: readonly Node[]): void {
  const slots = new Set(inside)
  for (const { name, node } of updates) {
    if (!below([node], () => false).some((n) => slots.has(n))) continue
    throw new GradcError('build/foreign', `scan: state ${JSON.stringify(name)} gets its new value inside the body`, {
      parties: [{ label: 'x', node }],
      hint: 'carry it through the loop, or use the layer in evaluation: layer.evaluation(x)',
    })
  }
}
