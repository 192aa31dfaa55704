import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { buffersFrom } from '../../tools/buffer-file.ts'
import { main } from '../../tools/pack.ts'
import { interval, overlapping } from './intervals.ts'

const folder = mkdtempSync(join(tmpdir(), 'gradc-pack-'))
afterAll(() => rmSync(folder, { recursive: true }))
const HEAD = 'id,lower,upper,size'

type Ran = { code: number; out: string; err: string }

async function run(text: string | null, args: readonly string[], effort?: number): Promise<Ran> {
  const file = join(folder, 'buffers.csv')
  if (text !== null) writeFileSync(file, text)
  const [out, err]: string[][] = [[], []]
  const into = (to: string[]): { write(more: string): void } => ({ write: (more) => void to.push(more) })
  const code = await main(text === null ? args : [file, ...args], into(out), into(err), effort)
  return { code, out: out.join(''), err: err.join('') }
}
const packed = (text: string, capacity: number | string, effort?: number): Promise<Ran> =>
  run(text, ['--capacity', `${capacity}`], effort)

describe('pack', () => {
  test('prints the lines in their order with offsets that do not overlap', async () => {
    const lines = ['a,0,10,3', 'b,10,20,4', 'c,5,15,2', 'zero,0,20,0']
    const { code, out, err } = await packed(`${HEAD}\n${lines.join('\n')}\n`, 6)
    expect([code, err]).toEqual([0, ''])
    const rows = out.trimEnd().split('\n')
    expect(rows[0]).toBe('id,lower,upper,size,offset')
    expect(rows.slice(1).map((row) => row.replace(/,\d+$/, ''))).toEqual(lines)
    const cells = rows.slice(1).map((row) => row.split(',').map(Number))
    expect(overlapping(cells.map(([, lower, upper, size]) => interval(lower, upper - 1, size)), cells.map((c) => c[4]))).toBe(0)
    for (const [, , , size, offset] of cells) expect(offset >= 0 && offset + size <= 6).toBe(true)
    // What it prints, it reads.
    expect((await packed(out, 6)).out).toBe(out)
  })

  test('lifetimes are half-open', async () => {
    const { code, out } = await packed(`${HEAD}\na,0,5,8\nb,5,9,8`, 8)
    expect([code, out]).toEqual([0, 'id,lower,upper,size,offset\na,0,5,8,0\nb,5,9,8,0\n'])
    expect((await packed(`${HEAD}\na,0,6,8\nb,5,9,8`, 8)).code).toBe(1)
  })

  test('reads columns in any order, carriage returns, a byte order mark, blanks and empty lines', async () => {
    const { code, out } = await packed('\uFEFFsize, upper ,lower,id\r\n8,5,-3, x y \r\n\r\n', 8)
    expect([code, out]).toEqual([0, 'id,lower,upper,size,offset\nx y,-3,5,8,0\n'])
    expect((await packed(HEAD, 0)).out).toBe('id,lower,upper,size,offset\n')
  })

  test('says that it does not fit, and how sure it is of that', async () => {
    const trap = '0,6,3 7,10,4 4,9,1 4,7,1 6,8,2 3,7,1 9,10,3 2,3,1 1,7,1 2,4,2'.split(' ').map((row, i) => `${i},${row}`)
    const text = [HEAD, ...trap].join('\n')
    const [six, seven, eight] = [await packed(text, 6), await packed(text, 7), await packed(text, 8)]
    const hasty = await packed(text, 7, 100)
    expect(six).toEqual({ code: 1, out: '', err: 'pack: 6 bytes are too few: 7 are in use at one time\n' })
    expect(seven.err).toBe('pack: 7 bytes are too few: at most 7 are in use at one time, but no way to place them fits\n')
    expect(hasty.err).toMatch(/^pack: no way was found to fit them into 7 bytes, nor a proof/)
    expect([seven, hasty].map(({ code, out }) => `${code}${out}`)).toEqual(['1', '1'])
    expect(eight.code).toBe(0)
  })

  test('--help', async () => {
    const { code, out } = await run(null, ['--help'])
    expect(code).toBe(0)
    expect(out).toContain('--capacity')
  })
})

describe('pack refuses', () => {
  test.each([
    ['', 'must name the columns id,lower,upper,size, in any order; it is ""'],
    ['0,1,2,3\n1,2,3,4', 'it is "0,1,2,3"'],
    ['id,lower,upper\n', 'the column size is missing'],
    [`${HEAD},size\n`, 'the column "size" is unknown or there twice'],
    [`${HEAD},alignment\n`, 'the column "alignment" is unknown'],
    [`${HEAD}\na,0,1`, 'line 2 has 3 values, the header has 4'],
    [`${HEAD}\n\na,0,1,2,3`, 'line 3 has 5 values'],
    [`${HEAD}\na,0,1,NaN`, 'line 2: size must be a whole number, got "NaN"'],
    [`${HEAD}\na,0,1,`, 'line 2: size must be a whole number, got ""'],
    [`${HEAD}\na,0,1,1.5`, 'size must be a whole number, got "1.5"'],
    [`${HEAD}\na,0,1,1e3`, 'size must be a whole number, got "1e3"'],
    [`${HEAD}\na,0,1,0x10`, 'got "0x10"'],
    [`${HEAD}\na,-Infinity,1,2`, 'lower must be a whole number'],
    [`${HEAD}\na,0,1,-8`, 'line 2: size must not be negative, got -8'],
    [`${HEAD}\na,5,5,8`, 'line 2: lower must be less than upper, got 5 and 5'],
    [`${HEAD}\na,0,9007199254740992,8`, 'upper is "9007199254740992", beyond 2^53 - 1'],
    [`${HEAD}\na,0,1,9007199254740991\nb,2,3,1`, 'all sizes together are more than 2^53 - 1'],
    [`${HEAD}\na,0,1,8\nb,0,1,8\na,3,4,8`, 'line 4: the id "a" is that of line 2 already'],
    [`${HEAD}\n,0,1,8`, 'line 2 has no id'],
    ['\u0000\u0001'.repeat(60), 'the first line must name the columns'],
    [`${HEAD}\n${Array.from({ length: 50_001 }, (_, i) => `${i},0,1,1`).join('\n')}`, 'more than 50000 buffers'],
  ])('%j', async (text, complaint) => {
    const { code, out, err } = await packed(text, 100)
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(complaint)
    expect(err).toMatch(/^pack: [^\n]{1,400}\n$/)
  })

  test.each([
    [[], 'give one file'],
    [['a.csv', 'b.csv', '--capacity', '3'], 'give one file'],
    [['a.csv'], '--capacity is missing'],
    [['a.csv', '--capacity', 'NaN'], '--capacity "NaN" is no whole number'],
    [['a.csv', '--capacity=-5'], '--capacity "-5" is no whole number'],
    [['a.csv', '--capacity', '1e300'], 'is no whole number'],
    [['a.csv', '--capacity', '9007199254740993'], 'is no whole number'],
    [['a.csv', '--capacity', '3', '--fast'], '--fast'],
    [[join(folder, 'absent.csv'), '--capacity', '3'], 'cannot read'],
    [[folder, '--capacity', '3'], 'cannot read'],
  ])('%j', async (args, complaint) => {
    const { code, out, err } = await run(null, args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(complaint)
  })
})

test('package.json has the script', () => {
  const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  expect(scripts.pack).toContain('dist/tools/pack.js')
  expect(buffersFrom(`${HEAD}\na,0,1,2`)).toEqual([{ id: 'a', lower: 0, upper: 1, size: 2 }])
})
