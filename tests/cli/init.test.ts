import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Installed } from './installed.ts'

let at: Installed
beforeAll(() => {
  at = new Installed()
})
afterAll(() => at?.remove())

// A cache of its own and no network: the package has no dependencies, and needs none.
const npm = (words: string, cwd: string): string =>
  execFileSync('npm', [...words.split(' '), '--offline', '--no-audit', '--no-fund', '--loglevel=error', `--cache=${join(at.folder, 'cache')}`], {
    cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'],
  })

it('gradc init demo && cd demo && npm install && npm start trains, with the package from a local tarball', () => {
  const [packed] = JSON.parse(npm(`pack --json --ignore-scripts --pack-destination ${at.folder}`, at.home)) as { filename: string; files: { path: string }[] }[]
  const paths = packed.files.map((f) => f.path)
  expect(paths).toContain('dist/src/cli.js')
  expect(paths).toContain('templates/starter/gitignore')
  expect(paths.filter((p) => !/^(dist\/src\/|templates\/|package\.json$|README\.md$|LICENSE$)/.test(p))).toEqual([])

  const { code, out, err } = at.run(`init demo --gradc file:../${packed.filename}`)
  expect([code, err]).toEqual([0, ''])
  expect(out).toContain('cd demo\n  npm install\n  npm start\n')
  const demo = join(at.folder, 'demo')
  expect(readdirSync(demo).sort()).toEqual(['.gitignore', 'README.md', 'model.js', 'package.json', 'spirals.js', 'train.js'])
  expect(JSON.parse(readFileSync(join(demo, 'package.json'), 'utf8'))).toMatchObject({ name: 'demo', dependencies: { gradc: `file:../${packed.filename}` } })

  npm('install', demo)
  expect(readdirSync(join(demo, 'node_modules')).filter((f) => !f.startsWith('.'))).toEqual(['gradc'])
  const said = npm('start', demo)
  const losses = [...said.matchAll(/loss (\d\.\d+)/g)].map((m) => Number(m[1]))
  expect(losses.length).toBe(10)
  expect(losses[9]).toBeLessThan(0.05)
  expect(Number(/test accuracy (\d\.\d+)/.exec(said)![1])).toBeGreaterThan(0.95)
  expect(existsSync(join(demo, 'spirals.safetensors'))).toBe(true)
  // What it trained with needs nothing, not even gradc.
  expect(readFileSync(join(demo, 'dist/spirals.js'), 'utf8')).not.toMatch(/^import|\bimport\(/m)
  expect(npm('run check', demo)).toContain('good')
})

it('names the project as npm allows, and the version of this package', () => {
  expect(at.run('init my/Odd_Name!').code).toBe(0)
  const { name, dependencies } = JSON.parse(readFileSync(join(at.folder, 'my/Odd_Name!/package.json'), 'utf8'))
  expect(name).toBe('odd-name-')
  expect(dependencies.gradc).toBe(`^${JSON.parse(readFileSync(join(at.home, 'package.json'), 'utf8')).version}`)
  expect(at.run('init my/Odd_Name!')).toMatchObject({ code: 1, err: expect.stringContaining('is not empty') })
})
