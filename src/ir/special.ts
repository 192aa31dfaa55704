import type { Arith } from './scalar.ts'

/**
 * The error function in f64, within 4 ulp. Below |x| = 1.75 the series 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!, whose terms
 * all have one sign; above it 1 − e^(−x²)/√π · 1/(x + ½/(x + 1/(x + ³⁄₂/(x + …)))). Source: Abramowitz & Stegun, 7.1.6 and 7.1.14.
 */
export function erf<V>(k: Arith<V>, x: V): V {
  const lit = (v: number): V => k.lit(v, 'f64')
  const square = k.mul(x, x)
  const decay = k.exp(k.neg(square))
  let series = lit(1)
  for (let n = 36; n >= 1; n--) series = k.add(lit(1), k.mul(series, k.mul(square, lit(2 / (2 * n + 1)))))
  const near = k.mul(k.mul(series, decay), k.mul(x, lit(2 / Math.sqrt(Math.PI))))
  const a = k.abs(x)
  let fraction = a
  for (let n = 80; n >= 1; n--) fraction = k.add(a, k.div(lit(n / 2), fraction))
  const far = k.sub(lit(1), k.div(k.mul(decay, lit(1 / Math.sqrt(Math.PI))), fraction))
  return k.select(k.lt(a, lit(1.75)), near, k.select(k.lt(x, lit(0)), k.neg(far), far))
}
