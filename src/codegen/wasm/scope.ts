import type { Shape } from '../../ir/types.ts'
import { Code, type Local, type ValueType } from './encoder/assembler.ts'
import type { Row } from './rows.ts'
import type { Shift } from './shifts.ts'
import type { Share, Team } from './threads.ts'

/** Where an access goes: a byte offset and a stride in bytes for each axis of the nest. */
export interface Access {
  readonly offset: number
  readonly strides: readonly number[]
  /** Where the buffer begins, if it is one of the kernel's. */
  readonly buffer?: number
  /** Is it scratch memory, of which each thread has its own? */
  readonly scratch?: boolean
  /** Loops down to this level do not move it: it begins anew in each of their iterations. Default 0. */
  readonly outside?: number
}

/** Bytes that every thread has for itself, at an address in its scratch memory. */
export interface Own {
  readonly from: number
  readonly to: number
  readonly scratch: number
}

/** An access, and what the caller adds to it. */
interface Moved extends Access {
  readonly shift?: Shift
}

interface Pointer {
  readonly local: Local
  /** The same access in the loops further out; null: zero. */
  readonly parent: Local | null
  readonly start: number
  readonly increment: number
}

interface Level {
  readonly code: Code
  /** Null for the body of the function. `shared`: its iterations are divided among the threads. */
  readonly loop: { readonly axis: number; readonly count: number; readonly step: number; readonly shared: boolean } | null
  readonly pointers: Map<string, Pointer>
  readonly values: Map<string, Local>
  /** Locals that live as long as this level. */
  readonly owned: Local[]
  /** Locals of loops inside this level that have ended: free from here on, at this level and further in. */
  readonly free: Local[]
}

function newLevel(loop: Level['loop']): Level {
  return { code: new Code(), loop, pointers: new Map(), values: new Map(), owned: [], free: [] }
}

/**
 * The loops of one function under construction. A loop's code is appended to the code around it when the loop is
 * complete; what is invariant in it can be put in front of it until then. So every value is computed at the outermost
 * level where it is known, and each loop gets exactly the pointers that its body has asked for.
 */
export class Scope {
  readonly #levels: Level[] = [newLevel(null)]
  readonly #literals = new Map<string, Local>()
  #current = 0
  /** For each axis of the nest: where the present loops and tiles start. */
  #origin: number[] = []
  readonly #team: Team | null
  readonly #shared: number
  #insideShared = false
  readonly #rows: readonly Row[]
  readonly #own: Own | null
  readonly #shifts: ReadonlyMap<number, Shift>
  /** The loops along the axis that threads share, as far as none of them is inside another. */
  readonly shares: Share[] = []

  /**
   * `team`: the code runs on several threads; they divide the outermost loops along the axis `shared` among them. `rows`: the
   * first axes stand where these say, and `own` is what each thread has elsewhere. `shifts`: what callers add to the address of a buffer.
   */
  constructor(
    team: Team | null = null,
    shared = -1,
    rows: readonly Row[] = [],
    own: Own | null = null,
    shifts: ReadonlyMap<number, Shift> = new Map(),
  ) {
    this.#team = team
    this.#rows = rows
    this.#own = own
    this.#shifts = shifts
    this.#shared = team ? shared : -1
  }

  /** Code of the level in which instructions are now being placed. */
  get code(): Code {
    return this.#levels[this.#current].code
  }

  /** Number of the level in which instructions are now being placed: 0 is the function itself. */
  get level(): number {
    return this.#current
  }

  get origin(): readonly number[] {
    return this.#origin
  }

  /** Starts a nest over these axes: nothing that was read before it is known any more. */
  enter(extents: Shape): void {
    this.#origin = extents.map(() => 0)
    this.#levels[0].values.clear()
  }

  /** Which step of a row axis the function runs. */
  row(axis: number): Local {
    return this.#rows[axis].at
  }

  /** Level of the innermost open loop along `axis`; 0 if none. */
  levelOf(axis: number): number {
    for (let l = this.#levels.length - 1; l > 0; l--) if (this.#levels[l].loop!.axis === axis) return l
    return 0
  }

  /** A local that lives until the present level ends. */
  local(type: ValueType): Local {
    const local = this.#take(type, this.#current)
    this.#levels[this.#current].owned.push(local)
    return local
  }

  #take(type: ValueType, level: number): Local {
    for (let l = level; l >= 0; l--) {
      const { free } = this.#levels[l]
      const i = free.findIndex((x) => x.type === type)
      if (i >= 0) return free.splice(i, 1)[0]
    }
    return { type }
  }

