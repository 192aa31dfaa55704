// The training loop: what is called in which order, and what it leaves behind.
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fit, loadFile, optim, type Batches, type FitOptions, type Progress } from '../../src/index.ts'
import { pause } from '../../src/api/fit/event-loop.ts'
import { batches, folder, load, tidily, type Given } from './fit-subject.ts'

tidily()

describe('walks', () => {
  const sources: Record<string, (seen: number[]) => Batches<Given>> = {
    'a list': () => batches(3),
    'a set': () => new Set(batches(3)),
    'an async iterable': () => ({
      async *[Symbol.asyncIterator]() {
        yield* batches(3)
      },
    }),
    'a generator function': (seen) => function* (epoch: number) {
      seen.push(epoch)
      yield* batches(3)
    },
    'a function that promises': (seen) => async (epoch) => {
      seen.push(epoch)
      await pause()
      return batches(3)
    },
    'results of an iterator without "done"': () => ({
      [Symbol.iterator]() {
        let i = 0
        return { next: () => (i < 3 ? { value: batches(3)[i++] } : { done: true, value: undefined }) as IteratorResult<Given> }
      },
    }),
  }
  it.each(Object.keys(sources))('%s, once an epoch', async (name) => {
    const model = await load()
    const seen: number[] = []
    const steps: [number, number, number][] = []
    const result = await fit(model, sources[name](seen), { epochs: 2, onStep: ({ epoch, step, results }) => void steps.push([epoch, step, results.told]) })
    expect(steps).toEqual([[1, 1, 0], [1, 2, 1], [1, 3, 2], [2, 4, 0], [2, 5, 1], [2, 6, 2]])
    expect(model.state.w[0]).toBe(-6)
    if (name.includes('function')) expect(seen).toEqual([1, 2])
    expect(result).toMatchObject({ epochs: 2, steps: 6, stopped: 'epochs', best: null })
    // Means; the loss is x + 2·w of before the step.
    expect(result.history).toEqual([
      { epoch: 1, step: 3, results: { loss: (0 + -1 + -2) / 3, told: 1, rate: 1 }, validation: {} },
      { epoch: 2, step: 6, results: { loss: (-6 + -7 + -8) / 3, told: 1, rate: 1 }, validation: {} },
    ])
  })

  it('no more than stepsPerEpoch, and lets what it leaves clean up', async () => {
    let cleaned = 0
    const endless = function* (): Generator<Given> {
      try {
        for (;;) yield { x: 1, lr: 1 }
      } finally {
        cleaned++
      }
    }
    const { steps } = await fit(await load(), endless, { epochs: 3, stepsPerEpoch: 4 })
    expect([steps, cleaned]).toEqual([12, 3])
  })

  it('refuses what is walked once, or has nothing', async () => {
    const once = (): Generator<Given> => batches(2)[Symbol.iterator]() as never
    await expect(fit(await load(), once(), { epochs: 2 })).rejects.toMatchObject({ code: 'option/invalid' })
    expect((await fit(await load(), once(), {})).steps).toBe(2)
    await expect(fit(await load(), [])).rejects.toThrow('epoch 1 has no batches')
    const model = await load()
    let rest = batches(2)
    await expect(fit(model, () => rest.splice(0), { epochs: 2 })).rejects.toThrow('epoch 2 has no batches')
    expect(model.state.w[0]).toBe(-2)
    expect((await fit(model, [], { epochs: 0 })).steps).toBe(0)
  })
})

describe('schedules', () => {
  it('give scalar inputs before each step, with or without the batch having them', async () => {
    const model = await load()
    const asked: Progress[] = []
    const lr = (at: Progress): number => {
      asked.push(at)
      return 10 ** at.step
    }
    const rates: number[] = []
    await fit(model, [{ x: 1 }, { x: 2, lr: 77 }], { epochs: 2, schedule: { lr }, onStep: ({ results }) => void rates.push(results.rate) })
    expect(asked).toEqual([{ epoch: 1, step: 0 }, { epoch: 1, step: 1 }, { epoch: 2, step: 2 }, { epoch: 2, step: 3 }])
    expect(rates).toEqual([1, 10, 100, 1000])
    expect(model.state.w[0]).toBe(-1111)
  })

  it('may follow a rule on the host', async () => {
    const plateau = new optim.schedules.ReduceOnPlateau({ lr: 1, factor: 0.5, patience: 0 })
    const rates: number[] = []
    await fit(await load(), [{ x: 1 }], {
      epochs: 5, schedule: { lr: () => plateau.lr }, validate: () => 7,
      onEpoch: ({ results, validation }) => {
        rates.push(results.rate)
        plateau.step(validation.loss)
      },
    })
    expect(rates).toEqual([1, 1, 0.5, 0.25, 0.125])
  })

  it('that give no number end training before the step', async () => {
    for (const value of [NaN, Infinity, '1', undefined, Promise.resolve(1)]) {
      const model = await load()
      const lr = ({ step }: Progress): number => (step < 2 ? 1 : value as number)
      await expect(fit(model, batches(4), { schedule: { lr } })).rejects.toThrow(/^option\/invalid: the schedule of "lr" gave .* at step 2/)
      expect(model.state.w[0]).toBe(-2)
    }
  })
})

