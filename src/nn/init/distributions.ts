import { showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Init } from '../../ir/graph.ts'
import { abs, add, clip, cos, log1p, mul, neg, sqrt, sub } from '../../ir/lang/pointwise.ts'
import { checkFinite, checkNotNegative, checkPositive } from '../numbers.ts'
import { drawn, open, unit } from './draw.ts'
import { lowerTail, normalQuantile } from './quantile.ts'

/** Uniform from low up to high (which only rounding can reach), 24 bits an element. Errors: option/invalid unless low ≤ high. */
export function uniform(low = 0, high = 1): Init {
  checkFinite('uniform', 'low', low)
  checkFinite('uniform', 'high', high)
  if (low > high) throw new GradcError('option/invalid', `uniform from ${low} to ${high}: low must not be above high`)
  return (b, type, key) => drawn(type, (t) => add(mul(unit(b, t, key, 0), high - low), low))
}

/** Normal by mean and standard deviation (Box & Muller, 1958). Errors: option/invalid for a negative deviation. */
export function normal(mean = 0, std = 1): Init {
  checkFinite('normal', 'mean', mean)
  checkFinite('normal', 'std', std)
  checkNotNegative('normal', 'std', std)
  return (b, type, key) =>
    drawn(type, (t) => {
      // 1 − u lies in (0, 1], so the logarithm is finite: the largest draw is √(48·ln 2) ≈ 5.77 deviations.
      const radius = sqrt(mul(log1p(neg(unit(b, t, key, 0))), -2))
      return add(mul(mul(radius, cos(mul(unit(b, t, key, 1), 2 * Math.PI))), std), mean)
    })
}

/**
 * Normal by mean and standard deviation, of which only the part from a to b is drawn, as PyTorch: a and b are values, not
 * deviations, and may be infinite. By inversion of the distribution function, so that nothing is drawn in vain, and from the
 * nearer tail, so that far intervals keep their digits. Errors: option/invalid unless std > 0, a < b and the interval begins
 * less than 11 deviations from the mean.
 */
export function truncatedNormal(mean = 0, std = 1, a = -2, b = 2): Init {
  checkFinite('truncatedNormal', 'mean', mean)
  checkPositive('truncatedNormal', 'std', std)
  for (const [name, bound] of [['a', a], ['b', b]] as const) {
    if (typeof bound === 'number' && !Number.isNaN(bound)) continue
    throw new GradcError('option/invalid', `truncatedNormal: ${name} must be a number, got ${showValue(bound)}`)
  }
  if (a >= b) throw new GradcError('option/invalid', `truncatedNormal from ${a} to ${b}: a must be below b`)
  // Draws above the mean only are mirrored ones below it.
  const mirror = a >= mean ? -1 : 1
  const [low, high] = [(a - mean) / std, (b - mean) / std].map((z) => z * mirror).sort((x, y) => x - y)
  if (high < -11) {
    const far = `${Math.round(-high)} standard deviations from the mean`
    throw new GradcError('option/invalid', `truncatedNormal from ${a} to ${b} begins ${far}, where next to nothing is`, {
      hint: 'a and b are values, as mean and std are: truncatedNormal(3, 0.1, 2.8, 3.2)',
    })
  }
  const [from, to] = [lowerTail(low), lowerTail(high)]
  return (builder, type, key) =>
    drawn(type, (t) => {
      const u = open(builder, t, key, 0)
      // Below the mean the probability itself carries the digits; across it, its distance from ½.
      const share = high <= 0 ? add(mul(u, to - from), from) : null
      const offset = share ? sub(share, 0.5) : add(mul(u, to - from), from - 0.5)
      const tail = share ?? sub(0.5, abs(offset))
      const z = normalQuantile(offset, tail, share !== null)
      return clip(add(mul(z, mirror * std), mean), a, b)
    })
}
