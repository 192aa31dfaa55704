import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { optim, type Hyper } from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'
import { steps } from './stepping.ts'

const { schedules } = optim
type Schedule = optim.schedules.Schedule

/** The value at a step count, in f32 as compiled. */
function at(schedule: Schedule, t: number): number {
  const b = new Builder()
  const node = schedule({ step: b.input('step', { dtype: 'f32', shape: [] }), inputs: {} })
  expect([node.dtype, node.shape]).toEqual(['f32', []])
  return numbersOf([node], { step: [t] }, 'declared')[0][0]
}

/** Each schedule with an end, its length, and its last value. */
const ENDING: readonly [string, Schedule, number, number][] = [
  ['linear', schedules.linear({ initial: 1, steps: 10, end: 0.125 }), 10, 0.125],
  ['polynomial', schedules.polynomial({ initial: 1, steps: 10, end: 0.25, power: 3 }), 10, 0.25],
  ['cosine', schedules.cosine({ initial: 1, steps: 10, end: 0.25 }), 10, 0.25],
  ['oneCycle', schedules.oneCycle({ peak: 1, steps: 10, div: 2, finalDiv: 4 }), 9, 0.125],
  ['linearWarmup', schedules.linearWarmup({ steps: 10, into: 0.5 }), 10, 0.5],
  ['warm-up, line', schedules.linearWarmup({ steps: 4, into: schedules.linear({ initial: 1, steps: 6, end: 0.5 }) }), 10, 0.5],
  ['join', schedules.join([1, schedules.cosine({ initial: 1, steps: 5, end: 0.5 })], [5]), 10, 0.5],
  ['multiStep', schedules.multiStep({ initial: 1, milestones: [3, 10], factor: 0.5 }), 10, 0.25],
]

describe('past the end', () => {
  test.each(ENDING)('%s stays', (_, schedule, end, value) => {
    for (const t of [end, end + 1, end + 1000, 2 ** 24]) expect(at(schedule, t)).toBeCloseTo(value, 6)
    expect(Math.abs(at(schedule, end - 1) - value)).toBeGreaterThan(1e-4)
  })
})

test('the first value is the initial one', () => {
  expect(at(schedules.cosine({ initial: 0.3, steps: 7 }), 0)).toBe(Math.fround(0.3))
  expect(at(schedules.cosineRestarts({ initial: 0.3, steps: 7, growth: 3 }), 7)).toBe(Math.fround(0.3))
  expect(at(schedules.linearWarmup({ steps: 5, start: 0.1, into: 1 }), 0)).toBe(Math.fround(0.1))
  expect(at(schedules.constant(0.7), 12345)).toBe(Math.fround(0.7))
})

test('restarts begin where they should, to the last step that can be counted', () => {
  const growing = schedules.cosineRestarts({ initial: 1, steps: 3, growth: 2 })
  fc.assert(fc.property(fc.integer({ min: 0, max: 21 }), (k) => {
    const start = 3 * (2 ** k - 1)
    expect(at(growing, start)).toBe(1)
    if (k > 0) expect(at(growing, start - 1)).toBeLessThan(0.3)
  }))
})

test('whole steps are told apart exactly', () => {
  const halves = schedules.step({ initial: 1, every: 999, factor: 0.5 })
  fc.assert(fc.property(fc.integer({ min: 1, max: 100 }), (k) => {
    expect(at(halves, 999 * k)).toBe(2 ** -k)
    expect(at(halves, 999 * k - 1)).toBe(2 ** (1 - k))
  }))
})

test('every schedule decays weights, scales momentum and limits, too', () => {
  const hyper = schedules.linear({ initial: 0.5, steps: 4 })
  const { chain, clipByGlobalNorm, clipByValue, weightDecay } = optim
  for (const optimizer of [
    optim.adamw({ weightDecay: hyper }), optim.lion({ weightDecay: hyper }), optim.muon({ weightDecay: hyper }),
    optim.adafactor({ weightDecay: hyper }), optim.rmsprop({ momentum: hyper }), optim.sgd({ lr: hyper, momentum: hyper }),
    chain(clipByGlobalNorm(hyper), clipByValue(hyper), weightDecay(hyper), optim.sgd({ lr: 1 })),
  ]) {
    const { trace } = steps(optimizer, undefined, 2)
    expect(trace[1].w.every(Number.isFinite)).toBe(true)
    expect(trace[1].w).not.toEqual(trace[0].w)
  }
})

