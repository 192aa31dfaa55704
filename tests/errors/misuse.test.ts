import { describe, expect, it } from 'vitest'
import * as gradc from '../../src/index.ts'
import { compile, f32, fn, i32, mean, mul, nn, optim, parse, print, sum, type GradcError } from '../../src/index.ts'
import { refusal } from '../passes/numbers.ts'

// What the types forbid and JavaScript lets through: a GradcError that says what was given, nothing from inside.

const g = gradc as unknown as Record<string, any>
const ODD: readonly unknown[] = [
  undefined, null, 'x', true, 1n, Symbol('s'), [1, 2], {}, new Map(), () => 1, new Float32Array(2), f32(2, 3),
  new nn.Parameter('p', [2], nn.init.zeros),
]
const NO_TENSORS: ReadonlySet<string> = new Set([
  'Fn', 'GradcError', 'Program', 'bf16', 'bool', 'compile', 'f16', 'f32', 'f64', 'fit', 'fn', 'i32', 'loadFile', 'parse', 'print', 'saveFile', 'u32',
])
const VERBS = Object.keys(g).filter((name) => typeof g[name] === 'function' && !NO_TENSORS.has(name))

/** Runs `body` with tensors x f32[2, 3] and i i32[2]. */
const inside = (body: (x: any, i: any) => unknown): GradcError =>
  refusal(() => fn({ x: f32(2, 3), i: i32(2) }, ({ x, i }) => (body(x, i), {})))
/** Nothing but a GradcError may come out. */
const tolerated = (body: () => unknown): void => {
  try {
    body()
  } catch (error) {
    if (!(error instanceof gradc.GradcError)) throw error
  }
}

const layer = nn.linear(3, 1)
const loss = fn({ x: f32(2, 3) }, ({ x }) => ({ loss: mean(mul(layer(x), layer(x))) }))
const large = fn({ x: gradc.f64(2 ** 30) }, ({ x }) => ({ y: sum(x) }))
const sgd = optim.sgd({ lr: 0.1 })
const clip = optim.clipByGlobalNorm(1)
const fromInput = optim.sgd({ lr: ({ inputs }) => inputs.lr })
/** A user's transform that gives a slot its value twice. */
const twice: optim.Optimizer = {
  name: 'mine',
  update: (context, entries) =>
    entries.map((entry) => {
      const m = context.slot(entry, 'm')
      context.assign(m, m)
      context.assign(m, m)
      return m
    }),
}

it('exports verbs to hold', () => expect(VERBS.length).toBeGreaterThan(80))

it.each(VERBS)('%s refuses what is no tensor, in every place', (name) => {
  for (const odd of ODD) {
    expect(['operand/invalid', 'option/invalid', 'attr/invalid', 'dtype/mismatch']).toContain(inside(() => g[name](odd)).code)
    fn({ x: f32(2, 3), i: i32(2) }, ({ x, i }) => {
      const single = [[x, odd], [odd, x], [x, i, odd], [x, x, odd], [i, odd, x], [i, odd, i], [x, { axis: odd }]]
      const calls = [...single, [[x], [x], odd], [[x], [odd], [x]]]
      for (const call of calls) tolerated(() => g[name](...call))
      return {}
    })
  }
})

