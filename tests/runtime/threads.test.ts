import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { compile, f32, fn, loadFile, matmul, saveFile } from '../../src/index.ts'
import { emitWasm } from '../../src/codegen/wasm/emit.ts'
import { unshare } from '../../src/runtime/unshare.ts'
import { batchOf, NAMES, programOf } from './threads-programs.ts'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

const text = (program: ReturnType<typeof programOf>): string => program.emit().js

describe.each(NAMES)('twenty steps of a small %s', (name) => {
  test('have the same bits on any number of threads, and without', async () => {
    const plain = await programOf(name).load()
    const losses = Array.from({ length: 20 }, (_, i) => plain.train(batchOf(plain, i)).loss)
    const [saved, flat] = [plain.save(), plain.flat()]
    const logits = plain.predict({ x: batchOf(plain, 0).x }).logits.slice()
    const program = programOf(name, { threads: 4 })
    for (const threads of [1, 2, 3]) {
      const model = await program.load({ threads })
      expect(model.threads).toBe(threads)
      losses.forEach((loss, i) => expect(model.train(batchOf(program, i)).loss).toBe(loss))
      expect(Buffer.compare(model.save(), saved)).toBe(0)
      expect(model.flat()).toEqual(flat)
      expect(model.predict({ x: batchOf(program, 0).x }).logits.slice()).toEqual(logits)
      model.close()
    }
  })
})

describe('a model on threads', () => {
  const program = programOf('convolution', { threads: 3 })

  test('takes as many as the machine has, at most what was compiled for', async () => {
    vi.stubGlobal('navigator', { hardwareConcurrency: 2 })
    const model = await program.load()
    expect(model.threads).toBe(2)
    model.close()
    vi.stubGlobal('navigator', { hardwareConcurrency: 64 })
    const more = await program.load()
    expect(more.threads).toBe(3)
    more.close()
  })

  test('is saved, restored and set like any other, in copies', async () => {
    const model = await program.load({ threads: 2 })
    model.train(batchOf(program, 0))
    const file = model.save()
    expect(file.buffer).toBeInstanceOf(ArrayBuffer)
    expect(model.flat().buffer).toBeInstanceOf(ArrayBuffer)
    const other = await program.load({ threads: 1, seed: 5 })
    expect(other.restore(file).kept).toEqual([])
    expect(other.train(batchOf(program, 1)).loss).toBe(model.train(batchOf(program, 1)).loss)
    const flat = model.flat().map((v: number) => v / 2)
    model.setFlat(flat)
    expect(model.flat()).toEqual(flat)
    model.reset(7)
    other.reset(7)
    expect(Buffer.compare(model.save(), other.save())).toBe(0)
    model.close()
    const folder = await mkdtemp(join(tmpdir(), 'gradc-threads-'))
    await saveFile(model, join(folder, 'net.safetensors'))
    await loadFile(other, join(folder, 'net.safetensors'))
    expect(Buffer.compare(model.save(), other.save())).toBe(0)
    await rm(folder, { recursive: true })
  })

  test('refuses calls once it was closed, and can still be read', async () => {
    for (const threads of [1, 2]) {
      const model = await program.load({ threads })
      model.train(batchOf(program, 0))
      const file = model.save()
      model.close()
      model.close()
      expect(() => model.train(batchOf(program, 0))).toThrow(/model\/closed/)
      expect(() => model.reset()).toThrow(/model\/closed/)
      expect(Buffer.compare(model.save(), file)).toBe(0)
    }
    const plain = await programOf('lstm').load()
    expect(plain.threads).toBe(1)
    plain.close()
    expect(() => plain.train(batchOf(plain, 0))).toThrow(/model\/closed/)
  })

  test('looks for what is not finite on request', async () => {
    const small = programOf('transformer', { threads: 2 })
    const model = await small.load({ threads: 2, checkFinite: true })
    const batch = batchOf(small, 0)
    model.state['norm.weight'][0] = NaN
    const before = model.save()
    expect(() => model.train(batch)).toThrow(/value\/nonfinite/)
    expect(Buffer.compare(model.save(), before)).toBe(0)
    model.close()
  })

  test('multiplies and adds in one rounding if that is asked for', async () => {
    const relaxed = programOf('convolution', { threads: 2, arithmetic: 'relaxed' })
    const [one, two] = [await relaxed.load({ threads: 1 }), await relaxed.load({ threads: 2 })]
    for (let i = 0; i < 3; i++) expect(two.train(batchOf(relaxed, i)).loss).toBe(one.train(batchOf(relaxed, i)).loss)
    two.close()
  })
})

