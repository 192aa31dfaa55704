import type { LoweredKernel, LoweredLoop, LoweredProgram, Move } from '../nest.ts'
import { columnTiles, emitContraction, tilingOf } from './contraction.ts'
import { Func, type Imported, type Local, type ModuleParts } from './encoder/assembler.ts'
import { encode } from './encoder/encode.ts'
import { toWat } from './encoder/wat.ts'
import type { Module } from './evaluate.ts'
import { emitFold } from './fold.ts'
import { importOf, type HostName } from './host.ts'
import { philoxFunc, transposeFunc } from './routines.ts'
import { Scope } from './scope.ts'

export interface WasmOptions {
  /** Bytes that memory holds from the start, such as constants. */
  readonly segments?: readonly { readonly offset: number; readonly bytes: Uint8Array }[]
  /** `import`: the memory comes from the host, as `m.memory`; else the module has its own. Exported as "memory" either way. */
  readonly memory?: 'define' | 'import'
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
const align = (bytes: number): number => Math.ceil(bytes / 16) * 16

class Emission implements Module {
  readonly parts: ModuleParts
  readonly #scratchStart: number
  #scratchUsed = 0
  #scratchMost = 0
  readonly #hosts = new Map<HostName, Imported>()
  readonly #functions: Func[] = []
  #philox: Func | null = null
  #transpose: Func | null = null

  constructor(program: LoweredProgram, options: WasmOptions) {
    this.#scratchStart = align(program.memoryBytes)
    const emitted = new Map<LoweredKernel, Func>()
    const exports = program.functions.map(({ name, kernels }, i) => {
      const entry = new Func(`f${i}`, [], [], name)
      for (const k of kernels) {
        let f = emitted.get(k)
        if (!f) emitted.set(k, (f = k.loop ? this.#loop(k, k.loop) : this.#kernel(k)))
        entry.body.call(f)
      }
      return { name: entry.name, func: entry }
    })
    const routines = [this.#philox, this.#transpose].filter((f) => f !== null)
    this.parts = {
      imports: [...this.#hosts.values()],
      functions: [...routines, ...this.#functions, ...exports.map((e) => e.func)],
      exports,
      memory: {
        pages: Math.ceil((this.scratchBytes ? this.#scratchStart + this.scratchBytes : program.memoryBytes) / PAGE),
        from: options.memory === 'import' ? { module: 'm', name: 'memory' } : null,
      },
      segments: options.segments ?? [],
      names: options.names ?? false,
    }
  }

  get scratchBytes(): number {
    return this.#scratchMost
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

  /** Scratch is free again with the next nest. */
  scratch(bytes: number): number {
    const address = this.#scratchStart + this.#scratchUsed
    this.#scratchUsed += align(bytes)
    this.#scratchMost = Math.max(this.#scratchMost, this.#scratchUsed)
    return address
  }

  #function(title: string): Func {
    const f = new Func(`k${this.#functions.length}`, [], [], title)
    this.#functions.push(f)
    return f
  }

  /** Kernels of the body stay functions of their own, so that each is compiled well by itself. */
  #loop({ name, title }: LoweredKernel, loop: LoweredLoop): Func {
    const body = loop.body.map((k) => (k.loop ? this.#loop(k, k.loop) : this.#kernel(k)))
    const f = this.#function(`${name}: ${title}`)
    const code = f.body
    const t: Local = { type: 'i32' }
    const address = (base: number, step: number): void => {
      code.i32(base)
      if (step) code.get(t).i32(step).op('i32.mul').op('i32.add')
    }
    const moves = (list: readonly Move[]): void => {
      for (const m of list) {
        if (!m.bytes) continue
        address(m.to, m.toStep)
        address(m.from, m.fromStep)
        code.i32(m.bytes).copy()
      }
    }
    moves(loop.before)
    if (loop.length) {
      code.i32(loop.reverse ? loop.length - 1 : 0).set(t)
      code.within('loop', (again) => {
        moves(loop.enter)
        for (const k of body) code.call(k)
        moves(loop.leave)
        code.get(t).i32(loop.reverse ? -1 : 1).op('i32.add').tee(t)
        if (loop.reverse) code.i32(0).op('i32.ge_s').brIf(again)
        else code.i32(loop.length).op('i32.lt_s').brIf(again)
      })
    }
    moves(loop.after)
    return f
  }

  #kernel(kernel: LoweredKernel): Func {
    const f = this.#function(`${kernel.name}: ${kernel.title}`)
    const nests = kernel.nests.filter((n) => !n.free.includes(0) && n.stores.length)
    let scope = new Scope()
    // Contractions get functions of their own where they have company: hot loops stay in small functions.
    const apart = (body: (scope: Scope) => void): void => {
      const own = new Scope()
      const part = this.#function(`${kernel.name}: part`)
      body(own)
      own.finish(part.body)
      scope.finish(f.body)
      scope = new Scope()
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
