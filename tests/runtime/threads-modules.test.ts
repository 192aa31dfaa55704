// Emitted modules with threads: on the disk, in processes of their own, and in workers.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compile, f32, fn, mean, relu } from '../../src/index.ts'
import { batchOf, programOf } from './threads-programs.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gradc-threads-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const program = programOf('transformer', { threads: 2 })
const STEPS = 5

/** What five steps without threads give. */
async function expected(): Promise<{ losses: number[]; saved: Uint8Array }> {
  const model = await programOf('transformer').load()
  const losses = Array.from({ length: STEPS }, (_, i) => model.train(batchOf(program, i)).loss)
  return { losses, saved: model.save() }
}

/** Runs a module beside the emitted one, `net` being what that exports; gives what it prints. */
function run(form: string, text: string): Promise<string> {
  const path = join(folder, form, `${Math.random()}.mjs`)
  const batches = JSON.stringify(Array.from({ length: STEPS }, (_, i) => Object.entries(batchOf(program, i)).map(([k, v]) => [k, v.constructor.name, [...v]])))
  const head = `import * as net from './net.js'
    const batches = ${batches}.map((b) => Object.fromEntries(b.map(([k, type, v]) => [k, globalThis[type].from(v)])))
    const hash = (bytes) => bytes.reduce((h, b) => Math.imul(h ^ b, 0x01000193), 0x811c9dc5) >>> 0\n`
  return new Promise((resolve, reject) => {
    void writeFile(path, head + text).then(() => {
      // A program that does not end is killed, and fails.
      const child = spawn(process.execPath, ['--disallow-code-generation-from-strings', path], { timeout: 40_000, killSignal: 'SIGKILL' })
      let [out, err] = ['', '']
      child.stdout.on('data', (part) => (out += part))
      child.stderr.on('data', (part) => (err += part))
      child.on('close', (code, signal) => (code === 0 ? resolve(out) : reject(new Error(`ended with ${signal ?? code}: ${out}${err}`))))
    })
  })
}

const hash = (bytes: Uint8Array): number => bytes.reduce((h, b) => Math.imul(h ^ b, 0x01000193), 0x811c9dc5) >>> 0

describe.each(['inline', 'url'] as const)('a module on the disk, WebAssembly %s', (form) => {
  beforeAll(() => program.write(join(folder, form), { wasm: form }))

  test('runs on two threads in a process that ends by itself, the model not being closed', async () => {
    const { losses, saved } = await expected()
    const told = await run(form, `const model = await net.load({ threads: 2 })
      const losses = batches.map((b) => model.train(b).loss)
      console.log(JSON.stringify([model.threads, losses, hash(model.save())]))`)
    expect(JSON.parse(told)).toEqual([2, losses, hash(saved)])
  })

  test('runs in a worker of its own, with threads', async () => {
    const { losses, saved } = await expected()
    const told = await run(form, `const model = await net.spawn({ threads: 2 })
      const losses = []
      for (const b of batches) losses.push((await model.train(b)).loss)
      console.log(JSON.stringify([model.threads, losses, hash(await model.save())]))`)
    expect(JSON.parse(told)).toEqual([2, losses, hash(saved)])
  })

  test('refuses calls once it was closed, and options that make no sense', async () => {
    const told = await run(form, `const codeOf = async (f) => { try { await f(); return 'none' } catch (e) { return e.name + ' ' + e.code } }
      const [model, spawned] = [await net.load({ threads: 2 }), await net.spawn()]
      model.close()
      const asked = codeOf(() => spawned.train(batches[0]))
      spawned.close()
      console.log(JSON.stringify([
        await codeOf(() => model.train(batches[0])), await asked, await codeOf(() => spawned.save()),
        await codeOf(() => net.load({ threads: 3 })), await codeOf(() => net.spawn({ threads: 0 })), await codeOf(() => net.spawn({ seed: -1 })),
      ]))`)
    expect(JSON.parse(told)).toEqual([
      'GradcError model/closed', 'GradcError model/closed', 'GradcError model/closed',
      'GradcError option/invalid', 'GradcError option/invalid', 'GradcError option/invalid',
    ])
  })
})

test('a module whose WebAssembly the host compiles runs on one thread, in a memory of its own', async () => {
  const { losses, saved } = await expected()
  await program.write(join(folder, 'module'), { wasm: 'module' })
  const path = join(folder, 'module', 'net.js')
  const text = await readFile(path, 'utf8')
  expect(text).toContain("import wasm from")
  // Node does not import WebAssembly; workerd, which does, is met in tests/hosts.
  const read = "const wasm = new WebAssembly.Module(process.getBuiltinModule('node:fs').readFileSync(new URL('net.wasm', import.meta.url)))"
  await writeFile(path, text.replace(/^import wasm from .*$/m, read))
  const told = await run('module', `const model = await net.load()
    const losses = batches.map((b) => model.train(b).loss)
    console.log(JSON.stringify([model.threads, losses, hash(model.save())]))`)
  expect(JSON.parse(told)).toEqual([1, losses, hash(saved)])
})

