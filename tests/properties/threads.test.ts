// Any number of threads computes what one does, to the bit, in every byte of the program's memory. Here everything is divided that
// can be, however small.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LoweredProgram } from '../../src/codegen/nest.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { Graph, Node } from '../../src/ir/graph.ts'
import {
  add, argmax, cumsum, einsum, exp, gather, matmul, max, mean, mul, pad, relu, reshape, scan, scatterAdd, softmax, sub, sum, tanh,
  transpose, window,
} from '../../src/index.ts'
import type { Shape } from '../../src/ir/types.ts'
import { Machine } from '../codegen/run.ts'
import { arbitraryGraph, computed, generatorOf } from '../generators.ts'
import { graphOf, input, state } from '../passes/plans.ts'
import { locals, shares, Threads, withoutThreads } from '../threads.ts'
import { arbitraryStep, stepFrom } from './random-steps.ts'

let threads: Threads
beforeAll(() => {
  threads = new Threads()
})
afterAll(() => threads.close())

async function expectSame(program: LoweredProgram, counts: readonly number[], seed = 1): Promise<void> {
  const expected = withoutThreads(program, seed)
  const nothing = locals(program.functions.flatMap((f) => f.kernels))
  const holds = (i: number): boolean => !nothing.some(({ from, to }) => i >= from && i < to)
  for (const count of counts) {
    const actual = await threads.run(program, count, seed)
    expect(actual.findIndex((b, i) => b !== expected[i] && holds(i)), `first other byte on ${count} threads`).toBe(-1)
  }
}

describe.each(computed())('%s', (op) => {
  test('is the same on several threads', async () => {
    await fc.assert(fc.asyncProperty(generatorOf(op), fc.constantFrom(2, 3, 4), async ({ graph }, count) => {
      await expectSame(new Machine(graph).program, [count])
    }), { numRuns: 6 })
  })
})

test('whole programs', async () => {
  await fc.assert(fc.asyncProperty(arbitraryGraph(), fc.boolean(), fc.nat(), async ({ graph }, fuse, seed) => {
    await expectSame(new Machine(graph, { fuse }).program, [1, 2, 3], seed)
  }), { numRuns: 40 })
})

test('training steps that update states in place, with loops', async () => {
  await fc.assert(fc.asyncProperty(arbitraryStep, fc.nat(), async ({ program, roots }, seed) => {
    await expectSame(new Machine(stepFrom(program, roots)).program, [2, 4], seed)
  }), { numRuns: 60 })
})

/** A function of f32 inputs of these shapes. */
function of(shapes: readonly Shape[], body: (...inputs: any[]) => Node): Graph {
  const b = new Builder()
  return graphOf(b, { y: body(...shapes.map((shape, i) => input(b, `x${i}`, shape))) })
}

const convolve = (x: any, w: any): Node => {
  const patches = window(pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), { axes: [1, 2], size: [3, 3] })
  return einsum('nhwcij,ocij->nhwo', patches, w)
}
const LARGE: Readonly<Record<string, () => Graph>> = {
  'a product': () => of([[37, 70], [70, 45]], (a, b) => relu(matmul(a, b))),
  'a product by packed panels': () => of([[50, 300], [67, 300]], (a, b) => matmul(a, transpose(b))),
  'a product of columns': () => of([[300, 50], [300, 67]], (a, b) => matmul(transpose(a), b)),
  'a product whose terms come in blocks': () => of([[6000, 44], [6000, 35]], (a, b) => matmul(transpose(a), b)),
  'one row times a matrix': () => of([[1, 60], [60, 90]], (a, b) => matmul(a, b)),
  'a matrix times one column': () => of([[90, 60], [60, 1]], (a, b) => matmul(a, b)),
  'a batch of products with an epilogue in memory': () =>
    of([[3, 20, 40], [3, 40, 24], [3, 20, 24]], (a, b, c) => mul(tanh(add(matmul(a, b), c)), exp(c))),
  'a convolution': () => of([[2, 9, 11, 3], [10, 3, 3, 3]], convolve),
  'sums along every axis': () => of([[19, 70], [70]], (x, y) => add(sum(sum(x, { axis: 0 })), add(sum(mul(y, y)), sum(sum(x, { axis: 1 }))))),
  'sums of columns': () => of([[200, 90]], (x) => sum(mul(x, x), { axis: 0 })),
  'a softmax and its mean': () => of([[33, 65]], (x) => mean(softmax(sub(x, max(x, { axis: 1, keepdims: true }))), { axis: 0 })),
  'a running sum': () => of([[12, 40]], (x) => cumsum(x, { axis: 1 })),
  'windows that are added up where they meet': () => of([[5, 40]], (x) => sum(window(x, { axes: [1], size: [4] }), { axis: 2 })),
  'rows that are taken and added by indices': () => of([[30, 40], [60, 30]], (x, y) => {
    const at = argmax(y, { axis: 1 })
    return scatterAdd(x, at, gather(x, at, { axis: 0 }))
  }),
  'a loop with products': () => of([[9, 16, 24], [16, 32], [32, 32], [24, 32]], (x, h, w, u) =>
    scan({ h }, { x }, ({ h: before }: any, { x: now }: any) => {
      const next = tanh(add(matmul(before, w), matmul(now, u)))
      return { carry: { h: next }, out: { h: mul(next, next) } }
    }).out.h),
  'a state that is updated in place': () => {
    const b = new Builder()
    const [x, g] = [input(b, 'x', [64, 30]), input(b, 'g', [64, 40])]
    const [w, m] = [state(b, 'w', [30, 40]), state(b, 'm', [30, 40])]
    const moved = add(mul(m, 0.9), einsum('ni,nj->ij', x, g))
    return graphOf(b, { y: sum(matmul(x, w)) }, { m: moved, w: sub(w, mul(moved, 0.1)) })
  },
  'many reshapes': () => of([[24, 36]], (x) => reshape(transpose(reshape(tanh(x), [12, 2, 36])  , [1, 2, 0]), [72, 12])),
}

test.each(Object.entries(LARGE))('%s', async (_, graph) => {
  const { program } = new Machine(graph())
  expect(shares(program)).toBeGreaterThan(0)
  await expectSame(program, [1, 2, 3, 4])
})
