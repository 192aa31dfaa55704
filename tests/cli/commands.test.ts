import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, print } from '../../src/index.ts'
import { Installed, runHere } from './installed.ts'

let at: Installed
const MODEL = `import { compile, f32, fn, i32, nn, optim, softmax, softmaxCrossEntropy } from 'gradc'
const net = nn.sequential(nn.linear(5, 6), nn.relu, nn.linear(6, 3))
export default compile({
  train: fn({ x: f32(4, 5), y: i32(4) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) })).minimize('loss', optim.adam({ lr: 1e-3 })),
  predict: [1, 4].map((n) => fn({ x: f32(n, 5) }, ({ x }) => ({ p: softmax(net(x)) }))),
}, { name: 'tiny', seed: 3 })
`
beforeAll(() => {
  at = new Installed()
  at.write({ 'model.js': MODEL })
})
afterAll(() => at?.remove())

describe('help', () => {
  const commands = ['build', 'print', 'explain', 'memory', 'check', 'bench', 'init']

  it('tells all commands, and each tells of itself', async () => {
    for (const words of ['', '--help', '-h', 'help']) {
      const { code, out } = await runHere(words)
      expect(code).toBe(0)
      for (const c of commands) expect(out).toContain(`gradc ${c} `)
    }
    for (const c of commands) {
      const { code, out, err } = await runHere(`${c} --help`)
      expect([code, err]).toEqual([0, ''])
      expect(out).toMatch(new RegExp(`^gradc ${c} `))
    }
    expect(await runHere('help check')).toEqual(await runHere('check -h'))
    expect(at.run('--version').out).toBe(`${JSON.parse(readFileSync(join(at.home, 'package.json'), 'utf8')).version}\n`)
  })

  it.each([
    ['bild model.js', /no command "bild"\nhint: commands are build, /],
    ['toString', /no command "toString"/],
    ['build', /build needs MODEL\nhint: gradc build MODEL -o DIR/],
    ['build model.js', /needs a folder/],
    ['build model.js other.js -o out', /not also other\.js/],
    ['build model.js --into out', /Unknown option '--into'\nhint: gradc build --help/],
    ['build model.js -o out --wasm esm', /--wasm is "esm"\nhint: inline, url or module/],
    ['build model.js -o out --target gpu', /--target is "gpu"/],
    ['print model.js --emit tree', /forms are graph, plan, loops, js, wat/],
    ['print model.js --after fuse', /no pass "fuse"\nhint: passes are /],
    ['print model.js --after simplify --emit js', /comes after all passes/],
    ['check model.js --elements -1', /argument is ambiguous|--elements/],
    ['check model.js --elements 1.5', /--elements is "1\.5"/],
    ['bench model.js --seconds 0', /--seconds is "0"/],
    ['init', /init needs DIR/],
    ['explain nothing.js', /there is no file nothing\.js/],
  ])('refuses at once: gradc %s', async (words, told) => {
    const { code, out, err } = await runHere(words)
    expect(err).toMatch(told)
    expect(err).not.toContain('    at ')
    expect([code, out]).toEqual([1, ''])
  })

  it.each([
    ['build model.js -o out --target js --wasm url', /needs WebAssembly/],
    ['build model.js -o out --name a/b', /name\/invalid/],
    ['build model.js -o model.js', /model\.js cannot be written to/],
    ['print model.js --function nothing', /functions are train, predict\[0\], predict\[1\]/],
    ['memory model.js --svg no/such/folder.svg', /cannot be written: ENOENT/],
    ['check model.js --function predict', /no function minimises a loss/],
    ['init model.js', /model\.js cannot be made/],
    ['init .', /is not empty/],
  ])('refuses: gradc %s', (words, told) => {
    const { code, out, err } = at.run(words)
    expect(err).toMatch(told)
    expect(err).not.toContain('    at ')
    expect([code, out]).toEqual([1, ''])
  })
})

