// A page in headless Chromium under a strict Content-Security-Policy, and a module worker of it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { Skipped } from './skipped.mjs'

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
/** Longest that a page may take, in milliseconds. */
const PATIENCE = 60_000
const TYPES = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' }

/** The browser; CHROMIUM names another one. */
export const chromium = () => [process.env.CHROMIUM, ...PATHS].find((path) => path && existsSync(path))

/** Nothing but scripts of this origin, and no code from strings; WebAssembly only where it is asked for. */
const policy = (wasm) =>
  `default-src 'none'; script-src 'self'${wasm ? " 'wasm-unsafe-eval'" : ''}; connect-src 'self'; worker-src 'self'`

// The result is told only if the policy is really in force: code from a string must be refused.
const scriptOf = (steps) => `import * as net from './net.js'
import { ${steps} } from './training.mjs'
let result
try {
  new Function('')
  result = 'code from a string was allowed'
} catch {
  try { result = await ${steps}(net) } catch (error) { result = String(error) }
}
await fetch('/result', { method: 'POST', body: result })
`
const FILES = {
  '/page.html': '<!doctype html><title>gradc</title><script type="module" src="script.js"></script>',
  '/worker.html': '<!doctype html><title>gradc</title><script type="module" src="start.js"></script>',
  '/start.js': "new Worker('/script.js', { type: 'module' })",
  '/script.js': scriptOf('tenSteps'),
  '/spawning.html': '<!doctype html><title>gradc</title><script type="module" src="spawning.js"></script>',
  '/spawning.js': scriptOf('tenStepsSpawned'),
}

async function visit(folder, form, page, { wasm }) {
  const binary = chromium()
  if (!binary) throw new Skipped('there is no Chromium: apt-get install chromium, or set CHROMIUM')
  let tell
  const result = new Promise((resolve) => (tell = resolve))
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname
    if (path === '/result') {
      let text = ''
      for await (const part of request) text += part
      response.end()
      return tell(text)
    }
    const body = FILES[path] ?? (await readFile(join(folder, form, path)).catch(() => null))
    if (body === null) return response.writeHead(404).end()
    // Pages share memory with their workers only where nothing of other origins is with them.
    const isolated = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }
    const type = { 'content-type': TYPES[extname(path)], 'content-security-policy': policy(wasm) }
    response.writeHead(200, form === 'threads' ? { ...type, ...isolated } : type).end(body)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const profile = await mkdtemp(join(tmpdir(), 'gradc-chromium-'))
  // Containers have neither user namespaces for the sandbox nor much of /dev/shm.
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--no-first-run',
    `--user-data-dir=${profile}`,
  ]
  // A group of its own: Chromium is many processes, and all of them have to go.
  const browser = spawn(binary, [...flags, `http://127.0.0.1:${server.address().port}/${page}.html`], {
    detached: true,
    stdio: 'ignore',
  })
  const ended = new Promise((resolve) => browser.once('close', resolve))
  let timer
  try {
    return await Promise.race([
      result,
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`the page told nothing in ${PATIENCE} ms`)), PATIENCE)
        browser.once('error', reject)
      }),
    ])
  } finally {
    clearTimeout(timer)
    if (browser.exitCode === null && browser.pid) process.kill(-browser.pid, 'SIGKILL')
    await ended
    server.closeAllConnections()
    server.close()
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Host name -> its run in a folder of {@link writeForms}. */
export const hosts = {
  'page under a policy, inline': (folder) => visit(folder, 'inline', 'page', { wasm: true }),
  'page under a policy, url': (folder) => visit(folder, 'url', 'page', { wasm: true }),
  'page under a policy without WebAssembly, js': (folder) => visit(folder, 'js', 'page', { wasm: false }),
  'page under a policy, for threads, which it may not wait for': (folder) => visit(folder, 'threads', 'page', { wasm: true }),
  'page under a policy, two threads of a worker': (folder) => visit(folder, 'threads', 'spawning', { wasm: true }),
  'worker of a page under a policy, url': (folder) => visit(folder, 'url', 'worker', { wasm: true }),
}
