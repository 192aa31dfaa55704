// npm run test:browser (in the root): installs and builds the page, and tests it in headless Chromium.
// Without Chromium it says so and ends well. CHROMIUM names another browser of its kind.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('..', import.meta.url))
const chromium = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => path && existsSync(path),
)

if (!chromium) console.log('test:browser skipped: there is no Chromium (apt-get install chromium, or set CHROMIUM)')
else {
  const run = (command, args) => {
    const { status } = spawnSync(command, args, {
      cwd: folder,
      stdio: 'inherit',
      env: { ...process.env, CHROMIUM: chromium },
      timeout: 600_000,
    })
    if (status !== 0) process.exit(status ?? 1)
  }
  if (!existsSync(`${folder}/node_modules/vite`)) run('npm', ['ci', '--no-audit', '--no-fund'])
  run('npm', ['run', '-s', 'model'])
  run('npm', ['run', '-s', 'typecheck'])
  run(process.execPath, ['node_modules/vite/bin/vite.js', 'build', '--logLevel', 'warn'])
  run(process.execPath, ['--test', '--test-reporter=spec', 'test/page.test.mjs'])
}
