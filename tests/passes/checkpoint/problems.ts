import fc from 'fast-check'
import type { Problem, Task } from '../../../src/passes/checkpoint/problem.ts'

/** One task, one value: what Checkmate calls a graph. */
export function graphOf(
  bytes: readonly number[], cost: readonly number[], operands: readonly (readonly number[])[],
): Problem {
  return { bytes, tasks: operands.map((reads, i) => ({ cost: cost[i], reads, writes: [i] })) }
}

/** A training step of a chain: `length` ways forward, then the ways back, each reading input, output and gradient above. */
export function chainOf(
  length: number, bytesOf: (i: number) => number = () => 16, costOf: (i: number) => number = () => 1,
): Problem {
  const tasks: Task[] = []
  const bytes: number[] = []
  const add = (cost: number, size: number, reads: number[]): void => {
    tasks.push({ cost, reads, writes: [bytes.length] })
    bytes.push(size)
  }
  for (let i = 0; i < length; i++) add(costOf(i), bytesOf(i), i ? [i - 1] : [])
  for (let i = length - 1; i >= 0; i--) {
    add(2 * costOf(i), bytesOf(i), [...(i ? [i - 1] : []), i, ...(tasks.length > length ? [tasks.length - 1] : [])])
  }
  return { tasks, bytes }
}

/** Residual blocks with a wide inside that is cheap to make again, forward and back, and gradients that stay. */
export function residualOf(blocks: number): Problem {
  const tasks: Task[] = []
  const bytes: number[] = []
  const pinned: number[] = []
  const add = (cost: number, size: number, reads: number[]): number => {
    tasks.push({ cost, reads, writes: [bytes.length] })
    return bytes.push(size) - 1
  }
  let x = add(1, 64, [])
  const insides: { x: number; a: number; b: number }[] = []
  for (let i = 0; i < blocks; i++) {
    const a = add(100, 256, [x])
    const b = add(2, 256, [a])
    insides.push({ x, a, b })
    x = add(1, 64, [x, add(100, 64, [b])])
  }
  let g = add(1, 64, [x])
  for (const inside of insides.reverse()) {
    const gb = add(100, 256, [g])
    pinned.push(add(100, 16, [inside.b, g]))
    const ga = add(2, 256, [gb, inside.a])
    pinned.push(add(100, 16, [inside.x, ga]))
    g = add(1, 64, [g, add(100, 64, [ga])])
  }
  return { tasks, bytes, pinned }
}

/** Random problems: several values a task, scratch, initial and pinned values, tasks that run once or only until another. */
export const problems = (most: number): fc.Arbitrary<Problem> =>
  fc
    .record({
      initial: fc.array(fc.nat(20), { maxLength: 2 }),
      tasks: fc.array(
        fc.record({
          cost: fc.nat(9),
          sizes: fc.array(fc.nat(20), { maxLength: 3 }),
          reads: fc.array(fc.tuple(fc.nat(5), fc.nat()), { maxLength: 3 }),
          scratch: fc.option(fc.nat(10), { nil: undefined, freq: 4 }),
          once: fc.nat(5).map((x) => x === 0),
          until: fc.option(fc.nat(), { nil: undefined, freq: 6 }),
          pin: fc.nat(6).map((x) => x === 0),
        }),
        { minLength: 1, maxLength: most },
      ),
    })
    .map(({ initial, tasks }) => {
      const bytes = [...initial]
      const pinned: number[] = []
      const made = tasks.map((t, i): Task => {
        // Half of the operands are recent, the others from anywhere before.
        const reads = t.reads.flatMap(([near, far]) =>
          bytes.length ? [near < 3 ? Math.max(0, bytes.length - 1 - near) : far % bytes.length] : [])
        const writes = t.sizes.map((size) => bytes.push(size) - 1)
        if (t.pin && writes.length) pinned.push(writes[0])
        const until = t.until === undefined || i === tasks.length - 1 ? undefined : i + 1 + (t.until % (tasks.length - i - 1))
        return {
          cost: t.cost, reads: [...new Set(reads)], writes, scratch: t.scratch, until, ...(t.once ? { repeatable: false } : {}),
        }
      })
      return { tasks: made, bytes, pinned, initial: initial.map((_, i) => i) }
    })

/** Random graphs, one value a task, as of a small training step. */
export const graphs = (most: number): fc.Arbitrary<Problem> =>
  fc
    .array(
      fc.tuple(fc.nat(19), fc.nat(8), fc.array(fc.nat(), { minLength: 1, maxLength: 3 })),
      { minLength: 2, maxLength: most },
    )
    .map((nodes) =>
      graphOf(
        nodes.map(([size]) => 1 + size),
        nodes.map(([, cost]) => 1 + cost),
        nodes.map(([, , picks], i) => [...new Set(i ? [i - 1, ...picks.slice(1).map((p) => p % i)] : [])]),
      ))

/** Training steps of 6 or 7 tasks: a chain forward and back with sizes and costs of its own and one skip. */
export const smallSteps: fc.Arbitrary<Problem> = fc
  .record({
    forward: fc.array(fc.tuple(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 1, max: 5 })), { minLength: 3, maxLength: 4 }),
    back: fc.tuple(...[0, 1, 2].map(() => fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 4, max: 9 })))),
    skip: fc.nat(2),
  })
  .map(({ forward, back, skip }) => {
    const n = forward.length
    const nodes = [...forward, ...back]
    const operands = nodes.map((_, t) => {
      if (t < n) return t ? [t - 1] : []
      const i = n - 1 - (t - n)
      return [...new Set([...(i > 0 ? [i - 1] : []), i, ...(t > n ? [t - 1] : []), ...(t === nodes.length - 1 ? [skip] : [])])]
    })
    return graphOf(nodes.map(([size]) => size), nodes.map(([, cost]) => cost), operands)
  })
