import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { accuracy, add, compile, f32, fn, GradcError, i32, matmul, mul, nn, optim, softmax, softmaxCrossEntropy, sum, type Functions } from '../../src/index.ts'
import { codeOf } from '../code-of.ts'

const TARGETS = ['wasm', 'js'] as const
const HOSTILE = ['__proto__', 'constructor', '"); alert(1)//', '*/ throw 1 /*', '\u2028', '\n', '`${1}', '</script>', 'ünï']

const random = (n: number, seed = 1): Float32Array => {
  let s = seed
  return Float32Array.from({ length: n }, () => ((s = (Math.imul(s, 1664525) + 1013904223) >>> 0) / 2 ** 32) * 2 - 1)
}
const rejection = async (run: () => Promise<unknown>): Promise<GradcError> => run().then(() => { throw new Error('no error') }, (e) => e as GradcError)

const net = nn.sequential(nn.linear(6, 8), nn.relu, nn.linear(8, 3))
const classifier = {
  train: fn({ x: f32(5, 6), y: i32(5) }, ({ x, y }) => {
    const logits = net(x)
    return { loss: softmaxCrossEntropy(logits, y), accuracy: accuracy(logits, y) }
  }).minimize('loss', optim.adam({ lr: 1e-2 })),
  predict: fn({ x: f32(1, 6) }, ({ x }) => ({ p: softmax(net(x)) })),
}
const x = random(30)
const y = Int32Array.of(0, 1, 2, 0, 1)

