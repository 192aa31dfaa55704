/** Loss and slope at a distance along a direction. */
export interface Point {
  readonly t: number
  readonly loss: number
  readonly slope: number
}

/** A line search: the distances that are tried, and the constants of the two conditions. */
export interface Search {
  /** Loss and slope at distance t. A loss that is not finite counts as too high. */
  at(t: number): Point
  readonly c1: number
  readonly c2: number
  /** How much a loss may be off, as a share of it: differences below that say nothing, and slopes decide. */
  readonly noise: number
  /** Most calls of `at`. */
  readonly limit: number
}

/**
 * A distance that meets the strong Wolfe conditions, loss(t) ≤ loss(0) + c1·t·slope(0) and |slope(t)| ≤ c2·|slope(0)|
 * (Nocedal & Wright, Numerical Optimization, 2nd ed., algorithms 3.5 and 3.6, with cubic interpolation); where rounding or the
 * limit lets none be found, the lowest point seen that meets the first one; null if there is none. Where losses differ by noise
 * only, the first condition is slope(t) ≤ (2·c1 − 1)·slope(0), which is the same on a parabola (Hager & Zhang, SIAM J. Optim.,
 * 2005).
 */
export function strongWolfe(start: Point, first: number, { at, c1, c2, noise, limit }: Search): Point | null {
  let best: Point | null = null
  let calls = 0
  const tried = (t: number): Point => {
    calls++
    const p = at(t)
    const seen = Number.isFinite(p.loss) && Number.isFinite(p.slope) ? p : { t, loss: Infinity, slope: NaN }
    if (falls(seen) && seen.loss < (best?.loss ?? start.loss)) best = seen
    return seen
  }
  const unclear = start.loss + noise * Math.abs(start.loss)
  const falls = (p: Point): boolean =>
    p.loss <= start.loss + c1 * p.t * start.slope || (p.loss <= unclear && p.slope <= (2 * c1 - 1) * start.slope)
  const flat = (p: Point): boolean => Math.abs(p.slope) <= -c2 * start.slope

  // Between low and high lies a point to take; low is the lowest that falls.
  const zoom = (low: Point, high: Point): Point | null => {
    while (calls < limit) {
      const width = Math.abs(high.t - low.t)
      if (!(width > 1e-12 * Math.max(low.t, high.t))) break
      const p = tried(within(cubic(low, high), low.t, high.t))
      if (!falls(p) || p.loss >= low.loss) high = p
      else {
        if (flat(p)) return p
        if (p.slope * (high.t - low.t) >= 0) high = low
        low = p
      }
    }
    return best
  }

  let before = start
  for (let t = first; calls < limit; ) {
    const p = tried(t)
    if (!falls(p) || (calls > 1 && p.loss >= before.loss)) return zoom(before, p)
    if (flat(p)) return p
    if (p.slope >= 0) return zoom(p, before)
    const next = within(cubic(before, p), p.t + 0.01 * (p.t - before.t), 10 * p.t)
    before = p
    t = next
  }
  return best
}

/** Where the cubic through two points and slopes is lowest; NaN if nowhere. */
function cubic(a: Point, b: Point): number {
  const d1 = a.slope + b.slope - (3 * (a.loss - b.loss)) / (a.t - b.t)
  const d2 = Math.sign(b.t - a.t) * Math.sqrt(d1 * d1 - a.slope * b.slope)
  return b.t - ((b.t - a.t) * (b.slope + d2 - d1)) / (b.slope - a.slope + 2 * d2)
}

/** t, kept a tenth of the interval away from its ends; the middle if t is no number. */
function within(t: number, from: number, to: number): number {
  const [low, high] = [Math.min(from, to), Math.max(from, to)]
  if (!Number.isFinite(t)) return (low + high) / 2
  const margin = 0.1 * (high - low)
  return Math.min(Math.max(t, low + margin), high - margin)
}
