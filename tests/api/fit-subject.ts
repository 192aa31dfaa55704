// What the tests of fit train: each step takes lr from w; the loss of a step is what the batch says, plus 0·w.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, vi } from 'vitest'
import { add, compile, f32, fn, mul, nn, optim, sum } from '../../src/index.ts'

const w = new nn.Parameter('w', [2], nn.init.zeros)
const train = fn({ x: f32(), lr: f32() }, ({ x, lr }) => {
  const read = sum(w.of(x))
  return { loss: add(x, read), told: x, rate: lr, both: w.of(x) }
}).minimize('loss', optim.sgd({ lr: ({ inputs: { lr } }) => lr }))
export const program = compile({ train, predict: fn({ x: f32() }, ({ x }) => ({ y: mul(x, sum(w.of(x))) })) }, { target: 'js' })
export const load = (): ReturnType<typeof program.load> => program.load()
export type Given = { x: number; lr: number }

export const batches = (n: number): Given[] => Array.from({ length: n }, (_, i) => ({ x: i, lr: 1 }))
export const folder: string = mkdtempSync(join(tmpdir(), 'gradc-fit-'))

/** A promise that nobody looks after fails the run; clocks and files do not outlive it. */
export function tidily(): void {
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => void unhandled.push(reason)
  beforeAll(() => void process.on('unhandledRejection', note))
  afterEach(() => void vi.useRealTimers())
  afterAll(async () => {
    await new Promise((resolve) => setTimeout(resolve, 10))
    process.off('unhandledRejection', note)
    rmSync(folder, { recursive: true })
    expect(unhandled).toEqual([])
  })
}
