import { afterAll, beforeAll, expect, it } from 'vitest'
import { Installed } from './installed.ts'

let at: Installed
const IMPORT = `import { compile, f32, f64, fn, mul, nn, optim, sum } from 'gradc'\n`
const PROGRAM = `compile({ f: fn({ x: f32(2) }, ({ x }) => ({ y: sum(x) })) })`
const FILES: Readonly<Record<string, string>> = {
  'good.js': `${IMPORT}export default ${PROGRAM}`,
  'named.mjs': `${IMPORT}export const program = ${PROGRAM}`,
  'nothing.js': '',
  'others.js': `${IMPORT}export const model = ${PROGRAM}`,
  'number.js': 'export default 5',
  'null.js': 'export default null',
  'function.js': `${IMPORT}export default fn({ x: f32(2) }, ({ x }) => ({ y: sum(x) }))`,
  'record.js': `${IMPORT}export default { f: fn({ x: f32(2) }, ({ x }) => ({ y: sum(x) })) }`,
  'promise.js': `${IMPORT}export default Promise.resolve(${PROGRAM})`,
  'hollow.js': `export default { compiled: 5, get manifest() { throw new Error('no') } }`,
  'trap.js': `export default { get compiled() { throw new Error('no') } }`,
  'half.js': 'export default { compiled: { declared: [] } }',
  'older.js': `export default { compiled: { declared: [] }, manifest: { gradc: '0.0.1' } }`,
  'throws.js': `function deep() { throw new TypeError('out of cheese') }\ndeep()`,
  'throws-null.js': 'throw null',
  'throws-text.js': `throw 'text'`,
  'syntax.js': 'export default = 5',
  'refused.js': `${IMPORT}export default compile({ f: fn({ x: f32(2) }, ({ x }) => ({ y: mul(x, nn.linear(3, 4)(x)) })) })`,
  'missing.js': `import './not-there.js'`,
  'package.js': `import 'not-a-package'`,
  'waits.js': 'await new Promise(() => {})',
  'ends.js': 'process.exit(0)',
  'open.js': `${IMPORT}setInterval(() => {}, 1000)\nexport default ${PROGRAM}`,
  'model.txt': 'export default 5',
  'folder/index.js': '',
  // Looks like a program, and breaks what the compiler promises.
  'forged.js': `${IMPORT}const p = ${PROGRAM}\nexport default { compiled: { ...p.compiled, plans: null }, manifest: p.manifest }`,
}

// These end their process, or tell of its stack.
const OWN_PROCESS = new Set(['waits.js', 'ends.js', 'throws.js', 'syntax.js', 'refused.js'])

beforeAll(() => {
  at = new Installed()
  at.write(FILES)
})
afterAll(() => at?.remove())

it.each(['good.js', 'named.mjs', 'open.js', './good.js'])('takes %s', (file) => {
  expect(at.run(`explain ${file}`)).toMatchObject({ code: 0, err: '', out: expect.stringContaining('f: ') })
})

it.each([
  ['absent.js', /^gradc: there is no file absent\.js\n$/],
  ['folder', /folder is a folder, not a model file\nhint: /],
  ['model.txt', /is no JavaScript or TypeScript file\nhint: /],
  ['nothing.js', /exports no program\nhint: export default compile/],
  ['others.js', /exports no program, only model\n/],
  ['number.js', /the export "default" of number\.js is 5, not a program/],
  ['null.js', /the export "default" of null\.js is null, not a program/],
  ['function.js', /is an Object|is an object[^]*hint: that is a function: compile it/],
  ['record.js', /not a program\nhint: export default compile/],
  ['promise.js', /hint: that is a promise/],
  ['hollow.js', /not a program/],
  ['trap.js', /not a program/],
  ['half.js', /not a program/],
  ['older.js', /older\.js uses gradc 0\.0\.1, this command is gradc \d[^]*npx gradc/],
  ['throws.js', /throws\.js threw TypeError: out of cheese\n +at deep \(throws\.js:1:25\)\n/],
  ['throws-null.js', /threw null/],
  ['throws-text.js', /threw "text"/],
  ['syntax.js', /syntax\.js threw SyntaxError: /],
  ['refused.js', /refused\.js was refused\nshape\/contract: cannot contract 2 with 3[^]*refused\.js:2:\d+[^]*hint: nn\.linear\(2, 4\)/],
  ['missing.js', /missing\.js threw Error: Cannot find module .*not-there\.js/],
  ['package.js', /Cannot find package 'not-a-package'/],
  ['waits.js', /waits for something that never comes/],
  ['ends.js', /ended the process/],
])('refuses %s', async (file, told) => {
  const { code, out, err } = await (OWN_PROCESS.has(file) ? at.run(`explain ${file}`) : at.here(`explain ${file}`))
  expect(err).toMatch(told)
  expect(err).not.toMatch(/node:internal|dist\/src/)
  expect([code, out]).toEqual([1, ''])
})

