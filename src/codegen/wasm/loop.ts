import type { LoweredLoop, Move } from '../nest.ts'
import type { Func, Local } from './encoder/assembler.ts'
import { Sequence, touchedByAll, type Step } from './sequence.ts'
import type { Team } from './threads.ts'

/** A loop as one function, in which `body` is called in each step between the copies; gives its call. */
export function emitLoop(f: Func, loop: LoweredLoop, body: readonly Step[], team: Team | null): Step {
  const code = f.body
  const t: Local = { type: 'i32' }
  const address = (base: number, step: number): void => {
    code.i32(base)
    if (step) code.get(t).i32(step).op('i32.mul').op('i32.add')
  }
  const moves = (list: readonly Move[]): Step => ({
    shared: false,
    reads: list.map((m) => ({ from: m.from, to: m.from + m.fromStep * (loop.length - 1) + m.bytes })),
    writes: list.map((m) => ({ from: m.to, to: m.to + m.toStep * (loop.length - 1) + m.bytes })),
    emit: () => {
      for (const m of list) {
        if (!m.bytes) continue
        address(m.to, m.toStep)
        address(m.from, m.fromStep)
        code.i32(m.bytes).copy()
      }
    },
  })
  const [before, enter, leave, after] = [loop.before, loop.enter, loop.leave, loop.after].map(moves)
  const shared = body.some((s) => s.shared)
  const inside = [enter, ...body, leave]
  // What one turn of the loop leaves running, the next one may meet.
  const sequence = team && shared ? new Sequence(code, team, loop.length ? [before, ...inside] : [before]) : null
  const add = (step: Step): void => {
    if (sequence) sequence.add(step)
    else step.emit(code)
  }
  const touched = touchedByAll([before, ...inside, after])
  if (sequence) team!.alone(code, () => before.emit(code))
  else before.emit(code)
  if (loop.length) {
    code.i32(loop.reverse ? loop.length - 1 : 0).set(t)
    code.within('loop', (again) => {
      for (const step of inside) add(step)
      code.get(t).i32(loop.reverse ? -1 : 1).op('i32.add').tee(t)
      if (loop.reverse) code.i32(0).op('i32.ge_s').brIf(again)
      else code.i32(loop.length).op('i32.lt_s').brIf(again)
    })
  }
  add(after)
  sequence?.finish()
  return { shared, ...touched, emit: (c) => void c.call(f) }
}
