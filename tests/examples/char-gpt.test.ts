import { expect, test } from 'vitest'
import { ABOUT, main } from '../../examples/char-gpt/main.ts'
import { CONTEXT, network } from '../../examples/char-gpt/network.ts'
import { mulberry32 } from '../../examples/mnist/batches.ts'
import { windowsOf } from '../../examples/text/batches.ts'
import { loadCorpus } from '../../examples/text/corpus.ts'
import { helpOf } from '../../examples/text/options.ts'
import { compile, fn, i32, optim, softmaxCrossEntropy } from '../../src/index.ts'

async function run(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const text = { stdout: '', stderr: '' }
  const into = (to: 'stdout' | 'stderr'): { write(more: string): void } => ({ write: (more) => void (text[to] += more) })
  await main(args, { stdout: into('stdout'), stderr: into('stderr'), env: {} })
  return text
}

test('--short: the net learns which characters are common, and writes', async () => {
  const { stdout, stderr } = await run('--short', '--json')
  expect(stdout.split('\n')).toHaveLength(2)
  const r = JSON.parse(stdout) as Record<string, number>
  const counts = ['epochs', 'steps', 'characters', 'alphabet']
  const costs = ['msPerStep', 'arenaBytes', 'moduleBytes', 'moduleGzipBytes', 'compileMs']
  expect(Object.keys(r)).toEqual(['validationBitsBefore', 'validationBits', ...counts, ...costs])
  for (const value of Object.values(r)) expect(value).toBeGreaterThan(0)
  expect(r.steps).toBe(ABOUT.shortSteps)
  expect(r.characters).toBe(r.steps * 16 * CONTEXT)
  // All characters of the alphabet equally likely: an untrained net stands near its logarithm.
  expect(Math.abs(r.validationBitsBefore - Math.log2(r.alphabet))).toBeLessThan(0.2)
  expect(r.validationBits).toBeLessThan(r.validationBitsBefore / 1.25)
  const [, sample] = /\n\n(\/\*\* [^]*)\n\nvalidation/.exec(stderr)!
  expect([...sample]).toHaveLength(40 + 4)
})

test('--help trains nothing', async () => {
  expect(await run('--help')).toEqual({ stdout: helpOf(ABOUT), stderr: '' })
})

/** A small net of the same kind. */
async function small(target: 'wasm' | 'js') {
  const net = network(128, { features: 16, heads: 2, blocks: 2 })
  const read = fn({ x: i32(2, CONTEXT) }, ({ x }) => ({ logits: net(x) }))
  const train = fn({ x: i32(2, CONTEXT), y: i32(2, CONTEXT) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) }))
    .minimize('loss', optim.chain(optim.clipByGlobalNorm(1), optim.adamw({ lr: 1e-2 })))
  return compile({ read, train }, { target, verify: true }).load()
}

test('what stands behind a character is never looked at, what stands before it is', async () => {
  const model = await small('wasm')
  const [{ x }] = windowsOf((await loadCorpus()).training, 2, CONTEXT)
  const before = model.read({ x }).logits.slice()
  x[40] = (x[40] + 1) % 128
  const after = model.read({ x }).logits
  // The first row changes from the 41st position on, the second nowhere.
  const differs = (at: number): boolean => after.subarray(128 * at, 128 * at + 128).some((v, i) => v !== before[128 * at + i])
  const changed = Array.from({ length: 2 * CONTEXT }, (_, at) => differs(at))
  expect(changed).toEqual(Array.from({ length: 2 * CONTEXT }, (_, at) => at >= 40 && at < CONTEXT))
})

test('both targets compute the same bits: every loss, weight and moment', async () => {
  const { training } = await loadCorpus()
  const found: unknown[] = []
  for (const target of ['wasm', 'js'] as const) {
    const model = await small(target)
    const losses: number[] = []
    for (const batch of windowsOf(training, 2, CONTEXT, mulberry32(1))) {
      losses.push(model.train(batch).loss)
      if (losses.length === 15) break
    }
    expect(losses[14]).toBeLessThan(losses[0] - 0.8)
    found.push({ losses, state: model.save() })
  }
  expect(found[1]).toEqual(found[0])
})