describe('a compiled program', () => {
  it('learns, with the same bits on both targets, in process and as a module', async () => {
    const losses: number[][] = []
    const weights: Uint8Array[] = []
    for (const target of TARGETS) {
      const program = compile(classifier, { target, verify: true })
      const models = [await program.load()]
      const { load } = (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(program.emit().js)}`)) as { load: () => Promise<(typeof models)[0]> }
      models.push(await load())
      for (const model of models) {
        losses.push(Array.from({ length: 200 }, () => model.train({ x, y }).loss))
        expect(model.train({ x, y }).accuracy).toBe(1)
        const { p } = model.predict({ x: x.subarray(0, 6) })
        expect(p.reduce((a, b) => a + b)).toBeCloseTo(1, 5)
        expect(p[0]).toBeGreaterThan(0.5)
        weights.push(model.save())
      }
    }
    expect(losses[0][0]).toBeGreaterThan(0.8)
    expect(losses[0][199]).toBeLessThan(0.1)
    for (const l of losses) expect(l).toEqual(losses[0])
    for (const w of weights) expect(w).toEqual(weights[0])
  })

  it('starts from its seed, and again at reset', async () => {
    const program = compile(classifier, { seed: 5 })
    const [a, b] = [await program.load(), await program.load({ seed: 6 })]
    const first = a.save()
    expect(b.save()).not.toEqual(first)
    a.train({ x, y })
    expect(a.save()).not.toEqual(first)
    a.reset()
    expect(a.save()).toEqual(first)
    b.reset(5)
    expect(b.save()).toEqual(first)
    const bound = 1 / Math.sqrt(6)
    expect(a.state['0.weight'].every((v) => Math.abs(v) <= bound)).toBe(true)
    expect(new Set(a.state['0.weight']).size).toBe(48)
  })

  it('saves and restores a run, which then goes on bit by bit the same', async () => {
    const program = compile(classifier)
    const model = await program.load()
    for (let i = 0; i < 10; i++) model.train({ x, y })
    const file = model.save()
    const rest = Array.from({ length: 10 }, () => model.train({ x, y }).loss)
    const other = await program.load({ seed: 99 })
    other.restore(file)
    expect(Array.from({ length: 10 }, () => other.train({ x, y }).loss)).toEqual(rest)
  })

  it('takes a runtime scalar as learning rate', async () => {
    const layer = nn.linear(3, 1)
    const train = fn({ x: f32(4, 3), lr: f32() }, ({ x }) => ({ loss: sum(mul(layer(x), layer(x))) })).minimize('loss', optim.sgd({ lr: ({ inputs }) => inputs.lr }))
    const model = await compile({ train }).load()
    const before = model.state.weight.slice()
    model.train({ x: random(12), lr: 0 })
    expect(model.state.weight).toEqual(before)
    model.train({ x: random(12), lr: 0.01 })
    expect(model.state.weight).not.toEqual(before)
  })

  it('computes shapes of size zero and rank zero', async () => {
    for (const target of TARGETS) {
      const f = fn({ x: f32(0, 4), s: f32() }, ({ x, s }) => ({ total: sum(x), rows: sum(x, { axis: 0 }), next: add(s, 1), none: mul(x, s) }))
      const model = await compile({ f }, { target }).load()
      const r = model.f({ x: new Float32Array(0), s: 41 })
      expect([r.total, r.next]).toEqual([0, 42])
      expect([...r.rows]).toEqual([0, 0, 0, 0])
      expect(r.none.length).toBe(0)
    }
  })

  it('takes every name literally, in code, types and manifest', async () => {
    for (const target of TARGETS) {
      for (const name of HOSTILE) {
        const hostile = Object.defineProperty({}, name, { value: f32(2), enumerable: true }) as Record<string, ReturnType<typeof f32>>
        const f = fn(hostile, (inputs) => Object.defineProperty({}, name, { value: mul(inputs[name], 2), enumerable: true }) as Record<string, never>)
        const program = compile(Object.defineProperty({}, name, { value: f, enumerable: true }) as Functions, { target })
        const { js, dts, json } = program.emit()
        expect(JSON.parse(json).functions[0].name).toBe(name)
        expect(dts).not.toMatch(/^throw 1|^\s*alert/m)
        const { load } = (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(js)}`)) as { load: () => Promise<any> }
        for (const model of [await program.load(), await load()]) {
          const inputs = Object.defineProperty({}, name, { value: Float32Array.of(1, 2), enumerable: true })
          const results = (Object.getOwnPropertyDescriptor(model, name)!.value as (x: object) => object)(inputs)
          expect([...(Object.getOwnPropertyDescriptor(results, name)!.value as Float32Array)]).toEqual([2, 4])
        }
      }
    }
  })

  it('is written as three files that need nothing else', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradc-write-'))
    try {
      for (const target of TARGETS) {
        const program = compile(classifier, { target, name: `tiny-${target}` })
        const paths = await program.write(join(folder, 'deep/er'))
        expect(paths.map((p) => p.slice(folder.length))).toEqual(['js', 'd.ts', 'json'].map((e) => `/deep/er/tiny-${target}.${e}`))
        const text = readFileSync(paths[0], 'utf8')
        expect(text).not.toMatch(/\bimport\b|\brequire\b|\beval\b|new Function/)
        const script = `import { load } from ${JSON.stringify(paths[0])}
          const model = await load({ seed: 3 })
          console.log(model.train({ x: new Float32Array(30).fill(0.5), y: new Int32Array(5) }).loss)`
        writeFileSync(join(folder, 'run.mjs'), script)
        writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
        const loss = Number(execFileSync(process.execPath, ['run.mjs'], { cwd: folder, encoding: 'utf8' }))
        const model = await program.load({ seed: 3 })
        expect(loss).toBe(model.train({ x: new Float32Array(30).fill(0.5), y: new Int32Array(5) }).loss)
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('has declarations that type-check, and that refuse the wrong array', () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradc-types-'))
    try {
      const { js, dts } = compile(classifier, { name: 'tiny' }).emit()
      writeFileSync(join(folder, 'tiny.js'), js)
      writeFileSync(join(folder, 'tiny.d.ts'), dts)
      writeFileSync(join(folder, 'use.ts'), `import { load, type Model } from './tiny.js'
        const model: Model = await load({ seed: 1 })
        const loss: number = model.train({ x: new Float32Array(30), y: new Int32Array(5) }).loss
        const p: Float32Array = model.predict({ x: new Float32Array(6) }).p
        // @ts-expect-error y is i32
        model.train({ x: new Float32Array(30), y: new Float32Array(5) })
        // @ts-expect-error predict has no accuracy
        model.predict({ x: new Float32Array(6) }).accuracy
        export const all = [loss, p, model.state['0.weight'].length, model.save().length]`)
      writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
      const compilerOptions = { strict: true, noEmit: true, module: 'nodenext', target: 'es2022', lib: ['es2023'], types: [] }
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['use.ts'] }))
      const tsc = join(import.meta.dirname, '../../node_modules/typescript/bin/tsc')
      expect(execFileSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' })).toBe('')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('allocates nothing in 10,000 steps', () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradc-heap-'))
    try {
      for (const target of TARGETS) {
        writeFileSync(join(folder, 'model.mjs'), compile(classifier, { target }).emit().js)
        // No collection runs between the two readings: even 16 bytes a step would show as 160,000.
        const script = `import { load } from './model.mjs'
          const model = await load()
          const inputs = { x: new Float32Array(30), y: new Int32Array(5) }
          const steps = (n) => { let total = 0; for (let i = 0; i < n; i++) total += model.train(inputs).loss; return total }
          steps(10000); steps(10000)
          globalThis.gc()
          steps(100)
          const before = process.memoryUsage().heapUsed
          steps(10000)
          console.log(process.memoryUsage().heapUsed - before)`
        writeFileSync(join(folder, 'run.mjs'), script)
        const growth = Number(execFileSync(process.execPath, ['--expose-gc', 'run.mjs'], { cwd: folder, encoding: 'utf8' }))
        expect(growth).toBeLessThan(80_000)
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('refusals', () => {
  const f = fn({ x: f32(2, 3) }, ({ x }) => ({ y: sum(x) }))

  it('names what is wrong with options and names', () => {
    expect(codeOf(() => compile({}))).toBe('option/invalid')
    expect(codeOf(() => compile({ f }, { target: 'webgpu' as never }))).toBe('option/invalid')
    for (const seed of [-1, 0.5, NaN]) expect(codeOf(() => compile({ f }, { seed }))).toBe('option/invalid')
    for (const name of ['', 'a/b', '../x', '.hidden', 'a b']) expect(codeOf(() => compile({ f }, { name }))).toBe('name/invalid')
    for (const name of ['', 'state', 'save', 'then']) expect(codeOf(() => compile({ [name]: f }))).toBe('name/invalid')
    for (const memoryBudget of ['12 parsecs', '', 'KiB', -1, NaN, '1e3 B']) expect(codeOf(() => compile({ f }, { memoryBudget }))).toBe('option/invalid')
    expect(codeOf(() => fn({ '': f32(1) }, () => ({})))).toBe('name/invalid')
    expect(codeOf(() => fn({ x: f32(1) }, ({ x }) => ({ '': x })))).toBe('name/invalid')
  })

  it('names what is wrong with what a body returns', () => {
    for (const bad of [undefined, null, 5, [], { y: 5 }, { y: null }, { y: { ...f.graph.results[0].node, builder: null } }]) {
      expect(codeOf(() => fn({ x: f32(1) }, () => bad as never))).toBe('result/invalid')
    }
    expect(codeOf(() => fn({ x: f32(1) }, ({ x }) => x as never))).toBe('result/invalid')
    expect(codeOf(() => fn({ x: f32(1) }, () => ({ y: f.graph.results[0].node })))).toBe('build/foreign')
    let leaked: any
    fn({ x: f32(1) }, ({ x }) => ({ y: (leaked = x) }))
    expect(codeOf(() => fn({ x: f32(1) }, ({ x }) => ({ y: add(x, leaked) })))).toBe('build/foreign')
  })

  it('names extents that are none', () => {
    for (const extent of [-1, 1.5, NaN, Infinity, 2 ** 31, '3']) expect(codeOf(() => f32(2, extent as number))).toBe('shape/invalid')
    expect(codeOf(() => f32(40000, 40000))).toBe('shape/invalid')
  })

  it('names the two operands, their sites and a way on', () => {
    let error: unknown
    try {
      fn({ x: f32(32, 784), w: f32(700, 128) }, ({ x, w }) => ({ y: matmul(x, w) }))
    } catch (e) {
      error = e
    }
    const { message, code } = error as GradcError
    expect(code).toBe('shape/contract')
    expect(message).toMatch(/784.*700|700.*784/)
    expect(message).toMatch(/input f32\[32, 784\] "x" +compile\.test\.ts:\d+:\d+/)
    expect(message).toMatch(/input f32\[700, 128\] "w" +compile\.test\.ts:\d+:\d+/)
    expect(message).toContain('hint:')
  })

  it('refuses what cannot be minimised', () => {
    const layer = nn.linear(3, 2)
    const g = fn({ x: f32(4, 3), k: i32() }, ({ x, k }) => ({ loss: sum(layer(x)), vector: sum(layer(x), { axis: 0 }), free: sum(x), whole: add(k, 1) }))
    const sgd = optim.sgd({ lr: 0.1 })
    expect(codeOf(() => g.minimize('vector' as never, sgd))).toBe('grad/scalar')
    expect(codeOf(() => g.minimize('whole', sgd))).toBe('grad/dtype')
    expect(codeOf(() => g.minimize('free', sgd))).toBe('grad/independent')
    expect(codeOf(() => g.minimize('lost' as never, sgd))).toBe('option/invalid')
    expect(codeOf(() => g.minimize('loss', sgd, { wrt: ['nobody'] }))).toBe('state/unknown')
    expect(codeOf(() => g.minimize('free', sgd, { wrt: ['weight'] }))).toBe('grad/independent')
  })

  it('refuses two states of one name', () => {
    const [a, b] = [nn.linear(3, 3), nn.linear(3, 3)]
    expect(codeOf(() => fn({ x: f32(4, 3) }, ({ x }) => ({ y: b(a(x)) })))).toBe('state/duplicate')
    const first = fn({ x: f32(4, 3) }, ({ x }) => ({ y: a(x) }))
    const second = fn({ x: f32(4, 3) }, ({ x }) => ({ y: b(x) }))
    expect(codeOf(() => compile({ first, second }))).toBe('state/duplicate')
  })

  it('keeps a budget, or names the least that can be kept', () => {
    expect(compile(classifier, { memoryBudget: '1 MiB' }).memory.arenaBytes).toBeLessThan(2 ** 20)
    let error: unknown
    try {
      compile(classifier, { memoryBudget: 16 })
    } catch (e) {
      error = e
    }
    expect((error as GradcError).code).toBe('budget/infeasible')
    const named = Number(/least budget found is (\d+)/.exec((error as GradcError).message)![1])
    expect(named).toBe(compile(classifier, { memoryBudget: 'min' }).memory.arenaBytes)
    expect(compile(classifier, { memoryBudget: named }).memory.arenaBytes).toBe(named)
    expect(codeOf(() => compile({ predict: classifier.predict }, { memoryBudget: 8 }))).toBe('budget/infeasible')
  })
})

it('counts every byte of the arena against the budget: first values and packed panels too', () => {
  // x·Wᵀ packs panels of W into scratch, which is part of the arena that the program reports.
  const layer = nn.linear(512, 64)
  const predict = fn({ x: f32(64, 512) }, ({ x }) => ({ y: layer(x) }))
  const { memory, compiled } = compile({ predict })
  expect(memory.arenaBytes).toBeGreaterThan(compiled.plans[0].arenaBytes)
  expect(codeOf(() => compile({ predict }, { memoryBudget: memory.arenaBytes - 1 }))).toBe('budget/infeasible')
  expect(compile({ predict }, { memoryBudget: memory.arenaBytes }).memory.arenaBytes).toBe(memory.arenaBytes)
})

describe('the finite check', () => {
  const layer = nn.linear(3, 1)
  const train = fn({ x: f32(4, 3) }, ({ x }) => {
    const z = layer(x)
    return { loss: sum(mul(z, z)) }
  }).minimize('loss', optim.sgd({ lr: 0.1 }))

  it('is off unless asked for: NaN in, NaN out', async () => {
    const model = await compile({ train }).load()
    expect(model.train({ x: new Float32Array(12).fill(NaN) }).loss).toBeNaN()
  })

  it('names the input that was already so, and keeps the state', async () => {
    const model = await compile({ train }).load({ checkFinite: true })
    const before = model.save()
    const error = await rejection(async () => model.train({ x: Float32Array.of(1, NaN, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12) }))
    expect(error.code).toBe('value/nonfinite')
    expect(error.message).toMatch(/input.*"x"/)
    expect(model.save()).toEqual(before)
  })

  it('names the op that made the first one', async () => {
    const model = await compile({ train }).load({ checkFinite: true })
    model.state.weight.fill(1e30)
    const error = await rejection(async () => model.train({ x: new Float32Array(12).fill(1) }))
    expect(error.message).toMatch(/mul.*compile\.test\.ts:\d+/s)
  })
})
