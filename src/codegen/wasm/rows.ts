import { sizeOf, type Shape } from '../../ir/types.ts'
import type { Nest } from '../nest.ts'
import type { Code, Func, Local } from './encoder/assembler.ts'
import type { Team } from './threads.ts'

/** One of the loops around the parts of a row kernel, as a part sees it: where it stands, and how many steps it has. */
export interface Row {
  readonly at: Local
  readonly steps: number
}

/** The nest of one row, to be emitted into a function that is told which: its first axes stand still. */
export const oneRow = (nest: Nest, rows: Shape): Nest =>
  ({ ...nest, free: nest.free.map((n, i) => (i < rows.length ? 1 : n)), rows })

/** Calls the parts for every row, one row after the other, with the row and what else they take. */
export function callRows(code: Code, rows: Shape, parts: readonly Func[], further: readonly Local[]): void {
  const at = rows.map((): Local => ({ type: 'i32' }))
  const level = (i: number): void => {
    if (i === rows.length) return call(code, [...at, ...further], parts)
    code.i32(0).set(at[i])
    code.within('loop', (again) => {
      level(i + 1)
      code.get(at[i]).i32(1).op('i32.add').tee(at[i]).i32(rows[i]).op('i32.lt_s').brIf(again)
    })
  }
  level(0)
}

/** The same for those rows that are this thread's. */
export function callSharedRows(code: Code, team: Team, rows: Shape, parts: readonly Func[], further: readonly Local[]): void {
  const [row, left, rest] = [0, 1, 2].map((): Local => ({ type: 'i32' }))
  const at = rows.map((): Local => ({ type: 'i32' }))
  team.share(code, sizeOf(rows), row, left)
  code.get(left).within('if', () => {
    code.within('loop', (again) => {
      code.get(row).set(rest)
      for (let i = rows.length - 1; i > 0; i--) {
        code.get(rest).i32(rows[i]).op('i32.rem_u').set(at[i])
        code.get(rest).i32(rows[i]).op('i32.div_u').set(rest)
      }
      code.get(rest).set(at[0])
      call(code, [...at, ...further], parts)
      code.get(row).i32(1).op('i32.add').set(row)
      code.get(left).i32(1).op('i32.sub').tee(left).brIf(again)
    })
  })
}

function call(code: Code, given: readonly Local[], parts: readonly Func[]): void {
  for (const part of parts) {
    for (const x of given) code.get(x)
    code.call(part)
  }
}