  /** The value known under this key at a level, or else what `compute` leaves on the stack there. */
  value(key: string, level: number, type: ValueType, compute: () => void): Local {
    const { values } = this.#levels[level]
    let local = values.get(key)
    if (!local) {
      local = this.at(level, () => this.#keep(type, compute))
      values.set(key, local)
    }
    return local
  }

  known(key: string, level: number): Local | undefined {
    return this.#levels[level].values.get(key)
  }

  /** A constant that is made once for the whole function. */
  literal(key: string, type: ValueType, compute: () => void): Local {
    let local = this.#literals.get(key)
    if (!local) this.#literals.set(key, (local = this.at(0, () => this.#keep(type, compute))))
    return local
  }

  #keep(type: ValueType, compute: () => void): Local {
    compute()
    const local = this.local(type)
    this.code.set(local)
    return local
  }

  /** Places the instructions of `body` at an outer level, in front of the loops that are open there. */
  at<T>(level: number, body: () => T): T {
    const before = this.#current
    this.#current = level
    try {
      return body()
    } finally {
      this.#current = before
    }
  }

  /**
   * `count` (≥ 1) iterations along `axis`, from `start` (relative to where the present loops along it stand) in steps
   * of `step`. A single iteration makes no loop, unless threads share it: then only the first of them runs it.
   */
  loop(axis: number, start: number, count: number, step: number, body: () => void): void {
    const shared = axis === this.#shared && !this.#insideShared
    this.#origin[axis] += start
    if (count === 1 && !shared) body()
    else {
      this.#levels.push(newLevel({ axis, count, step, shared }))
      this.#current++
      this.#insideShared ||= shared
      body()
      if (shared) {
        this.#insideShared = false
        this.shares.push({ start: this.#origin[axis], count, step })
        this.#closeShared(count)
      } else this.#close(count)
    }
    this.#origin[axis] -= start
  }

  /** How many of `count` should go into one iteration of a loop along the axis, for each thread to have some; else all. */
  piece(axis: number, count: number): number {
    return axis === this.#shared && !this.#insideShared ? Math.ceil(count / this.#team!.most) : count
  }

  /** The iterations of this thread only, if it has any. */
  #closeShared(count: number): void {
    const outer = this.#levels[this.#current - 1]
    const [first, number] = [0, 1].map(() => this.#take('i32', this.#current - 1))
    this.#team!.share(outer.code, count, first, number)
    outer.code.get(number).within('if', () => this.#close(count, { first, number }))
    outer.free.push(first, number)
  }

  /** `part`: the first iteration that is run, and how many are; without it all of them. */
  #close(count: number, part: { readonly first: Local; readonly number: Local } | null = null): void {
    const inner = this.#levels.pop()!
    this.#current--
    const outer = this.#levels[this.#current]
    const { code } = outer
    const pointers = [...inner.pointers.values()]
    for (const p of pointers) {
      if (p.parent) code.get(p.parent)
      if (p.start || !p.parent) code.i32(p.start)
      if (p.start && p.parent) code.op('i32.add')
      if (part) code.get(part.first).i32(p.increment).op('i32.mul').op('i32.add')
      code.set(p.local)
    }
    // The pointer whose end is a constant counts the iterations; else any pointer, else a counter of its own.
    const last = pointers.find((p) => !p.parent) ?? pointers.at(0)
    let extra: Local | null = null
    if (!last) {
      extra = this.#take('i32', this.#current)
      if (part) code.get(part.number).set(extra)
      else code.i32(count).set(extra)
    } else if (part) {
      extra = this.#take('i32', this.#current)
      code.get(part.number).i32(last.increment).op('i32.mul').get(last.local).op('i32.add').set(extra)
    } else if (last.parent) {
      extra = this.#take('i32', this.#current)
      code.get(last.local).i32(count * last.increment).op('i32.add').set(extra)
    }
    code.within('loop', (label) => {
      code.append(inner.code)
      for (const p of pointers) if (p !== last) code.get(p.local).i32(p.increment).op('i32.add').set(p.local)
      if (last) {
        code.get(last.local).i32(last.increment).op('i32.add').tee(last.local)
        if (extra) code.get(extra)
        else code.i32(last.start + count * last.increment)
        code.op('i32.ne')
      } else code.get(extra!).i32(1).op('i32.sub').tee(extra!)
      code.brIf(label)
    })
    outer.free.push(...inner.owned, ...inner.free, ...pointers.map((p) => p.local))
    if (extra) outer.free.push(extra)
  }

  /**
   * Address of the access at the point `at` (of the present iteration): a local to be added to a constant offset.
   * The offset is not negative where the access is in bounds: what moves downwards is counted from its far end.
   */
  address(given: Access, at: readonly number[]): { pointer: Local | null; offset: number } {
    const access = this.#moved(given)
    let { offset } = access
    this.#rows.forEach(({ steps }, axis) => (offset += Math.min(0, access.strides[axis]) * (steps - 1)))
    access.strides.forEach((s, axis) => (offset += s ? s * at[axis] : 0))
    this.#levels.forEach(({ loop }, l) => {
      const increment = loop ? this.#increment(access, l) : 0
      if (increment < 0) offset += increment * (loop!.count - 1)
    })
    return { pointer: this.#pointer(access, this.#levels.length - 1), offset }
  }

  /** What one iteration of the loop at a level moves the access by. */
  #increment({ strides, outside = 0 }: Access, level: number): number {
    const { axis, step } = this.#levels[level].loop!
    return level > outside ? strides[axis] * step : 0
  }

