import { checkList, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Named, Node } from '../../ir/graph.ts'
import { add, cast, div, maximum, reciprocal, mul, sqrt, square, sub } from '../../ir/lang/pointwise.ts'
import { sum } from '../../ir/lang/reduce.ts'
import type { Entry } from '../../ir/optimizer.ts'

/** What a training step can tell of itself, as further results. */
export type Monitor = 'gradientNorm' | 'updateRatio'
const MONITORS: readonly Monitor[] = ['gradientNorm', 'updateRatio']

/** A parameter's update, as the optimiser gave it. */
export interface Change {
  /** What was added; null where the parameter stays, or where its new value was rounded. */
  readonly delta: Node | null
  /** The new value; null where the parameter stays. */
  readonly next: Node | null
}

/** Norms of weights below this count as this: a weight that starts at zero has a finite ratio. */
const LEAST_NORM = 1e-12

/** Throws attr/invalid or option/invalid unless the value is a list of monitors. */
export function checkMonitors(monitors: unknown): asserts monitors is readonly Monitor[] {
  checkList('minimize', 'monitor', monitors)
  for (const m of monitors as readonly unknown[]) {
    if (MONITORS.includes(m as Monitor)) continue
    throw new GradcError('option/invalid', `minimize cannot monitor ${showValue(m)}`, {
      hint: `monitors are ${MONITORS.join(', ')}`,
    })
  }
}

/**
 * The results that monitors add, all f32[] or f64[]:
 * `gradientNorm` = ‖all gradients‖₂ and `gradientNorm:<parameter>`, before any clipping, with a loss scale divided out;
 * `updateRatio:<parameter>` = ‖new − old‖₂ / max(‖old‖₂, 1e-12).
 */
export function monitored(
  monitors: readonly Monitor[], entries: readonly Entry[], changes: readonly Change[], seed: Node | null,
): Named[] {
  const results: Named[] = []
  if (monitors.includes('gradientNorm')) {
    const unscaled = (g: Node): Node => (seed ? mul(g, cast(reciprocal(seed), g.dtype)) : g)
    const squares = entries.map((e) => squareSum(unscaled(wide(e.gradient))))
    const dtype = squares.some((s) => s.dtype === 'f64') ? 'f64' : 'f32'
    results.push({ name: 'gradientNorm', node: sqrt(squares.map((s) => cast(s, dtype)).reduce((a, b) => add(a, b))) })
    entries.forEach((e, i) => results.push({ name: `gradientNorm:${e.name}`, node: sqrt(squares[i]) }))
  }
  if (monitors.includes('updateRatio')) {
    entries.forEach(({ name, parameter }, i) => {
      const old = sqrt(squareSum(parameter))
      results.push({ name: `updateRatio:${name}`, node: div(sqrt(movement(parameter, changes[i])), maximum(old, LEAST_NORM)) })
    })
  }
  return results
}

/** ‖new − old‖². */
function movement(parameter: Node, { delta, next }: Change): Node {
  if (delta) return squareSum(delta)
  if (next) return squareSum(sub(wide(next), wide(parameter)))
  return parameter.builder.zeros({ dtype: wide(parameter).dtype, shape: [] })
}

const wide = (x: Node): Node => (x.dtype === 'f64' ? x : cast(x, 'f32'))
const squareSum = (x: Node): Node => sum(square(wide(x)))