describe('the same program, spawned', () => {
  test.each([
    ['for threads', programOf('transformer', { threads: 2 }), 2],
    ['for none', programOf('transformer'), 1],
    ['to JavaScript', programOf('transformer', { target: 'js' }), 1],
  ])('compiled %s', async (_, compiled, threads) => {
    const { losses, saved } = await expected()
    const model = await compiled.spawn({ threads } as never)
    expect(model.threads).toBe(threads)
    expect(model.manifest.hash).toBe(compiled.manifest.hash)
    for (const [i, loss] of losses.entries()) expect((await model.train(batchOf(compiled, i))).loss).toBe(loss)
    expect(Buffer.compare(await model.save(), saved)).toBe(0)
    await model.reset(3)
    const other = await compiled.load({ seed: 3, threads: 1 })
    expect(await model.flat()).toEqual(other.flat())
    await model.setFlat(other.flat().map((v: number) => v * 2))
    expect((await model.restore(saved)).kept).toEqual([])
    expect(Buffer.compare(await model.save(), saved)).toBe(0)
    model.close()
  })

  test('gives copies, takes parts of arrays, and says what is wrong with what it is given', async () => {
    const model = await program.spawn()
    const batch = batchOf(program, 0)
    const [first, second] = await Promise.all([model.predict({ x: batch.x }), model.predict({ x: batch.x.map((v: number) => v + 1) })])
    expect(first.logits).not.toEqual(second.logits)
    expect(first.logits.buffer).toBeInstanceOf(ArrayBuffer)
    expect(first.logits.byteLength).toBe(first.logits.buffer.byteLength)
    const whole = new Int32Array(batch.x.length + 8)
    whole.set(batch.x, 4)
    const part = await model.predict({ x: whole.subarray(4, 4 + batch.x.length) })
    expect(part.logits).toEqual(first.logits)
    const shared = new Int32Array(new SharedArrayBuffer(4 * batch.x.length))
    shared.set(batch.x)
    expect((await model.predict({ x: shared })).logits).toEqual(first.logits)
    await expect(model.predict({})).rejects.toThrow(/input\/missing[^]*needs input "x"/)
    await expect(model.predict({ x: (() => 1) as never })).rejects.toThrow()
    await expect(model.restore(new Uint8Array(3))).rejects.toThrow(/file\/invalid/)
    model.close()
    await expect(model.save()).rejects.toThrow(/model\/closed/)
  })

  test('refuses options that make no sense', async () => {
    await expect(program.spawn({ threads: 3 })).rejects.toThrow(/option\/invalid.*threads 3/)
    await expect(program.spawn({ seeds: 3 } as never)).rejects.toThrow(/option\/invalid.*seeds/)
  })
})

test('declarations type-check, and refuse what is not there', async () => {
  const typed = compile({
    train: fn({ x: f32(4, 6) }, ({ x }) => ({ y: relu(x), loss: mean(x) })),
  }, { name: 'typed', threads: 2 })
  const at = join(folder, 'typed')
  await typed.write(at)
  await writeFile(join(at, 'use.ts'), `import { load, manifest, spawn, type Model, type SpawnedModel } from './typed.js'
    const model: Model = await load({ seed: 1, threads: 2 })
    const spawned: SpawnedModel = await spawn({ threads: 2 })
    const given = { x: new Float32Array(24) }
    const [a, b]: number[] = [model.train(given).loss, (await spawned.train(given)).loss]
    const [c, d]: Uint8Array[] = [model.save(), await spawned.save()]
    // @ts-expect-error its methods give promises
    const wrong: number = spawned.train(given).loss
    // @ts-expect-error there is no state to look at from here
    spawned.state
    model.close()
    spawned.close()
    export const all: unknown[] = [a, b, c, d, wrong, model.threads + spawned.threads + manifest.threads]`)
  const compilerOptions = { strict: true, noEmit: true, module: 'nodenext', target: 'es2022', lib: ['es2023'], types: [] }
  await writeFile(join(at, 'package.json'), '{"type":"module"}')
  await writeFile(join(at, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['use.ts'] }))
  const tsc = join(import.meta.dirname, '../../node_modules/typescript/bin/tsc')
  expect(execFileSync(process.execPath, [tsc, '-p', at], { encoding: 'utf8' })).toBe('')
})
