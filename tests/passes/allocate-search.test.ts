import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { Interval } from '../../src/passes/allocate/greedy.ts'
import { disturbed, ordersOf } from '../../src/passes/allocate/orders.ts'
import { pack, packInto } from '../../src/passes/allocate/pack.ts'
import { Search } from '../../src/passes/allocate/search.ts'
import { membersOf, sectionsOf } from '../../src/passes/allocate/sections.ts'
import { bound, crowded, cutUp, fitsAtAll, interval, overlapping } from './intervals.ts'
import { randomFrom } from './instances.ts'

// Seven bytes are in use where most are, yet no packing into seven exists (which the test below finds by trying all).
const TRAP = [[0, 5, 3], [7, 9, 4], [4, 8, 1], [4, 6, 1], [6, 7, 2], [3, 6, 1], [9, 9, 3], [2, 2, 1], [1, 6, 1], [2, 3, 2]]
const trap = TRAP.map(([from, to, bytes]) => interval(from, to, bytes))

const orders = (intervals: readonly Interval[]): (readonly number[])[] => {
  const sections = sectionsOf(intervals)
  return [...ordersOf(intervals, sections).search, ...[0, 1, 2, 3].map((k) => disturbed(intervals, sections, k))]
}

describe('sections', () => {
  test('are the sets in use together to which none can be added', () => {
    const intervals = [interval(0, 2, 1), interval(1, 3, 2), interval(5, 5, 0), interval(3, 9, 4), interval(10, 10, 8)]
    const sections = sectionsOf(intervals)
    expect(membersOf(sections)).toEqual([[0, 1], [1, 3], [4]])
    expect(sections.live).toEqual([3, 6, 8])
    expect(sections.places).toBe(5)
  })

  test('are shared just by those that overlap', () => {
    const random = randomFrom(7)
    for (let n = 0; n < 200; n++) {
      const intervals = crowded(random, 12)
      const { first, last, live } = sectionsOf(intervals)
      expect(Math.max(...live)).toBe(bound(intervals))
      intervals.forEach((a, i) => intervals.forEach((b, j) => {
        expect(first[i] <= last[j] && first[j] <= last[i]).toBe(a.from <= b.to && b.from <= a.to)
      }))
    }
  })
})

describe('the search', () => {
  test('finds a packing just if there is one, with every order', () => {
    const random = randomFrom(3)
    let above = 0
    for (let n = 0; n < 1500; n++) {
      const intervals = n === 0 ? trap : crowded(random, 15)
      let least = bound(intervals)
      while (!fitsAtAll(intervals, least)) least++
      if (least > bound(intervals)) above++
      const search = new Search(intervals, sectionsOf(intervals))
      for (const order of orders(intervals)) {
        expect(search.run(order, least - 1, { left: 1e8 })).toBe('none')
        expect(search.run(order, least, { left: 1e8 })).toBe('found')
        expect(overlapping(intervals, [...search.offsets])).toBe(0)
        expect(Math.max(...intervals.map((i, k) => search.offsets[k] + i.bytes))).toBe(least)
      }
    }
    expect(above).toBeGreaterThan(1)
  })

  test('stops when its effort is spent', () => {
    const search = new Search(trap, sectionsOf(trap))
    const effort = { left: 40 }
    expect(search.run(orders(trap)[0], bound(trap), effort)).toBe('stopped')
    expect(effort.left).toBeLessThanOrEqual(0)
  })

  test('goes down as deep as there are intervals', () => {
    const intervals = Array.from({ length: 3000 }, (_, i) => interval(0, i % 2, 1 + (i % 9)))
    const search = new Search(intervals, sectionsOf(intervals))
    expect(search.run(intervals.map((_, i) => i), bound(intervals), { left: 1e10 })).toBe('found')
  })
})

describe('packing into a capacity', () => {
  test.each([20, 40, 60])('finds the perfect packing of a rectangle cut into %i pieces, the same each time', (count) => {
    const random = randomFrom(count)
    for (let n = 0; n < 12; n++) {
      const intervals = cutUp(random, count, 100, 1024)
      expect(intervals).toHaveLength(count)
      const made = packInto(intervals, 1024, 3e8)
      if (made.outcome !== 'found') throw new Error(`instance ${n}: ${made.outcome}`)
      expect(overlapping(intervals, made.packing.offsets)).toBe(0)
      expect(Math.min(...made.packing.offsets)).toBe(0)
      expect(made.packing.total).toBe(1024)
      expect(packInto(intervals, 1024, 3e8)).toEqual(made)
    }
  })

  test('tells a proof that there is no packing from having found none', () => {
    expect(packInto(trap, 6, 1e8)).toEqual({ outcome: 'none', lowerBound: 7 })
    expect(packInto(trap, 7, 1e8)).toEqual({ outcome: 'none', lowerBound: 7 })
    expect(packInto(trap, 7, 100)).toEqual({ outcome: 'stopped', lowerBound: 7 })
    expect(packInto(trap, 8, 1e8).outcome).toBe('found')
    expect(pack(trap).total).toBe(8)
  })

  test('of nothing, and of what has no bytes, takes nothing', () => {
    expect(packInto([], 0, 1)).toEqual({ outcome: 'found', packing: { offsets: [], total: 0 } })
    expect(packInto([interval(0, 5, 0)], 0, 1)).toEqual({ outcome: 'found', packing: { offsets: [0], total: 0 } })
  })

  test('takes positions and sizes of any magnitude', () => {
    const big = 2 ** 50
    const intervals = [interval(-big, big, big), interval(-big, -big, big), interval(big - 1, big, 1)]
    const made = packInto(intervals, 2 * big, 1e6)
    expect(made.outcome === 'found' && overlapping(intervals, made.packing.offsets)).toBe(0)
  })
})

// Known to be packable at 1,048,576 bytes; not part of the repository.
const folder = fileURLToPath(new URL('../../../shared/anchors/minimalloc/', import.meta.url))
describe.skipIf(!existsSync(folder))('MiniMalloc’s challenging set', () => {
  const files = existsSync(folder) ? readdirSync(folder).filter((f) => f.endsWith('.csv')) : []
  test.each(files)('%s', (file) => {
    const rows = readFileSync(folder + file, 'utf8').trim().split('\n').slice(1).map((line) => line.split(',').map(Number))
    const intervals = rows.map(([, lower, upper, size]) => interval(lower, upper - 1, size))
    const made = packInto(intervals, 1_048_576, 1e9)
    if (made.outcome !== 'found') throw new Error(made.outcome)
    expect(made.packing.total).toBeLessThanOrEqual(1_048_576)
    expect(overlapping(intervals, made.packing.offsets)).toBe(0)
  }, 60_000)
})
