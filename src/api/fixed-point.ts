import { checkFunction, checkOptions, checkTensors, isTensor, showValue } from '../ir/arguments.ts'
import { checkDtype, checkSameDtype, FLOATS } from '../ir/checks.ts'
import { GradcError } from '../ir/errors.ts'
import type { Node } from '../ir/graph.ts'
import { custom } from '../ir/lang/custom.ts'
import { add } from '../ir/lang/pointwise.ts'
import { scan, type Tensors } from '../ir/lang/scan.ts'
import type { Tensor } from '../ir/lang/tensor.ts'
import { concat, reshape, slice } from '../ir/lang/view.ts'
import { isFloat, sameShape, showType, sizeOf } from '../ir/types.ts'
import { applied, applyAgain, type Applied } from './derivatives/applied.ts'
import { vjp } from './derivatives.ts'

/** Options of {@link fixedPoint}. */
export interface FixedPointOptions {
  /** How often f is applied to z0. */
  readonly iterations: number
  /** Steps of the adjoint's own iteration; default: as many as `iterations`. */
  readonly adjointIterations?: number
}

/**
 * The fixed point z = f(z, params), by applying f `iterations` times to z0, with the derivative of the fixed point itself:
 * by the implicit function theorem (∂f/∂params)ᵀ·u, where u = ct + (∂f/∂z)ᵀ·u is a fixed point too. One loop forward and one
 * backward, so that memory depends on no number of iterations. The derivative is that of the limit: it is as exact as both
 * iterations have converged, and both converge where f contracts near z (for Newton's method ∂f/∂z = 0 and one step is enough).
 *
 *     const z = fixedPoint((z, { w, b }) => tanh(add(matmul(z, w), add(x, b))), z0, { w, b }, { iterations: 30 })
 *
 * z and params are a tensor or a record of tensors; f gives what z is, of the same types: f32 or f64, all of one dtype. Whatever
 * else f reads (x, the weights of a layer) has its derivative as well; that by z0 is 0. f is called once. The gradient may be
 * differentiated again, in reverse (which keeps the steps of both loops); forward mode (jvp, hvp) cannot pass.
 * Errors: option/invalid, operand/invalid, result/invalid, shape/mismatch, dtype/mismatch, dtype/unsupported, build/foreign (a
 * layer in f that updates states, such as batch norm in training).
 * Source: Christianson, "Reverse accumulation and attractive fixed points" (1994); Bai, Kolter, Koltun, "Deep equilibrium models"
 * (NeurIPS 2019).
 */
export function fixedPoint<Z extends Tensor | Tensors, P extends Tensor | Tensors>(
  f: (z: Z, params: P) => NoInfer<Z>, z0: Z, params: P, options: FixedPointOptions,
): Z {
  checkFunction('the step of fixedPoint', f, 'fixedPoint((z, { w }) => tanh(matmul(z, w)), z0, { w }, { iterations: 30 })')
  const { iterations, adjointIterations } = steps(options)
  const first = parts('z0', z0)
  parts('params', params)
  const names = Object.keys(first)
  const start = Object.values(first)
  checkDtype('fixedPoint', FLOATS, start)
  checkSameDtype('fixedPoint', start)

  let step: Applied | null = null
  const { carry } = scan(first, {}, (z) => {
    const given: unknown = f((isTensor(z0) ? z[ALONE] : z) as Z, params)
    const next = checkStep(first, isTensor(z0) && isTensor(given) ? { [ALONE]: given } : given)
    step = applied(Object.values(z), Object.values(next))
    return { carry: next }
  }, { length: iterations })

  const { reads } = step as unknown as Applied
  const last = names.map((name) => carry[name])
  const z = custom([...start, ...reads] as Tensor[], () => pack(last), (slots, value, ct) => {
    const at = unpack(value, start)
    const reading = slots.slice(start.length)
    const next = applyAgain(step!, at, reading)
    const u = solve(at, next, unpack(ct, start), adjointIterations)
    const floats = reading.filter((x) => isFloat(x.dtype))
    const pulled = vjp(next, floats, u)
    const given = reading.map((x) => (isFloat(x.dtype) ? pulled[floats.indexOf(x)] as Tensor | null : null))
    return [...start.map(() => null), ...given]
  })
  const found = unpack(z, start)
  return (isTensor(z0) ? found[0] : Object.fromEntries(names.map((name, i) => [name, found[i]]))) as Z
}

