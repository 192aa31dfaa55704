// A run that is stopped, saved and resumed computes the bits of one that was not.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { compile, f32, fit, fn, loadFile, mse, nn, optim, saveFile } from '../../src/index.ts'
import { randomOf } from './safetensors-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'gradc-resume-'))
afterAll(() => rmSync(folder, { recursive: true }))

const STEPS = 12
/** Everything that a step draws or counts: dropout, batch statistics, Adam's moments, an average, a schedule of the step count. */
const net = nn.sequential(nn.linear(4, 16), nn.batchNorm1d(16), nn.relu, nn.dropout(0.5), nn.linear(16, 2), nn.dropout(0.1))
const lr = optim.schedules.cosine({ initial: 0.05, steps: STEPS })
const trainOf = (batch: number) =>
  fn({ x: f32(batch, 4), y: f32(batch, 2) }, ({ x, y }) => ({ loss: mse(net(x), y) }))
    .minimize('loss', optim.chain(optim.clipByGlobalNorm(1), optim.ema(optim.adam({ lr }), { decay: 0.9 })))

const random = randomOf(3)
const numbers = (n: number): Float32Array => Float32Array.from({ length: n }, () => random(2001) / 1000 - 1)
const batches = Array.from({ length: STEPS }, () => ({ x: numbers(32), y: numbers(16) }))

describe.each(['wasm', 'js'] as const)('a resumed run of %s', (target) => {
  const program = compile({ train: trainOf(8) }, { target, seed: 11, name: `resume-${target}` })

  it.each([1, 5, 11])('goes on bit by bit after %i steps', async (stop) => {
    const whole = await program.load()
    const losses = batches.map((batch) => whole.train(batch).loss)
    expect(new Set(losses).size).toBe(STEPS)
    const first = await program.load()
    const before = batches.slice(0, stop).map((batch) => first.train(batch).loss)
    const file = first.save()
    // Another seed: nothing may come from elsewhere than the file.
    const second = await program.load({ seed: 99 })
    expect(second.restore(file).sameProgram).toBe(true)
    const after = batches.slice(stop).map((batch) => second.train(batch).loss)
    expect([...before, ...after]).toEqual(losses)
    expect(second.save()).toEqual(whole.save())
  })

  it('in the module that was written, and through a file', async () => {
    await program.write(folder)
    const { load } = await import(/* @vite-ignore */ pathToFileURL(join(folder, `resume-${target}.js`)).href)
    const [whole, first] = [await program.load(), await program.load()]
    for (const batch of batches) whole.train(batch)
    for (const batch of batches.slice(0, 6)) first.train(batch)
    const path = join(folder, 'net.safetensors')
    await saveFile(first, path)
    const module = await load({ seed: 5 })
    expect((await loadFile(module, path) as { sameProgram: boolean }).sameProgram).toBe(true)
    for (const batch of batches.slice(6)) module.train(batch)
    expect(module.save()).toEqual(whole.save())
    // What it cannot take it refuses in its own words.
    await expect(loadFile(module, join(folder, `resume-${target}.json`))).rejects.toThrow(/^file\/invalid: .*\nhint: nothing was changed/)
    expect(module.save()).toEqual(whole.save())
  })

  it('by fit, epoch for epoch', async () => {
    const data = (): typeof batches => batches.slice(0, 4)
    const whole = await program.load()
    const all = await fit(whole, data, { epochs: 3 })
    expect([all.epochs, all.steps, all.stopped]).toEqual([3, 12, 'epochs'])

    const first = await program.load()
    const path = join(folder, `fit-${target}.safetensors`)
    const stopped = await fit(first, data, { epochs: 2, saveEvery: { epochs: 1, to: path } })
    expect([stopped.epochs, stopped.steps]).toEqual([2, 8])
    const second = await program.load({ seed: 4 })
    await loadFile(second, path)
    const rest = await fit(second, data, { epochs: 3, done: stopped })
    expect([rest.epochs, rest.steps, rest.history.map((e) => e.epoch)]).toEqual([3, 12, [3]])
    expect(second.save()).toEqual(whole.save())
    expect([...stopped.history, ...rest.history]).toEqual(all.history)
  })

  it('of another batch size takes the same file', async () => {
    const model = await program.load()
    model.train(batches[0])
    const other = await compile({ train: trainOf(4) }, { target, name: `resume-${target}`, seed: 11 }).load()
    const { taken, sameProgram } = other.restore(model.save())
    expect([taken.length, sameProgram]).toEqual([model.manifest.states.length, false])
    expect(other.state).toEqual(model.state)
  })
})

it('leaves no temporary files', () => {
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
  expect(readFileSync(join(folder, 'net.safetensors')).length).toBeGreaterThan(0)
})
