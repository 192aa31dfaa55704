// docs/vocabulary.md names every export once, and nothing that is not exported.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import * as gradc from '../../src/index.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/vocabulary.md'), 'utf8')

/** Cells of each row of the page's tables, without heads and rules. Bars within code are escaped. */
const rows = page.split('\n').filter((line) => line.startsWith('|') && !line.startsWith('|---') && !line.startsWith('| name '))
  .map((line) => line.replace(/^\|\s*|\s*\|$/g, '').split(/\s*(?<!\\)\|\s*/))
const named = rows.flatMap(([first]) => [...first.matchAll(/`([^`]+)`/g)].map((m) => m[1]))

/** Modules are namespaces: what is in them is exported by a longer name. */
const isNamespace = (value: unknown): value is object => Object.prototype.toString.call(value) === '[object Module]'
const exportsOf = (space: object, prefix = ''): string[] => Object.entries(space).flatMap(([name, value]) =>
  [prefix + name, ...(isNamespace(value) ? exportsOf(value, `${prefix}${name}.`) : [])])

describe('docs/vocabulary.md', () => {
  test('has the namespaces to compare with', () => {
    const some = ['grad', 'nn.linear', 'nn.init.zeros', 'optim.sgd', 'optim.schedules.cosine']
    expect(exportsOf(gradc)).toEqual(expect.arrayContaining(some))
  })

  test('names every export', () => {
    const missing = exportsOf(gradc).filter((name) => !named.includes(name))
    expect(missing, 'give each a row of docs/vocabulary.md').toEqual([])
  })

  test('names nothing that is not exported, and nothing twice', () => {
    const known = new Set(exportsOf(gradc))
    expect(named.filter((name) => !known.has(name))).toEqual([])
    expect(named.filter((name, i) => named.indexOf(name) !== i)).toEqual([])
  })

  test('has three filled cells in each row', () => {
    expect(rows.length).toBeGreaterThan(100)
    const isWhole = (cells: string[]): boolean => cells.length === 3 && !cells.includes('') && /^(`[^`]+`(, )?)+$/.test(cells[0])
    expect(rows.filter((cells) => !isWhole(cells))).toEqual([])
  })
})