it('says that gradc is not installed where it is not', () => {
  const elsewhere = at.folder.replace(/gradc-cli-.*/, `gradc-none-${process.pid}.mjs`)
  at.write({ [`../${elsewhere.split('/').pop()!}`]: FILES['good.js'] })
  const { code, err } = at.run(`explain ${elsewhere}`)
  at.write({ [`../${elsewhere.split('/').pop()!}`]: '' })
  expect(code).toBe(1)
  expect(err).toMatch(/imports gradc, which is not installed there\nhint: npm install gradc/)
})

it('calls a defect of its own a defect: exit 70', () => {
  const { code, err } = at.run('explain forged.js')
  expect(code).toBe(70)
  expect(err).toMatch(/defect of gradc/)
})

const TYPED = `${IMPORT}import { pairs } from './layer.js'
const width: number = pairs
export default compile({ f: fn({ x: f32(width) }, ({ x }) => ({ y: sum(x) })) })`
const BY_ITSELF = Boolean((process.features as { typescript?: unknown }).typescript)

// Node 22.18 needs none of it.
it.skipIf(BY_ITSELF)('takes TypeScript by what the project has, and says what is missing', () => {
  at.write({ 'typed.ts': TYPED, 'layer.ts': 'export const pairs: number = 2' })
  expect(at.run('explain typed.ts')).toMatchObject({ code: 1, err: expect.stringMatching(/TypeScript, which .* Node does not run\nhint: npm install --save-dev tsx/) })

  // TypeScript 7 is there, but cannot be asked.
  at.write({ 'node_modules/typescript/package.json': '{"main":"index.js"}', 'node_modules/typescript/index.js': 'exports.version = "7.0.0"' })
  expect(at.run('explain typed.ts').err).toMatch(/does not run/)

  const transpile = `exports.ModuleKind = { ESNext: 99 }; exports.ScriptTarget = { ES2022: 9 }
    exports.transpileModule = (text) => ({ outputText: text.replaceAll(': number', ''), diagnostics: /= =/.test(text) ? [{ messageText: 'Expression expected.', start: 20 }] : [] })`
  at.write({ 'node_modules/typescript/index.js': transpile })
  expect(at.run('explain typed.ts')).toMatchObject({ code: 0, err: '', out: expect.stringContaining('f: 1 kernels') })
  at.write({ 'broken.ts': 'const a = 1\nconst x: number = = 5' })
  expect(at.run('explain broken.ts').err).toMatch(/broken\.ts:2: Expression expected/)

  // tsx comes first.
  at.write({
    'node_modules/tsx/package.json': '{"type":"module","exports":{"./esm":"./esm.js"}}',
    'node_modules/tsx/esm.js': `throw new Error('half installed')`,
  })
  expect(at.run('explain typed.ts')).toMatchObject({ code: 1, err: expect.stringContaining('tsx cannot be loaded: half installed') })
  at.write({
    'node_modules/tsx/esm.js': `import { register } from 'node:module'
      const hook = \`import { readFileSync } from 'node:fs'
        export const resolve = (s, c, next) => next(c.parentURL?.endsWith('.ts') ? s.replace('.js', '.ts') : s, c)
        export const load = (url, c, next) => !url.endsWith('.ts') ? next(url, c)
          : { format: 'module', source: readFileSync(new URL(url), 'utf8').replaceAll(': number', ''), shortCircuit: true }\`
      register('data:text/javascript,' + encodeURIComponent(hook))`,
  })
  expect(at.run('explain typed.ts')).toMatchObject({ code: 0, err: '' })
})