  /** The same access where this thread has the bytes, or from where the caller's addition is 0. */
  #moved(access: Access): Moved {
    const own = this.#own
    if (own && !access.scratch && access.offset >= own.from && access.offset < own.to) {
      return { ...access, offset: access.offset - own.from + own.scratch, scratch: true }
    }
    const shift = access.buffer === undefined ? undefined : this.#shifts.get(access.buffer)
    return shift ? { ...access, offset: access.offset - shift.back, shift } : access
  }

  /** What the function is told adds to an address: which row, whose scratch memory, which of the twins; null: nothing. */
  #start(access: Moved): Local | null {
    const { strides, scratch, shift } = access
    const base = scratch && this.#team ? this.#scratchBase(this.#team) : shift ? this.#shiftBy(shift) : null
    const moving = this.#rows.map((row, i) => ({ ...row, by: strides[i] })).filter((r) => r.by)
    if (!moving.length) return base
    const from = base === null ? '' : scratch ? 'scratch' : shift!.parameter
    return this.literal(`row ${this.#rowKey(strides)} ${from}`, 'i32', () => {
      if (base) this.code.get(base)
      moving.forEach(({ at, steps, by }, i) => {
        // Backwards from the last row: a pointer is never negative.
        if (by < 0) this.code.i32(steps - 1).get(at).op('i32.sub')
        else this.code.get(at)
        this.code.i32(Math.abs(by)).op('i32.mul')
        if (i || base) this.code.op('i32.add')
      })
    })
  }

  #shiftBy({ parameter, given, doubled }: Shift): Local {
    if (!doubled) return given
    return this.literal(`shift ${parameter}`, 'i32', () => this.code.get(given).i32(doubled).op('i32.shl'))
  }

  #rowKey(strides: readonly number[]): string {
    return this.#rows.map((_, i) => `${strides[i]};`).join('')
  }

  /** Pushes what is added to the address of scratch memory: where this thread's own begins. */
  pushScratchBase(): void {
    if (this.#team) this.code.get(this.#scratchBase(this.#team))
    else this.code.i32(0)
  }

  #scratchBase(team: Team): Local {
    return this.literal('scratch', 'i32', () => this.code.getGlobal(team.scratch))
  }

  #pointer(access: Moved, from: number): Local | null {
    let level = from
    while (level > 0 && this.#increment(access, level) === 0) level--
    if (level === 0) return this.#start(access)
    const { strides, scratch, shift } = access
    let key = `${scratch ? 'scratch,' : shift ? `shift ${shift.parameter},` : ''}${this.#rowKey(strides)}`
    for (let l = 1; l <= level; l++) key += `${this.#increment(access, l)},`
    const { pointers, loop } = this.#levels[level]
    let pointer = pointers.get(key)
    if (!pointer) {
      const by = this.#increment(access, level)
      const start = by < 0 ? -by * (loop!.count - 1) : 0
      // It outlives single iterations: no local that the body has used may become a pointer.
      pointer = { local: this.#take('i32', level - 1), parent: this.#pointer(access, level - 1), start, increment: by }
      pointers.set(key, pointer)
    }
    return pointer.local
  }

  /** The finished body: one level is left. */
  finish(into: Code): void {
    into.append(this.#levels[0].code)
  }
}