/** u = ct + (∂next/∂z)ᵀ·u, from u = ct. */
function solve(z: readonly Node[], next: readonly Node[], ct: readonly Tensor[], length: number): Node[] {
  const init = Object.fromEntries(ct.map((c, i) => [`u${i}`, c]))
  const { carry } = scan(init, {}, (u) => {
    const pulled = vjp(next, z, Object.values(u))
    const sums = ct.map((c, i) => [`u${i}`, pulled[i] ? add(c, pulled[i] as Tensor) : c] as const)
    return { carry: Object.fromEntries(sums) as Tensors }
  }, { length })
  return Object.values(carry)
}

/** Key of a tensor that is no record. */
const ALONE = 'z'

function parts(what: string, given: unknown): Record<string, Tensor> {
  if (isTensor(given)) return { [ALONE]: given as Tensor }
  const isRecord = typeof given === 'object' && given !== null && !Array.isArray(given)
  if (!isRecord || (what === 'z0' && !Object.keys(given).length)) {
    const problem = `fixedPoint: ${what} cannot be ${showValue(given)}: it is a tensor or a record of tensors`
    const hint = what === 'z0' ? 'give z0 or { z: z0 }' : 'give w or { w, b }, or {} for none'
    throw new GradcError('option/invalid', problem, { hint })
  }
  checkTensors(`fixedPoint (${what})`, Object.values(given))
  return given as Record<string, Tensor>
}

function steps(options: FixedPointOptions): Required<FixedPointOptions> {
  checkOptions('fixedPoint', options, ['iterations', 'adjointIterations'])
  const { iterations, adjointIterations = iterations } = options
  for (const [name, n] of Object.entries({ iterations, adjointIterations })) {
    if (Number.isSafeInteger(n) && n >= 1) continue
    const problem = `fixedPoint: ${name} cannot be ${showValue(n)}`
    throw new GradcError('option/invalid', problem, { hint: 'a positive integer, such as 30' })
  }
  return { iterations, adjointIterations }
}

/** What f gave, in the order of z0, each of the type it has there. */
function checkStep(first: Readonly<Record<string, Tensor>>, given: unknown): Record<string, Tensor> {
  const names = Object.keys(first)
  const isRecord = typeof given === 'object' && given !== null && !Array.isArray(given) && !isTensor(given)
  const record = isRecord ? given as Record<string, Tensor> : {}
  if (names.some((name) => !(name in record)) || Object.keys(record).some((name) => !names.includes(name))) {
    const got = Object.keys(record).length ? `{ ${Object.keys(record).join(', ')} }` : showValue(given)
    throw new GradcError('result/invalid', `the step of fixedPoint gave ${got}`, {
      parties: names.map((name) => ({ label: name, node: first[name] })),
      hint: 'it gives the next z: a tensor for a tensor, a record of the same names for a record',
    })
  }
  checkTensors('the step of fixedPoint', names.map((name) => record[name]))
  for (const name of names) {
    const [x, y] = [first[name], record[name]]
    if (x.dtype === y.dtype && sameShape(x.shape, y.shape)) continue
    const code = x.dtype === y.dtype ? 'shape/mismatch' : 'dtype/mismatch'
    throw new GradcError(code, `fixedPoint: ${name} begins as ${showType(x)} and is ${showType(y)} after a step`, {
      parties: [{ label: 'z0', node: x }, { label: 'next', node: y }],
      hint: 'z keeps its type: give z0 the type that f gives',
    })
  }
  return Object.fromEntries(names.map((name) => [name, record[name]]))
}

// A value with an adjoint is one tensor: several are laid end to end.
const pack = (xs: readonly Tensor[]): Tensor => (xs.length === 1 ? xs[0] : concat(xs.map((x) => reshape(x, [sizeOf(x.shape)]))))

function unpack(packed: Tensor, like: readonly Node[]): Tensor[] {
  if (like.length === 1) return [packed]
  let from = 0
  return like.map(({ shape }) => {
    const range = { start: from, stop: (from += sizeOf(shape)) }
    return reshape(slice(packed, range), shape)
  })
}