describe('validation and early stopping', () => {
  const losses = (list: readonly number[]) => ({ epoch }: Progress): number => list[epoch - 1]

  it('ends after patience, and goes back to the best epoch, with all of its state', async () => {
    const model = await load()
    const result = await fit(model, batches(2), { epochs: 10, validate: losses([5, 3, 4, 3, 2]), patience: 2 })
    expect(result).toMatchObject({ epochs: 4, steps: 8, stopped: 'patience', best: { epoch: 2, value: 3 } })
    expect(model.state.w[0]).toBe(-4)
    expect(result.history.map((e) => e.validation.loss)).toEqual([5, 3, 4, 3])
  })

  it('goes back to the best one also if it comes to the end, or not', async () => {
    for (const [restoreBest, wanted] of [[undefined, -2], [true, -2], [false, -6]] as const) {
      const model = await load()
      const { stopped } = await fit(model, batches(2), { epochs: 3, validate: losses([1, 2, 3]), patience: 9, restoreBest })
      expect([stopped, model.state.w[0]]).toEqual(['epochs', wanted])
    }
    const model = await load()
    await fit(model, batches(2), { epochs: 3, validate: losses([1, 2, 3]), restoreBest: true })
    expect(model.state.w[0]).toBe(-2)
  })

  it('rising numbers, least gains, other names, infinities', async () => {
    const stop = async (values: number[], options: object): Promise<unknown> => {
      const { best, epochs } = await fit(await load(), batches(1), {
        epochs: values.length, patience: 2, validate: ({ epoch }) => ({ accuracy: values[epoch - 1], other: 0 }), monitor: 'accuracy', ...options,
      })
      return [best, epochs]
    }
    expect(await stop([1, 2, 2, 1, 9], { mode: 'max' })).toEqual([{ epoch: 2, value: 2 }, 4])
    expect(await stop([5, 4.9, 4.8, 1], { minDelta: 0.5 })).toEqual([{ epoch: 1, value: 5 }, 3])
    expect(await stop([Infinity, Infinity, 4, 5, 5], {})).toEqual([{ epoch: 3, value: 4 }, 5])
    expect(await stop([NaN, NaN, 1], {})).toEqual([null, 2])
    expect(await stop([NaN, 3, NaN, NaN, 1], {})).toEqual([{ epoch: 2, value: 3 }, 4])
  })

  it('goes by the results without validate', async () => {
    const { best, stopped } = await fit(await load(), batches(2), { epochs: 9, patience: 3, monitor: 'told' })
    expect([best, stopped]).toEqual([{ epoch: 1, value: 0.5 }, 'patience'])
  })

  it('may call the model, and be async; what it gives is checked', async () => {
    const model = await load()
    const { history } = await fit(model, batches(2), { validate: async () => ({ y: await Promise.resolve(model.predict({ x: 2 }).y) }) })
    expect(history[0].validation).toEqual({ y: -8 })
    for (const value of [undefined, 'x', {}, [1], { a: 'b' }, null]) {
      await expect(fit(model, batches(1), { validate: () => value as never })).rejects.toThrow(/^option\/invalid: validate gave/)
    }
    await expect(fit(model, batches(1), { validate: () => ({ a: 1 }), patience: 1 })).rejects.toThrow('monitor "loss" is not among the numbers')
  })
})

describe('saving', () => {
  it('every n steps and epochs, and at the end', async () => {
    const saves = async (options: Partial<FitOptions>, every: object, n = 5): Promise<[number, number, number][]> => {
      const list: [number, number, number][] = []
      const [model, copy] = [await load(), await load()]
      const to = async (file: Uint8Array, { epoch, step }: Progress): Promise<void> => {
        await pause()
        copy.restore(file)
        list.push([epoch, step, -copy.state.w[0]])
      }
      await fit(model, batches(n) as never, { ...options, saveEvery: { ...every, to } } as never)
      return list
    }
    expect(await saves({ epochs: 2 }, {})).toEqual([[1, 5, 5], [2, 10, 10]])
    expect(await saves({ epochs: 2 }, { steps: 4 })).toEqual([[1, 4, 4], [2, 8, 8], [2, 10, 10]])
    expect(await saves({ epochs: 3 }, { epochs: 2 })).toEqual([[2, 10, 10], [3, 15, 15]])
    expect(await saves({ epochs: 2 }, { epochs: 1, steps: 3 })).toEqual([[1, 3, 3], [1, 5, 5], [2, 6, 6], [2, 9, 9], [2, 10, 10]])
    // The best model is what is left, in the file too.
    expect(await saves({ epochs: 2, patience: 1, validate: ({ epoch }: Progress) => epoch }, { epochs: 5 })).toEqual([[2, 10, 5]])
    const stop = new AbortController()
    const onStep = ({ step }: Progress): void => void (step === 7 && stop.abort())
    expect(await saves({ epochs: 9, signal: stop.signal, onStep }, {})).toEqual([[1, 5, 5], [1, 7, 7]])
  })

  it('into a file', async () => {
    const [model, copy] = [await load(), await load()]
    const path = join(folder, 'net.safetensors')
    await fit(model, batches(3), { saveEvery: { to: path } })
    await loadFile(copy, path)
    expect(copy.state).toEqual(model.state)
    await expect(fit(model, batches(3), { saveEvery: { to: join(folder, 'no/where') } })).rejects.toMatchObject({ code: 'file/invalid' })
  })
})
