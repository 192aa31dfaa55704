import { range, type Affine } from '../../ir/affine.ts'
import { inOrder, type Expr } from '../../ir/expression.ts'
import { bytesOf, DTYPES, sizeOf } from '../../ir/types.ts'
import { operationsOf, rootsOfNest, type LoweredKernel, type Nest, type Store } from '../nest.ts'
import type { Share } from './threads.ts'

/** Bytes from `from` up to, not including, `to`. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** What a nest or a copy reads and writes. */
export interface Touched {
  readonly reads: readonly Range[]
  readonly writes: readonly Range[]
}

export const meets = (a: readonly Range[], b: readonly Range[]): boolean => a.some((x) => b.some((y) => x.from < y.to && y.from < x.to))

/** Below this many operations a nest takes a few microseconds, not much more than a barrier: it stays with one thread. */
export const WORTH = 30_000

/** Operations of a nest, loads and stores included. */
export function operations(nest: Nest): number {
  const points = sizeOf(nest.free) * (nest.running ? sizeOf(nest.reduced) : 1)
  const terms = nest.value ? sizeOf(nest.free) * sizeOf(nest.reduced) * operationsOf([nest.value]) : 0
  return terms + points * (operationsOf(nest.stores.map((s) => s.value)) + nest.stores.length)
}

type Load = Extract<Expr, { kind: 'load' | 'gather' }>

/** Loads of the nest, with the address of the buffer that each reads, and what it may touch of that: of a value of one row no more. */
function loadsOf(kernel: LoweredKernel, nest: Nest): { load: Load; address: number; touched: Range }[] {
  const extents = [...nest.free, ...nest.reduced]
  return inOrder(rootsOfNest(nest)).flatMap((load) => {
    if (load.kind !== 'load' && load.kind !== 'gather') return []
    const address = kernel.address(load.node)
    if (!nest.rows || load.kind === 'gather') return [{ load, address, touched: { from: address, to: address + bytesOf(load.node) } }]
    const [low, high] = range(load.index, extents)
    const { bytes } = DTYPES[load.dtype]
    return [{ load, address, touched: { from: address + low * bytes, to: address + (high + 1) * bytes } }]
  })
}

function writtenBy(s: Store, extents: readonly number[]): Range {
  const { bytes } = DTYPES[s.dtype]
  const [low, high] = range(s.index, extents)
  const further = s.indirect ? (s.indirect.limit - 1) * s.indirect.stride : 0
  return { from: s.address + (low + Math.min(0, further)) * bytes, to: s.address + (high + Math.max(0, further) + 1) * bytes }
}

/** Axes over which a store moves: of a running sum the reduced ones too. */
const storeExtents = (nest: Nest): number[] => (nest.running ? [...nest.free, ...nest.reduced] : [...nest.free])

/** Every byte that the nest may touch. */
export function touchedBy(kernel: LoweredKernel, nest: Nest): Touched {
  const reads = loadsOf(kernel, nest).map(({ touched }) => touched)
  const writes = nest.stores.map((s) => writtenBy(s, storeExtents(nest)))
  return { reads: [...reads, ...writes.filter((_, i) => nest.stores[i].accumulate)], writes }
}

/**
 * Free axes along which the nest can be divided among threads, the best one first: no element that is stored for one point of the
 * axis is touched for another one. Least is read by all threads where the larger operands move along the axis; of axes
 * that are alike the outermost goes first.
 */
export function axesToShare(kernel: LoweredKernel, nest: Nest): number[] {
  if (nest.free.includes(0) || nest.reduced.includes(0)) return []
  const extents = [...nest.free, ...nest.reduced]
  const loads = nest.value ? inOrder([nest.value]).flatMap((e) => ('index' in e ? [e.index] : [])) : []
  const moved = ({ coefficients }: Affine): number => extents.reduce((n, d, i) => (coefficients[i] ? n * d : n), 1)
  const readByAll = (axis: number): number => loads.reduce((n, l) => (l.coefficients[axis] ? n : n + moved(l)), 0)
  return [...nest.free.keys()]
    .filter((axis) => nest.free[axis] > 1 && apart(kernel, nest, axis))
    .map((axis) => ({ axis, cost: readByAll(axis) }))
    .toSorted((a, b) => a.cost - b.cost || a.axis - b.axis)
    .map(({ axis }) => axis)
}

