import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { main } from '../../../tools/remat.ts'
import { chainOf } from './problems.ts'
import { replay } from './replay.ts'

let folder: string
beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), 'gradc-remat-')) })
afterAll(() => rm(folder, { recursive: true }))

async function run(text: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const file = join(folder, 'graph.json')
  await writeFile(file, text)
  let [out, err] = ['', '']
  const code = await main([file, ...args], { write: (s) => (out += s) }, { write: (s) => (err += s) })
  return { code, out, err }
}

const chain = chainOf(10)
const GRAPH = JSON.stringify({
  name: 'chain', bytes: chain.bytes, cost: chain.tasks.map((t) => t.cost), operands: chain.tasks.map((t) => t.reads),
})
const plain = replay(chain, chain.tasks.map((_, t) => t)).peakBytes

describe('a plan is one line', () => {
  test.each([
    ['0.7', Math.floor(0.7 * plain)], ['.7', Math.floor(0.7 * plain)], [`${plain - 32}`, plain - 32], ['1', plain],
    ['min', plain], ['sqrt', plain],
  ])(
    'under --budget %s', async (budget, most) => {
      const { code, out, err } = await run(GRAPH, '--budget', budget)
      expect([code, err, out.split('\n').length]).toEqual([0, '', 2])
      const line = JSON.parse(out) as { feasible: boolean; peakBytes: number; extraPercent: number; schedule: number[] }
      const total = chain.tasks.reduce((sum, t) => sum + t.cost, 0)
      const { peakBytes, extraCost } = replay(chain, line.schedule)
      expect(line).toEqual({ feasible: true, peakBytes, extraPercent: (100 * extraCost) / total, schedule: line.schedule })
      expect(peakBytes).toBeLessThanOrEqual(most)
    })

  test('that says what is least when nothing fits', async () => {
    const { code, out } = await run(GRAPH, '--budget', '20')
    expect(code).toBe(1)
    const line = JSON.parse(out) as { leastBytes: number }
    expect(line).toMatchObject({ feasible: false, schedule: [] })
    expect((await run(GRAPH, '--budget', `${line.leastBytes}`)).code).toBe(0)
    expect((await run(GRAPH, '--budget', '0')).code).toBe(1)
  })

  test('of a graph of nothing', async () => {
    const { code, out } = await run('{"bytes":[],"cost":[],"operands":[]}', '--budget', '1')
    expect([code, out]).toEqual([0, '{"feasible":true,"peakBytes":0,"extraPercent":0,"schedule":[]}\n'])
  })
})

describe('what is wrong is told, with exit code 2', () => {
  const graph = (bytes: unknown, cost: unknown, operands: unknown): string => JSON.stringify({ bytes, cost, operands })
  test.each([
    ['', 'not JSON'],
    ['{"bytes":', 'not JSON'],
    ['['.repeat(1e5), 'not JSON'],
    ['null', 'must hold an object'],
    ['[1]', 'must hold an object'],
    ['{}', 'bytes must be a list'],
    ['{"__proto__":{"bytes":[]}}', 'bytes must be a list'],
    [graph([1], [1], 3), 'operands must be a list'],
    [graph([1, 2], [1], [[]]), 'equally long'],
    [graph([-1], [1], [[]]), 'bytes[0] must be a whole number from 0 up, got -1'],
    [graph([1.5], [1], [[]]), 'bytes[0]'],
    [graph(['16'], [1], [[]]), 'bytes[0]'],
    ['{"bytes":[1e999],"cost":[1],"operands":[[]]}', 'bytes[0]'],
    [graph([2 ** 53 - 1, 1], [1, 1], [[], []]), '2^53'],
    [graph([1], [-1], [[]]), 'cost[0]'],
    [graph([1], [null], [[]]), 'cost[0]'],
    [graph([1, 1], [1e308, 1e308], [[], []]), 'sum of all costs'],
    [graph([1], [1], [7]), 'operands[0] must be a list'],
    [graph([1, 1], [1, 1], [[], [2]]), 'node 1 reads 2, which is no node'],
    [graph([1, 1], [1, 1], [[], ['0']]), 'node 1 reads "0"'],
    [graph([1, 1], [1, 1], [[], [-1]]), 'node 1 reads -1'],
    [graph([1], [1], [[0]]), 'node 0 reads itself'],
    [graph([1, 1], [1, 1], [[1], [0]]), 'node 0 reads node 1, which comes later'],
    [graph(Array(50_001).fill(1), Array(50_001).fill(1), Array(50_001).fill([])), '50001 nodes are too many'],
  ])('%.60s', async (text, message) => {
    const { code, out, err } = await run(text, '--budget', '0.5')
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(message)
    expect(err.trim().split('\n')).toHaveLength(1)
  })

  test.each([
    [[], '--budget is missing'],
    [['--budget'], 'budget'],
    [['--budget=-1'], 'neither a fraction'],
    [['--budget', 'NaN'], 'neither a fraction'],
    [['--budget', '12 parsecs'], 'neither a fraction'],
    [['--budget', '0x10'], 'neither a fraction'],
    [['--budget', ''], 'neither a fraction'],
    [['--budget', '1.5'], 'whole number'],
    [['--budget', '1e99'], 'whole number'],
    [['--budget', '1e999'], 'neither a fraction'],
    [['--budget', '0.5', '--seed', '-1'], 'seed'],
    [['--budget', '0.5', '--sead', '1'], 'sead'],
    [['another.json', '--budget', '0.5'], 'one graph file'],
  ])('%j', async (args, message) => {
    const { code, out, err } = await run(GRAPH, ...args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(message)
  })

  test('no file', async () => {
    let err = ''
    expect(await main([join(folder, 'none.json'), '--budget', '1'], { write: () => {} }, { write: (s) => (err += s) })).toBe(2)
    expect(err).toContain('cannot read')
  })
})