describe('build', () => {
  const STEP = `const model = await load()
    const x = Float32Array.from({ length: 20 }, (_, i) => Math.sin(i))
    const y = Int32Array.of(0, 1, 2, 1)
    const { loss } = model.train({ x, y })
    console.log(loss, model.predict({ x: x.subarray(5) .subarray(0, 5) }).p.length, model.predict({ x }).p.length)`

  it.each(['', '--wasm url', '--target js', '--target wasm --name other', '--threads 2'])('writes a module that trains: %s', (flags) => {
    const out = `out${flags.replace(/\W+/g, '-')}`
    const { code, out: told } = at.run(`build model.js -o ${out} --json ${flags}`)
    expect(code).toBe(0)
    const { files, memory } = JSON.parse(told) as { files: { path: string; bytes: number; gzipBytes: number }[]; memory: { bytes: number } }
    const name = flags.includes('other') ? 'other' : 'tiny'
    const endings = ['js', 'd.ts', 'json', ...(flags.includes('url') ? ['wasm'] : [])]
    expect(files.map((f) => f.path)).toEqual(endings.map((e) => `${out}/${name}.${e}`))
    for (const f of files) expect(f.bytes).toBe(readFileSync(join(at.folder, f.path)).length)
    const manifest = JSON.parse(readFileSync(join(at.folder, files[2].path), 'utf8'))
    expect(manifest).toMatchObject({ name, seed: 3, memory, target: flags.includes('js') ? 'js' : 'wasm' })
    at.write({ [`${out}/run.mjs`]: `import { load } from './${name}.js'\n${STEP}` })
    expect(execFileSync(process.execPath, [join(at.folder, out, 'run.mjs')], { encoding: 'utf8' })).toMatch(/^1\.\d+ 3 12\n$/)
  })

  it('imports a compiled module for workers, and tells sizes to people', () => {
    const { code, out } = at.run('build model.js -o worker --wasm module')
    expect(code).toBe(0)
    expect(out).toMatch(/^ {2}file +bytes +gzip\n {2}worker\/tiny\.js +[\d,]+ +[\d,]+\n/)
    expect(readFileSync(join(at.folder, 'worker/tiny.js'), 'utf8')).toContain('import wasm from "./tiny.wasm"')
    expect(existsSync(join(at.folder, 'worker/tiny.wasm'))).toBe(true)
  })
})

