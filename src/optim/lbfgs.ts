import { checkOptions, showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import { BETWEEN, checkCount, checkNumber, NON_NEGATIVE } from './hyper.ts'
import { strongWolfe, type Point } from './wolfe.ts'

/** Loss and its gradients at the parameters as they are, one for each, in order. They are copied: live views will do. */
export interface Evaluated {
  readonly loss: number
  readonly gradients: readonly ArrayLike<number>[]
}

/** Options of {@link lbfgs}. */
export interface LbfgsOptions {
  /** Most steps, a whole number ≥ 1. Default 100. */
  readonly maxIterations?: number
  /** Most evaluations, a whole number ≥ 1. Default 1.25·maxIterations, as PyTorch, and no less than 25. */
  readonly maxEvaluations?: number
  /** How many steps the curvature is told from, a whole number ≥ 1. Default 10. */
  readonly history?: number
  /** Stops when no element of the gradient is larger, ≥ 0. Default 1e-7, as PyTorch. */
  readonly gradientTolerance?: number
  /** Stops when neither the loss nor any parameter changes by more, ≥ 0. Default 1e-9, as PyTorch. */
  readonly changeTolerance?: number
  /** Share of the predicted fall that a step must reach, in (0, 1) and below c2. Default 1e-4. */
  readonly c1?: number
  /** Share of the slope that a step may leave, in (0, 1). Default 0.9. */
  readonly c2?: number
}

/** How a run of {@link lbfgs} ended; the parameters are at the best point. */
export interface LbfgsOutcome {
  readonly loss: number
  /** Largest element of the gradient. */
  readonly gradientNorm: number
  readonly iterations: number
  readonly evaluations: number
  /** What stopped it: a tolerance, a limit, or a line search that found nothing lower (the end of the arithmetic's precision). */
  readonly stopped: 'gradient' | 'change' | 'iterations' | 'evaluations' | 'search'
}

interface Place {
  readonly x: Float64Array
  readonly loss: number
  readonly gradient: Float64Array
}

/**
 * L-BFGS (Liu & Nocedal, 1989; Nocedal & Wright, algorithm 7.4) with a strong Wolfe line search: a loop on the host over a
 * compiled function without noise, that is, over all examples at once. `parameters` are arrays that it changes in place, such
 * as the live states of a model; `evaluate` gives loss and gradients where they are now:
 *
 *     const step = fn({ x: f32(n, 4), y: f32(n) }, ({ x, y }) => {
 *       const loss = ...
 *       return { loss, gradient: grad(loss, weight.of(x)) }
 *     })
 *     const model = await compile({ step }).load()
 *     optim.lbfgs([model.state.weight], () => {
 *       const { loss, gradient } = model.step({ x, y })
 *       return { loss, gradients: [gradient] }
 *     })
 *
 * Errors: option/invalid; value/nonfinite for a first loss or gradient that is not finite (later ones only shorten a step).
 */
export function lbfgs(
  parameters: readonly (Float32Array | Float64Array)[], evaluate: () => Evaluated, options: LbfgsOptions = {},
): LbfgsOutcome {
  const all = checked(parameters, evaluate, options)
  const { maxIterations, maxEvaluations, history, gradientTolerance, changeTolerance, c1, c2 } = all
  const size = parameters.reduce((n, p) => n + p.length, 0)
  const noise = parameters.some((p) => p instanceof Float32Array) ? 2 ** -20 : 2 ** -49
  let evaluations = 0
  // Parameters in f32 round what is written: what is read back is where the loss belongs.
  const placeAt = (x: Float64Array): Place => {
    write(parameters, x)
    evaluations++
    const { loss, gradients } = evaluate()
    return { x: joined(parameters, size), loss: Number(loss), gradient: joined(checkedGradients(gradients, parameters), size) }
  }

  let here = placeAt(joined(parameters, size))
  if (!Number.isFinite(here.loss) || !here.gradient.every(Number.isFinite)) {
    throw new GradcError('value/nonfinite', `lbfgs begins where the loss is ${here.loss} or its gradient is not finite`)
  }
  const pairs: Pair[] = []
  let iterations = 0
  const ended = (stopped: LbfgsOutcome['stopped']): LbfgsOutcome => {
    write(parameters, here.x)
    return { loss: here.loss, gradientNorm: largest(here.gradient), iterations, evaluations, stopped }
  }
  while (largest(here.gradient) > gradientTolerance) {
    if (iterations === maxIterations) return ended('iterations')
    if (evaluations >= maxEvaluations) return ended('evaluations')
    let direction = downhill(here.gradient, pairs)
    let slope = dot(direction, here.gradient)
    if (!(slope < 0)) {
      // Rounding has spoilt the curvature: begin anew.
      pairs.length = 0
      direction = here.gradient.map((g) => -g)
      slope = dot(direction, here.gradient)
    }
    const places = new Map<number, Place>()
    const at = (t: number): Point => {
      const place = placeAt(here.x.map((v, i) => v + t * direction[i]))
      places.set(t, place)
      return { t, loss: place.loss, slope: dot(place.gradient, direction) }
    }
    const first = pairs.length ? 1 : Math.min(1, 1 / here.gradient.reduce((s, g) => s + Math.abs(g), 0))
    const limit = Math.min(25, maxEvaluations - evaluations)
    const found = strongWolfe({ t: 0, loss: here.loss, slope }, first, { at, c1, c2, noise, limit })
    if (!found) return ended('search')
    const next = places.get(found.t)!
    iterations++
    const [moved, fall] = [next.x.map((v, i) => v - here.x[i]), here.loss - next.loss]
    remember(pairs, moved, next.gradient.map((g, i) => g - here.gradient[i]), history)
    here = next
    if (fall <= changeTolerance && largest(moved) <= changeTolerance) {
      return ended(largest(here.gradient) <= gradientTolerance ? 'gradient' : 'change')
    }
  }
  return ended('gradient')
}

/** A step, the change of the gradient along it, and 1 / their product. */
interface Pair {
  readonly s: Float64Array
  readonly y: Float64Array
  readonly rho: number
}

function remember(pairs: Pair[], s: Float64Array, y: Float64Array, history: number): void {
  const sy = dot(s, y)
  // Without positive curvature the direction would not go downhill.
  if (!(sy > 1e-10 * dot(s, s) ** 0.5 * dot(y, y) ** 0.5)) return
  pairs.push({ s, y, rho: 1 / sy })
  if (pairs.length > history) pairs.shift()
}

/** The two-loop recursion: −H·g. */
function downhill(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  const q = gradient.map((g) => -g)
  const alphas = new Float64Array(pairs.length)
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { s, y, rho } = pairs[i]
    alphas[i] = rho * dot(s, q)
    for (let j = 0; j < q.length; j++) q[j] -= alphas[i] * y[j]
  }
  const last = pairs.at(-1)
  const scale = last ? 1 / (last.rho * dot(last.y, last.y)) : 1
  for (let j = 0; j < q.length; j++) q[j] *= scale
  pairs.forEach(({ s, y, rho }, i) => {
    const beta = alphas[i] - rho * dot(y, q)
    for (let j = 0; j < q.length; j++) q[j] += beta * s[j]
  })
  return q
}

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((s, v, i) => s + v * b[i], 0)
const largest = (x: Float64Array): number => x.reduce((m, v) => Math.max(m, Math.abs(v)), 0)

