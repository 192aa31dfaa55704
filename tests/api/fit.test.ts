// The training loop: what is called in which order, how it ends, and what it leaves behind.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  add, compile, f32, fit, fn, i32, loadFile, mul, nn, optim, sum, type Batches, type Epoch, type FitOptions, type Progress, type Step,
} from '../../src/index.ts'
import { ABORTED, pause, unlessAborted } from '../../src/api/fit/event-loop.ts'

// Each step takes lr from w; the loss of a step is what the batch says, plus 0·w.
const w = new nn.Parameter('w', [2], nn.init.zeros)
const train = fn({ x: f32(), lr: f32() }, ({ x, lr }) => {
  const read = sum(w.of(x))
  return { loss: add(x, read), told: x, rate: lr, both: w.of(x) }
}).minimize('loss', optim.sgd({ lr: ({ inputs: { lr } }) => lr }))
const program = compile({ train, predict: fn({ x: f32() }, ({ x }) => ({ y: mul(x, sum(w.of(x))) })) }, { target: 'js' })
const load = () => program.load()
type Given = { x: number; lr: number }

const batches = (n: number): Given[] => Array.from({ length: n }, (_, i) => ({ x: i, lr: 1 }))
const folder = mkdtempSync(join(tmpdir(), 'gradc-fit-'))
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(() => void vi.useRealTimers())

// A promise that nobody looks after fails the run.
const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)
beforeAll(() => void process.on('unhandledRejection', note))
afterAll(async () => {
  await new Promise((resolve) => setTimeout(resolve, 10))
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})

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

describe('aborting', () => {
  it('before anything, between steps, between epochs', async () => {
    const model = await load()
    expect(await fit(model, batches(3), { signal: AbortSignal.abort() })).toMatchObject({ epochs: 0, steps: 0, stopped: 'signal', history: [] })
    for (const [at, epochs, state] of [[2, 0, -2], [3, 0, -3], [4, 1, -4]] as const) {
      const stop = new AbortController()
      const fresh = await load()
      const onStep = ({ step }: Step<unknown>): void => void (step === at && stop.abort())
      const result = await fit(fresh, batches(3), { epochs: 5, signal: stop.signal, onStep, validate: () => 1 })
      // An epoch is finished when it is validated, not after its last step.
      expect(result).toMatchObject({ steps: at, stopped: 'signal', epochs })
      expect(fresh.state.w[0]).toBe(state)
      expect(fresh.train({ x: 1, lr: 1 }).told).toBe(1)
    }
  })

  it('after the last step of the last epoch comes too late', async () => {
    const stop = new AbortController()
    const result = await fit(await load(), batches(2), { signal: stop.signal, onEpoch: () => stop.abort() })
    expect(result.stopped).toBe('epochs')
  })

  it('ends waiting for a batch that does not come', async () => {
    for (const fails of [false, true]) {
      const stop = new AbortController()
      let cleaned = false
      let release = (): void => {}
      const slow = async function* (): AsyncGenerator<Given> {
        try {
          yield { x: 1, lr: 1 }
          await new Promise<void>((resolve, reject) => (release = fails ? () => reject(new Error('late')) : resolve))
        } finally {
          cleaned = true
        }
      }
      const training = fit(await load(), slow(), { signal: stop.signal })
      await pause()
      await pause()
      stop.abort()
      expect(await training).toMatchObject({ steps: 1, stopped: 'signal' })
      release()
      await pause()
      expect(cleaned).toBe(true)
    }
  })

  it('ends waiting for an epoch that is not made', async () => {
    const stop = new AbortController()
    const training = fit(await load(), () => new Promise<Given[]>(() => {}), { signal: stop.signal })
    await pause()
    stop.abort()
    expect(await training).toMatchObject({ steps: 0, stopped: 'signal' })
  })

  it('leaves no listeners', async () => {
    const stop = new AbortController()
    const [adds, removes] = [vi.spyOn(stop.signal, 'addEventListener'), vi.spyOn(stop.signal, 'removeEventListener')]
    const slow = async function* (): AsyncGenerator<Given> {
      yield* batches(20)
    }
    await fit(await load(), slow, { signal: stop.signal, epochs: 2 })
    expect(adds.mock.calls.length).toBeGreaterThan(40)
    expect(removes).toHaveBeenCalledTimes(adds.mock.calls.length)
    expect(await unlessAborted(Promise.reject(new Error('late')), AbortSignal.abort())).toBe(ABORTED)
  })
})

