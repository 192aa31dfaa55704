import { inOrder } from '../../ir/expression.ts'
import { DTYPES } from '../../ir/types.ts'
import type { Nest, Store } from '../nest.ts'
import { loadLanes, loadOne, storeLanes, storePairs, type Address } from './access.ts'
import type { Evaluator, Point } from './evaluate.ts'
import { applyLanes } from './lanes.ts'
import { applyScalar, memoryOp } from './scalars.ts'

/**
 * Every store of the nest at one point: all values first, because a store may overwrite what another one reads there.
 */
export function emitStores(ev: Evaluator, nest: Nest, p: Point): void {
  const alone = nest.stores.length === 1
  const values = nest.stores.map((s) => (alone ? null : ev.value(s.value, p)))
  nest.stores.forEach((s, i) => {
    const value = values[i]
    emitStore(ev, s, p, value ? () => ev.code.get(value) : () => ev.push(s.value, p))
  })
}

/**
 * The stores of points along an axis whose values vary there, operation by operation in turns: a constant is fetched once for all points,
 * and the chain of one goes on while another one's waits. Products are left to the sums that take them in ({@link Evaluator}).
 */
export function emitStoresInTurns(ev: Evaluator, nest: Nest, points: readonly Point[]): void {
  for (const e of points.length > 1 ? inOrder(nest.stores.map((s) => s.value)) : []) {
    if (e.kind !== 'scalar' || e.op === 'mul' || e.op === 'bitcast' || !ev.varies(e, points[0].lanes!.axis)) continue
    for (const p of points) ev.value(e, p)
  }
  for (const p of points) emitStores(ev, nest, p)
}

/**
 * The stores of all points of a tile. Where two points fill a stretch of memory in turns (a step of two elements, one apart), their
 * vectors are interleaved.
 */
export function emitStoresOfTile(ev: Evaluator, nest: Nest, points: readonly Point[]): void {
  const left = [...points]
  for (let p = left.shift(); p; p = left.shift()) {
    const first = p
    const other = left.findIndex((q) => nest.stores.some((s) => interleaves(s, first, q)))
    if (other < 0) {
      emitStores(ev, nest, first)
      continue
    }
    const [q] = left.splice(other, 1)
    const pairs = nest.stores.map((s) => [ev.value(s.value, first), ev.value(s.value, q)] as const)
    nest.stores.forEach((s, i) => {
      const [a, b] = pairs[i]
      if (interleaves(s, first, q)) return storePairs(ev, ev.address(s.address, s, s.dtype, first), first.lanes!.width, a, b)
      emitStore(ev, s, first, () => ev.code.get(a))
      emitStore(ev, s, q, () => ev.code.get(b))
    })
  }
}

/** Does q fill what p leaves free? */
function interleaves({ dtype, index: { coefficients }, indirect, accumulate }: Store, p: Point, q: Point): boolean {
  if (!p.lanes || p.lanes.width !== q.lanes!.width || DTYPES[dtype].bytes !== 4 || indirect || accumulate) return false
  return coefficients[p.lanes.axis] === 2 && coefficients.reduce((n, c, i) => n + c * (q.at[i] - p.at[i]), 0) === 1
}

function emitStore(ev: Evaluator, s: Store, p: Point, push: () => void): void {
  const { code } = ev
  const { bytes } = DTYPES[s.dtype]
  const plain = ev.address(s.address, s, s.dtype, p)
  const a: Address = s.indirect ? ev.indirect(plain, s.indirect.at, s.indirect.stride * bytes, s.indirect.limit, p) : plain
  if (p.lanes) {
    const step = s.index.coefficients[p.lanes.axis] * bytes
    const { width } = p.lanes
    const add = (): void => applyLanes(ev, 'add', s.dtype, [() => loadLanes(ev, s.dtype, a, step, width), push])
    storeLanes(ev, s.dtype, a, step, width, s.accumulate ? add : push)
    return
  }
  a.base()
  if (s.accumulate) applyScalar(ev, 'add', s.dtype, [() => loadOne(code, s.dtype, a), push])
  else push()
  code.memory(memoryOp('store', s.dtype), a.offset, bytes)
}

/**
 * May the stores run in lanes along this axis? Lanes must go to different elements, one stride apart; then points that
 * meet in an element still come one after the other.
 */
export function storesInLanes(ev: Evaluator, nest: Nest, axis: number): boolean {
  return nest.stores.every(
    (s) => s.index.coefficients[axis] !== 0 && ev.lanesAlong(s.value, axis) && !(s.indirect && ev.varies(s.indirect.at, axis)),
  )
}

