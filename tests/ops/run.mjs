// npm run ops [-- --write]: runs the suites that hold the ops, prints the table of their results, and fails for an empty cell.
// --write: the same page as docs/ops.md.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const SUITES = ['ir/generators', 'properties/gradients', 'properties/backends', 'properties/lanes', 'properties/plan'].map((f) => `tests/${f}.test.ts`)
const unknown = process.argv.slice(2).filter((a) => a !== '--write')
if (unknown.length) {
  console.error(`npm run ops takes --write, not ${unknown.join(' ')}`)
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'gradc-ops-'))
const [report, page] = [join(folder, 'report.json'), join(folder, 'page.json')]

/** Runs vitest quietly; what it says is shown if `needed` was not written. */
function vitest(args, env, needed) {
  const binary = join(root, 'node_modules/vitest/vitest.mjs')
  const run = spawnSync(process.execPath, [binary, 'run', ...args], { cwd: root, env: { ...process.env, ...env }, encoding: 'utf8', maxBuffer: 2 ** 28 })
  try {
    return JSON.parse(readFileSync(needed, 'utf8'))
  } catch {
    console.error(run.stdout + run.stderr)
    process.exit(1)
  }
}

try {
  // Few runs of the random programs: the table asks for the ops one by one.
  vitest([...SUITES, '--reporter=json', `--outputFile=${report}`], { GRADC_RUNS: '10' }, report)
  const result = vitest(['tests/ops/page.test.ts', '-t', 'the page of a report'], { GRADC_OPS_REPORT: report, GRADC_OPS_PAGE: page }, page)
  console.log(result.page)
  for (const line of result.missing) console.error(line)
  const forgotten = result.files.filter((f) => !SUITES.includes(f))
  if (forgotten.length) console.error(`not run: ${forgotten.join(' ')}`)
  if (result.missing.length || forgotten.length) process.exitCode = 1
  else if (process.argv.includes('--write')) writeFileSync(join(root, 'docs/ops.md'), result.page)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
