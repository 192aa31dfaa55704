import { sizeOf, type Shape } from '../../ir/types.ts'
import type { Routine } from '../../ir/scalar.ts'
import type { LoweredKernel, LoweredProgram, Nest } from '../nest.ts'
import { columnTiles, emitContraction, tilingOf } from './contraction.ts'
import { Func, type Code, type Imported, type ModuleParts } from './encoder/assembler.ts'
import { encode } from './encoder/encode.ts'
import { toWat } from './encoder/wat.ts'
import type { Module } from './evaluate.ts'
import { emitFold } from './fold.ts'
import { importOf, type HostName } from './host.ts'
import { emitLoop } from './loop.ts'
import { axesToShare, balanceOf, operations, touchedBy, WORTH } from './partition.ts'
import { nestsOf, newFunction, titleOf, type Part, type Piece, type Twins } from './pieces.ts'
import { laneRoutineFunc, routineFunc } from './routine.ts'
import { philoxFunc, transposeFunc } from './routines.ts'
import { Scope, type Own } from './scope.ts'
import { callRows, callRowsTogether, callSharedRows, freeRows, oneRow, type RowCall, type TeamPart } from './rows.ts'
import { Sequence, touchedByAll, type Step } from './sequence.ts'
import { Shifts } from './shifts.ts'
import { CONTROL_BYTES, Team } from './threads.ts'
import { LEAST_SAVED, savedBytes, sharedCode } from './twins.ts'

export interface WasmOptions {
  /** Bytes that memory holds from the start, such as constants. */
  readonly segments?: readonly { readonly offset: number; readonly bytes: Uint8Array }[]
  /** `import`: the memory comes from the host, as `m.memory`; else the module has its own. Exported as "memory" either way. */
  readonly memory?: 'define' | 'import'
  /**
   * Most threads that may run it (1: one); without it, code for one thread only. The memory is imported then, shared, and each
   * instance is told who it is: see threads.ts.
   */
  readonly threads?: number
  /** Least operations of a nest that threads divide; default: what takes a few times as long as a barrier. */
  readonly worth?: number
  /** Least bytes for which kernels that differ only in addresses share their code (Infinity: never); default: what is worth it. */
  readonly saving?: number
  /** Adds function names (generated ones) for profilers. */
  readonly names?: boolean
}

export interface WasmModule {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** What the module uses of its memory behind the program's own bytes. */
  readonly scratchBytes: number
  /** Names of the functions it imports from module "m"; their text is in host.ts. */
  readonly imports: HostName[]
}

/**
 * WebAssembly for a lowered program: one function a kernel, and one export a function of the program ("f0", "f1", …)
 * that calls its kernels in order.
 */
export function emitWasm(program: LoweredProgram, options: WasmOptions = {}): WasmModule {
  const emission = new Emission(program, options)
  return { bytes: encode(emission.parts), scratchBytes: emission.scratchBytes, imports: emission.imports }
}

/** The same module in the text format, for people. */
export function wasmText(program: LoweredProgram, options: WasmOptions = {}): string {
  return toWat(new Emission(program, options).parts)
}

const PAGE = 65536
const align = (bytes: number, to = 16): number => Math.ceil(bytes / to) * to
/** A nest is divided along the first axis along which so much of the threads' time is of use. */
const BALANCED = 0.9
const WORTHWHILE = 0.6

class Emission implements Module {
  readonly parts: ModuleParts
  readonly scratchBytes: number
  readonly #team: Team | null
  readonly #threads: number
  readonly #worth: number
  readonly #saving: number
  readonly #scratchStart: number
  #scratchUsed = 0
  #scratchMost = 0
  readonly #hosts = new Map<HostName, Imported>()
  readonly #functions: Func[] = []
  readonly #twins: Map<LoweredKernel, Twins>
  #philox: Func | null = null
  #transpose: Func | null = null
  readonly #routines = new Map<string, Func>()

