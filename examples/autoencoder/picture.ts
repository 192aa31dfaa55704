/** Rows and columns of an image. */
const SIDE = 28
/** Pixels between two images, as light as paper. */
const GAP = 2

/**
 * A picture in the format PGM (netpbm, P5): images above what became of them, one pair a column. Both are [count, 784] from 0
 * (paper, drawn white) to 1 (ink); other numbers are cut.
 */
export function pictureOf(images: ArrayLike<number>, made: ArrayLike<number>, count: number): Uint8Array {
  const width = count * (SIDE + GAP) - GAP
  const height = 2 * SIDE + GAP
  const header = new TextEncoder().encode(`P5\n${width} ${height}\n255\n`)
  const file = new Uint8Array(header.length + width * height).fill(255)
  file.set(header)
  for (const [row, source] of [images, made].entries()) {
    for (let i = 0; i < count * SIDE * SIDE; i++) {
      const image = Math.floor(i / (SIDE * SIDE))
      const y = row * (SIDE + GAP) + (Math.floor(i / SIDE) % SIDE)
      const x = image * (SIDE + GAP) + (i % SIDE)
      file[header.length + y * width + x] = Math.round(255 * (1 - Math.min(Math.max(source[i], 0), 1)))
    }
  }
  return file
}
