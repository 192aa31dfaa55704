import { sizeOf, type Shape } from './types.ts'

/** `offset + Σ coefficient[i] · axis[i]` over the axes of some iteration space. */
export interface Affine {
  readonly offset: number
  readonly coefficients: readonly number[]
}

/** One affine form for each axis of the target space, over the axes of the source space. */
export type AffineMap = readonly Affine[]

export const constant = (offset: number, rank: number): Affine => ({ offset, coefficients: new Array<number>(rank).fill(0) })
export const axis = (i: number, rank: number, scale = 1, offset = 0): Affine => ({
  offset,
  coefficients: Array.from({ length: rank }, (_, j) => (i === j ? scale : 0)),
})
export const identity = (rank: number): AffineMap => Array.from({ length: rank }, (_, i) => axis(i, rank))

export const evaluate = (a: Affine, at: readonly number[]): number => a.coefficients.reduce((s, c, i) => s + c * at[i], a.offset)

export const plus = (a: Affine, b: Affine): Affine => ({
  offset: a.offset + b.offset,
  coefficients: a.coefficients.map((c, i) => c + b.coefficients[i]),
})
export const times = (a: Affine, by: number): Affine => ({
  offset: a.offset * by + 0,
  coefficients: a.coefficients.map((c) => c * by + 0),
})

/** outer ∘ inner: the outer map's axes are replaced by the inner map's forms. `rank` is the rank of the inner source. */
export function compose(outer: AffineMap, inner: AffineMap, rank: number): AffineMap {
  return outer.map((a) => a.coefficients.reduce((s, c, i) => (c ? plus(s, times(inner[i], c)) : s), constant(a.offset, rank)))
}

/** Σ stride[i] · coordinate[i]: where a coordinate lies in a strided buffer. */
export function linearise(coordinates: AffineMap, strides: readonly number[], rank: number, offset = 0): Affine {
  return coordinates.reduce((s, c, i) => plus(s, times(c, strides[i])), constant(offset, rank))
}

/** Smallest and largest value over a space with these extents (all ≥ 1). */
export function range(a: Affine, extents: Shape): [number, number] {
  let low = a.offset
  let high = a.offset
  a.coefficients.forEach((c, i) => {
    if (c > 0) high += c * (extents[i] - 1)
    else low += c * (extents[i] - 1)
  })
  return [low, high]
}

/**
 * Splits `form` = high·by + low with 0 ≤ low < by for every point of the space, keeping both affine.
 * Sufficient, not complete: terms whose coefficient `by` divides go high, the others must stay within [0, by).
 */
export function divide(form: Affine, by: number, extents: Shape): { high: Affine; low: Affine } | null {
  const whole = Math.floor(form.offset / by)
  const high: number[] = []
  const low: number[] = []
  form.coefficients.forEach((c, i) => {
    const divides = extents[i] <= 1 ? true : c % by === 0
    high.push(divides && extents[i] > 1 ? c / by : 0)
    low.push(divides ? 0 : c)
  })
  const rest: Affine = { offset: form.offset - whole * by, coefficients: low }
  const [a, z] = range(rest, extents.map((e) => Math.max(e, 1)))
  if (a < 0 || z >= by) return null
  return { high: { offset: whole, coefficients: high }, low: rest }
}

/**
 * Coordinates under `from` (row-major) of the elements that `coordinates` name under `to`; null if not affine.
 * The reshape at issue is from → to; both have the same number of elements.
 */
export function throughReshape(coordinates: AffineMap, to: Shape, from: Shape, extents: Shape): AffineMap | null {
  const rank = extents.length
  if (sizeOf(to) === 0) return from.map(() => constant(0, rank))
  const result: Affine[] = new Array<Affine>(from.length)
  let i = to.length - 1
  let j = from.length - 1
  // Match the smallest groups of trailing axes with equal sizes; within a group linearise, then divide.
  while (i >= 0 || j >= 0) {
    const iEnd = i
    const jEnd = j
    let a = i >= 0 ? to[i--] : 1
    let b = j >= 0 ? from[j--] : 1
    while (a !== b) {
      if (a < b) a *= to[i--]
      else b *= from[j--]
    }
    let form = constant(0, rank)
    let stride = 1
    for (let t = iEnd; t > i; t--) {
      form = plus(form, times(coordinates[t], stride))
      stride *= to[t]
    }
    for (let f = jEnd; f > j; f--) {
      if (f === j + 1) {
        result[f] = form
        break
      }
      const parts = divide(form, from[f], extents)
      if (!parts) return null
      result[f] = parts.low
      form = parts.high
    }
  }
  return result
}