describe('one thread has to do', () => {
  const program = programOf('convolution', { threads: 2 })
  const expectAlone = async (): Promise<void> => {
    const model = await program.load({ threads: 2 })
    expect(model.threads).toBe(1)
    expect(model.state['0.weight'].buffer).toBeInstanceOf(ArrayBuffer)
    expect(model.train(batchOf(program, 0)).loss).toBe((await programOf('convolution').load()).train(batchOf(program, 0)).loss)
  }

  test('where memory cannot be shared', async () => {
    vi.stubGlobal('SharedArrayBuffer', undefined)
    await expectAlone()
  })

  test('where the thread may not wait, as on a page', async () => {
    vi.spyOn(Atomics, 'wait').mockImplementation(() => {
      throw new TypeError('Atomics.wait cannot be called in this context')
    })
    await expectAlone()
  })

  test('where workers do not start', async () => {
    const builtin = process.getBuiltinModule
    class Refused {
      constructor() {
        throw new Error('no workers here')
      }
    }
    const other = ((name: string) => (name === 'node:worker_threads' ? { Worker: Refused } : builtin(name as never))) as never
    vi.spyOn(process, 'getBuiltinModule').mockImplementation(other)
    await expectAlone()
  })

  test('where a worker ends at once', async () => {
    const builtin = process.getBuiltinModule
    class Ends extends Worker {
      constructor() {
        super('process.exit(1)', { eval: true, execArgv: [] })
      }
    }
    const other = ((name: string) => (name === 'node:worker_threads' ? { Worker: Ends } : builtin(name as never))) as never
    vi.spyOn(process, 'getBuiltinModule').mockImplementation(other)
    await expectAlone()
  })
})

describe('a thread that dies', () => {
  test('between steps is told at the next call', async () => {
    const made: Worker[] = []
    const builtin = process.getBuiltinModule
    class Seen extends Worker {
      constructor(...given: ConstructorParameters<typeof Worker>) {
        super(...given)
        made.push(this)
      }
    }
    const other = ((name: string) => (name === 'node:worker_threads' ? { Worker: Seen } : builtin(name as never))) as never
    vi.spyOn(process, 'getBuiltinModule').mockImplementation(other)
    const program = programOf('lstm', { threads: 2 })
    const model = await program.load({ threads: 2 })
    expect(made.length).toBe(1)
    await made[0].terminate()
    expect(() => model.train(batchOf(program, 0))).toThrow(expect.objectContaining({ code: 'model/failed', name: 'GradcError' }))
    expect(model.save().length).toBeGreaterThan(0)
  })

  test('in a step does not leave the others waiting', async () => {
    const { compiled, manifest } = compile({ f: fn({ x: f32(64, 64) }, ({ x }) => ({ y: matmul(x, x) })) }, { threads: 2 })
    const { bytes } = compiled.code as { bytes: Uint8Array<ArrayBuffer> }
    const pages = Math.ceil(manifest.memory.bytes / 65536)
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
    const module = new WebAssembly.Module(bytes)
    const worker = new Worker(`const { workerData: { module, memory }, parentPort } = require('node:worker_threads')
      const { exports } = new WebAssembly.Instance(module, { m: { memory } })
      exports.enter(1, 2)
      parentPort.postMessage('here')
      setTimeout(() => exports.lost(), 300)`, { eval: true, execArgv: [], workerData: { module, memory } })
    await new Promise((resolve) => void worker.once('message', resolve))
    const exports = new WebAssembly.Instance(module, { m: { memory } as never }).exports as Record<string, (...given: number[]) => void>
    exports.enter(0, 2)
    expect(() => exports.f1()).toThrow(/unreachable/)
    await worker.terminate()
  })
})

test('numbers of threads that make no sense are refused', async () => {
  const f = fn({ x: f32(4) }, ({ x }) => ({ x }))
  for (const threads of [0, -1, 1.5, 17, NaN, '2', null]) {
    expect(() => compile({ f }, { threads: threads as number }), String(threads)).toThrow(/option\/invalid.*threads/)
  }
  for (const threads of [0, 3, 1.5, '2', null]) {
    await expect(compile({ f }, { threads: 2 }).load({ threads: threads as number })).rejects.toThrow(/option\/invalid.*threads/)
  }
  await expect(compile({ f }).load({ threads: 2 })).rejects.toThrow(/option\/invalid[^]*compile\(\{ \.\.\. \}, \{ threads: 2 \}\)/)
  expect((await compile({ f }).load({ threads: 1 })).threads).toBe(1)
  for (const name of ['threads', 'close']) expect(() => compile({ [name]: f })).toThrow(/name\/invalid/)
})

test('who does not ask for threads gets nothing of them', () => {
  const program = programOf('lstm')
  expect(text(program)).not.toMatch(/SharedArrayBuffer|Worker|Atomics/)
  expect(program.manifest).not.toHaveProperty('threads')
  const { lowered, code } = program.compiled
  expect(emitWasm(lowered, { segments: program.compiled.constants }).bytes).toEqual((code as { bytes: Uint8Array }).bytes)
})

test('the target js takes one thread', async () => {
  const program = programOf('lstm', { target: 'js', threads: 4 })
  const model = await program.load()
  expect([program.manifest.threads, model.threads]).toEqual([1, 1])
  model.close()
  expect(() => model.train(batchOf(program, 0))).toThrow(/model\/closed/)
})

test('a memory that is not shared is asked for by one byte', () => {
  const { bytes } = programOf('lstm', { threads: 2 }).compiled.code as { bytes: Uint8Array<ArrayBuffer> }
  const before = bytes.slice()
  const cleared = unshare(bytes)
  expect(bytes).toEqual(before)
  expect(cleared.filter((b, i) => b !== bytes[i])).toEqual(Uint8Array.of(1))
  expect(WebAssembly.validate(cleared)).toBe(true)
  const other = (programOf('lstm').compiled.code as { bytes: Uint8Array<ArrayBuffer> }).bytes
  expect(unshare(other)).toEqual(other)
})
