// npm run test:hosts [-- NAME...]: the emitted module, unchanged, in every host; ten steps must give the bits that Node gives.
// One line a host; exits with 1 on a mismatch. NAME: only hosts whose names hold it.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as bundlers from './bundlers.mjs'
import { writeForms } from './fixture.mjs'
import * as node from './node.mjs'
import * as page from './page.mjs'
import * as runtimes from './runtimes.mjs'
import { Skipped } from './skipped.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
if (!existsSync(join(here, 'node_modules'))) {
  const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund'], {
    cwd: here,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  })
  if (status !== 0) console.error('npm i --prefix tests/hosts failed: hosts and bundlers from npm are skipped')
}

const wanted = process.argv.slice(2)
const hosts = Object.entries({ ...node.hosts, ...runtimes.hosts, ...bundlers.hosts, ...page.hosts }).filter(
  ([name]) => !wanted.length || wanted.some((part) => name.includes(part)),
)
if (!hosts.length) {
  console.error(`no host is called ${wanted.join(' or ')}`)
  process.exit(2)
}
const width = Math.max(...hosts.map(([name]) => name.length)) + 2
const counts = { same: 0, skipped: 0, failed: 0 }
const tell = (name, outcome, text) => {
  counts[outcome]++
  console.log(`${name.padEnd(width)}${text}`)
}

const folder = await mkdtemp(join(tmpdir(), 'gradc-hosts-'))
try {
  await writeForms(folder)
  const expected = await node.hosts['node, inline'](folder)
  const { losses, state } = JSON.parse(expected)
  console.log(`ten steps in Node ${process.version}: loss ${losses[0]} to ${losses[9]}, state ${state}\n`)
  if (!(losses.every(Number.isFinite) && losses[0] !== losses[9])) throw new Error(`these are no losses of training: ${losses}`)
  for (const [name, host] of hosts) {
    try {
      const result = await host(folder)
      if (result === expected) tell(name, 'same', 'the same bits')
      else tell(name, 'failed', `MISMATCH: ${result}`)
    } catch (error) {
      if (error instanceof Skipped) tell(name, 'skipped', `skipped: ${error.message}`)
      else tell(name, 'failed', `FAILED: ${error.message}`)
    }
  }
  console.log(`\n${counts.same} the same, ${counts.failed} failed, ${counts.skipped} skipped`)
  if (counts.failed) process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
