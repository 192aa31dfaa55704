import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { batchesOf, mulberry32 } from '../../examples/mnist/batches.ts'
import { loadMnist } from '../../examples/mnist/idx.ts'
import { main, network } from '../../examples/mnist-cnn/main.ts'
import { HELP, readOptions } from '../../examples/mnist-cnn/options.ts'
import { compile, f32, fn, i32, optim, softmaxCrossEntropy } from '../../src/index.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gradc-mnist-cnn-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

async function run(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const text = { stdout: '', stderr: '' }
  const into = (to: 'stdout' | 'stderr'): { write(more: string): void } => ({ write: (more) => void (text[to] += more) })
  await main(args, { stdout: into('stdout'), stderr: into('stderr'), env: {} })
  return text
}

test('--short: the loss falls, and most of the test images are read right', async () => {
  const out = join(folder, 'weights.safetensors')
  const { stdout, stderr } = await run('--short', '--json', '--out', out)
  expect(stdout.split('\n')).toHaveLength(2)
  const results = JSON.parse(stdout) as Record<string, number>
  expect(Object.keys(results).join()).toBe('testAccuracy,epochs,msPerStep,arenaBytes,moduleBytes,moduleGzipBytes,compileMs')
  for (const value of Object.values(results)) expect(value).toBeGreaterThan(0)
  const losses = [...stderr.matchAll(/loss (\S+)/g)].map(([, loss]) => Number(loss))
  expect(losses).toHaveLength(10)
  // What is shown forgets old steps slowly, so it lags far behind the loss of the last ones.
  expect(losses[9]).toBeLessThan(losses[0] / 1.3)
  expect(results.testAccuracy).toBeGreaterThan(0.75)
  expect(results.testAccuracy).toBeLessThan(1)
  const weights = 32 * 9 + 32 + 64 * 32 * 9 + 64 + 3136 * 128 + 128 + 1280 + 10
  expect(readFileSync(out).length).toBeGreaterThan(4 * weights)
})

test('both targets compute the same bits: every loss, weight and moment', async () => {
  const { training } = await loadMnist()
  const steps = async (target: 'wasm' | 'js'): Promise<{ losses: number[]; state: Uint8Array }> => {
    const net = network()
    const train = fn({ x: f32(3, 784), y: i32(3) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) }))
      .minimize('loss', optim.adam({ lr: 1e-3 }))
    const model = await compile({ train }, { target, verify: true }).load()
    const losses: number[] = []
    for (const batch of batchesOf(training, 3, mulberry32(0))) {
      losses.push(model.train(batch).loss)
      if (losses.length === 3) break
    }
    return { losses, state: model.save() }
  }
  const [wasm, js] = [await steps('wasm'), await steps('js')]
  // Ten equally likely digits: an untrained network stands near ln 10.
  expect(Math.abs(wasm.losses[0] - Math.log(10))).toBeLessThan(0.3)
  expect(new Set(wasm.losses).size).toBe(3)
  expect(js.losses).toEqual(wasm.losses)
  // Five megabytes: too much for toEqual.
  expect(Buffer.from(js.state).equals(wasm.state)).toBe(true)
})

describe('options', () => {
  test('defaults, and all of them', () => {
    const usual = { epochs: 1, short: false, target: 'wasm', seed: 0, out: 'mnist-cnn.safetensors', json: false, help: false }
    expect(readOptions([])).toEqual(usual)
    const args = ['--short', '--epochs', '2', '--target=js', '--seed', '9', '--out', 'a/b', '--json', '--help']
    expect(readOptions(args)).toEqual({ epochs: 2, short: true, target: 'js', seed: 9, out: 'a/b', json: true, help: true })
  })

  test('refuses what it does not know', async () => {
    for (const args of [['--epochs', '0'], ['--target', 'native'], ['--seed=-1'], ['--out', ''], ['--epoch', '3'], ['cnn']]) {
      expect(() => readOptions(args), args.join(' ')).toThrow(args[0].split('=')[0])
    }
    await expect(run('--out', join(folder, 'missing', 'weights.safetensors'))).rejects.toThrow('ENOENT')
  })

  test('the help names every option, and trains nothing', async () => {
    for (const name of ['epochs', 'short', 'target', 'seed', 'out', 'json', 'help']) expect(HELP).toContain(`--${name}`)
    expect(await run('--help')).toEqual({ stdout: HELP, stderr: '' })
  })
})
