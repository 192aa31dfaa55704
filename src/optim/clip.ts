import { add, cast, div, maximum, mul, sqrt, square } from '../ir/lang/pointwise.ts'
import { sum } from '../ir/lang/reduce.ts'
import type { Transform } from '../ir/optimizer.ts'
import { checkOption, POSITIVE } from './hyper.ts'

/**
 * Scales all gradients by one factor so that their joint Euclidean norm is at most `maxNorm` (Pascanu et al., ICML 2013):
 * g ← g·maxNorm / max(‖g‖, maxNorm). A NaN in one gradient reaches all. No state.
 * Errors: option/invalid.
 */
export function clipByGlobalNorm(maxNorm: number): Transform {
  checkOption('clipByGlobalNorm', 'maxNorm', maxNorm, POSITIVE)
  return {
    name: 'clip',
    partial: true,
    update(_, entries) {
      const dtype = entries.some((e) => e.gradient.dtype === 'f64') ? 'f64' : 'f32'
      const norm = sqrt(entries.map((e) => cast(sum(square(e.gradient)), dtype)).reduce((a, b) => add(a, b)))
      const factor = div(maxNorm, maximum(norm, maxNorm))
      return entries.map((e) => mul(e.gradient, cast(factor, e.gradient.dtype)))
    },
  }
}
