// The training loop: how it ends and fails, its turns of the event loop, what it shows, its types.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { compile, f32, fit, fn, i32, mul, sum, type Batches, type Epoch, type FitOptions, type Step } from '../../src/index.ts'
import { ABORTED, pause, unlessAborted } from '../../src/api/fit/event-loop.ts'
import { batches, folder, load, tidily, type Given } from './fit-subject.ts'

tidily()

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