describe('says what was given and how to go on', () => {
  it.each([
    ['a layer that was not called', (x: any) => g.add(x, layer), 'operand/invalid', 'call the function or layer'],
    ['an array of numbers', (x: any) => g.add(x, [1, 2]), 'operand/invalid', 'come in as inputs'],
    ['a number as text', (x: any) => g.mul(x, '2'), 'operand/invalid', '"2"'],
    ['a type', (x: any) => g.mul(x, f32(2, 3)), 'operand/invalid', 'types declare inputs'],
    ['a parameter', (x: any) => g.mul(x, new nn.Parameter('p', [3], nn.init.zeros)), 'operand/invalid', 'parameter.of(x)'],
    ['an axis that is no option', (x: any) => g.sum(x, 1), 'option/invalid', '{ axis, keepdims }'],
    ['an axis that is no option of softmax', (x: any) => g.softmax(x, 0), 'option/invalid', '{ axis }'],
    ['a second tensor to max', (x: any) => g.max(x, x), 'option/invalid', 'a tensor'],
    ['an option of another name', (x: any) => g.sum(x, { dim: 1 }), 'option/invalid', '"dim"'],
    ['an option in other letters', (x: any) => g.mean(x, { axis: 1, keepDims: true }), 'option/invalid', '"keepDims"'],
    ['null as an axis', (x: any) => g.sum(x, { axis: null }), 'attr/invalid', 'axis must be a list'],
    ['a shape in pieces', (x: any) => g.reshape(x, 3, 2), 'shape/invalid', '3 is no shape'],
    ['axes in pieces', (x: any) => g.transpose(x, 1, 0), 'attr/invalid', 'axes must be a list'],
    ['tensors in pieces', (x: any) => g.concat(x, x), 'attr/invalid', 'tensors must be a list'],
    ['gradients by one value', (x: any) => g.valueAndGrad(sum(x), x), 'attr/invalid', 'wrt must be a list'],
    ['too large a class count', (_: any, i: any) => g.oneHot(i, 2 ** 31), 'shape/invalid', 'too large'],
    ['a negative class count', (_: any, i: any) => g.oneHot(i, -1), 'shape/invalid', '-1'],
    ['a layer that gives nothing', (x: any) => nn.model({ layer }, () => undefined as never)(x), 'operand/invalid', 'must return a tensor'],
  ] as const)('%s', (_, body, code, text) => {
    const error = inside(body)
    expect(error.code).toBe(code)
    expect(error.message).toContain(text)
  })

  it.each([
    ['fn of a type that was not called', () => fn({ x: f32 as never }, () => ({})), 'option/invalid', 'call it with the extents'],
    ['fn without a body', () => fn({ x: f32(1) }, undefined as never), 'option/invalid', 'the body'],
    ['fn of a list', () => fn([f32(1)] as never, () => ({})), 'option/invalid', 'an array'],
    ['an async body', () => fn({ x: f32(1) }, (async () => ({})) as never), 'result/invalid', 'a promise'],
    ['a body that gives a map', () => fn({ x: f32(1) }, (() => new Map()) as never), 'result/invalid', 'a record'],
    ['extents in a list', () => f32([2, 3] as never), 'shape/invalid', 'without brackets'],
    ['compile of a function alone', () => compile(loss as never), 'option/invalid', 'compile({ train: fn(...) })'],
    ['compile of a graph', () => compile({ f: 5 as never }), 'option/invalid', 'not a function of fn'],
    ['compile with an unknown option', () => compile({ loss }, { optimize: true } as never), 'option/invalid', '"optimize"'],
    ['compile with a number as name', () => compile({ loss }, { name: 5 as never }), 'name/invalid', '5'],
    ['a program larger than its memory', () => compile({ large }), 'target/unsupported', '4294967296'],
    ['minimize by nothing', () => loss.minimize('loss', undefined as never), 'option/invalid', 'no optimiser'],
    ['minimize of one name', () => loss.minimize('loss', sgd, { wrt: 'weight' as never }), 'attr/invalid', 'wrt must be a list'],
    ['minimize with an unknown option', () => loss.minimize('loss', sgd, { only: [] } as never), 'option/invalid', '{ wrt, monitor }'],
    ['minimize by clipping alone, which would climb', () => loss.minimize('loss', clip), 'option/invalid', 'takes no step'],
    ['a chain that ends with clipping', () => loss.minimize('loss', optim.chain(sgd, clip)), 'option/invalid', 'takes no step'],
    ['a rate from an input that is not there', () => loss.minimize('loss', fromInput), 'option/invalid', 'the inputs are x'],
    ['a transform that gives nothing', () => loss.minimize('loss', { name: 'mine', update: () => [] }), 'option/invalid', '"mine"'],
    ['a transform that assigns twice', () => loss.minimize('loss', twice), 'option/invalid', 'twice'],
    ['sgd without options', () => optim.sgd(undefined as never), 'option/invalid', 'sgd'],
    ['a parameter of no dtype', () => new nn.Parameter('p', [2], nn.init.zeros, { dtype: 'f23' as never }), 'dtype/unsupported', 'f23'],
    ['a parameter with a shape that is none', () => new nn.Parameter('p', 2 as never, nn.init.zeros), 'shape/invalid', '2 is no shape'],
    ['a name that weights files keep', () => new nn.Parameter('__metadata__', [2], nn.init.zeros), 'name/invalid', '__metadata__'],
    ['zeros that were called', () => (nn.init.zeros as () => unknown)(), 'option/invalid', 'without calling'],
    ['parse of a number', () => parse(5 as never), 'parse/syntax', '5'],
    ['print of a function', () => print(loss as never), 'option/invalid', 'print(train.graph)'],
  ] as const)('%s', (_, body, code, text) => {
    const error = refusal(body)
    expect(error.code).toBe(code)
    expect(error.message).toContain(text)
  })

  it.each([
    ['another shape', (b: any) => b.zeros({ dtype: 'f32', shape: [3] }), 'f32[3]'],
    ['another dtype', (b: any) => b.zeros({ dtype: 'f64', shape: [2] }), 'f64[2]'],
    ['a number', () => 5, '5'],
    ['an initialiser, as it was not called', nn.init.heUniform as () => unknown, 'is called first'],
  ] as const)('an initialiser that gives %s', (_, init, text) => {
    const p = new nn.Parameter('p', [2], init as never)
    const error = refusal(() => compile({ f: fn({ x: f32(2) }, ({ x }) => ({ y: p.of(x) })) }))
    expect(error.code).toBe('option/invalid')
    expect(error.message).toContain(text)
  })

  it('what is asked of a program', async () => {
    const program = compile({ loss })
    const codeOf = async (run: () => unknown): Promise<unknown> => {
      try {
        await run()
      } catch (e) {
        return e instanceof gradc.GradcError ? e.code : e
      }
      return 'no error'
    }
    const bad = 'option/invalid'
    const options = [null, 5, 'x', { sed: 1 }, [], { seed: -1 }, { seed: '1' }]
    for (const odd of options) expect(await codeOf(() => program.load(odd as never))).toBe(bad)
    for (const odd of [undefined, null, '', 5]) expect(await codeOf(() => program.write(odd as never))).toBe(bad)
    for (const odd of [undefined, null, 'lost', 5]) expect(await codeOf(() => program.firstNonFinite(odd as never, {}, {}))).toBe(bad)
    expect(await codeOf(() => program.firstNonFinite('loss', undefined as never, {}))).toBe('input/missing')
  })
})
