import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { GradcError } from '../../src/ir/errors.ts'
import type { Node } from '../../src/ir/graph.ts'
import { ops } from '../../src/ir/ops/index.ts'
import { kindOf } from '../../src/ir/attributes.ts'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { violations } from '../../src/ir/verify.ts'

const GOOD = `graph "train" {
  state "0.weight" f32[2, 3] trainable
  state "step" i32[]
  %0 = input f32[4, 3] "x"
  %1 = input bool[4] "unused"
  %2 = state f32[2, 3] "0.weight"
  %3 = contract f32[4, 2] %0, %2 {spec = "ik,jk->ij"}
  %4 = reduceMax f32[4] %3 {axes = [1]}
  %5 = reshape f32[4, 1] %4
  %6 = broadcast f32[4, 2] %5
  %7 = sub f32[4, 2] %3, %6
  %8 = pad f32[6, 2] %7 {low = [1, 0], high = [1, 0], interior = [0, 0], value = -0}
  %9 = constant f32[6, 2] {values = f32[0.1, NaN, -0, 3, 4, 5, 6, 7, Infinity, -Infinity, 1e-45, 11]}
  %10 = mul f32[6, 2] %8, %9
  %11 = literal f32[6, 2] {value = 0.1}
  %12 = add f32[6, 2] %10, %11
  %13 = sum f32[] %12 {axes = [0, 1]}
  %14 = literal f32[2, 3] {value = NaN}
  %15 = state i32[] "step"
  %16 = literal i32[] {value = -2147483648}
  %17 = add i32[] %15, %16
  result "loss" %13
  result "also the loss" %13
  update "0.weight" %14
  update "step" %17
}
`

describe('parse', () => {
  test('reads what print wrote', () => {
    const graph = parse(GOOD)
    expect(print(graph)).toBe(GOOD)
    expect(violations(graph)).toEqual([])
    expect(graph.inputs.map((i) => i.name)).toEqual(['x', 'unused'])
    expect(graph.states.map((s) => [s.name, s.trainable])).toEqual([['0.weight', true], ['step', false]])
  })

  test('any distinct numbers will do, and comments and blanks are free', () => {
    const graph = parse(`// a graph\ngraph"g"{%7=input f32[2]"x"//the input\n%3=add f32[2]%7,%7\r\n\tresult"y"%3}//end`)
    expect(print(graph)).toBe('graph "g" {\n  %0 = input f32[2] "x"\n  %1 = add f32[2] %0, %0\n  result "y" %1\n}\n')
  })

  test('a line that stands twice is one node', () => {
    const graph = parse('graph "g" { %0 = input f32[] "x" %1 = neg f32[] %0 %2 = neg f32[] %0 result "a" %1 result "b" %2 }')
    expect(graph.results[0].node).toBe(graph.results[1].node)
  })

  test('states begin with zeros, since functions do not travel in text', () => {
    const { states } = parse('graph "g" { state "w" f32[3] trainable }')
    const b = new Builder()
    const key = b.input('key', { dtype: 'u32', shape: [2] })
    const first = states[0].init(b, states[0], key)
    expect([first.op, first.attrs.value, first.shape]).toEqual(['literal', 0, [3]])
  })

  test('numbers of float attributes are rounded to the dtype', () => {
    const graph = parse('graph "g" { %0 = literal f32[] {value = 0.1} result "y" %0 }')
    expect(graph.results[0].node.attrs.value).toBe(Math.fround(0.1))
  })

  test('names that are special in JavaScript are names like any other', () => {
    const text = 'graph "__proto__" {\n  state "constructor" f32[]\n  %0 = input f32[] "__proto__"\n  result "toString" %0\n}\n'
    expect(print(parse(text))).toBe(text)
    expect(({} as Record<string, unknown>).f32).toBeUndefined()
  })

  test('a chain of 50,000 nodes is read in time linear in its length', () => {
    const lines = Array.from({ length: 50_000 }, (_, i) => `%${i + 1} = neg f32[] %${i}`)
    const text = `graph "g" {\n%0 = input f32[] "x"\n${lines.join('\n')}\nresult "y" %50000\n}`
    expect(print(parse(text)).split('\n').length).toBe(50_005)
  })

  test('every attribute of every op has a kind, so that text of another kind never reaches its inference', () => {
    const missing = ops().flatMap((o) => (o.attrs ?? []).filter((a) => kindOf(a) === null).map((a) => `${o.name}.${a}`))
    expect(missing).toEqual([])
  })
})

