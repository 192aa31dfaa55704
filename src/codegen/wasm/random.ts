import type { Expr } from '../../ir/expression.ts'
import type { Func } from './encoder/assembler.ts'
import type { Evaluator, Point } from './evaluate.ts'

type Random = Extract<Expr, { kind: 'random' }>

/** One random word; `philox` makes the block of four words in which it lies, whose bytes of its lane are moved to the front. */
export function pushRandomWord(ev: Evaluator, philox: Func, e: Random, p: Point, shift = 0): void {
  pushBlock(ev, philox, e, p, shift)
  ev.pushForm(e, p, shift)
  ev.code.i32(3).op('i32.and').i32(0x04040404).op('i32.mul').i32(0x03020100).op('i32.add', 'i32x4.splat', 'i8x16.swizzle')
  ev.code.lane('i32x4.extract_lane', 0)
}

/** Four neighbours that start a block are one block; else word by word. Loops in lanes go by multiples of four here. */
export function pushRandomWords(ev: Evaluator, philox: Func, e: Random, p: Point): void {
  const { axis, width } = p.lanes!
  const { coefficients, offset } = e.index
  const others = coefficients.every((c, i) => i === axis || c % 4 === 0 || (ev.extents[i] <= 1 && i >= ev.rows))
  const aligned = others && (offset + p.at[axis]) % 4 === 0
  if (coefficients[axis] === 1 && aligned) return pushBlock(ev, philox, e, p, 0)
  pushRandomWord(ev, philox, e, p)
  ev.code.op('i32x4.splat')
  for (let l = 1; l < width; l++) {
    pushRandomWord(ev, philox, e, p, l * coefficients[axis])
    ev.code.lane('i32x4.replace_lane', l)
  }
}

/** The block of four words in which word `index` + `shift` lies. */
function pushBlock(ev: Evaluator, philox: Func, e: Random, p: Point, shift: number): void {
  ev.pushForm(e, p, shift)
  ev.code.i32(2).op('i32.shr_u')
  for (const a of e.args) ev.push(a, { ...p, lanes: null })
  ev.code.call(philox)
}
