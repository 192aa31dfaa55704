import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import type { Graph } from '../../src/ir/graph.ts'
import { add, broadcastTo, cumsum, flip, matmul, mul, sum, transpose } from '../../src/ir/lang/index.ts'
import { fuse } from '../../src/passes/fuse/index.ts'
import { schedule } from '../../src/passes/schedule/index.ts'
import { lifetimesOf, liveBytes } from '../../src/passes/schedule/liveness.ts'
import { arbitraryStep, stepFrom } from '../properties/random-steps.ts'
import { graphOf, input, planned, state } from './plans.ts'

function peaks(graph: Graph): { program: number; scheduled: number } {
  const fused = fuse(graph)
  const peak = (order: typeof fused.kernels): number => liveBytes(lifetimesOf(fused, order), order.length).peak
  return { program: peak(fused.kernels), scheduled: peak(schedule(fused)) }
}

describe('the order of kernels', () => {
  test('does what needs much room before what stays', () => {
    const b = new Builder()
    const x = input(b, 'x', [16])
    const stays = cumsum(x, { axis: 0 })
    const big = cumsum(broadcastTo(x, [64, 16]), { axis: 0 })
    const graph = graphOf(b, { y: cumsum(add(stays, sum(big)), { axis: 0 }) })
    const { program, scheduled } = peaks(graph)
    // Inputs take 64 bytes; 64·16 numbers with the running sum of 16 beside them, and without.
    expect(program).toBe(64 + 4096 + 64)
    expect(scheduled).toBeLessThan(program)
    expect(planned(graph).kernels[0]).toMatch(/^cumsum: x -> t\d f32\[64, 16\]/)
  })

  test('is never worse than that of the program', () => {
    fc.assert(
      fc.property(arbitraryStep, ({ program, roots }) => {
        const p = peaks(stepFrom(program, roots))
        expect(p.scheduled).toBeLessThanOrEqual(p.program)
      }),
      { seed: Number(process.env.GRADC_SEED ?? 1), numRuns: 200 },
    )
  })

  test('puts each update where its gradient is made, before the next gradient', () => {
    const b = new Builder()
    const x = input(b, 'x', [8, 8])
    const ws = [0, 1, 2].map((i) => state(b, `w${i}`, [8, 8]))
    const hs = [x]
    for (const w of ws) hs.push(flip(matmul(hs.at(-1)!, w)))
    let d = hs[3]
    const updates: Record<string, ReturnType<typeof add>> = {}
    for (const i of [2, 1, 0]) {
      updates[`w${i}`] = add(ws[i], mul(matmul(transpose(hs[i]), d), 0.1))
      d = flip(matmul(d, transpose(ws[i])))
    }
    const { kernels, plan } = planned(graphOf(b, {}, { w0: updates.w0, w1: updates.w1, w2: updates.w2 }))
    const first = kernels.findIndex((k) => k.includes('-> w2'))
    // Three forward, the one that still reads the old w2, and then at once the update that frees what it read.
    expect(first).toBe(4)
    expect(kernels.filter((k) => k.startsWith('contract')).every((k) => !k.includes('permute'))).toBe(true)
    expect(plan.arenaBytes).toBe(plan.lowerBound)
  })
})
