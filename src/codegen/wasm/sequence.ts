import type { Code } from './encoder/assembler.ts'
import { meets, type Range, type Touched } from './partition.ts'
import type { Team } from './threads.ts'

/** One piece of work in a function: a kernel, a nest of one, or copies. */
export interface Step extends Touched {
  /** Do several threads take part? Then the code is run by all of them; else by the first one. */
  readonly shared: boolean
  readonly emit: (code: Code) => void
}

/** More steps than this are not kept apart: what follows waits for them. */
const MOST = 64

const conflict = (a: Step, b: Step): boolean =>
  (a.shared || b.shared) && (meets(a.writes, b.reads) || meets(a.writes, b.writes) || meets(a.reads, b.writes))

/** Places steps one after the other, with a barrier where one needs what an earlier one has made, or overwrites what it reads. */
export class Sequence {
  readonly #code: Code
  readonly #team: Team
  #since: Step[]

  /** `since`: steps that may still be running on other threads. */
  constructor(code: Code, team: Team, since: readonly Step[] = []) {
    this.#code = code
    this.#team = team
    this.#since = [...since]
  }

  add(step: Step): void {
    if (this.#since.length >= MOST || this.#since.some((s) => conflict(s, step))) this.barrier()
    this.#since.push(step)
    if (step.shared) step.emit(this.#code)
    else this.#team.alone(this.#code, () => step.emit(this.#code))
  }

  barrier(): void {
    this.#code.call(this.#team.barrier)
    this.#since = []
  }

  /** Until no thread is at work any more; what the first one does alone is done when it comes here. */
  finish(): void {
    if (this.#since.some((s) => s.shared)) this.barrier()
  }
}

/** Everything that these steps touch. */
export function touchedByAll(steps: readonly Touched[]): { reads: Range[]; writes: Range[] } {
  return { reads: steps.flatMap((s) => s.reads), writes: steps.flatMap((s) => s.writes) }
}