describe('errors', () => {
  const boom = new Error('boom')
  const throws = (): never => {
    throw boom
  }
  const options: Record<string, FitOptions<object, never>> = {
    'onStep': { onStep: throws },
    'onStep, later': { onStep: async () => Promise.reject(boom) },
    'onEpoch': { onEpoch: throws },
    'onEpoch, later': { onEpoch: () => Promise.reject(boom) },
    'validate': { validate: throws },
    'validate, later': { validate: () => Promise.reject(boom) },
    'saving': { saveEvery: { steps: 1, to: throws } },
    'saving, later': { saveEvery: { to: () => Promise.reject(boom) } },
    'progress': { progress: { write: throws } },
  }
  it.each(Object.keys(options))('of %s reject with what was thrown; the model goes on', async (name) => {
    let cleaned = 0
    const source = function* (): Generator<Given> {
      try {
        yield* batches(3)
      } finally {
        cleaned++
      }
    }
    const model = await load()
    const whole = join(folder, 'errors.jsonl')
    await expect(fit(model, source, { ...options[name], logTo: { jsonl: whole } })).rejects.toBe(boom)
    expect(cleaned).toBe(1)
    const steps = -model.state.w[0]
    expect(steps).toBe(/onStep|saving$/.test(name) ? 1 : 3)
    expect((await fit(model, batches(2))).steps).toBe(2)
    expect(model.state.w[0]).toBe(-steps - 2)
    expect(readFileSync(whole, 'utf8')).toMatch(/\n$/)
  })

  it('of batches and of steps', async () => {
    const bad = function* (): Generator<Given> {
      yield { x: 1, lr: 1 }
      throw boom
    }
    const late = async function* (): AsyncGenerator<Given> {
      yield { x: 1, lr: 1 }
      throw boom
    }
    const model = await load()
    for (const source of [bad, late, throws, () => Promise.reject(boom)]) await expect(fit(model, source as never)).rejects.toBe(boom)
    expect(model.state.w[0]).toBe(-2)
    let cleaned = false
    const wrong = function* (): Generator<Given> {
      try {
        yield { x: 1, lr: 1 }
        yield { x: 'a', lr: 1 } as never
      } finally {
        cleaned = true
        // What goes wrong afterwards does not hide the first error.
        throws()
      }
    }
    await expect(fit(model, wrong)).rejects.toMatchObject({ code: 'input/dtype' })
    expect(cleaned).toBe(true)
    for (const value of [null, 5, undefined, []]) await expect(fit(model, [value] as never)).rejects.toMatchObject({ code: 'input/missing' })
    await expect(fit(model, () => 5 as never)).rejects.toMatchObject({ code: 'option/invalid' })
  })

  it('of a second loop over a model that is being trained', async () => {
    const model = await load()
    const first = fit(model, batches(3), { yieldEvery: 0 })
    await expect(fit(model, batches(3))).rejects.toThrow('is being trained already')
    expect((await first).steps).toBe(3)
    expect((await fit(model, batches(3))).steps).toBe(3)
  })

  const refused: [string, object][] = [
    ['no such option', { epoch: 1 }], ['epochs', { epochs: 1.5 }], ['epochs', { epochs: -1 }], ['stepsPerEpoch', { stepsPerEpoch: 0 }],
    ['patience', { patience: 0 }], ['monitor', { monitor: 5 }], ['mode', { mode: 'best' }], ['minDelta', { minDelta: -1 }], ['minDelta', { minDelta: NaN }],
    ['restoreBest', { restoreBest: 1 }], ['signal', { signal: {} }], ['signal', { signal: null }], ['progress', { progress: {} }], ['yieldEvery', { yieldEvery: '1' }],
    ['onStep', { onStep: 1 }], ['onEpoch', { onEpoch: {} }], ['validate', { validate: 1 }], ['done', { done: 5 }], ['done', { done: { epochs: -1 } }],
    ['schedule', { schedule: 0.1 }], ['a rule', { schedule: { lr: 0.1 } }], ['an unknown input', { schedule: { rate: () => 1 } }],
    ['saveEvery', { saveEvery: 'x' }], ['saveEvery', { saveEvery: {} }], ['saveEvery', { saveEvery: { to: 'x', steps: 0 } }], ['logTo', { logTo: 'x' }],
    ['logTo', { logTo: { jsonl: 5 } }], ['logTo', { logTo: { every: 0 } }], ['the monitor', { patience: 2, monitor: 'both' }], ['null', null as never],
  ]
  it.each(refused)('of options, before the first step: %s %o', async (_, options) => {
    const model = await load()
    const began = vi.fn(() => batches(1))
    await expect(fit(model, began, options as never)).rejects.toMatchObject({ name: 'GradcError', code: 'option/invalid' })
    expect(began).not.toHaveBeenCalled()
  })

  it('of what is no model, and no batches', async () => {
    const other = await compile({ predict: fn({ x: f32() }, ({ x }) => ({ x })) }, { target: 'js' }).load()
    for (const model of [null, undefined, 5, {}, other, { train: () => ({}) }]) {
      await expect(fit(model as never, [])).rejects.toMatchObject({ code: 'option/invalid' })
    }
    for (const list of [null, 5, 'abc', {}, new Float32Array(3)]) await expect(fit(await load(), list as never)).rejects.toMatchObject({ code: 'option/invalid' })
  })
})

