// Emitted code on several real threads: each a worker with an instance of its own over one shared memory.
import { Worker } from 'node:worker_threads'
import type { LoweredKernel, LoweredProgram } from '../src/codegen/nest.ts'
import { emitWasm, wasmText } from '../src/codegen/wasm/emit.ts'
import { hostOf, hostText } from '../src/runtime/load.ts'
import { unshare } from '../src/runtime/unshare.ts'
import { stream } from './generators.ts'

const PAGE = 65536
const MOST = 4

const WORKER = `const { parentPort } = require('node:worker_threads')
const host = { ${['exp', 'expm1', 'log', 'log1p', 'sin', 'cos', 'tanh', 'pow', 'atan2', 'rem'].map((n) => `${n}: ${hostText(n)}`).join(', ')} }
parentPort.on('message', ({ module, memory, thread, threads }) => {
  const { exports } = new WebAssembly.Instance(module, { m: { ...host, memory } })
  exports.enter(thread, threads)
  exports.work()
  parentPort.postMessage('left')
})`

/** A few workers that run one program after the other. */
export class Threads {
  readonly #workers = Array.from({ length: MOST - 1 }, () => new Worker(WORKER, { eval: true, execArgv: [] }))

  close(): void {
    for (const w of this.#workers) void w.terminate()
  }

  /** The bytes of the program's memory after each function was called in turn, from an image that the seed makes. */
  async run(program: LoweredProgram, threads: number, seed: number, worth = 0): Promise<Uint8Array> {
    const { bytes, imports } = emitWasm(program, { threads: MOST, worth })
    const pages = memoryPages(bytes)
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, ...(threads > 1 && { shared: true }) })
    const module = new WebAssembly.Module(threads > 1 ? bytes : unshare(bytes))
    const { exports } = new WebAssembly.Instance(module, { m: { ...hostOf(imports), memory } as never })
    const call = exports as Record<string, (...given: number[]) => void>
    const hired = this.#workers.slice(0, threads - 1)
    const left = hired.map((w) => new Promise((resolve, reject) => {
      w.once('message', resolve).removeAllListeners('error').once('error', reject)
    }))
    hired.forEach((w, i) => w.postMessage({ module, memory, thread: i + 1, threads }))
    call.enter(0, threads)
    fill(memory.buffer, program.memoryBytes, seed)
    program.functions.forEach((_, i) => call[`f${i}`]())
    call.leave()
    await Promise.all(left)
    return new Uint8Array(memory.buffer, 0, program.memoryBytes).slice()
  }
}

/** The same by the code that knows no threads. */
export function withoutThreads(program: LoweredProgram, seed: number): Uint8Array {
  const { bytes, imports } = emitWasm(program)
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { m: hostOf(imports) as never })
  const { buffer } = exports.memory as WebAssembly.Memory
  fill(buffer, program.memoryBytes, seed)
  program.functions.forEach((_, i) => (exports[`f${i}`] as () => void)())
  return new Uint8Array(buffer, 0, program.memoryBytes).slice()
}

/** How many loops of the program are divided: 0 would prove nothing. */
export const shares = (program: LoweredProgram): number =>
  wasmText(program, { threads: MOST, worth: 0 }).split('call $bound').length - 1

/** Bytes that hold nothing once the kernel that uses them has ended: with threads they stay as they were. */
export function locals(kernels: readonly LoweredKernel[]): { readonly from: number; readonly to: number }[] {
  return kernels.flatMap((k) => [...(k.local ? [k.local] : []), ...locals(k.loop?.body ?? [])])
}

function fill(buffer: ArrayBuffer, bytes: number, seed: number): void {
  const next = stream(seed)
  const values = new Float32Array(buffer, 0, bytes >> 2)
  for (let i = 0; i < values.length; i++) values[i] = next() * 4 - 2
}

/** What the memory import asks for: "m", "memory", a memory, shared, pages. */
function memoryPages(bytes: Uint8Array): number {
  const name = [1, 109, 6, 109, 101, 109, 111, 114, 121, 2, 3]
  let at = bytes.findIndex((_, i) => name.every((b, j) => bytes[i + j] === b)) + name.length
  let pages = 0
  for (let shift = 0; ; shift += 7) {
    pages += (bytes[at] & 127) * 2 ** shift
    if (bytes[at++] < 128) return Math.max(pages, Math.ceil(1 / PAGE))
  }
}
