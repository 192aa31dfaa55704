import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compile, f32, fn, GradcError, i32, nn, optim, softmaxCrossEntropy } from '../../src/index.ts'
import type { Functions } from '../../src/api/compiled.ts'

const BATCH = 128

/** A residual network of `depth` blocks, whose activations are far larger than its weights' gradients. */
function deep(depth: number, dropout = 0) {
  const block = () => nn.residual(nn.sequential(nn.linear(32, 32), nn.tanh, nn.dropout(dropout)))
  const net = nn.sequential(nn.linear(8, 32), ...Array.from({ length: depth }, block), nn.linear(32, 4))
  const train = fn({ x: f32(BATCH, 8), y: i32(BATCH) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) }))
  return { train: train.minimize('loss', optim.adam({ lr: 1e-2 })) }
}

const inputs = {
  x: Float32Array.from({ length: BATCH * 8 }, (_, i) => Math.sin(i)),
  y: Int32Array.from({ length: BATCH }, (_, i) => i % 4),
}

/** Losses of 20 steps and the whole state after them. */
async function course(functions: Functions, options: Parameters<typeof compile>[1]): Promise<string> {
  const model = (await compile(functions, options).load()) as unknown as { train: (i: typeof inputs) => { loss: number }; save: () => Uint8Array }
  const losses = Array.from({ length: 20 }, () => model.train(inputs).loss)
  return [...losses, ...model.save()].join()
}

const refusal = (f: () => unknown): GradcError => {
  try {
    f()
  } catch (error) {
    if (error instanceof GradcError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('a budget', () => {
  const functions = deep(6, 0.2)
  const plain = compile(functions, { verify: true })
  const least = compile(functions, { memoryBudget: 'min' }).memory.arenaBytes

  test('is kept, and changes no bit of 20 steps', async () => {
    const course0 = await course(functions, {})
    expect(least).toBeLessThan(0.7 * plain.memory.arenaBytes)
    for (const part of [0, 0.5, 0.9]) {
      const memoryBudget = Math.floor(least + part * (plain.memory.arenaBytes - least))
      const program = compile(functions, { memoryBudget })
      expect(program.memory.arenaBytes).toBeLessThanOrEqual(memoryBudget)
      expect(await course(functions, { memoryBudget })).toBe(course0)
    }
    expect(await course(functions, { memoryBudget: 'sqrt' })).toBe(course0)
    expect(await course(functions, { memoryBudget: 'min', target: 'js' })).toBe(course0)
  })

  test('costs more work the smaller it is, and none where it is large', () => {
    const again = (memoryBudget: number): number => compile(functions, { memoryBudget }).memory.functions.train.recomputePercent
    expect(again(plain.memory.arenaBytes)).toBe(0)
    expect(again(Math.floor(0.8 * plain.memory.arenaBytes))).toBeGreaterThan(0)
    expect(again(least)).toBeGreaterThan(again(Math.floor(0.8 * plain.memory.arenaBytes)))
  })

  test('gives the same plan every time', () => {
    const memoryBudget = Math.floor((least + plain.memory.arenaBytes) / 2)
    const names = (): string => compile(functions, { memoryBudget }).memory.functions.train.kernels.join()
    expect(names()).toBe(names())
  })

  test('that no plan fits is refused with one that does', () => {
    const error = refusal(() => compile(functions, { memoryBudget: Math.floor(least / 2) }))
    expect(error.code).toBe('budget/infeasible')
    expect(error.hint).toMatch(/least budget .*kernel k\d+/)
    const named = Number(/(\d+) bytes/.exec(error.hint!)![1])
    expect(compile(functions, { memoryBudget: named }).memory.arenaBytes).toBeLessThanOrEqual(named)
  })

  test.each(['12 parsecs', -1, NaN, '-4 KiB', 'least', '', {}])('cannot be %j', (memoryBudget) => {
    expect(refusal(() => compile(functions, { memoryBudget: memoryBudget as string })).code).toBe('option/invalid')
  })
})

test('under sqrt the activations grow with the root of the depth', () => {
  const activations = (depth: number, memoryBudget: string): number => compile(deep(depth), { memoryBudget }).memory.functions.train.peakBytes
  const [plain8, plain32] = [activations(8, 'none'), activations(32, 'none')]
  const [root8, root32] = [activations(8, 'sqrt'), activations(32, 'sqrt')]
  expect(plain32 / plain8).toBeGreaterThan(3)
  expect(root32 / root8).toBeLessThan(2.3)
})

test('functions of random depth and width keep their bits under any budget', async () => {
  const shapes = fc.record({ depth: fc.integer({ min: 1, max: 5 }), dropout: fc.constantFrom(0, 0.5), part: fc.double({ min: 0, max: 1, noNaN: true }) })
  await fc.assert(fc.asyncProperty(shapes, async ({ depth, dropout, part }) => {
    const functions = deep(depth, dropout)
    const most = compile(functions).memory.arenaBytes
    const least = compile(functions, { memoryBudget: 'min' }).memory.arenaBytes
    const memoryBudget = Math.floor(least + part * (most - least))
    expect(await course(functions, { memoryBudget })).toBe(await course(functions, {}))
  }), { numRuns: 3 })
})