interface Reach {
  readonly step: number
  /** Coefficients of axes that go further than one step, in bytes. */
  readonly outer: readonly number[]
  readonly low: number
  readonly high: number
}

/** How far an access goes from where one point of the axis starts; null if points of the axis are not apart. */
function reachOf(address: number, { offset, coefficients }: Affine, bytes: number, extents: readonly number[], axis: number): Reach | null {
  const step = (coefficients[axis] ?? 0) * bytes
  if (!step) return null
  let low = address + offset * bytes
  let high = low + bytes
  const outer: number[] = []
  for (const [i, n] of extents.entries()) {
    const c = (coefficients[i] ?? 0) * bytes
    if (i === axis || n === 1 || !c) continue
    if (Math.abs(c) >= Math.abs(step)) outer[i] = c
    else if (c > 0) high += c * (n - 1)
    else low += c * (n - 1)
  }
  return { step, outer, low, high }
}

/** Is all that is stored for one point of the axis untouched for every other point? */
function apart(kernel: LoweredKernel, nest: Nest, axis: number): boolean {
  const extents = [...nest.free, ...nest.reduced]
  const loads = loadsOf(kernel, nest)
  return nest.stores.every((s) => {
    const written = [writtenBy(s, storeExtents(nest))]
    const reaches = [reachOfStore(s, extents, axis)]
    for (const other of nest.stores) {
      if (other !== s && meets(written, [writtenBy(other, storeExtents(nest))])) reaches.push(reachOfStore(other, extents, axis))
    }
    for (const { load, address, touched } of loads) {
      if (!meets(written, [touched])) continue
      const forms = load.kind === 'gather' ? null : load.index
      reaches.push(forms && reachOf(address, forms, DTYPES[load.dtype].bytes, extents, axis))
    }
    return fit(reaches, extents[axis])
  })
}

/** An index that is read chooses like one more axis. */
function reachOfStore({ address, index, indirect, dtype }: Store, extents: readonly number[], axis: number): Reach | null {
  const { bytes } = DTYPES[dtype]
  if (!indirect) return reachOf(address, index, bytes, extents, axis)
  const coefficients = extents.map((_, i) => index.coefficients[i] ?? 0)
  return reachOf(address, { offset: index.offset, coefficients: [...coefficients, indirect.stride] }, bytes, [...extents, indirect.limit], axis)
}

/** Do all of these accesses go along with the axis, each point of it within its own bytes? */
function fit(reaches: readonly (Reach | null)[], extent: number): boolean {
  const [first] = reaches
  if (!first) return false
  if (!reaches.every((r) => r && r.step === first.step && String(r.outer) === String(first.outer))) return false
  const span = Math.max(...reaches.map((r) => r!.high)) - Math.min(...reaches.map((r) => r!.low))
  if (span > Math.abs(first.step)) return false
  const whole = Math.abs(first.step) * (extent - 1) + span
  const common = first.outer.reduce((g, c) => gcd(g, Math.abs(c)), 0)
  return common === 0 || whole <= common
}

const gcd = (a: number, b: number): number => (b ? gcd(b, a % b) : a)

/**
 * Share of the threads' time that is of use if they divide these loops of a nest (1: all have the same to do), which stand in
 * the functions that it consists of; 0 if one has none, or if loops over the same elements go by different steps: then a
 * thread would meet what another one has made.
 */
export function balanceOf(parts: readonly (readonly Share[])[], threads: number): number {
  if (parts.some((shares) => !shares.length)) return 0
  const distinct = [...new Map(parts.flat().map((s) => [`${s.start} ${s.count} ${s.step}`, s])).values()]
    .toSorted((a, b) => a.start - b.start)
  if (distinct.some((s, i) => i > 0 && s.start < distinct[i - 1].start + distinct[i - 1].count * distinct[i - 1].step)) return 0
  const most = Array.from({ length: threads }, (_, t) => {
    let elements = 0
    for (const { count, step } of distinct) {
      const from = Math.floor((count * t) / threads)
      const number = count === 1 ? (t ? 0 : 1) : Math.floor((count * (t + 1)) / threads) - from
      elements += number * step
    }
    return elements
  })
  const all = most.reduce((n, m) => n + m, 0)
  return all / (threads * Math.max(...most))
}
