import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { batchesOf, mulberry32 } from '../../examples/mnist/batches.ts'
import { loadMnist } from '../../examples/mnist/idx.ts'
import { main } from '../../examples/mnist/main.ts'
import { accuracy, compile, f32, fn, i32, nn, optim, softmaxCrossEntropy } from '../../src/index.ts'

/** Losses of the first steps on the real images, and all state after them. */
async function trainFor(steps: number, target: 'wasm' | 'js'): Promise<{ losses: number[]; state: Uint8Array }> {
  const net = nn.sequential(nn.linear(784, 128), nn.relu, nn.linear(128, 10))
  const train = fn({ x: f32(64, 784), y: i32(64) }, ({ x, y }) => {
    const logits = net(x)
    return { loss: softmaxCrossEntropy(logits, y), accuracy: accuracy(logits, y) }
  }).minimize('loss', optim.adam({ lr: 1e-3 }))
  const model = await compile({ train }, { target, verify: true, name: 'mnist' }).load()
  const losses: number[] = []
  for (const batch of batchesOf((await loadMnist()).training, 64, mulberry32(0))) {
    losses.push(model.train(batch).loss)
    if (losses.length === steps) break
  }
  return { losses, state: model.save() }
}

const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length

test('on the real images the loss falls', async () => {
  const { losses } = await trainFor(100, 'wasm')
  expect(losses).toHaveLength(100)
  // Ten equally likely digits: an untrained network stands near ln 10.
  expect(Math.abs(losses[0] - Math.log(10))).toBeLessThan(0.3)
  expect(mean(losses.slice(-10))).toBeLessThan(0.5)
})

test('both targets compute the same bits: every loss, weight and moment', async () => {
  const wasm = await trainFor(20, 'wasm')
  const js = await trainFor(20, 'js')
  expect(wasm.losses).toHaveLength(20)
  expect(js.losses).toEqual(wasm.losses)
  expect(js.state).toEqual(wasm.state)
})

describe('the command', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'gradc-mnist-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  async function run(...args: string[]): Promise<{ stdout: string; stderr: string }> {
    const text = { stdout: '', stderr: '' }
    const into = (to: 'stdout' | 'stderr'): { write(more: string): void } => ({ write: (more) => void (text[to] += more) })
    await main(args, { stdout: into('stdout'), stderr: into('stderr'), env: {} })
    return text
  }

  test('--json: an epoch, progress on stderr, one line on stdout, the weights in the file', async () => {
    const out = join(folder, 'weights.safetensors')
    const { stdout, stderr } = await run('--json', '--epochs', '1', '--out', out)
    expect(stderr.trimEnd().split('\n')).toHaveLength(10)
    expect(stdout.split('\n')).toHaveLength(2)
    const results = JSON.parse(stdout) as Record<string, number>
    expect(Object.keys(results).join()).toBe('testAccuracy,epochs,msPerStep,arenaBytes,moduleBytes,moduleGzipBytes,compileMs')
    expect(results.epochs).toBe(1)
    expect(results.testAccuracy).toBeGreaterThan(0.93)
    expect(results.testAccuracy).toBeLessThan(1)
    expect(results.moduleGzipBytes).toBeLessThanOrEqual(12_000)
    expect(results.moduleGzipBytes).toBeLessThan(results.moduleBytes)
    for (const value of Object.values(results)) expect(value).toBeGreaterThan(0)
    expect(readFileSync(out).length).toBeGreaterThan(4 * (784 * 128 + 128 + 128 * 10 + 10))
  })

  test('--help trains nothing', async () => {
    expect((await run('--help')).stdout).toContain('npm run mnist')
  })

  test('refuses a folder that is not there before it trains', async () => {
    await expect(run('--out', join(folder, 'missing', 'weights.safetensors'))).rejects.toThrow('ENOENT')
  })

  test('refuses what it does not know', async () => {
    await expect(run('--target', 'native')).rejects.toThrow('--target must be wasm or js')
  })
})
