// What training writes down: JSON lines, and event files of TensorBoard, compared with what TensorBoard's own writer makes.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { crc32c, recordOf, scalarsRecord, versionRecord } from '../../src/api/fit/tfevents.ts'
import { compile, div, equal, f32, fit, fn, mul, nn, onesLike, optim, sum, type LogTo } from '../../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'gradc-logs-'))
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(() => void vi.useRealTimers())

describe('event files', () => {
  const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../golden/tensorboard.json'), 'utf8')) as {
    began: number; events: [number, number, Record<string, number>][]; file: string
  }

  it("have the bytes that TensorBoard's own writer writes", () => {
    const file = Buffer.concat([versionRecord(golden.began), ...golden.events.map((event) => scalarsRecord(...event))])
    expect(file.equals(Buffer.from(golden.file, 'base64'))).toBe(true)
  })

  it('have the CRC-32C of RFC 3720, appendix B.4', () => {
    const ascending = Uint8Array.from({ length: 32 }, (_, i) => i)
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43)
    expect(crc32c(ascending)).toBe(0x46dd794e)
    expect(crc32c(ascending.toReversed())).toBe(0x113fdb5c)
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283)
    expect(recordOf(new Uint8Array(0))).toHaveLength(16)
  })
})

// A result is not finite where x is 0, and `__proto__` is a name like others.
const w = new nn.Parameter('w', [1], nn.init.ones)
const train = fn({ x: f32(), lr: f32() }, ({ x, lr }) => {
  const results = { told: sum(mul(w.of(x), x)), loss: div(onesLike(x), x), isTwo: equal(x, 2), vector: w.of(x) }
  return Object.defineProperty(results, '__proto__', { value: mul(lr, 2), enumerable: true })
}).minimize('told', optim.sgd({ lr: 0 }))
const load = () => compile({ train }, { target: 'js' }).load()
const batches = [2, 0, 4].map((x) => ({ x }))
const run = async (logTo: LogTo, options: object = {}): Promise<unknown> => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_000 })
  return fit(await load(), batches, {
    epochs: 2, schedule: { lr: ({ step }) => step / 8 }, validate: ({ epoch }) => ({ error: 1 / epoch }), logTo, ...options,
    onStep: () => void vi.advanceTimersByTime(250),
  })
}
const linesOf = (path: string): any[] => readFileSync(path, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line))

/** The scalars of an event file, by tag, as [seconds, step, value]: a reader of just that, apart from the writer. */
function scalarsOf(bytes: Buffer): Record<string, [number, number, number][]> {
  const found: Record<string, [number, number, number][]> = Object.create(null)
  for (let at = 0; at < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(at))
    let time = 0
    let step = 0
    fields(bytes.subarray(at + 12, at + 12 + length), (field, value) => {
      if (field === 1) time = (value as Buffer).readDoubleLE()
      if (field === 2) step = value as number
      if (field !== 5) return
      fields(value as Buffer, (_, summary) => {
        let tag = ''
        fields(summary as Buffer, (part, content) => {
          if (part === 1) tag = (content as Buffer).toString()
          else (found[tag] ??= []).push([time, step, (content as Buffer).readFloatLE()])
        })
      })
    })
    at += length + 16
  }
  return found
}

function fields(bytes: Buffer, take: (field: number, value: Buffer | number) => void): void {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      value += (bytes[at] & 127) * scale
      if (bytes[at++] < 128) return value
    }
  }
  while (at < bytes.length) {
    const key = varint()
    const size = [0, 8, -1, 0, 0, 4][key & 7]
    if (size === 0) take(key >> 3, varint())
    else {
      const length = size < 0 ? varint() : size
      take(key >> 3, bytes.subarray(at, at + length))
      at += length
    }
  }
}

