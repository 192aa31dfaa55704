import { ATOMIC, BRANCH, BULK, BYTES16, CALL, CONSTANT, LANE, MEMORY, MEMORY_LANE, ON_GLOBAL, ON_LOCAL, PLAIN, STRUCTURE } from './opcodes.ts'
import type { AtomicOp, ConstantOp, LaneOp, MemoryLaneOp, MemoryOp, PlainOp } from './opcodes.ts'

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128'

/** A parameter or local of one function; its number is given by the encoder. */
export interface Local {
  readonly type: ValueType
}

/** A mutable global of the module, 0 at first: each instance has its own. */
export interface Global {
  /** A generated identifier. */
  readonly name: string
  readonly type: 'i32'
}

/** Target of a branch: the end of a block or `if`, the start of a loop. */
export interface Label {
  readonly kind: 'block' | 'loop' | 'if'
}

/** A function of the module, or one that it imports from `module` under `name`. */
export interface Callee {
  /** A generated identifier. */
  readonly name: string
  readonly params: readonly Local[]
  readonly results: readonly ValueType[]
}
export interface Imported extends Callee {
  readonly module: string
}

/** Constant part of an address in bytes, and the logarithm of the alignment that is hinted. */
interface Memarg {
  readonly offset: number
  readonly align: number
}

/** One instruction. Both the binary encoder and the text printer read these. */
export type Instr =
  | { readonly kind: 'plain'; readonly op: PlainOp }
  | { readonly kind: 'local'; readonly op: keyof typeof ON_LOCAL; readonly local: Local }
  | { readonly kind: 'global'; readonly op: keyof typeof ON_GLOBAL; readonly global: Global }
  | { readonly kind: 'structure'; readonly op: keyof typeof STRUCTURE; readonly label: Label }
  | { readonly kind: 'branch'; readonly op: keyof typeof BRANCH; readonly label: Label }
  | { readonly kind: 'constant'; readonly op: ConstantOp; readonly value: number | bigint }
  | ({ readonly kind: 'memory'; readonly op: MemoryOp | AtomicOp } & Memarg)
  | ({ readonly kind: 'memoryLane'; readonly op: MemoryLaneOp; readonly lane: number } & Memarg)
  | { readonly kind: 'lane'; readonly op: LaneOp; readonly lane: number }
  | { readonly kind: 'bytes'; readonly op: keyof typeof BYTES16; readonly bytes: readonly number[] }
  | { readonly kind: 'bulk'; readonly op: keyof typeof BULK }
  | { readonly kind: 'call'; readonly op: 'call'; readonly callee: Callee }

/** Code of every instruction: prefix · 0x1000 + code. */
export const CODE_OF: { readonly [op: string]: number } = {
  ...PLAIN, ...ON_LOCAL, ...ON_GLOBAL, ...STRUCTURE, ...BRANCH, ...CONSTANT, ...MEMORY, ...ATOMIC, ...MEMORY_LANE, ...LANE, ...BYTES16, ...BULK, ...CALL,
}

/** A list of instructions under construction; every method appends one. */
export class Code {
  readonly list: Instr[] = []

  op(...ops: PlainOp[]): this {
    for (const op of ops) this.list.push({ kind: 'plain', op })
    return this
  }

  get(local: Local): this {
    const last = this.list.at(-1)
    if (last?.kind === 'local' && last.op === 'local.set' && last.local === local) {
      this.list[this.list.length - 1] = { kind: 'local', op: 'local.tee', local }
      return this
    }
    return this.#local('local.get', local)
  }

  set(local: Local): this {
    return this.#local('local.set', local)
  }

  tee(local: Local): this {
    return this.#local('local.tee', local)
  }

