import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { CODES } from '../../src/ir/codes.ts'

const tests = join(import.meta.dirname, '..')
const files = readdirSync(tests, { recursive: true, encoding: 'utf8' }).filter((f) => /\.(ts|txt|ir|json)$/.test(f) && !f.endsWith('codes.test.ts'))
const texts = files.map((f) => readFileSync(join(tests, f), 'utf8'))

it('codes stand alphabetically', () => {
  expect(Object.keys(CODES)).toEqual(Object.keys(CODES).sort())
})

it('every code is met in a test', () => {
  const unmet = Object.keys(CODES).filter((code) => !texts.some((t) => t.includes(code)))
  expect(unmet).toEqual([])
})