function joined(arrays: readonly ArrayLike<number>[], size: number): Float64Array {
  const all = new Float64Array(size)
  let at = 0
  for (const a of arrays) {
    all.set(a, at)
    at += a.length
  }
  return all
}

function write(parameters: readonly (Float32Array | Float64Array)[], x: Float64Array): void {
  let at = 0
  for (const p of parameters) {
    p.set(x.subarray(at, at + p.length))
    at += p.length
  }
}

const OPTIONS = ['maxIterations', 'maxEvaluations', 'history', 'gradientTolerance', 'changeTolerance', 'c1', 'c2']

function checked(parameters: unknown, evaluate: unknown, options: LbfgsOptions): Required<LbfgsOptions> {
  const fail = (problem: string): never => {
    throw new GradcError('option/invalid', problem, { hint: 'lbfgs([model.state.weight], () => ({ loss, gradients: [...] }))' })
  }
  if (!Array.isArray(parameters) || !parameters.length) fail(`lbfgs changes a list of arrays, not ${showValue(parameters)}`)
  for (const p of parameters as unknown[]) {
    if (p instanceof Float32Array || p instanceof Float64Array) continue
    fail(`lbfgs changes Float32Arrays and Float64Arrays, not ${showValue(p)}`)
  }
  if (typeof evaluate !== 'function') fail(`lbfgs needs a function that gives loss and gradients, got ${showValue(evaluate)}`)
  checkOptions('lbfgs', options, OPTIONS)
  const { maxIterations = 100, history = 10, gradientTolerance = 1e-7, changeTolerance = 1e-9, c1 = 1e-4, c2 = 0.9 } = options
  const { maxEvaluations = Math.max(25, Math.ceil(1.25 * maxIterations)) } = options
  checkCount('lbfgs', 'maxIterations', maxIterations)
  checkCount('lbfgs', 'maxEvaluations', maxEvaluations)
  checkCount('lbfgs', 'history', history)
  checkNumber('lbfgs', 'gradientTolerance', gradientTolerance, NON_NEGATIVE)
  checkNumber('lbfgs', 'changeTolerance', changeTolerance, NON_NEGATIVE)
  checkNumber('lbfgs', 'c2', c2, BETWEEN)
  checkNumber('lbfgs', 'c1', c1, { low: 0, high: c2, open: 'both' })
  return { maxIterations, maxEvaluations, history, gradientTolerance, changeTolerance, c1, c2 }
}

function checkedGradients(gradients: unknown, parameters: readonly ArrayLike<number>[]): readonly ArrayLike<number>[] {
  const lengths = (list: readonly ArrayLike<number>[]): string => list.map((a) => a?.length).join(', ')
  if (!Array.isArray(gradients) || lengths(gradients as ArrayLike<number>[]) !== lengths(parameters)) {
    const got = Array.isArray(gradients) ? `lengths ${lengths(gradients as ArrayLike<number>[])}` : showValue(gradients)
    throw new GradcError('option/invalid', `the gradients must have lengths ${lengths(parameters)}, got ${got}`, {
      hint: 'one gradient for each array of parameters, in order',
    })
  }
  return gradients as ArrayLike<number>[]
}