  #local(op: keyof typeof ON_LOCAL, local: Local): this {
    this.list.push({ kind: 'local', op, local })
    return this
  }

  getGlobal(global: Global): this {
    this.list.push({ kind: 'global', op: 'global.get', global })
    return this
  }

  setGlobal(global: Global): this {
    this.list.push({ kind: 'global', op: 'global.set', global })
    return this
  }

  i32(value: number): this {
    return this.#constant('i32.const', value)
  }

  i64(value: number | bigint): this {
    return this.#constant('i64.const', value)
  }

  f32(value: number): this {
    return this.#constant('f32.const', value)
  }

  f64(value: number): this {
    return this.#constant('f64.const', value)
  }

  #constant(op: ConstantOp, value: number | bigint): this {
    this.list.push({ kind: 'constant', op, value })
    return this
  }

  /** A load or store at (address on the stack) + `offset` bytes. Alignment is only a hint: `align` is a power of 2 in bytes. */
  memory(op: MemoryOp, offset: number, align: number): this {
    this.list.push({ kind: 'memory', op, offset, align: Math.log2(align) })
    return this
  }

  /** An access to the i32 at (address on the stack) + `offset` bytes, all threads in one order. */
  atomic(op: AtomicOp, offset: number): this {
    this.list.push({ kind: 'memory', op, offset, align: 2 })
    return this
  }

  memoryLane(op: MemoryLaneOp, offset: number, align: number, lane: number): this {
    this.list.push({ kind: 'memoryLane', op, offset, align: Math.log2(align), lane })
    return this
  }

  lane(op: LaneOp, lane: number): this {
    this.list.push({ kind: 'lane', op, lane })
    return this
  }

  /** Picks 16 bytes out of the 32 of two vectors. */
  shuffle(bytes: readonly number[]): this {
    this.list.push({ kind: 'bytes', op: 'i8x16.shuffle', bytes })
    return this
  }

  /** Picks 4 lanes of 4 bytes out of the 8 of two vectors. */
  shuffle32(lanes: readonly [number, number, number, number]): this {
    return this.shuffle(lanes.flatMap((l) => [4 * l, 4 * l + 1, 4 * l + 2, 4 * l + 3]))
  }

  v128(bytes: readonly number[]): this {
    this.list.push({ kind: 'bytes', op: 'v128.const', bytes })
    return this
  }

  /** Copies bytes within memory: target, source and their number are on the stack. */
  copy(): this {
    this.list.push({ kind: 'bulk', op: 'memory.copy' })
    return this
  }

  /** Sets bytes of memory: target, the byte and their number are on the stack. */
  fill(): this {
    this.list.push({ kind: 'bulk', op: 'memory.fill' })
    return this
  }

  call(callee: Callee): this {
    this.list.push({ kind: 'call', op: 'call', callee })
    return this
  }

  br(label: Label): this {
    this.list.push({ kind: 'branch', op: 'br', label })
    return this
  }

  brIf(label: Label): this {
    this.list.push({ kind: 'branch', op: 'br_if', label })
    return this
  }

  /** `body` inside a block, loop or if; the condition of an `if` is on the stack. */
  within(kind: Label['kind'], body: (label: Label) => void): this {
    const label: Label = { kind }
    this.list.push({ kind: 'structure', op: kind, label })
    body(label)
    return this.op('end')
  }

  append(code: Code): this {
    for (const i of code.list) this.list.push(i)
    return this
  }
}

/** A function with a body. */
export class Func implements Callee {
  readonly name: string
  readonly params: readonly Local[]
  readonly results: readonly ValueType[]
  readonly body: Code = new Code()
  /** What it does, for the text format: one line. */
  readonly title: string

  constructor(name: string, params: readonly ValueType[] = [], results: readonly ValueType[] = [], title = '') {
    this.name = name
    this.params = params.map((type) => ({ type }))
    this.results = results
    this.title = title
  }
}

/** What a module is made of. */
export interface ModuleParts {
  readonly imports: readonly Imported[]
  readonly functions: readonly Func[]
  readonly exports: readonly { readonly name: string; readonly func: Func }[]
  /** `from`: imported from there instead of defined; it is exported as "memory" either way. `shared`: among threads. */
  readonly memory: {
    readonly pages: number
    readonly from: { readonly module: string; readonly name: string; readonly shared?: boolean } | null
  }
  readonly globals?: readonly Global[]
  readonly segments: readonly { readonly offset: number; readonly bytes: Uint8Array }[]
  /** Adds the custom section that tells engines and debuggers the (generated) function names. */
  readonly names: boolean
}

/** The locals of a function in the order of their first use, without its parameters. */
export function localsOf(func: Func): Local[] {
  const seen = new Set<Local>(func.params)
  const locals: Local[] = []
  for (const i of func.body.list) {
    if (i.kind !== 'local' || seen.has(i.local)) continue
    seen.add(i.local)
    locals.push(i.local)
  }
  return locals
}
