import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { VERSION } from '../../src/api/version.ts'
import { accuracy, compile, f32, fn, i32, nn, optim, print, parse, softmaxCrossEntropy } from '../../src/index.ts'

const net = nn.sequential(nn.linear(784, 128), nn.relu, nn.linear(128, 10))
const train = fn({ x: f32(64, 784), y: i32(64) }, ({ x, y }) => {
  const logits = net(x)
  return { loss: softmaxCrossEntropy(logits, y), accuracy: accuracy(logits, y) }
}).minimize('loss', optim.adam({ lr: 1e-3 }))

it('carries the version of the package', () => {
  expect(VERSION).toBe(JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')).version)
})

it('explains kernels, operations, bytes and memory', () => {
  const program = compile({ train }, { name: 'digits' })
  const text = program.explain()
  const { memory } = program
  expect(text).toContain(`memory ${memory.bytes} bytes: states ${memory.stateBytes}, constants ${memory.constantBytes}, arena ${memory.arenaBytes}`)
  // The first product: 64·784·128 multiply-adds, its bias and activation on 64·128 elements.
  const row = text.split('\n').find((l) => l.includes('contract_add'))!
  const [flop, bytes] = row.trim().split(/\s+/).slice(1, 3).map(Number)
  expect(flop).toBeGreaterThanOrEqual(2 * 64 * 784 * 128)
  expect(flop).toBeLessThan(2 * 64 * 784 * 128 * 1.01)
  // x, W and b are read once; the activation and its mask are written.
  expect(bytes).toBe(4 * (64 * 784 + 784 * 128 + 128 + 64 * 128) + 64 * 128)
})

it('keeps no gradient of a large weight: it is consumed in the registers that computed it', () => {
  const { plans, manifest } = compile({ train }).compiled
  const arena = plans[0].buffers.filter((b) => b.region === 'arena')
  expect(arena.length).toBeGreaterThan(5)
  expect(Math.max(...arena.map((b) => b.bytes))).toBeLessThan(128 * 784 * 4)
  expect(manifest.functions[0].arenaBytes).toBeLessThan(64 * 784 * 4 + 128 * 784 * 4)
})

it('prints functions as text that can be read back', () => {
  const text = print(train.graph)
  expect(print(parse(text))).toBe(text)
  expect(text).toContain('"0.weight"')
})

it('shows the graph after a pass to whoever asks', () => {
  const seen: string[] = []
  compile({ train }, { printAfter: { pass: 'simplify', log: (t) => seen.push(t) } })
  expect(seen.some((t) => t.includes('contract'))).toBe(true)
})