describe('print', () => {
  it('shows graphs that can be read back', async () => {
    const { out } = await at.here('print model.js --function train --after declared')
    const graph = parse(out)
    expect(print(graph)).toBe(out)
    expect(graph.updates.map((u) => u.name)).toContain('0.weight')
    expect((await at.here('print model.js')).out.match(/^graph /gm)).toHaveLength(3)
    expect((await at.here('print model.js --function predict')).out.match(/^graph "predict\[\d\]"/gm)).toHaveLength(2)
    expect((await at.here('print model.js --function predict[1]')).out).toMatch(/^graph "predict\[1\]"/)
    const after = (await at.here('print model.js --function train --after *')).out
    for (const pass of ['simplify', 'stabilise', 'relax']) expect(after).toContain(`// after ${pass}\n`)
    expect((await at.here('print model.js --function train --after simplify')).out).toMatch(/^\/\/ after simplify\ngraph "train"/)
  })

  it('shows plans, loops and code', async () => {
    const plan = (await at.here('print model.js --emit plan --function predict[1]')).out
    expect(plan).toMatch(/^plan "predict\[1\]": arena \d+ bytes \(lower bound \d+\)\ninputs "x" #0\nresults "p" #\d+\n/)
    expect(plan).toMatch(/ 0 {2}k0_contract\w* {2}reads #0 x, .*0\.weight/)
    const loops = (await at.here('print model.js --emit loops --function predict[1]')).out
    expect(loops).toMatch(/for a < 4, b < 6\n +core = sum for c < 5\n +mul\(f32@\d+\[5·a \+ c\], f32@\d+\[5·b \+ c\]\)/)
    const js = (await at.here('print model.js --emit js')).out
    at.write({ 'kernels.mjs': `export default ${js}` })
    expect(execFileSync(process.execPath, ['--check', join(at.folder, 'kernels.mjs')], { encoding: 'utf8' })).toBe('')
    const wat = at.run('print model.js --emit wat').out
    expect(wat).toMatch(/^\(module/)
    expect(wat).toContain('(export "f3"')
    expect((await at.here('print model.js --emit wat --function predict')).out).not.toContain('(export "f3"')
  })
})

describe('figures', () => {
  it('explains, for people and machines', async () => {
    expect(at.run('explain model.js').out).toMatch(/^tiny {2}target wasm[^]*\ntrain: \d+ kernels, arena/)
    const { functions, memory } = JSON.parse((await at.here('explain model.js --json')).out)
    expect(functions.map((f: { name: string }) => f.name)).toEqual(['train', 'predict[0]', 'predict[1]'])
    expect(functions[2].kernels[0]).toMatchObject({ flop: expect.any(Number), writes: ['f32[4, 6]'] })
    expect(functions[2].kernels[0].flop).toBeGreaterThanOrEqual(2 * 4 * 5 * 6)
    expect(memory.bytes).toBe(memory.stateBytes + memory.constantBytes + memory.arenaBytes)
  })

  it('tells memory, and draws it', async () => {
    const { out } = at.run('memory model.js --svg arena.svg')
    const { functions, arenaBytes } = JSON.parse((await at.here('memory model.js --json')).out)
    expect(out).toContain(`arena ${String(arenaBytes).replace(/\B(?=(\d{3})+$)/g, ',')}`)
    expect(out).toMatch(/0\.weight +f32\[6, 5\] +0\n/)
    expect(out).toMatch(/ x\n/)
    expect(Object.keys(functions)).toEqual(['train', 'predict[0]', 'predict[1]'])
    expect(functions.train.arenaBytes).toBeGreaterThanOrEqual(functions.train.peakBytes)
    const svg = readFileSync(join(at.folder, 'arena.svg'), 'utf8')
    expect(svg).toMatch(/^<svg [^]*>train: arena/)
    expect(Object.keys(JSON.parse((await at.here('memory model.js --json --function predict[1]')).out).functions)).toEqual(['predict[1]'])
  })

  it('measures every function', async () => {
    const { code, out, err } = at.run('bench model.js --seconds 0.02 --json')
    expect([code, err]).toEqual([0, ''])
    const { functions } = JSON.parse(out)
    expect(functions.map((f: { function: string }) => f.function)).toEqual(['train', 'predict[0]', 'predict[1]'])
    for (const f of functions) {
      expect(f.medianMs).toBeGreaterThan(0)
      expect(f.medianMs).toBeGreaterThanOrEqual(f.leastMs)
      expect(f.calls).toBeGreaterThanOrEqual(3)
    }
    expect((await at.here('bench model.js --seconds 0.02 --function train')).out).toMatch(/^ {2}function +median ms.*\n {2}train +\d/)
  })
})

describe('check', () => {
  it('passes right gradients', async () => {
    const { code, out } = await at.here('check model.js --json')
    expect(code).toBe(0)
    const { passed, functions: [train] } = JSON.parse(out)
    expect(passed).toBe(true)
    expect(train).toMatchObject({ function: 'train', loss: 'loss' })
    expect(train.parameters.map((p: { name: string }) => p.name)).toEqual(['0.weight', '0.bias', '2.weight', '2.bias'])
    for (const p of train.parameters) expect(p).toMatchObject({ verdict: 'good' })
    expect((await at.here('check model.js')).out).toMatch(/^train: gradient of loss\n[^]*0\.weight +f32\[6, 5\] +\d\.\de-\d+ +good/)
  })

  it('checks what split() makes, and each length of a function', async () => {
    at.write({ 'split.js': `import { compile, f32, fn, mse, nn, optim, scan, split, tanh } from 'gradc'
      const net = nn.sequential(nn.linear(3, 4), nn.tanh, nn.linear(4, 1))
      const loss = (n) => fn({ x: f32(n, 3), y: f32(n, 1) }, ({ x, y }) => ({ loss: mse(scan({}, { x }, (_, { x: row }) => ({ carry: {}, out: { row: tanh(row) } })).out.row, x), fit: mse(net(x), y) }))
      const sgd = optim.sgd({ lr: 0.1 })
      export default compile({ ...split(loss(4), 'fit', sgd), train: [4, 2].map((n) => loss(n).minimize('fit', sgd)) })` })
    const { code, out } = await at.here('check split.js --json')
    expect(code).toBe(0)
    expect(JSON.parse(out).functions.map((f: { function: string; loss: string }) => [f.function, f.loss])).toEqual([['gradients', 'fit'], ['train[0]', 'fit'], ['train[1]', 'fit']])
    // Loops are told too.
    const [plan, loops] = [(await at.here('print split.js --emit plan')).out, (await at.here('print split.js --emit loops')).out]
    expect(plan).toMatch(/ {7}4 steps; carries \d+ bytes, in #\d+\n {7}plan /)
    expect(loops).toMatch(/for t < 4\n/)
    expect(loops).toMatch(/move \d+ bytes from @/)
  })

  it('finds an adjoint that is wrong, and exits with 1', async () => {
    at.write({ 'wrong.js': `import { compile, custom, f32, fn, mul, nn, optim, sum } from 'gradc'
      const w = new nn.Parameter('w', [5], nn.init.normal()), v = new nn.Parameter('v', [5], nn.init.normal())
      const square = (x) => custom([x], ([x]) => mul(x, x), ([x], y, ct) => [mul(ct, x)])
      export const program = compile({ train: fn({ x: f32(5) }, ({ x }) => ({ loss: sum(mul(square(mul(w.of(x), x)), v.of(x))) }))
        .minimize('loss', optim.sgd({ lr: 0.1 })) })` })
    const { code, out, err } = at.run('check wrong.js')
    expect([code, err]).toEqual([1, ''])
    expect(out).toMatch(/ w +f32\[5\] +5\.0e-1 +bad/)
    expect(out).toMatch(/ v +f32\[5\] +\d\.\de-\d+ +good/)
    expect(out).toContain('1 parameter has a gradient that is not the slope of the loss')
    expect(JSON.parse((await at.here('check wrong.js --json')).out).passed).toBe(false)
  })
})

describe('settings of the environment', () => {
  it('GRADC_DEBUG tells more with each level, on stderr', async () => {
    const titles = async (level: number): Promise<string[]> => {
      const { code, out, err } = await at.here('explain model.js --json', { GRADC_DEBUG: String(level) })
      expect(code).toBe(0)
      expect(() => JSON.parse(out)).not.toThrow()
      return [...new Set(err.match(/^# [a-z ]+/gm)?.map((t) => t.slice(2).trim()))]
    }
    expect(await titles(0)).toEqual([])
    expect(await titles(1)).toEqual(['passes of train'])
    expect(await titles(2)).toEqual(['passes of train', 'memory plan'])
    expect(await titles(3)).toEqual(['declared', 'after all passes', 'passes of train', 'memory plan'])
    expect(await titles(5)).toEqual(['declared', 'after all passes', 'passes of train', 'memory plan', 'emitted code', 'rules fired'])
  })

  it('GRADC_PRINT_AFTER, GRADC_VERIFY and GRADC_SEED do what they say', async () => {
    expect((await at.here('explain model.js', { GRADC_PRINT_AFTER: 'stabilise' })).err.match(/\/\/ after stabilise/g)).toHaveLength(3)
    expect(at.run('explain model.js', { GRADC_VERIFY: '1' })).toMatchObject({ code: 0, err: '' })
    at.run('build model.js -o seeded', { GRADC_SEED: '77' })
    expect(JSON.parse(readFileSync(join(at.folder, 'seeded/tiny.json'), 'utf8')).seed).toBe(77)
    const gradient = async (seed: string): Promise<number> => JSON.parse((await at.here('check model.js --json --elements 0', { GRADC_SEED: seed })).out).functions[0].parameters[0].gradient
    expect(await gradient('1')).toBe(await gradient('1'))
    expect(await gradient('1')).not.toBe(await gradient('2'))
  })

  it.each([
    ['GRADC_DEBUG', '6'], ['GRADC_DEBUG', 'yes'], ['GRADC_PRINT_AFTER', 'fuse'], ['GRADC_VERIFY', 'true'], ['GRADC_SEED', '-1'], ['GRADC_SEED', '1e400'],
  ])('refuses %s=%s', async (name, value) => {
    const { code, err } = await runHere('explain model.js', { [name]: value })
    expect(code).toBe(1)
    expect(err).toContain(name)
  })

  it('writes no colours where nobody sees them', async () => {
    const runs = [await at.here('check model.js'), await at.here('nothing'), await at.here('bench model.js --seconds 0.02')]
    for (const { out, err } of runs) expect(out + err).not.toContain('\u001b')
  })
})

it('stops quietly when nobody reads on', () => {
  writeFileSync(join(at.folder, 'pipe.sh'), `"${process.execPath}" node_modules/gradc/dist/src/cli.js print model.js --emit wat 2>err.txt | head -1; echo "\${PIPESTATUS[0]}"`)
  expect(execFileSync('bash', ['pipe.sh'], { cwd: at.folder, encoding: 'utf8' })).toMatch(/^\(module[^\n]*\n0\n$/)
  expect(readFileSync(join(at.folder, 'err.txt'), 'utf8')).toBe('')
})