describe('bad text', () => {
  const folder = new URL('./bad/', import.meta.url)
  const files = readdirSync(folder).filter((f) => f.endsWith('.ir'))
  const expected = JSON.parse(readFileSync(new URL('expected.json', folder), 'utf8')) as Record<string, string>

  test('every file has its error beside it', () => {
    expect(Object.keys(expected).sort()).toEqual(files.map((f) => f.replace('.ir', '')).sort())
  })

  test.each(files)('%s', (file) => {
    const text = readFileSync(new URL(file, folder), 'utf8')
    let error: unknown
    try {
      parse(text)
    } catch (e) {
      error = e
    }
    expect(error).toBeInstanceOf(GradcError)
    expect((error as GradcError).code).toBe('parse/syntax')
    expect((error as GradcError).problem).toBe(expected[file.replace('.ir', '')])
  })

  test('no text whatever crashes or hangs: a GradcError, or a graph that prints and reads back the same', () => {
    const tokens = GOOD.split(/(\s+|[[\]{},=])/).filter(Boolean)
    const edits = fc.array(
      fc.record({
        at: fc.nat({ max: tokens.length - 1 }),
        put: fc.oneof(fc.constantFrom(...tokens, '[', ']', '__proto__', '%0', '1e9', '-1', '"', 'NaN', '2147483647'),
          fc.string()),
        cut: fc.nat({ max: 2 }),
      }),
      { minLength: 1, maxLength: 4 },
    )
    let read = 0
    fc.assert(
      fc.property(edits, (changes) => {
        const changed = [...tokens]
        for (const { at, put, cut } of changes) changed.splice(at, cut, put)
        let text: string
        try {
          text = print(parse(changed.join('')))
        } catch (error) {
          if (!(error instanceof GradcError) || error.code !== 'parse/syntax') throw error
          return
        }
        read++
        expect(print(parse(text))).toBe(text)
      }),
      { numRuns: 3000 },
    )
    expect(read).toBeGreaterThan(0)
  })
})

/** Graphs of random ops on random earlier nodes; what does not fit is left out. */
describe('round trip', () => {
  const unary = ['neg', 'exp', 'tanh', 'abs', 'stopGradient', 'not', 'floor']
  const binary = ['add', 'mul', 'max', 'lt', 'eq', 'and', 'pow', 'shl']
  const step = fc.record({
    op: fc.constantFrom(...unary, ...binary, 'select', 'sum', 'reshape', 'permute', 'literal', 'constant', 'cast', 'concat',
      'iota'),
    picks: fc.array(fc.nat(), { minLength: 3, maxLength: 3 }),
    value: fc.oneof(fc.double(), fc.constantFrom(0, -0, NaN, Infinity, 1, -1, 7)),
    values: fc.array(fc.double(), { minLength: 4, maxLength: 40 }),
  })

  test('print(parse(print(g))) = print(g), and parsed graphs are valid', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.string({ minLength: 1 }), (steps, name) => {
        const b = new Builder()
        const nodes: Node[] = [
          b.input('x', { dtype: 'f32', shape: [2, 2] }), b.input(`${name}!`, { dtype: 'i32', shape: [2, 2] }),
          b.input('y', { dtype: 'f64', shape: [2, 2] }),
          b.state({ name, dtype: 'f64', shape: [2, 2], trainable: true, owner: {}, init: (c, t) => c.zeros(t) }),
        ]
        for (const { op, picks, value, values } of steps) {
          const [p, q, r] = picks.map((i) => nodes[i % nodes.length])
          try {
            if (op === 'literal') nodes.push(b.literal(value, p))
            else if (op === 'iota') nodes.push(b.iota(p.shape, 0, 'f32'))
            else if (op === 'constant') nodes.push(b.constant(new Float32Array(values), { dtype: 'f32', shape: [values.length] }))
            else if (op === 'cast') nodes.push(b.make('cast', [p], { to: q.dtype }))
            else if (op === 'concat') nodes.push(b.make('concat', [p, q, r], { axis: 0 }))
            else if (op === 'sum') nodes.push(b.make('sum', [p], { axes: [0] }))
            else if (op === 'reshape') nodes.push(b.make('reshape', [p], { shape: [...p.shape, 1] }))
            else if (op === 'permute') nodes.push(b.make('permute', [p], { perm: p.shape.map((_, i) => p.shape.length - 1 - i) }))
            else if (op === 'select') nodes.push(b.make('select', [p, q, r]))
            else nodes.push(b.make(op, binary.includes(op) ? [p, q] : [p]))
          } catch (error) {
            if (!(error instanceof GradcError)) throw error
          }
        }
        const results = nodes.slice(-4).map((node, i) => ({ name: `${name}${i}`, node }))
        const update = nodes.findLast((n) => n.dtype === 'f64' && n.shape.join() === '2,2')!
        const graph = { name, builder: b, inputs: b.inputs, states: b.states, results, updates: [{ name, node: update }] }
        expect(violations(graph)).toEqual([])
        const text = print(graph)
        const again = parse(text)
        expect(print(again)).toBe(text)
        expect(violations(again)).toEqual([])
      }),
      { numRuns: 500 },
    )
  })
})
