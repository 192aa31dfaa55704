import fc from 'fast-check'
import { expect, test } from 'vitest'
import { axis, constant, evaluate, linearise } from '../../src/ir/affine.ts'
import type { Node } from '../../src/ir/graph.ts'
import { axesRead, indexInRow, rowShape } from '../../src/ir/rows.ts'
import { rowMajor, sizeOf } from '../../src/ir/types.ts'

const SPACE = [4, 3, 6, 2]

/** A tensor whose coordinates are axes of the space, each at most once, or stand still. */
const arbitraryRead = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 1 }).chain((axes) =>
  fc.tuple(...axes.map((a) => fc.record({ axis: fc.constant(a), still: fc.option(fc.nat(2), { freq: 4 }), more: fc.nat(2) }))))

test('axes that are read are found, whatever the layout', () => {
  fc.assert(fc.property(arbitraryRead, (reads) => {
    const shape = reads.map((r) => (r.still === null ? SPACE[r.axis] : 3 + r.more))
    const index = linearise(reads.map((r) => (r.still === null ? axis(r.axis, 4) : constant(r.still, 4))), rowMajor(shape), 4)
    expect(axesRead(index, shape, SPACE)).toEqual(reads.map((r) => (r.still === null ? r.axis : -1)))
  }))
})

test('shifted, strided and mixed coordinates are no axes', () => {
  expect(axesRead({ offset: 1, coefficients: [3, 1] }, [4, 3], [4, 2])).toEqual([0, -1])
  expect(axesRead({ offset: 0, coefficients: [6, 1] }, [8, 3], [4, 3])).toEqual([-1, 1])
  expect(axesRead({ offset: 0, coefficients: [3, 3] }, [8, 3], [4, 2])).toEqual([-1, -1])
  // The second coordinate runs over into the first.
  expect(axesRead({ offset: 0, coefficients: [3, 1] }, [5, 3], [4, 4])).toBeNull()
})

test('an element lies in the scratch of its row where it lies among the elements of the row', () => {
  fc.assert(fc.property(fc.shuffledSubarray([0, 1, 2, 3], { minLength: 2 }), fc.nat(3), fc.nat(3), fc.boolean(), (axes, first, second, blocks) => {
    const shape = axes.map((a) => SPACE[a])
    const rows = [...new Set([first % axes.length, second % axes.length])]
    const steps = rows.map((i) => (blocks && shape[i] % 2 === 0 ? { steps: shape[i] / 2, points: 2 } : { steps: shape[i], points: 1 }))
    const local = { node: { shape } as unknown as Node, axes: rows }
    const index = linearise(axes.map((a) => axis(a, 4)), rowMajor(shape), 4)
    const own = indexInRow(index, local, steps, rows.map((i) => axes[i]), SPACE)!
    const strides = rowMajor(SPACE)
    const points = Array.from({ length: sizeOf(SPACE) }, (_, p) => strides.map((s, i) => Math.floor(p / s) % SPACE[i]))
    for (const at of points) {
      const row = rows.map((i, k) => Math.floor(at[axes[i]] / steps[k].points))
      const inside = axes.map((a, i) => (rows.includes(i) ? at[a] % steps[rows.indexOf(i)].points : at[a]))
      const counted = at.map((x, a) => (rows.includes(axes.indexOf(a)) && axes.includes(a) ? x - row[rows.indexOf(axes.indexOf(a))] * steps[rows.indexOf(axes.indexOf(a))].points : x))
      const place = rowMajor(rowShape(shape, rows, steps)).reduce((n, s, i) => n + s * inside[i], 0)
      expect(evaluate(own, counted)).toBe(place)
    }
  }))
})

test('a read beyond its own row is none within it', () => {
  const local = { node: { shape: [4, 3] } as unknown as Node, axes: [0] }
  const rows = [{ steps: 4, points: 1 }]
  expect(indexInRow({ offset: 0, coefficients: [3, 1] }, local, rows, [0], [4, 3])).toEqual({ offset: 0, coefficients: [3, 1] })
  expect(indexInRow({ offset: 9, coefficients: [-3, 1] }, local, rows, [0], [4, 3])).toBeNull()
  expect(indexInRow({ offset: 0, coefficients: [1, 3] }, local, rows, [0], [3, 4])).toBeNull()
})
