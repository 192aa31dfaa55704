import { describe, expect, test } from 'vitest'
import { mulberry32 } from '../../examples/mnist/batches.ts'
import { main } from '../../examples/sine-maml/main.ts'
import { adapted, applied, declareNet, lossOf, perTask } from '../../examples/sine-maml/network.ts'
import { HELP, readOptions } from '../../examples/sine-maml/options.ts'
import { drawTasks } from '../../examples/sine-maml/tasks.ts'
import { add, compile, f32, fn, grad } from '../../src/index.ts'

async function run(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const text = { stdout: '', stderr: '' }
  const into = (to: 'stdout' | 'stderr'): { write(more: string): void } => ({ write: (more) => void (text[to] += more) })
  await main(args, { stdout: into('stdout'), stderr: into('stderr') })
  return text
}

test('--short: one step from meta-trained weights does far more than from weights trained without', async () => {
  const { stdout, stderr } = await run('--short', '--json')
  expect(stdout.split('\n')).toHaveLength(2)
  expect(stderr.trimEnd().split('\n')).toHaveLength(22)
  const r = JSON.parse(stdout) as Record<string, number>
  const names = 'metaBefore,metaAfter,plainBefore,plainAfter,steps,msPerStep,arenaBytes,moduleBytes,compileMs'
  expect(Object.keys(r).join()).toBe(names)
  for (const value of Object.values(r)) expect(value).toBeGreaterThan(0)
  // No weights know a wave before they have seen it: its amplitude alone leaves about 3.
  expect(r.metaBefore).toBeGreaterThan(2)
  expect(r.metaAfter).toBeLessThan(r.metaBefore / 2.5)
  expect(r.metaAfter).toBeLessThan(r.plainAfter / 2)
  expect(r.plainAfter).toBeGreaterThan(r.plainBefore / 2)
}, 60_000)

describe('tasks', () => {
  test('are the same for the same seed, and lie on waves within the stated bounds', () => {
    const { support, query } = drawTasks(mulberry32(3), 50, 10)
    expect(drawTasks(mulberry32(3), 50, 10)).toEqual({ support, query })
    expect(drawTasks(mulberry32(4), 50, 10).support.y).not.toEqual(support.y)
    for (let task = 0; task < 50; task++) {
      // p·sin x + q·cos x through two points gives all others; p = a·cos φ, q = −a·sin φ.
      const of = (v: Float32Array): number[] => Array.from(v.subarray(10 * task, 10 * task + 10))
      const [x, y] = [[...of(support.x), ...of(query.x)], [...of(support.y), ...of(query.y)]]
      const det = Math.sin(x[0] - x[1])
      const p = (y[0] * Math.cos(x[1]) - y[1] * Math.cos(x[0])) / det
      const q = (y[1] * Math.sin(x[0]) - y[0] * Math.sin(x[1])) / det
      if (Math.abs(det) < 0.1) continue
      const amplitude = Math.hypot(p, q)
      expect(amplitude).toBeGreaterThan(0.09)
      expect(amplitude).toBeLessThan(5.01)
      // φ in [0, π): its sine is not negative.
      expect(-q).toBeGreaterThan(-1e-3)
      x.forEach((v, i) => {
        expect(Math.abs(v)).toBeLessThanOrEqual(5)
        expect(Math.abs(p * Math.sin(v) + q * Math.cos(v) - y[i])).toBeLessThan(1e-3)
      })
    }
  })
})

describe('the inner step', () => {
  const tasks = drawTasks(mulberry32(1), 3, 4)
  const inputs = { x: tasks.support.x, y: tasks.support.y, queryX: tasks.query.x, queryY: tasks.query.y }
  const points = f32(3, 4, 1)

  test('gives each task weights of its own: as many nets of one task each', async () => {
    const net = declareNet()
    const together = fn({ x: points, y: points, queryX: points, queryY: points }, ({ x, y, queryX }) =>
      ({ f: applied(adapted(perTask(net.of(x), 3), { x, y }, 0.05), queryX) }))
    const one = f32(1, 4, 1)
    const alone = fn({ x: one, y: one, queryX: one, queryY: one }, ({ x, y, queryX }) =>
      ({ f: applied(adapted(perTask(net.of(x), 1), { x, y }, 0.05), queryX) }))
    const model = await compile({ together, alone }).load()
    const all = model.together(inputs).f.slice()
    for (let task = 0; task < 3; task++) {
      const part = (v: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> => v.slice(4 * task, 4 * task + 4)
      const { x, y, queryX, queryY } = inputs
      const { f } = model.alone({ x: part(x), y: part(y), queryX: part(queryX), queryY: part(queryY) })
      f.forEach((v, i) => expect(v).toBeCloseTo(all[4 * task + i], 5))
    }
  })

  test('is differentiated through: the slope by the first weights is that of differences, and not the one without', async () => {
    const net = declareNet()
    const f = fn({ x: points, y: points, queryX: points, queryY: points, by: f32() }, ({ x, y, queryX, queryY, by }) => {
      // The last layer's bias is moved by `by`, in all tasks.
      const first = perTask(net.of(x), 3).map((l, i) => (i === 2 ? { ...l, bias: add(l.bias, by) } : l))
      const loss = lossOf(adapted(first, { x, y }, 0.05), { x: queryX, y: queryY })
      return { loss, slope: grad(loss, by), without: grad(lossOf(first, { x: queryX, y: queryY }), by) }
    })
    const both: unknown[] = []
    for (const target of ['wasm', 'js'] as const) {
      const model = await compile({ f }, { target, verify: true }).load()
      const at = (by: number): { loss: number; slope: number; without: number } => model.f({ ...inputs, by })
      const here = { ...at(0) }
      both.push(here)
      const slope = (at(0.05).loss - at(-0.05).loss) / 0.1
      expect(Math.abs(here.slope - slope)).toBeLessThan(1e-3 * Math.abs(slope))
      expect(Math.abs(here.without - slope)).toBeGreaterThan(0.05 * Math.abs(slope))
    }
    expect(both[0]).toEqual(both[1])
  })
})

describe('options', () => {
  test('defaults, and all of them', () => {
    expect(readOptions([])).toEqual({ steps: 20_000, target: 'wasm', seed: 0, json: false, help: false })
    expect(readOptions(['--short'])).toEqual({ steps: 2000, target: 'wasm', seed: 0, json: false, help: false })
    const args = ['--short', '--steps', '7', '--target=js', '--seed', '9', '--json', '--help']
    expect(readOptions(args)).toEqual({ steps: 7, target: 'js', seed: 9, json: true, help: true })
  })

  test('refuses what it does not know', () => {
    for (const args of [['--steps', '0'], ['--steps', '1e3'], ['--target', 'native'], ['--seed=-1'], ['--step', '3'], ['maml']]) {
      expect(() => readOptions(args), args.join(' ')).toThrow(args[0].split('=')[0])
    }
  })

  test('the help names every option', async () => {
    for (const name of ['steps', 'short', 'target', 'seed', 'json', 'help']) expect(HELP).toContain(`--${name}`)
    expect(await run('--help')).toEqual({ stdout: HELP, stderr: '' })
  })
})