  constructor(program: LoweredProgram, options: WasmOptions) {
    const { threads = 0, worth = WORTH, saving = LEAST_SAVED } = options
    const control = align(program.memoryBytes, 64)
    this.#threads = threads
    this.#worth = worth
    this.#saving = saving
    this.#team = threads ? new Team(control, threads) : null
    this.#scratchStart = this.#team ? control + CONTROL_BYTES : align(program.memoryBytes)
    this.#twins = new Map((saving === Infinity ? [] : sharedCode(program)).flatMap((group) => {
      const one: Twins = { shifts: new Shifts(group), pieces: null }
      return group.map(({ kernel }) => [kernel, one] as const)
    }))
    const emitted = new Map<LoweredKernel, Step[]>()
    const stepsOf = (k: LoweredKernel): Step[] => {
      let steps = emitted.get(k)
      if (!steps) emitted.set(k, (steps = this.#steps(k)))
      return steps
    }
    const bodies = program.functions.map(({ name, kernels }, i) => {
      const body = new Func(this.#team ? `body${i}` : `f${i}`, [], [], name)
      const steps = this.#run(body.body, kernels.map(stepsOf))
      return { body, shared: steps.some((s) => s.shared), title: name }
    })
    const entries = this.#team ? this.#entries(this.#team, bodies) : bodies.map((b) => b.body)
    this.scratchBytes = this.#team
      ? this.#scratchStart - program.memoryBytes + threads * align(this.#scratchMost, 64)
      : this.#scratchMost
    const end = this.scratchBytes ? (this.#team ? program.memoryBytes : this.#scratchStart) + this.scratchBytes : program.memoryBytes
    const routines = [this.#philox, this.#transpose, ...this.#routines.values()].filter((f) => f !== null)
    const imported = this.#team !== null || options.memory === 'import'
    this.parts = {
      imports: [...this.#hosts.values()],
      functions: [
        ...routines, ...(this.#team?.routines ?? []), ...this.#functions,
        ...new Set([...bodies.map((b) => b.body), ...entries]),
      ],
      exports: entries.map((func) => ({ name: func.name, func })),
      memory: {
        pages: Math.ceil(end / PAGE),
        from: imported ? { module: 'm', name: 'memory', shared: this.#team !== null } : null,
      },
      globals: this.#team?.globals,
      segments: options.segments ?? [],
      names: options.names ?? false,
    }
  }

  /** Functions "f0", "f1", … that wake the other threads where there is something to share, and what hosts call besides. */
  #entries(team: Team, bodies: readonly { readonly body: Func; readonly shared: boolean; readonly title: string }[]): Func[] {
    const all = bodies.map((b) => b.body)
    const entries = bodies.map(({ body, shared, title }, i) => {
      if (shared) return team.starter(`f${i}`, title, all, i)
      const alone = new Func(`f${i}`, [], [], title)
      alone.body.call(body)
      return alone
    })
    return [...entries, ...team.exports(all, align(this.#scratchMost, 64))]
  }

  get imports(): HostName[] {
    return [...this.#hosts.keys()]
  }

  host(name: HostName): Imported {
    let f = this.#hosts.get(name)
    if (!f) this.#hosts.set(name, (f = importOf(name)))
    return f
  }

  philox(): Func {
    return (this.#philox ??= philoxFunc())
  }

  transpose(): Func {
    return (this.#transpose ??= transposeFunc())
  }

  routine(routine: Routine, lanes: boolean): Func {
    const name = lanes ? `${routine.name}x4` : routine.name
    let f = this.#routines.get(name)
    if (!f) this.#routines.set(name, (f = lanes ? laneRoutineFunc(this.routine(routine, false)) : routineFunc(routine)))
    return f
  }

  /** Scratch is free again with the next nest. */
  scratch(bytes: number): number {
    const address = this.#scratchStart + this.#scratchUsed
    this.#scratchUsed += align(bytes)
    this.#scratchMost = Math.max(this.#scratchMost, this.#scratchUsed)
    return address
  }

  #function(title: string, params = 0): Func {
    const f = newFunction(this.#functions.length, title, params)
    this.#functions.push(f)
    return f
  }

  /** Calls kernels in order, with barriers between them where there are threads; gives the steps. */
  #run(code: Code, kernels: readonly (readonly Step[])[]): Step[] {
    const steps = kernels.flat()
    if (!this.#team || !steps.some((s) => s.shared)) {
      for (const s of steps) s.emit(code)
      return steps
    }
    const sequence = new Sequence(code, this.#team)
    for (const s of steps) sequence.add(s)
    sequence.finish()
    return steps
  }

  #steps(kernel: LoweredKernel): Step[] {
    if (kernel.loop) {
      // Kernels of the body stay functions of their own, so that each is compiled well by itself.
      const body = kernel.loop.body.flatMap((k) => this.#steps(k))
      return [emitLoop(this.#function(titleOf(kernel)), kernel.loop, body, this.#team)]
    }
    const twins = this.#twins.get(kernel)
    if (twins && !twins.pieces) this.#together(kernel, twins)
    const shifts = twins?.pieces ? twins.shifts : NONE
    const pieces = twins?.pieces ?? this.#pieces(kernel, shifts)
    const nests = nestsOf(kernel)
    return pieces.map(({ shared, funcs, of }): Step => ({
      shared,
      // Each call has bytes of its own.
      ...touchedByAll(this.#team ? of.map((i) => touchedBy(kernel, nests[i])) : []),
      emit: (code) => {
        for (const f of funcs) {
          for (const given of shifts.valuesOf(kernel)) code.i32(given)
          code.call(f)
        }
      },
    }))
  }

  /** Emits the functions that twins share, unless that saves too little. */
  #together(kernel: LoweredKernel, twins: Twins): void {
    const before = this.#functions.length
    const pieces = this.#pieces(kernel, twins.shifts)
    const calls = pieces.reduce((n, p) => n + p.funcs.length, 0)
    if (savedBytes(this.#functions.slice(before), twins.shifts, calls) >= this.#saving) twins.pieces = pieces
    else {
      this.#functions.length = before
      for (const twin of twins.shifts.kernels) this.#twins.delete(twin)
    }
  }

  /** Emits the functions of a kernel. */
  #pieces(kernel: LoweredKernel, shifts: Shifts): Piece[] {
    const nests = nestsOf(kernel)
    const all = [...nests.keys()]
    if (kernel.rows) return [{ ...this.#rows(kernel, kernel.rows, shifts), of: all }]
    const divided = nests.map((n) => this.#divided(kernel, n, shifts))
    if (!divided.some((d) => d)) return [{ shared: false, funcs: [this.#kernel(kernel, shifts)], of: all }]
    return nests.map((nest, i) =>
      ({ shared: divided[i] !== null, funcs: divided[i] ?? [this.#kernel({ ...kernel, nests: [nest] }, shifts)], of: [i] }))
  }

  /** A loop over rows that calls, for each, a function of every contraction and of all nests between two. */
  #rows(kernel: LoweredKernel, rows: Shape, shifts: Shifts): Omit<Piece, 'of'> {
    const nests = nestsOf(kernel)
    const free = freeRows(nests, rows)
    const all = this.#threads > 1 && nests.reduce((n, nest) => n + operations(nest), 0) >= this.#worth ? this.#team : null
    const team = sizeOf(free) > 1 ? all : null
    const together = all && !team ? this.#inTeam(all, kernel, rows, shifts) : null
    if (together) return { shared: true, funcs: [together] }
    this.#scratchUsed = 0
    const own = team && kernel.local ? { ...kernel.local, scratch: this.scratch(kernel.local.to - kernel.local.from) } : null
    const kept = this.#scratchUsed
    const parts: RowCall[] = []
    const emit = (bodies: readonly ((scope: Scope) => void)[], depth: number): void => {
      const part = this.#function(`${kernel.name}: part`, rows.length + shifts.count)
      const scope = this.#scope(part, shifts, { rows, own })
      for (const body of bodies) {
        this.#scratchUsed = kept
        body(scope)
      }
      scope.finish(part.body)
      parts.push({ func: part, depth })
    }
    let folds: ((scope: Scope) => void)[] = []
    let depth = rows.length
    const finish = (): void => {
      if (folds.length) emit(folds, depth)
      folds = []
    }
    for (const nest of nests.map((n) => oneRow(n, rows))) {
      this.#scratchUsed = kept
      const tiling = tilingOf(new Scope(), kernel, nest, this)
      const { after = rows.length } = nest
      if (after !== depth) finish()
      depth = after
      if (!tiling) {
        folds.push((scope) => emitFold(scope, kernel, nest, this))
        continue
      }
      finish()
      for (const t of columnTiles(nest, tiling)) emit([(scope) => emitContraction(scope, kernel, nest, this, tiling, t)], depth)
    }
    finish()
    const f = this.#function(titleOf(kernel), shifts.count)
    if (team) callSharedRows(f.body, team, rows, free.length, parts, f.params)
    else callRows(f.body, rows, parts, f.params)
    return { shared: team !== null, funcs: [f] }
  }

  /** The same where rows come one after the other: threads divide the loops of each. Null if there are none to divide. */
  #inTeam(team: Team, kernel: LoweredKernel, rows: Shape, shifts: Shifts): Func | null {
    const before = this.#functions.length
    const parts = nestsOf(kernel).map((n): TeamPart => {
      const nest = oneRow(n, rows)
      const divided = this.#divided(kernel, nest, shifts)
      const funcs = divided ?? this.#finished(this.#partsOf(kernel, nest, (func) => this.#scope(func, shifts, nest), rows.length + shifts.count))
      return { shared: divided !== null, funcs, depth: n.after ?? rows.length, ...touchedBy(kernel, nest) }
    })
    if (!parts.some((p) => p.shared)) {
      this.#functions.length = before
      return null
    }
    const f = this.#function(titleOf(kernel), shifts.count)
    callRowsTogether(f.body, team, rows, parts, f.params)
    return f
  }

  /** What a function is written into that takes a row, if there are rows, and then what is added to addresses. */
  #scope(func: Func, shifts: Shifts, { axis = -1, rows = [], own = null }: { axis?: number; rows?: Shape; own?: Own | null } = {}): Scope {
    const at = rows.map((steps, i) => ({ at: func.params[i], steps }))
    return new Scope(this.#team, axis, at, own, shifts.within(func.params.slice(rows.length)))
  }

  /** Functions of the nest in which threads divide its loops; null if that is not possible or not worth it. */
  #divided(kernel: LoweredKernel, nest: Nest, shifts: Shifts): Func[] | null {
    const { rows = [] } = nest
    if (this.#threads < 2 || operations(nest) < this.#worth) return null
    let best: { parts: Part[]; balance: number } | null = null
    for (const axis of axesToShare(kernel, nest)) {
      const parts = this.#partsOf(kernel, nest, (func) => this.#scope(func, shifts, { axis, rows }), rows.length + shifts.count)
      const shares = parts.map((p) => p.scope.shares)
      const balance = Math.min(balanceOf(shares, 2), balanceOf(shares, this.#threads))
      if (balance > (best?.balance ?? WORTHWHILE)) best = { parts, balance }
      if (balance >= BALANCED) break
    }
    return best && this.#finished(best.parts)
  }

  #finished(parts: readonly Part[]): Func[] {
    return parts.map(({ func, scope }) => {
      scope.finish(func.body)
      this.#functions.push(func)
      return func
    })
  }

  /** Contractions have one function for each form of column tile. */
  #partsOf(kernel: LoweredKernel, nest: Nest, scopeOf: (func: Func) => Scope, params: number): Part[] {
    const part = (i: number, body: (scope: Scope) => void): Part => {
      this.#scratchUsed = 0
      const func = newFunction(this.#functions.length + i, titleOf(kernel), params)
      const scope = scopeOf(func)
      body(scope)
      return { func, scope }
    }
    const tiling = tilingOf(new Scope(), kernel, nest, this)
    if (!tiling) return [part(0, (scope) => emitFold(scope, kernel, nest, this))]
    return columnTiles(nest, tiling).map((t, i) => part(i, (scope) => emitContraction(scope, kernel, nest, this, tiling, t)))
  }

  #kernel(kernel: LoweredKernel, shifts: Shifts): Func {
    const f = this.#function(titleOf(kernel), shifts.count)
    const nests = nestsOf(kernel)
    const scopeOf = (func: Func): Scope => this.#scope(func, shifts)
    let scope = scopeOf(f)
    // Contractions get functions of their own where they have company: hot loops stay in small functions.
    const apart = (body: (scope: Scope) => void): void => {
      const part = this.#function(`${kernel.name}: part`, shifts.count)
      const own = scopeOf(part)
      body(own)
      own.finish(part.body)
      scope.finish(f.body)
      scope = scopeOf(f)
      for (const p of f.params) f.body.get(p)
      f.body.call(part)
    }
    for (const nest of nests) {
      this.#scratchUsed = 0
      const tiling = tilingOf(scope, kernel, nest, this)
      if (!tiling) {
        emitFold(scope, kernel, nest, this)
        continue
      }
      const tiles = columnTiles(nest, tiling)
      for (const t of tiles) {
        this.#scratchUsed = 0
        if (nests.length === 1 && tiles.length === 1) emitContraction(scope, kernel, nest, this, tiling, t)
        else apart((own) => emitContraction(own, kernel, nest, this, tiling, t))
      }
    }
    scope.finish(f.body)
    return f
  }
}

const NONE = new Shifts([])
