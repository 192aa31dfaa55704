import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { compile, f32, fn, i32, nn, optim, softmaxCrossEntropy, split } from '../../src/index.ts'
import { codeOf } from '../code-of.ts'

const net = nn.sequential(nn.linear(6, 8), nn.tanh, nn.linear(8, 3))
const functions = {
  train: fn({ x: f32(4, 6), y: i32(4) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) })).minimize('loss', optim.adam({ lr: 0.1 })),
}
const ARITHMETIC = ['strict', 'relaxed'] as const
const FORMS = ['inline', 'url', 'module'] as const
const inputs = { x: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)), y: Int32Array.of(0, 1, 2, 1) }
const SCRIPT = `const model = await load({ seed: 3 })
const inputs = { x: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)), y: Int32Array.of(0, 1, 2, 1) }
const losses = []
for (let i = 0; i < 10; i++) losses.push(model.train(inputs).loss)
console.log(JSON.stringify(losses))`

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gradc-forms-'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  // Makes a file NAME.wasm a module whose default export is what Cloudflare Workers make of it, or the bytes, as some bundlers do.
  for (const [name, value] of [['compiled', 'new WebAssembly.Module(bytes)'], ['bytes', 'bytes']]) {
    writeFileSync(join(folder, `${name}.js`), `import { register } from 'node:module'
      const hook = \`export async function load(url, context, next) {
        if (!url.endsWith('.wasm')) return next(url, context)
        const path = JSON.stringify(new URL(url).pathname)
        const source = 'import { readFileSync } from "node:fs"; const bytes = readFileSync(' + path + '); export default ${value}'
        return { format: 'module', source, shortCircuit: true }
      }\`
      register('data:text/javascript,' + encodeURIComponent(hook))`)
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const run = (name: string, ...flags: string[]): number[] => {
  writeFileSync(join(folder, `run-${name}.mjs`), `import { load } from './${name}.js'\n${SCRIPT}`)
  return JSON.parse(execFileSync(process.execPath, [...flags, `run-${name}.mjs`], { cwd: folder, encoding: 'utf8' })) as number[]
}

it.each(ARITHMETIC.flatMap((a) => FORMS.map((f) => [f, a] as const)))('a module in the form %s, %s, trains as in process', async (form, arithmetic) => {
  const name = `${form}-${arithmetic}`
  const program = compile(functions, { name, arithmetic })
  const paths = await program.write(folder, { wasm: form })
  expect(paths.map((p) => p.slice(join(folder, name).length))).toEqual(['.js', '.d.ts', '.json', ...(form === 'inline' ? [] : ['.wasm'])])
  expect(existsSync(join(folder, `${name}.wasm`))).toBe(form !== 'inline')
  const text = readFileSync(paths[0], 'utf8')
  expect(text).not.toMatch(/\beval\b|new Function|^await|\bimport\(/m)
  expect(text.includes('relaxed_madd') || text.includes('function relax')).toBe(arithmetic === 'relaxed' && form !== 'module')
  // Compiled modules cannot be patched: strict there.
  const here = form === 'module' ? compile(functions) : program
  const model = await here.load({ seed: 3 })
  const losses = Array.from({ length: 10 }, () => model.train(inputs).loss)
  expect(losses[9]).toBeLessThan(losses[0])
  if (form !== 'module') expect(run(name)).toEqual(losses)
  else for (const given of ['compiled', 'bytes']) expect(run(name, '--import', `./${given}.js`)).toEqual(losses)
})

it('fetches by address elsewhere, and says what it did not find', async () => {
  const program = compile(functions, { name: 'far' })
  const { js, wasm } = program.emit({ wasm: 'url' })
  let found = true
  const server = createServer((request, response) => {
    response.writeHead(found && request.url === '/there/far.wasm' ? 200 : 404).end(found ? wasm : '')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}/there/far.js`
    const text = js.replace('import.meta.url', JSON.stringify(at))
    const { load } = (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(text)}`)) as Pick<typeof program, 'load'>
    const model = await load({ seed: 3 })
    expect(model.train(inputs).loss).toBe((await program.load({ seed: 3 })).train(inputs).loss)
    found = false
    await expect(load({})).rejects.toThrow(/file\/invalid: http.*far\.wasm was not found: 404/)
  } finally {
    server.close()
  }
})

it('declares several lengths, and gradients between, so that programs type-check', () => {
  const part = split(fn({ x: f32(4, 6), y: i32(4) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) })), 'loss', optim.sgd({ lr: 1 }))
  const program = compile({ ...part, predict: [1, 4].map((n) => fn({ x: f32(n, 6) }, ({ x }) => ({ logits: net(x) }))) }, { name: 'typed' })
  const { js, dts } = program.emit({ wasm: 'url' })
  writeFileSync(join(folder, 'typed.js'), js)
  writeFileSync(join(folder, 'typed.d.ts'), dts)
  writeFileSync(join(folder, 'use.ts'), `import { load, manifest, type Model } from './typed.js'
    const model: Model = await load()
    const given = { x: new Float32Array(24), y: new Int32Array(4) }
    const gradients: Float32Array = model.gradients(given).gradients
    model.apply({ gradients })
    const flat: Float32Array = model.flat()
    model.setFlat(flat)
    const logits: Float32Array = model.predict({ x: new Float32Array(6) }).logits
    const names: readonly string[] | undefined = manifest.functions[0].parameters
    // @ts-expect-error apply has no results
    model.apply({ gradients }).loss
    // @ts-expect-error x is f32
    model.predict({ x: new Int32Array(6) })
    export const all = [logits, names, manifest.states.filter((s) => s.trainable)]`)
  const compilerOptions = { strict: true, noEmit: true, module: 'nodenext', target: 'es2022', lib: ['es2023'], types: [] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['use.ts'] }))
  const tsc = join(import.meta.dirname, '../../node_modules/typescript/bin/tsc')
  expect(execFileSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' })).toBe('')
})

it('is written for another target than it was compiled to', () => {
  const [wasm, js] = [compile(functions), compile(functions, { target: 'js' })]
  expect(wasm.emit({ target: 'js' })).toEqual(js.emit())
  expect(js.emit({ target: 'wasm', wasm: 'url' }).wasm).toEqual(wasm.emit({ wasm: 'url' }).wasm)
  expect(codeOf(() => wasm.emit({ target: 'js', wasm: 'url' }))).toBe('option/invalid')
  expect(codeOf(() => wasm.emit({ target: 'asm' as 'js' }))).toBe('option/invalid')
})

it('refuses forms that are not there', async () => {
  const program = compile(functions)
  for (const odd of ['esm', null, 1, true]) expect(codeOf(() => program.emit({ wasm: odd as never }))).toBe('option/invalid')
  expect(codeOf(() => program.emit({ waasm: 'url' } as never))).toBe('option/invalid')
  expect(codeOf(() => program.emit('url' as never))).toBe('option/invalid')
  expect(codeOf(() => compile(functions, { target: 'js' }).emit({ wasm: 'url' }))).toBe('option/invalid')
  expect(compile(functions, { target: 'js' }).emit({ wasm: 'inline' }).wasm).toBe(null)
  await expect(program.write('', {})).rejects.toThrow('option/invalid')
})
