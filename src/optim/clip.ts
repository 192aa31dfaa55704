import { abs, add, cast, clip, div, maximum, mul, neg, sqrt, square } from '../ir/lang/pointwise.ts'
import { sum } from '../ir/lang/reduce.ts'
import type { Hyper, Transform } from '../ir/optimizer.ts'
import { checkOption, POSITIVE, valueOf } from './hyper.ts'

/**
 * Scales all gradients by one factor so that their joint Euclidean norm is at most `maxNorm` (Pascanu et al., ICML 2013):
 * g ← g·maxNorm / max(‖g‖, maxNorm). A NaN in one gradient reaches all. No state.
 * Errors: option/invalid.
 */
export function clipByGlobalNorm(maxNorm: Hyper): Transform {
  checkOption('clipByGlobalNorm', 'maxNorm', maxNorm, POSITIVE)
  return {
    name: 'clip',
    partial: true,
    update(ctx, entries) {
      const dtype = entries.some((e) => e.gradient.dtype === 'f64') ? 'f64' : 'f32'
      const norm = sqrt(entries.map((e) => cast(sum(square(e.gradient)), dtype)).reduce((a, b) => add(a, b)))
      const most = valueOf('clipByGlobalNorm', 'maxNorm', maxNorm, ctx, dtype)
      const factor = div(most, maximum(norm, most))
      return entries.map((e) => mul(e.gradient, cast(factor, e.gradient.dtype)))
    },
  }
}

/**
 * Limits every element of every gradient to [−limit, limit], as PyTorch's `clip_grad_value_` and `optax.clip`. NaN stays.
 * No state. Errors: option/invalid.
 */
export function clipByValue(limit: Hyper): Transform {
  checkOption('clipByValue', 'limit', limit, POSITIVE)
  return {
    name: 'clipByValue',
    partial: true,
    update: (ctx, entries) =>
      entries.map(({ gradient }) => {
        // A limit that a function gives may be negative by mistake; its size counts.
        const most = abs(valueOf('clipByValue', 'limit', limit, ctx, gradient.dtype))
        return clip(gradient, neg(most), most)
      }),
  }
}