describe('logs of fit', () => {
  it('are JSON lines: steps, then their epoch; what is no JSON is text', async () => {
    const path = join(folder, 'deep/er/run.jsonl')
    await run({ jsonl: path })
    const lines = linesOf(path)
    expect(lines.map((l) => [l.kind, l.epoch, l.step])).toEqual([
      ['step', 1, 1], ['step', 1, 2], ['step', 1, 3], ['epoch', 1, 3], ['step', 2, 4], ['step', 2, 5], ['step', 2, 6], ['epoch', 2, 6],
    ])
    const results = (told: number, loss: unknown, isTwo: number, proto: number): object =>
      Object.defineProperty({ told, loss, isTwo }, '__proto__', { value: proto, enumerable: true })
    expect(lines[0]).toEqual({ kind: 'step', time: 1_700_000_000_000, epoch: 1, step: 1, results: results(2, 0.5, 1, 0), schedule: { lr: 0 } })
    expect(lines[1]).toEqual({ kind: 'step', time: 1_700_000_000_250, epoch: 1, step: 2, results: results(0, 'Infinity', 0, 0.25), schedule: { lr: 0.125 } })
    expect(lines[3]).toEqual({ kind: 'epoch', time: 1_700_000_000_750, epoch: 1, step: 3, results: results(2, 'Infinity', 1 / 3, 0.25), validation: { error: 1 } })
    expect(Object.getOwnPropertyDescriptor(lines[1].results, '__proto__')?.value).toBe(0.25)
  })

  it('go on in the file of an earlier run, and take every n-th step', async () => {
    const path = join(folder, 'again.jsonl')
    await run({ jsonl: path, every: 4 })
    await run({ jsonl: path, every: 2 }, { done: { epochs: 1, steps: 3 } })
    expect(linesOf(path).map((l) => [l.kind, l.step])).toEqual([
      ['epoch', 3], ['step', 4], ['epoch', 6], ['step', 4], ['step', 6], ['epoch', 6],
    ])
  })

  it('are event files, a new one a run', async () => {
    const runs = join(folder, 'runs')
    await run({ tensorboard: runs })
    await run({ tensorboard: runs }, { epochs: 1 })
    const files = readdirSync(runs)
    expect(files).toHaveLength(2)
    for (const file of files) expect(file).toMatch(/^events\.out\.tfevents\.1700000000\.[\w.-]+\.\d+\.\d+$/)
    const first = files.map((file) => readFileSync(join(runs, file))).sort((a, b) => b.length - a.length)[0]
    const found = scalarsOf(first)
    expect(Object.keys(found).sort()).toEqual([
      'epoch/__proto__', 'epoch/isTwo', 'epoch/loss', 'epoch/told', 'schedule/lr', 'train/__proto__', 'train/isTwo', 'train/loss', 'train/told', 'validation/error',
    ])
    const began = 1_700_000_000
    expect(found['train/loss']).toEqual([0.5, Infinity, 0.25, 0.5, Infinity, 0.25].map((value, i) => [began + i / 4, i + 1, value]))
    expect(found['validation/error']).toEqual([[began + 0.75, 3, 1], [began + 1.5, 6, 0.5]])
    expect(found['schedule/lr'].map(([, , value]) => value)).toEqual([0, 1, 2, 3, 4, 5].map((i) => i / 8))
  })

  it('are on the disk a second later, and whole after an error', async () => {
    const path = join(folder, 'flushed.jsonl')
    const seen: number[] = []
    const endless = function* () {
      for (let x = 1; ; x++) yield { x, lr: 1 }
    }
    vi.useFakeTimers({ toFake: ['Date'] })
    const onStep = ({ step }: { step: number }): void => {
      vi.advanceTimersByTime(400)
      seen.push(readFileSync(path, 'utf8').split('\n').length - 1)
      if (step === 8) throw new Error('enough')
    }
    await expect(fit(await load(), endless, { logTo: { jsonl: path }, onStep })).rejects.toThrow('enough')
    expect(seen).toEqual([0, 0, 0, 4, 4, 4, 7, 7])
    expect(linesOf(path).map((l) => l.step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('that cannot be written end training before the first step', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    mkdirSync(join(folder, 'taken'))
    for (const logTo of [{ jsonl: join(file, 'x.jsonl') }, { jsonl: join(folder, 'taken') }, { tensorboard: file }, { jsonl: join(folder, 'a'), tensorboard: file }]) {
      const began = vi.fn(() => batches)
      await expect(fit(await load(), began, { schedule: { lr: () => 1 }, logTo })).rejects.toMatchObject({ code: 'file/invalid' })
      expect(began).not.toHaveBeenCalled()
    }
  })
})
