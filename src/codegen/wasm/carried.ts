import type { Nest } from '../nest.ts'
import { loadLanes, loadOne } from './access.ts'
import type { Local } from './encoder/assembler.ts'
import type { Evaluator, Point } from './evaluate.ts'
import type { Scope } from './scope.ts'

/** Pushes what a sum of f32 begins with at a point: 0, or what the row steps before this one have made. */
export function pushBeginning(ev: Evaluator, { carried, stores: [store] }: Nest, p: Point): void {
  const { code, scope } = ev
  if (!carried) return ev.pushNumber(0, 'f32', p.lanes !== null)
  const address = ev.address(store.address, store, 'f32', p)
  if (!p.lanes) {
    loadOne(code, 'f32', address)
    ev.pushNumber(0, 'f32', false)
    code.get(goesOn(scope, carried)).op('select')
    return
  }
  // What is there before the first step need not be a number: its bits are cleared.
  const mask = scope.literal(`mask of ${carried}`, 'v128', () => {
    const flag = goesOn(scope, carried)
    scope.code.i32(0).get(flag).op('i32.sub', 'i32x4.splat')
  })
  loadLanes(ev, 'f32', address, 4 * store.index.coefficients[p.lanes.axis], p.lanes.width)
  code.get(mask).op('v128.and')
}

/** 1 beyond the first step of these row axes, else 0. */
const goesOn = (scope: Scope, carried: readonly number[]): Local =>
  scope.literal(`beyond ${carried}`, 'i32', () => {
    carried.forEach((axis, i) => {
      scope.code.get(scope.row(axis))
      if (i) scope.code.op('i32.or')
    })
    scope.code.i32(0).op('i32.ne')
  })
