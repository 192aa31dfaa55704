import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const block = /```ts\n([\s\S]*?)```/.exec(readme)![1]
const tsc = join(root, 'node_modules/typescript/bin/tsc')
let folder = ''

// A project of its own with the built package in node_modules: what a user has after `npm install gradc`.
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gradc-readme-'))
  const installed = join(folder, 'node_modules/gradc')
  mkdirSync(installed, { recursive: true })
  cpSync(join(root, 'package.json'), join(installed, 'package.json'))
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', join(installed, 'dist')], { stdio: 'pipe' })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('the example runs as it stands', () => {
  writeFileSync(join(folder, 'example.mjs'), `${block}\nconsole.log(JSON.stringify({ loss, p: p.length, w: model.state['0.weight'].length }))\n`)
  const out = JSON.parse(execFileSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' }))
  expect(out.loss).toBeCloseTo(Math.log(10), 0)
  expect(out).toMatchObject({ p: 10, w: 784 * 128 })
  expect(existsSync(join(folder, 'mnist.safetensors'))).toBe(true)
})

it('the example type-checks, and its types are the ones it claims', () => {
  const claims = `
const number: number = loss
const array: Float32Array = p
// @ts-expect-error labels are i32
model.train({ x: images, y: images })
// @ts-expect-error there is no input z
model.train({ x: images, y: labels, z: labels })
// @ts-expect-error an input is missing
model.train({ x: images })
// @ts-expect-error accuracy is a result of train, not of predict
model.predict({ x: image }).accuracy
export { number, array }
`
  writeFileSync(join(folder, 'example.ts'), block + claims)
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  const options = { strict: true, noEmit: true, module: 'nodenext', target: 'es2022', lib: ['es2023', 'dom'], types: ['node'], typeRoots: [join(root, 'node_modules/@types')] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['example.ts'] }))
  execFileSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' })
})
