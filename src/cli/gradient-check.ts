import { valueAndGrad } from '../api/derivatives.ts'
import { evaluateNodes, type Values } from '../ir/evaluate.ts'
import { topological, type Graph, type Named, type Node } from '../ir/graph.ts'
import { numberAt } from '../ir/half.ts'
import { showType, type TypedArray } from '../ir/types.ts'
import { normal } from './random-inputs.ts'

/** At most so far apart, relative to the larger one, and the gradient is right; from so far on it is wrong. */
export const GOOD = 1e-7
export const BAD = 1e-4

/** What the check found of one parameter. */
export interface ParameterCheck {
  readonly name: string
  readonly type: string
  /** Difference of the gradient and central differences, relative to the larger of both; the largest of all probes. */
  readonly error: number
  /** `good`: at most 1e-7. `fair`: below 1e-4, as near a kink of relu, abs or max. `bad`: the gradient is wrong there. */
  readonly verdict: 'good' | 'fair' | 'bad'
  /** Where the difference is largest: an element, or all of them in a random direction. */
  readonly at: string
  readonly gradient: number
  readonly difference: number
}

/** What to check, and at which point. */
export interface CheckSpec {
  /** A function that is not differentiated yet. */
  readonly graph: Graph
  /** Name of a scalar result. */
  readonly loss: string
  /** Names of states. */
  readonly wrt: readonly string[]
  readonly inputs: Readonly<Record<string, TypedArray>>
  readonly states: Readonly<Record<string, TypedArray>>
  readonly random: () => number
  /** Elements of each parameter to look at alone, the one with the largest gradient first. */
  readonly elements: number
  /** Told after each probe of a parameter: the share of its probes that is done. */
  readonly report?: (name: string, share: number) => void
}

/** Steps of the differences, tried in this order until one is good: kinks want short ones, small gradients long ones. */
const STEPS = [1e-5, 1e-6, 1e-4, 1e-3]

/**
 * Checks the gradient of a loss by each parameter against central differences, both in doubles by the reference evaluator: along
 * a direction that moves every element, and for single elements. One result a parameter, as they come.
 */
export function* checkGradients(spec: CheckSpec): Generator<ParameterCheck, void, void> {
  const { graph, wrt, random } = spec
  const loss = graph.results.find((r) => r.name === spec.loss)!.node
  const decls = graph.states.filter((s) => wrt.includes(s.name))
  const parameters = decls.map((d) => graph.builder.state(d))
  const inputs = inDoubles(graph.inputs, spec.inputs)
  const states = inDoubles(graph.states.map((d) => ({ name: d.name, node: graph.builder.state(d) })), spec.states)
  // At first values many things meet by chance: biases at the kink of relu, equal maxima. A little aside nothing is special.
  for (const { name } of decls) states[name] = Float64Array.from(states[name], (v) => v + 0.01 * normal(random))
  const { gradients } = valueAndGrad(loss, parameters)
  const values = evaluateNodes([loss, ...gradients], { inputs, states }, { precision: 'f64' })
  const order = topological([loss])
  for (const [i, parameter] of parameters.entries()) {
    const name = decls[i].name
    const gradient = values.get(gradients[i])!
    const at = states[name] as Float64Array
    const lossAt = lossAlong(loss, parameter, { order, values, at })
    const size = Math.abs(values.get(loss)![0])
    if (!at.length) continue
    const probes = probesOf(Float64Array.from(gradient), spec.elements, random).map((p, k, all) => {
      const found = probe(p, gradient, lossAt, size)
      spec.report?.(name, (k + 1) / all.length)
      return found
    })
    const worst = probes.reduce((a, b) => (b.error > a.error || Number.isNaN(b.error) ? b : a))
    const verdict = worst.error <= GOOD ? 'good' : worst.error < BAD ? 'fair' : 'bad'
    yield { name, type: showType(parameter), ...worst, verdict }
  }
}

/** Numbers of any dtype as doubles. */
function inDoubles(named: readonly Named[], values: Values): Record<string, ArrayLike<number>> {
  const wide = {}
  for (const { name, node } of named) {
    const array = Float64Array.from({ length: values[name].length }, (_, i) => numberAt(values[name], i, node.dtype))
    Object.defineProperty(wide, name, { value: array, enumerable: true, writable: true })
  }
  return wide
}

interface Point {
  readonly order: readonly Node[]
  readonly values: ReadonlyMap<Node, TypedArray>
  readonly at: Float64Array
}

/** The loss, `step` aside in a direction. */
type LossAlong = (step: number, direction: Float64Array) => number

/** The loss as a function of one parameter; what does not depend on it is not computed again. */
function lossAlong(loss: Node, parameter: Node, { order, values, at }: Point): LossAlong {
  const moving = new Set([parameter])
  const known = new Map<Node, ArrayLike<number>>()
  for (const node of order) {
    if (node.operands.some((o) => moving.has(o))) moving.add(node)
    else known.set(node, values.get(node)!)
  }
  return (step, direction) => {
    known.set(parameter, at.map((v, i) => v + step * direction[i]))
    return evaluateNodes([loss], { known }, { precision: 'f64' }).get(loss)![0]
  }
}

interface Probe {
  readonly at: string
  readonly direction: Float64Array
}

function probesOf(gradient: Float64Array, elements: number, random: () => number): Probe[] {
  const n = gradient.length
  // Each element moves the way that its gradient says, so that nothing cancels; of length 1 in all.
  const direction = Float64Array.from(gradient, (g) => (0.5 + random()) * (Math.sign(g) || (random() < 0.5 ? 1 : -1)))
  const length = Math.hypot(...norms(direction))
  const probes: Probe[] = [{ at: 'all', direction: direction.map((d) => d / length) }]
  const largest = gradient.reduce((best, g, i) => (Math.abs(g) > Math.abs(gradient[best]) ? i : best), 0)
  const chosen = new Set([largest])
  while (chosen.size < Math.min(elements, n)) chosen.add(Math.floor(random() * n))
  if (elements) for (const i of chosen) probes.push({ at: `[${i}]`, direction: new Float64Array(n).fill(1, i, i + 1) })
  return probes
}

/** Partial norms, so that no call has too many arguments. */
function norms(values: Float64Array): number[] {
  const parts: number[] = []
  for (let i = 0; i < values.length; i += 4096) parts.push(Math.hypot(...values.subarray(i, i + 4096)))
  return parts
}

type Found = Pick<ParameterCheck, 'error' | 'at' | 'gradient' | 'difference'>

function probe({ at, direction }: Probe, gradient: TypedArray, lossAt: LossAlong, size: number): Found {
  const exact = direction.reduce((sum, d, i) => (d ? sum + d * gradient[i] : sum), 0)
  let best: Found = { error: NaN, at, gradient: exact, difference: NaN }
  for (const step of STEPS) {
    const difference = (lossAt(step, direction) - lossAt(-step, direction)) / (2 * step)
    const larger = Math.max(Math.abs(exact), Math.abs(difference))
    // The loss is known to about 15 digits. A step that leaves too few of them says nothing; the last one must do.
    const noise = (1e-15 * Math.max(size, 1)) / step
    if (noise > BAD * larger && step !== STEPS.at(-1)) continue
    const apart = Math.abs(exact - difference)
    const error = apart <= GOOD * larger ? apart / Math.max(larger, Number.MIN_VALUE) : Math.max(apart - noise, 0) / larger
    if (error < best.error || Number.isNaN(best.error)) best = { error, at, gradient: exact, difference }
    if (error <= GOOD) break
  }
  return best
}
