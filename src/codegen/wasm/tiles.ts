/** A part of an axis, covered by tiles of one form: `count` of them from `start`, one every `step`. */
export interface Tiles {
  readonly start: number
  readonly count: number
  readonly step: number
  /** The points of one tile: distance from where it starts, and how many lanes are used there (1 without lanes). */
  readonly points: readonly { readonly by: number; readonly width: number }[]
}

/** Covers an axis by tiles of `unroll` vectors of `lanes` (1 to 4) elements; what remains makes one smaller tile. */
export function tilesOf(extent: number, unroll: number, lanes: number): Tiles[] {
  const step = unroll * lanes
  const count = Math.floor(extent / step)
  const points = (n: number): Tiles['points'] =>
    Array.from({ length: Math.ceil(n / lanes) }, (_, i) => ({ by: i * lanes, width: Math.min(lanes, n - i * lanes) }))
  const tiles: Tiles[] = []
  if (count) tiles.push({ start: 0, count, step, points: points(step) })
  if (extent > count * step) tiles.push({ start: count * step, count: 1, step, points: points(extent - count * step) })
  return tiles
}

/**
 * Covers an axis by tiles of `rows` points; what remains makes one smaller tile, or for tiles of five some tiles of four, which
 * are nearly as fast.
 */
export function rowTiles(extent: number, rows: number): Tiles[] {
  const fours = (5 - (extent % 5)) % 5
  if (rows !== 5 || extent < 4 * fours) return tilesOf(extent, rows, 1)
  const fives = extent - 4 * fours
  const rest = tilesOf(4 * fours, 4, 1).map((t) => ({ ...t, start: t.start + fives }))
  return [...tilesOf(fives, 5, 1), ...rest]
}

/** How many lanes to use if there shall be no remainder: the largest divisor of the extent from 2 to 4; else all four. */
export function evenLanes(extent: number): number {
  return [4, 3, 2].find((w) => extent % w === 0) ?? 4
}

/** The largest unrolling up to `most` that leaves no remainder, if there is one above half of it; else `most`. */
export function evenUnroll(extent: number, most: number): number {
  const limit = Math.min(most, extent)
  for (let u = limit; u > 1 && u >= limit / 2; u--) if (extent % u === 0) return u
  return Math.max(limit, 1)
}