describe('the event loop', () => {
  /** Steps between turns of others, if each step takes so many milliseconds of a clock that is not real. */
  const turns = async (ms: number, yieldEvery?: number): Promise<number[]> => {
    vi.useFakeTimers({ toFake: ['performance', 'Date'] })
    const model = await load()
    const seen: number[] = []
    let step = 0
    let running = true
    const other = (async () => {
      for (let last = -1; running; await new Promise((resolve) => setImmediate(resolve))) {
        if (step !== last && step > 0) seen.push(step)
        last = step
      }
    })()
    await fit(model, batches(12), {
      yieldEvery,
      onStep: (at) => {
        step = at.step
        vi.advanceTimersByTime(ms)
      },
    })
    running = false
    await other
    return seen
  }
  it('has its turn every few milliseconds, not after each step', async () => {
    expect(await turns(2)).toEqual([4, 8, 12])
    expect(await turns(20)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    expect(await turns(2, 6)).toEqual([3, 6, 9, 12])
    expect(await turns(0)).toEqual([12])
    expect(await turns(0, 0)).toHaveLength(12)
  })

  it('is found wherever gradc runs', async () => {
    const ways: Record<string, () => void> = {
      scheduler: () => void vi.stubGlobal('scheduler', { yield: () => Promise.resolve() }),
      message: () => void vi.stubGlobal('setImmediate', undefined),
      timeout: () => {
        vi.stubGlobal('setImmediate', undefined)
        vi.stubGlobal('MessageChannel', undefined)
      },
    }
    for (const way of Object.values(ways)) {
      way()
      expect(await pause()).toBeUndefined()
      vi.unstubAllGlobals()
    }
  })
})

describe('progress', () => {
  const run = async (output: object, source: Batches<Given> = batches(4)): Promise<string> => {
    vi.useFakeTimers({ toFake: ['performance', 'Date'] })
    let text = ''
    const progress = { ...output, write: (part: string) => void (text += part) }
    await fit(await load(), source, {
      epochs: 2, progress, validate: () => 0.25, yieldEvery: 1e9, onStep: () => void vi.advanceTimersByTime(30),
    })
    return text
  }
  it('is a line that is drawn over, on a terminal', async () => {
    const text = await run({ isTTY: true, columns: 60 })
    const lines = text.split('\n')
    expect(lines).toHaveLength(3)
    const [first, last] = lines[0].split('\r').slice(1).reduce<string[]>((all, l, i, list) => (i === 0 || i === list.length - 1 ? [...all, l] : all), [])
    expect(first).toBe('epoch 1/2 ██████░░░░░░░░░░░░░░░░░░ 1/4  loss 0.0000  told 0.0000  rate 1.0000'.slice(0, 59) + '\x1b[K')
    expect(last).toBe('epoch 1/2 ████████████████████████ 4 steps  loss -1.5000  told 1.5000'.slice(0, 59) + '\x1b[K')
    expect(lines.join('\r').split('\r').every((l) => l.replace('\x1b[K', '').length < 60)).toBe(true)
  })

  it('is a line an epoch elsewhere, if it is asked for', async () => {
    expect(await run({})).toBe(
      'epoch 1/2 4 steps  loss -1.5000  told 1.5000  rate 1.0000  validation: loss 0.2500\n' +
      'epoch 2/2 4 steps  loss -9.5000  told 1.5000  rate 1.0000  validation: loss 0.2500\n',
    )
  })

  it('counts steps where their number is not known', async () => {
    const text = await run({ isTTY: true, columns: 200 }, () => batches(4))
    expect(text).toMatch(/^\repoch 1\/2 step 1 {2}loss/)
    expect(text).toContain('epoch 2/2 ██████░░░░░░░░░░░░░░░░░░ 1/4')
  })

  it('leaves the line when training fails', async () => {
    let text = ''
    const progress = { isTTY: true, write: (part: string) => void (text += part) }
    await expect(fit(await load(), [...batches(1), { x: 'no', lr: 1 } as never], { progress })).rejects.toThrow('input/dtype')
    expect(text.endsWith('\x1b[K\n')).toBe(true)
  })
})

describe('types', () => {
  it('batches, schedules and results are those of train', async () => {
    const model = await compile({
      train: fn({ x: f32(2), y: i32(2), lr: f32() }, ({ x, lr }) => ({ loss: mul(sum(x), lr), out: x })),
    }, { target: 'js' }).load()
    const [x, y] = [new Float32Array(2), new Int32Array(2)]
    await fit(model, [{ x, y, lr: 1 }], {
      onStep: ({ results }) => {
        const loss: number = results.loss
        const out: Float32Array = results.out
        // @ts-expect-error there is no such result
        expect([loss, out, results.accuracy]).toEqual([0, x, undefined])
      },
      onEpoch: (epoch: Epoch) => void expect(epoch.results.loss).toBe(0),
    })
    await fit(model, [{ x, y }], { schedule: { lr: ({ step, epoch }) => step + epoch } })
    // @ts-expect-error lr is not given
    await expect(fit(model, [{ x, y }])).rejects.toThrow('input/missing')
    // @ts-expect-error y is an Int32Array
    await expect(fit(model, [{ x, y: x, lr: 1 }])).rejects.toThrow('input/dtype')
    // @ts-expect-error x is no scalar
    await expect(fit(model, [{ x, y, lr: 1 }], { schedule: { x: () => 1 } })).rejects.toThrow('has no scalar input "x"')
  })
})
