// kill -9 while a model is saved: the file is the old or the new one, whole. GRADC_KILLS says how often; default 40 times.
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { add, compile, f32, fn, loadFile, nn, optim, saveFile, sum } from '../../src/index.ts'
import { randomOf, read } from './safetensors-files.ts'

const KILLS = Number(process.env.GRADC_KILLS ?? 40)
const root = mkdtempSync(join(tmpdir(), 'gradc-kill-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

// Each step takes 1 from every element of both states, so that a mixture of two steps is seen.
const parts = ['a', 'b'].map((name) => new nn.Parameter(name, [40_000], nn.init.zeros))
const train = fn({ x: f32() }, ({ x }) => ({ loss: add(x, add(sum(parts[0].of(x)), sum(parts[1].of(x)))) })).minimize('loss', optim.sgd({ lr: 1 }))
const program = compile({ train }, { name: 'counter' })

describe('kill -9', () => {
  let files: string
  beforeAll(async () => {
    await program.write(root)
    await build({
      logLevel: 'error', configFile: false, root: join(import.meta.dirname, '../..'),
      build: { ssr: 'src/api/files.ts', outDir: root, emptyOutDir: false, minify: false, rolldownOptions: { output: { entryFileNames: 'files.mjs' } } },
    })
    files = join(root, 'files.mjs')
    // The module is imported by a process of its own, outside of any package.
    writeFileSync(join(root, 'package.json'), '{"type":"module"}')
  })

  it(`at ${KILLS} random moments leaves the old or the new file`, async () => {
    const random = randomOf(20261121)
    const model = await program.load()
    const lanes = Array.from({ length: 2 }, (_, lane) => {
      const folder = join(root, `lane${lane}`)
      mkdirSync(folder)
      return { folder, path: join(folder, 'net.safetensors'), steps: 0 }
    })
    let left = KILLS
    let interrupted = 0
    await Promise.all(lanes.map(async (lane) => {
      await saveFile(await program.load(), lane.path)
      while (left-- > 0) {
        const before = temporaryIn(lane.folder).length
        const saves = random(3)
        await killDuring([files, join(root, 'counter.js'), lane.path], saves, random(100) / 10)
        interrupted += temporaryIn(lane.folder).length - before
        // Strict: every tensor is there, and no byte too many.
        model.restore(readFileSync(lane.path))
        const [count] = model.state.a
        for (const view of [model.state.a, model.state.b]) expect(view.every((v) => v === count)).toBe(true)
        // What was saved stays saved.
        expect(-count).toBeGreaterThanOrEqual(lane.steps + saves)
        lane.steps = -count
      }
    }))
    // Some kills came between the first byte and the new name, else this shows nothing.
    expect(interrupted).toBeGreaterThan(0)

    // The next save removes what is old.
    const [{ folder, path }] = lanes
    const [fresh, ...old] = temporaryIn(folder)
    const hoursAgo = Date.now() / 1000 - 7200
    for (const name of old) utimesSync(join(folder, name), hoursAgo, hoursAgo)
    await saveFile(model, path)
    expect(temporaryIn(folder)).toEqual(fresh ? [fresh] : [])
  }, 120_000)
})

const temporaryIn = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.tmp'))

/** Starts the child, and kills it some milliseconds after it has saved so many times and begun again. */
async function killDuring(args: readonly string[], saves: number, ms: number): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'kill-child.mjs'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (text) => (errors += text))
  const ended = new Promise<string | null>((resolve) => void child.on('close', (_, signal) => resolve(signal)))
  let begun = 0
  const reached = new Promise<void>((resolve) => {
    child.stdout.on('data', (dots: Buffer) => {
      begun += dots.length
      if (begun > saves) resolve()
    })
  })
  await Promise.race([reached, ended])
  await sleep(ms)
  child.kill('SIGKILL')
  expect(await ended, errors).toBe('SIGKILL')
}

describe('saveFile', () => {
  const folder = join(root, 'plain')
  beforeAll(() => void mkdirSync(folder))

  it('saves the model as it was when it was called, also twice at once', async () => {
    const model = await program.load()
    const path = join(folder, 'twice.safetensors')
    const saves = Array.from({ length: 8 }, () => {
      model.train({ x: 0 })
      return saveFile(model, path)
    })
    model.train({ x: 0 })
    await Promise.all(saves)
    const fresh = await program.load()
    expect((await loadFile(fresh, path)).sameProgram).toBe(true)
    const [count] = fresh.state.a
    expect([...new Set([...fresh.state.a, ...fresh.state.b])]).toEqual([count])
    expect(-count).toBeGreaterThanOrEqual(1)
    expect(-count).toBeLessThanOrEqual(8)
    expect(temporaryIn(folder)).toEqual([])
  })

  it('keeps permissions and links', async () => {
    const model = await program.load()
    const [path, link] = [join(folder, 'kept.safetensors'), join(folder, 'link.safetensors')]
    writeFileSync(path, 'old')
    chmodSync(path, 0o640)
    symlinkSync('kept.safetensors', link)
    await saveFile(model, link)
    expect(statSync(path).mode & 0o777).toBe(0o640)
    expect(read(readFileSync(link)).tensors.size).toBe(2)
  })

  it('says what cannot be written, and leaves nothing', async () => {
    const model = await program.load()
    await expect(saveFile(model, join(folder, 'no/where'))).rejects.toMatchObject({ code: 'file/invalid', problem: expect.stringContaining('ENOENT') })
    mkdirSync(join(folder, 'taken'))
    await expect(saveFile(model, join(folder, 'taken'))).rejects.toMatchObject({ code: 'file/invalid' })
    for (const path of ['', 5, null]) await expect(saveFile(model, path as never)).rejects.toMatchObject({ code: 'option/invalid' })
    await expect(saveFile({} as never, join(folder, 'x'))).rejects.toMatchObject({ code: 'option/invalid' })
    expect(temporaryIn(folder)).toEqual([])
    expect(existsSync(join(folder, 'x'))).toBe(false)
  })

  it('loadFile says what cannot be read, and changes nothing', async () => {
    const model = await program.load()
    model.train({ x: 0 })
    const before = model.save()
    const broken = join(folder, 'broken.safetensors')
    writeFileSync(broken, before.subarray(0, 1000))
    for (const path of [broken, folder, join(folder, 'nothing')]) await expect(loadFile(model, path)).rejects.toMatchObject({ code: 'file/invalid' })
    await expect(loadFile(model, '')).rejects.toMatchObject({ code: 'option/invalid' })
    await expect(loadFile(null as never, broken)).rejects.toMatchObject({ code: 'option/invalid' })
    expect(model.save()).toEqual(before)
    writeFileSync(broken, before)
    expect(await loadFile(await program.load(), broken, { strict: false })).toMatchObject({ taken: ['a', 'b'] })
  })
})
