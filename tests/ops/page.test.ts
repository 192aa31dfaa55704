// docs/ops.md is what `npm run ops` prints of this registry; filled in by tests/ops/run.mjs from a report of the suites.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ops } from '../../src/ir/ops/index.ts'
import { COLUMNS, files, pageOf, type Evidence } from './table.ts'

const ROOT = new URL('../../', import.meta.url)
const PAGE = new URL('docs/ops.md', ROOT)

describe('docs/ops.md', () => {
  test('is up to date with the registry', () => {
    expect(readFileSync(PAGE, 'utf8'), 'run: npm run ops -- --write').toBe(pageOf(() => true).page)
  })

  test('has a row an op and a filled cell for each column', () => {
    const rows = readFileSync(PAGE, 'utf8').split('\n').filter((line) => line.startsWith('| `'))
    expect(rows.map((r) => /`(\w+)`/.exec(r)![1])).toEqual(ops().map((d) => d.name))
    for (const row of rows) {
      const cells = row.split('|').slice(2, -1).map((c) => c.trim())
      expect(cells.length).toBe(COLUMNS.length)
      for (const cell of cells) expect(cell).toMatch(/^(yes|- \(.+\))$/)
    }
  })

  test('names tests of files that there are', () => {
    expect(files().filter((f) => !existsSync(new URL(f, ROOT)))).toEqual([])
  })

  test('says what is missing', () => {
    const { page, missing } = pageOf(({ name }) => (name.startsWith('tanh reverse') ? false : name.startsWith('exp evaluator') ? null : true))
    expect(missing).toEqual([
      expect.stringMatching(/^exp, evaluator: .* there is no such test$/),
      expect.stringMatching(/^exp, JS: .* there is no such test$/),
      expect.stringMatching(/^tanh, transpose: tests\/properties\/gradients.test.ts > tanh reverse mode .*: failed$/),
    ])
    expect(page.match(/\*\*no\*\*/g)!.length).toBe(3)
  })
})

interface Report {
  readonly testResults: readonly { readonly name: string; readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[] }[]
}

// Only under `npm run ops`: the page of a report that is there, and what it lacks.
test.runIf(process.env.GRADC_OPS_REPORT)('the page of a report', () => {
  const report = JSON.parse(readFileSync(process.env.GRADC_OPS_REPORT!, 'utf8')) as Report
  const key = ({ file, name }: Evidence): string => `${file} ${name}`
  const status = new Map(report.testResults.flatMap(({ name: path, assertionResults }) =>
    assertionResults.map((t) => [key({ file: relative(ROOT.pathname, path), name: t.fullName }), t.status === 'passed'] as const)))
  const result = pageOf((evidence) => status.get(key(evidence)) ?? null)
  writeFileSync(process.env.GRADC_OPS_PAGE!, JSON.stringify({ ...result, files: files() }))
})
