import { InternalError } from '../../../ir/errors.ts'
import { CODE_OF, localsOf } from './assembler.ts'
import type { Callee, Func, Global, Instr, Label, Local, ModuleParts, ValueType } from './assembler.ts'
import { Bytes } from './bytes.ts'

const TYPE: { readonly [T in ValueType]: number } = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b }
const SECTION = { custom: 0, type: 1, import: 2, function: 3, memory: 5, global: 6, export: 7, code: 10, data: 11 } as const
const KIND = { func: 0, memory: 2 } as const
/** Type of a block without parameters and results. */
const EMPTY = 0x40

/** The binary format of a module. Callees must be among its imports and functions. */
export function encode(parts: ModuleParts): Uint8Array<ArrayBuffer> {
  const { imports, functions, memory } = parts
  const index = new Map<Callee, number>([...imports, ...functions].map((f, i) => [f, i]))
  const globals = new Map((parts.globals ?? []).map((g, i) => [g, i]))
  const types = new Map<string, number>()
  const typeBytes = new Bytes()
  const typeOf = (f: Callee): number => {
    const key = `${f.params.map((p) => p.type).join()}:${f.results.join()}`
    let t = types.get(key)
    if (t === undefined) {
      types.set(key, (t = types.size))
      typeBytes.byte(0x60).sized(valueTypes(f.params.map((p) => p.type))).sized(valueTypes(f.results))
    }
    return t
  }
  for (const f of [...imports, ...functions]) typeOf(f)

  const out = new Bytes().byte(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00)
  const section = (id: number, count: number, content: Bytes): void => {
    if (count) out.byte(id).sized(new Bytes().unsigned(count).append(content))
  }
  section(SECTION.type, types.size, typeBytes)

  const importBytes = new Bytes()
  for (const f of imports) importBytes.text(f.module).text(f.name).byte(KIND.func).unsigned(typeOf(f))
  if (memory.from) {
    importBytes.text(memory.from.module).text(memory.from.name).byte(KIND.memory, memory.from.shared ? 0x03 : 0x00).unsigned(memory.pages)
    // A shared memory says how far it may grow: not at all.
    if (memory.from.shared) importBytes.unsigned(memory.pages)
  }
  section(SECTION.import, imports.length + (memory.from ? 1 : 0), importBytes)

  const functionBytes = new Bytes()
  for (const f of functions) functionBytes.unsigned(typeOf(f))
  section(SECTION.function, functions.length, functionBytes)
  if (!memory.from) section(SECTION.memory, 1, new Bytes().byte(0x01).unsigned(memory.pages).unsigned(memory.pages))

  const globalBytes = new Bytes()
  for (const g of parts.globals ?? []) globalBytes.byte(TYPE[g.type], 0x01, 0x41, 0x00, 0x0b)
  section(SECTION.global, globals.size, globalBytes)

  const exportBytes = new Bytes().text('memory').byte(KIND.memory).unsigned(0)
  for (const e of parts.exports) exportBytes.text(e.name).byte(KIND.func).unsigned(index.get(e.func)!)
  section(SECTION.export, parts.exports.length + 1, exportBytes)

  const codeBytes = new Bytes()
  for (const f of functions) codeBytes.sized(body(f, index, globals))
  section(SECTION.code, functions.length, codeBytes)

  const segmentBytes = new Bytes()
  for (const s of parts.segments) segmentBytes.byte(0x00, 0x41).signed(s.offset, 32).byte(0x0b).sized(s.bytes)
  section(SECTION.data, parts.segments.length, segmentBytes)

  if (parts.names) {
    const table = new Bytes().unsigned(index.size)
    for (const [f, i] of index) table.unsigned(i).text(f.name)
    out.byte(SECTION.custom).sized(new Bytes().text('name').byte(0x01).sized(table))
  }
  return out.toUint8Array()
}

const valueTypes = (types: readonly ValueType[]): Uint8Array => Uint8Array.from(types, (t) => TYPE[t])

function body(func: Func, index: ReadonlyMap<Callee, number>, globals: ReadonlyMap<Global, number>): Bytes {
  const numbers = new Map<Local, number>(func.params.map((p, i) => [p, i]))
  const runs: { type: ValueType; count: number }[] = []
  // Locals are declared as runs of one type.
  const locals = localsOf(func)
  for (const type of ['v128', 'i32', 'f32', 'f64', 'i64'] as const) {
    const group = locals.filter((l) => l.type === type)
    for (const l of group) numbers.set(l, numbers.size)
    if (group.length) runs.push({ type, count: group.length })
  }
  const out = new Bytes().unsigned(runs.length)
  for (const r of runs) out.unsigned(r.count).byte(TYPE[r.type])
  const labels: Label[] = []
  for (const i of func.body.list) instruction(out, i, { func, index, globals, numbers, labels })
  if (labels.length) throw new InternalError('wasm encoder', `${func.name} leaves a block open`)
  return out.byte(CODE_OF.end)
}

interface Context {
  readonly func: Func
  readonly index: ReadonlyMap<Callee, number>
  readonly globals: ReadonlyMap<Global, number>
  readonly numbers: ReadonlyMap<Local, number>
  readonly labels: Label[]
}

function instruction(out: Bytes, i: Instr, { func, index, globals, numbers, labels }: Context): void {
  const code = CODE_OF[i.op]
  if (code >= 0x1000) out.byte(code >> 12).unsigned(code & 0xfff)
  else out.byte(code)
  switch (i.kind) {
    case 'plain':
      if (i.op === 'end' && !labels.pop()) throw new InternalError('wasm encoder', `${func.name} closes a block that is not open`)
      return
    case 'local':
      out.unsigned(numbers.get(i.local)!)
      return
    case 'global':
      out.unsigned(globals.get(i.global)!)
      return
    case 'structure':
      labels.push(i.label)
      out.byte(EMPTY)
      return
    case 'branch': {
      const at = labels.lastIndexOf(i.label)
      if (at < 0) throw new InternalError('wasm encoder', `${func.name} branches out of a block that it is not in`)
      out.unsigned(labels.length - 1 - at)
      return
    }
    case 'constant':
      if (i.op === 'f32.const') out.f32(Number(i.value))
      else if (i.op === 'f64.const') out.f64(Number(i.value))
      else out.signed(i.value, i.op === 'i32.const' ? 32 : 64)
      return
    case 'memory':
    case 'memoryLane':
      if (i.offset < 0) throw new InternalError('wasm encoder', `${func.name} has the offset ${i.offset}`)
      out.unsigned(i.align).unsigned(i.offset)
      if (i.kind === 'memoryLane') out.byte(i.lane)
      return
    case 'lane':
      out.byte(i.lane)
      return
    case 'bytes':
      out.byte(...i.bytes)
      return
    case 'bulk':
      out.byte(...(i.op === 'memory.copy' ? [0, 0] : [0]))
      return
    case 'call': {
      const at = index.get(i.callee)
      if (at === undefined) throw new InternalError(
        'wasm encoder',
        `${func.name} calls ${i.callee.name}, which the module does not have`,
      )
      out.unsigned(at)
      return
    }
  }
}