describe('domains', () => {
  const { constant, cosine, cosineRestarts, exponential, join, linear, linearWarmup } = schedules
  const { multiStep, oneCycle, polynomial, step, ReduceOnPlateau } = schedules
  test.each([
    ['a constant that is NaN', () => constant(NaN)],
    ['negative steps', () => cosine({ initial: 1, steps: -1 })],
    ['no steps', () => linear({ initial: 1, steps: 0 })],
    ['half a step', () => polynomial({ initial: 1, steps: 1.5 })],
    ['an infinite end', () => linear({ initial: 1, steps: 2, end: Infinity })],
    ['a missing initial value', () => linear({ steps: 2 } as never)],
    ['an unknown option', () => cosine({ initial: 1, steps: 2, alpha: 0 } as never)],
    ['a number in place of options', () => cosine(0.1 as never)],
    ['power 0', () => polynomial({ initial: 1, steps: 2, power: 0 })],
    ['a step of 0', () => step({ initial: 1, every: 0 })],
    ['a negative factor', () => step({ initial: 1, every: 2, factor: -1 })],
    ['factor 0', () => exponential({ initial: 1, factor: 0 })],
    ['milestones that do not ascend', () => multiStep({ initial: 1, milestones: [3, 3] })],
    ['a milestone at 0', () => multiStep({ initial: 1, milestones: [0] })],
    ['growth 0', () => cosineRestarts({ initial: 1, steps: 2, growth: 0 })],
    ['growth 1.5', () => cosineRestarts({ initial: 1, steps: 2, growth: 1.5 })],
    ['a warm-up of the whole cycle', () => oneCycle({ peak: 1, steps: 10, warmup: 1 })],
    ['a cycle too short for its warm-up', () => oneCycle({ peak: 1, steps: 3 })],
    ['a curve by another name', () => oneCycle({ peak: 1, steps: 10, anneal: 'cos' as never })],
    ['boundaries that descend', () => join([1, 2, 3], [5, 4])],
    ['too many boundaries', () => join([1], [5])],
    ['no schedules', () => join([], [])],
    ['a schedule that is text', () => join(['x' as never, 1], [5])],
    ['a warm-up into nothing', () => linearWarmup({ steps: 2 } as never)],
    ['a warm-up into NaN', () => linearWarmup({ steps: 2, into: NaN })],
    ['a plateau factor of 1', () => new ReduceOnPlateau({ lr: 1, factor: 1 })],
    ['a negative patience', () => new ReduceOnPlateau({ lr: 1, patience: -1 })],
    ['a plateau of another mode', () => new ReduceOnPlateau({ lr: 1, mode: 'least' as never })],
    ['a plateau without a rate', () => new ReduceOnPlateau({} as never)],
    ['a metric that is text', () => new ReduceOnPlateau({ lr: 1 }).step('1' as never)],
  ])('refuses %s', (_, body) => {
    expect(refusal(body).code).toBe('option/invalid')
  })

  test('boundaries in pieces', () => expect(refusal(() => join([1, 2], 5 as never)).code).toBe('attr/invalid'))

  test('a schedule that gives no scalar, inside another', () => {
    const odd = (() => 5) as unknown as Hyper
    expect(refusal(() => at(linearWarmup({ steps: 2, into: odd }), 0)).code).toBe('option/invalid')
    expect(refusal(() => at(join([1, odd], [2]), 0)).code).toBe('option/invalid')
  })
})

test('a plateau counts NaN as no better', () => {
  const plateau = new schedules.ReduceOnPlateau({ lr: 1, patience: 1 })
  expect([1, NaN, NaN].map((m) => plateau.step(m))).toEqual([1, 1, 0.1])
  expect(plateau.lr).toBe(0.1)
})
