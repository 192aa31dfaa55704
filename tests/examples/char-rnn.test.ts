import { expect, test } from 'vitest'
import { ABOUT, main } from '../../examples/char-rnn/main.ts'
import { LAYERS, network } from '../../examples/char-rnn/network.ts'
import { streamsOf } from '../../examples/text/batches.ts'
import { loadCorpus } from '../../examples/text/corpus.ts'
import { helpOf } from '../../examples/text/options.ts'
import { compile, f32, fn, i32, optim, softmaxCrossEntropy } from '../../src/index.ts'

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
  expect(r.characters).toBe(r.steps * 32 * 64)
  // All characters of the alphabet equally likely: an untrained net stands near its logarithm.
  expect(Math.abs(r.validationBitsBefore - Math.log2(r.alphabet))).toBeLessThan(0.2)
  expect(r.validationBits).toBeLessThan(r.validationBitsBefore / 1.3)
  const [, sample] = /\n\n(\/\*\* [^]*)\n\nvalidation/.exec(stderr)!
  expect([...sample]).toHaveLength(40 + 4)
})

test('--help trains nothing', async () => {
  expect(await run('--help')).toEqual({ stdout: helpOf(ABOUT), stderr: '' })
})

const [ALPHABET, HIDDEN, STREAMS] = [128, 8, 3]
const state = f32(LAYERS, STREAMS, HIDDEN)

/** A small net that trains on `steps` characters of each stream at a time, and reads them. */
async function small(steps: number, target: 'wasm' | 'js') {
  const net = network(ALPHABET, HIDDEN)
  const inputs = { x: i32(STREAMS, steps), y: i32(STREAMS, steps), h: state, c: state } as const
  const read = fn(inputs, ({ x, y, h, c }) => {
    const { logits, ...after } = net(x, { h, c })
    return { loss: softmaxCrossEntropy(logits, y), logits, ...after }
  })
  const train = read.minimize('loss', optim.chain(optim.clipByGlobalNorm(1), optim.adam({ lr: 1e-2 })))
  return compile({ train, read }, { target, verify: true }).load()
}
const zeros = () => new Float32Array(LAYERS * STREAMS * HIDDEN)

test('memory that is carried makes two batches what one of twice the length is', async () => {
  const text = (await loadCorpus()).training.subarray(0, STREAMS * 12 + 1)
  const [whole, halves] = [await small(12, 'wasm'), await small(6, 'wasm')]
  const [batch] = streamsOf(text, STREAMS, 12)
  const all = whole.read({ ...batch, h: zeros(), c: zeros() })
  let memory: { h: Float32Array; c: Float32Array } = { h: zeros(), c: zeros() }
  let at = 0
  for (const half of streamsOf(text, STREAMS, 6)) {
    const { logits, h, c } = halves.read({ ...half, ...memory })
    for (let row = 0; row < STREAMS; row++) {
      for (let i = 0; i < 6 * ALPHABET; i++) {
        expect(Math.abs(logits[row * 6 * ALPHABET + i] - all.logits[(row * 12 + at) * ALPHABET + i])).toBeLessThan(1e-5)
      }
    }
    memory = { h, c }
    at += 6
  }
  expect(at).toBe(12)
  expect(Math.max(...Array.from(memory.c, Math.abs))).toBeGreaterThan(0.01)
})

test('both targets compute the same bits: every loss, weight and moment, with memory carried', async () => {
  const { training } = await loadCorpus()
  const found: unknown[] = []
  for (const target of ['wasm', 'js'] as const) {
    const model = await small(10, target)
    const losses: number[] = []
    let memory: { h: Float32Array; c: Float32Array } = { h: zeros(), c: zeros() }
    for (const batch of streamsOf(training, STREAMS, 10)) {
      const { loss, h, c } = model.train({ ...batch, ...memory })
      losses.push(loss)
      memory = { h, c }
      if (losses.length === 20) break
    }
    expect(losses[19]).toBeLessThan(losses[0] - 0.5)
    found.push({ losses, state: model.save() })
  }
  expect(found[1]).toEqual(found[0])
})
