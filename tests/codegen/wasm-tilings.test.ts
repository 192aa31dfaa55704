import { expect, test, vi } from 'vitest'
import type { Nest } from '../../src/codegen/nest.ts'
import { tilings } from '../../src/codegen/wasm/tile.ts'
import type { Tiling } from '../../src/codegen/wasm/tiling.ts'
import { rowTiles, tilesOf } from '../../src/codegen/wasm/tiles.ts'
import { Bench, disagreements, form, nest } from './wasm-reference.ts'

/** Which of all tilings the emitter gets, instead of the cheapest. */
let chosen = (list: readonly Tiling[]): Tiling => list[0]

vi.mock('../../src/codegen/wasm/tile.ts', async (original) => {
  const real = await original<typeof import('../../src/codegen/wasm/tile.ts')>()
  const chooseTiling = (n: Nest, mayLane: (axis: number) => boolean): Tiling | null => {
    const list = real.tilings(n, mayLane)
    return list.length ? chosen(list) : null
  }
  return { ...real, chooseTiling }
})

vi.mock('../../src/codegen/wasm/tiling.ts', async (original) => {
  const real = await original<typeof import('../../src/codegen/wasm/tiling.ts')>()
  return { ...real, packsRowsFor: (t: Tiling) => t.rowBlock > 0 }
})

interface Case {
  readonly b: Bench
  readonly n: Nest
}

/** out[g, i, j] = 2 · Σ_k a[g, i, k] · b[g, k, j] + out[g, i, j], with either operand transposed. */
function batched(g: number, m: number, n: number, k: number, turned: readonly [boolean, boolean]): Case {
  const b = new Bench()
  const [x, y, z] = [b.buffer('f32', g * m * k), b.buffer('f32', g * k * n), b.buffer('f32', g * m * n)]
  const value = b.x.arith.mul(
    b.x.load(x, turned[0] ? form(0, m * k, 1, 0, m) : form(0, m * k, k, 0, 1)),
    b.x.load(y, turned[1] ? form(0, k * n, 0, k, 1) : form(0, k * n, 0, 1, n)),
  )
  const here = form(0, m * n, n, 1)
  const twice = b.x.arith.mul(b.x.lit(2, 'f32'), b.x.core('f32'))
  const stores = [b.store(z, here, b.x.arith.add(twice, b.x.load(z, here)))]
  return { b, n: nest([g, m, n], stores, { reduced: [k], combine: 'sum', value }) }
}

/** y[n, o, i, j] = Σ x[n, c, i + p, j + q] · f[o, c, p, q] */
function convolution(n: number, o: number, h: number, w: number, c: number): Case {
  const b = new Bench()
  const [x, f, y] = [b.buffer('f32', n * c * (h + 2) * (w + 2)), b.buffer('f32', o * c * 9), b.buffer('f32', n * o * h * w)]
  const plane = (h + 2) * (w + 2)
  const value = b.x.arith.mul(
    b.x.load(x, form(0, c * plane, 0, w + 2, 1, plane, w + 2, 1)),
    b.x.load(f, form(0, 0, c * 9, 0, 0, 9, 3, 1)),
  )
  const stores = [b.store(y, form(0, o * h * w, h * w, w, 1), b.x.core('f32'))]
  return { b, n: nest([n, o, h, w], stores, { reduced: [c, 3, 3], combine: 'sum', value }) }
}

/** May its terms come in blocks? */
const takesTermBlocks = (t: Tiling): boolean => t.feed === 'packed' && !t.allColumns

/**
 * Emits the nest with every tiling (or every `step`-th), rows in blocks of two and of all tiles or terms in blocks of one point and
 * more, and compares bits.
 */
function everyTiling(of: () => Case, step = 1): number {
  const count = tilings(of().n, () => true).length
  for (let i = 0; i < count; i += step) {
    const [first] = of().n.reduced
    const rowBlocks = (t: Tiling): number[] => [...new Set([2, Infinity].map((tiles) => Math.min(t.rowBlock, tiles * t.rows)))]
    const termBlocks = (t: Tiling): number[] => [0, ...(takesTermBlocks(t) ? [1, 2, 3].filter((n) => n < first && first % n === 0) : [])]
    const variants = (t: Tiling): Tiling[] => rowBlocks(t).flatMap((rowBlock) => termBlocks(t).map((termBlock) => ({ ...t, rowBlock, termBlock })))
    for (let v = 0, most = 1; v < most; v++) {
      let shown = ''
      chosen = (list) => {
        const all = variants(list[i]!)
        most = all.length
        const t = all[v]!
        shown = JSON.stringify({ ...t, vector: t.vector.index, single: t.single.index })
        return t
      }
      const { b, n } = of()
      expect(disagreements(b, b.program(n)).slice(0, 2), shown).toEqual([])
    }
  }
  return count
}

test.each([[false, false], [true, false], [false, true], [true, true]] as const)(
  'every tiling of a batched product computes the same bits: transposed %s, %s',
  (...turned) => {
    expect(everyTiling(() => batched(2, 14, 19, 6, turned))).toBeGreaterThan(30)
    everyTiling(() => batched(1, 23, 9, 5, turned))
  },
)

test('every third tiling of a convolution computes the same bits', () => {
  expect(everyTiling(() => convolution(2, 9, 2, 14, 2), 3)).toBeGreaterThan(100)
})

test('tiles of five rows leave tiles of four, and cover every row once', () => {
  for (let extent = 1; extent <= 60; extent++) {
    const tiles = rowTiles(extent, 5)
    const points = tiles.flatMap((t) => Array.from({ length: t.count }, (_, i) => t.points.map((p) => t.start + i * t.step + p.by))).flat()
    expect(points).toEqual(Array.from({ length: extent }, (_, i) => i))
    if (extent >= 12) expect(tiles.every((t) => t.points.length >= 4)).toBe(true)
    expect(rowTiles(extent, 3)).toEqual(tilesOf(extent, 3, 1))
  }
})
