import { sizeOf, type Shape } from '../../ir/types.ts'
import type { Nest } from '../nest.ts'
import type { Code, Func, Local } from './encoder/assembler.ts'
import type { Touched } from './partition.ts'
import { Sequence } from './sequence.ts'
import type { Team } from './threads.ts'

/** One of the loops around the parts of a row kernel, as a part sees it: where it stands, and how many steps it has. */
export interface Row {
  readonly at: Local
  readonly steps: number
}

/** The nest of one row, to be emitted into a function that is told which: its first axes stand still. */
export const oneRow = (nest: Nest, rows: Shape): Nest =>
  ({ ...nest, free: nest.free.map((n, i) => (i < rows.length ? 1 : n)), rows: nest.free.slice(0, rows.length) })

/** A function of a row, and how many of the row axes it runs inside of: it comes after all steps of the others. */
export interface RowCall {
  readonly func: Func
  readonly depth: number
}

/** The row axes that come before the first one along which a sum goes on: their rows may run at the same time. */
export const freeRows = (nests: readonly Nest[], rows: Shape): Shape =>
  rows.slice(0, Math.min(rows.length, ...nests.flatMap((n) => n.carried ?? [])))

/** Calls the parts for every row, one row after the other, with the row and what else they take. */
export function callRows(code: Code, rows: Shape, parts: readonly RowCall[], further: readonly Local[]): void {
  const at = rows.map((): Local => ({ type: 'i32' }))
  overRows(code, 0, rows, at, (depth) => call(code, [...at, ...further], parts.filter((p) => p.depth === depth)))
}

/** A part in which threads may divide loops. */
export interface TeamPart extends Touched {
  readonly shared: boolean
  readonly funcs: readonly Func[]
  readonly depth: number
}

/** The same by all threads together, which meet after every row: for rows that have to come one after the other. */
export function callRowsTogether(code: Code, team: Team, rows: Shape, parts: readonly TeamPart[], further: readonly Local[]): void {
  const at = rows.map((): Local => ({ type: 'i32' }))
  overRows(code, 0, rows, at, (depth) => {
    const sequence = new Sequence(code, team)
    for (const part of parts.filter((p) => p.depth === depth)) {
      sequence.add({ ...part, emit: (c) => call(c, [...at, ...further], part.funcs.map((func) => ({ func, depth }))) })
    }
    sequence.barrier()
  })
}

/** Loops over the row axes from number `depth` on; `run` places what runs inside so many of them. */
function overRows(code: Code, depth: number, rows: Shape, at: readonly Local[], run: (depth: number) => void): void {
  if (depth < rows.length) {
    code.i32(0).set(at[depth])
    code.within('loop', (again) => {
      overRows(code, depth + 1, rows, at, run)
      code.get(at[depth]).i32(1).op('i32.add').tee(at[depth]).i32(rows[depth]).op('i32.lt_s').brIf(again)
    })
  }
  run(depth)
}

function call(code: Code, given: readonly Local[], parts: readonly RowCall[]): void {
  for (const { func } of parts) {
    for (const x of given) code.get(x)
    code.call(func)
  }
}

/** The same for those rows that are this thread's: the first `free` row axes are divided. */
export function callSharedRows(code: Code, team: Team, all: Shape, free: number, parts: readonly RowCall[], further: readonly Local[]): void {
  const [row, left, rest] = [0, 1, 2].map((): Local => ({ type: 'i32' }))
  const rows = all.slice(0, free)
  const at = all.map((): Local => ({ type: 'i32' }))
  team.share(code, sizeOf(rows), row, left)
  code.get(left).within('if', () => {
    code.within('loop', (again) => {
      code.get(row).set(rest)
      for (let i = rows.length - 1; i > 0; i--) {
        code.get(rest).i32(rows[i]).op('i32.rem_u').set(at[i])
        code.get(rest).i32(rows[i]).op('i32.div_u').set(rest)
      }
      code.get(rest).set(at[0])
      overRows(code, free, all, at, (depth) => call(code, [...at, ...further], parts.filter((p) => p.depth === depth)))
      code.get(row).i32(1).op('i32.add').set(row)
      code.get(left).i32(1).op('i32.sub').tee(left).brIf(again)
    })
  })
}
