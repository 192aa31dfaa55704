import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { GradcError, InternalError } from '../../src/ir/errors.ts'
import type { Graph } from '../../src/ir/graph.ts'
import { mul, neg } from '../../src/ir/lang/index.ts'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { runPasses, type Pass, type PassTiming } from '../../src/passes/runner.ts'
import { relax, simplification, simplify, stabilise } from '../../src/passes/simplify.ts'

function graph(): Graph {
  const b = new Builder()
  const x = b.input('x', { dtype: 'f32', shape: [2] })
  return { name: 'g', builder: b, inputs: b.inputs, states: [], results: [{ name: 'y', node: neg(neg(mul(x, 1))) }], updates: [] }
}
const pass = (name: string, run: (g: Graph) => Graph): Pass => ({ name, keeps: 'bits', run })

describe('runPasses', () => {
  test('runs passes in order, each on the result of the one before', () => {
    const seen: string[] = []
    const passes = ['a', 'b'].map((name) =>
      pass(name, (g) => (seen.push(`${name} ${g.name}`), { ...g, name: `${g.name}${name}` })))
    expect(runPasses(graph(), passes).name).toBe('gab')
    expect(seen).toEqual(['a g', 'b ga'])
  })

  test('prints after the pass that was asked for, or after all', () => {
    const said = (printAfter: string): string[] => {
      const out: string[] = []
      runPasses(graph(), [simplify, relax], { printAfter, log: (text) => out.push(text) })
      return out
    }
    expect(said('simplify')).toEqual(['// after simplify\ngraph "g" {\n  %0 = input f32[2] "x"\n  result "y" %0\n}\n'])
    expect(said('*').length).toBe(2)
    expect(said('nothing')).toEqual([])
    expect(print(parse(said('simplify')[0]))).toBe(said('simplify')[0].replace(/^.*\n/, ''))
  })

  test('times each pass and counts nodes and firings', () => {
    const timings: PassTiming[] = []
    const fired = new Map<string, number>()
    runPasses(graph(), simplification, { timings, fired })
    expect(timings.map((t) => [t.pass, t.before, t.after])).toEqual([['simplify', 5, 1], ['stabilise', 1, 1], ['relax', 1, 1]])
    expect(timings.every((t) => t.milliseconds >= 0)).toBe(true)
    expect([...fired]).toEqual([['mul-one', 1], ['neg-neg', 1]])
  })

  test('a graph that is broken at the start is the caller’s error', () => {
    const g = graph()
    expect(() => runPasses({ ...g, inputs: [] }, [], { verify: true })).toThrow(GradcError)
    expect(() => runPasses({ ...g, inputs: [] }, [])).not.toThrow()
  })

  test('a pass that breaks an invariant is named, with the graph', () => {
    const forging = pass('forging', (g) =>
      ({ ...g, results: [{ name: 'y', node: { ...g.results[0].node, id: 999, shape: [3] } }] }))
    const run = (): Graph => runPasses(graph(), [simplify, forging], { verify: true })
    expect(run).toThrow(InternalError)
    expect(run).toThrow(/pass forging: .*breaks type/)
    expect(run).toThrow(/graph "g" \{/)
    expect(() => runPasses(graph(), [forging])).not.toThrow()
  })

  test('a pass that drops a result is named', () => {
    const losing = pass('losing', (g) => ({ ...g, results: [] }))
    expect(() => runPasses(graph(), [losing], { verify: true }))
      .toThrow(/pass losing: changed the inputs, states, results or updates/)
  })
})

describe('the rewriting passes', () => {
  const text = (body: string): Graph => parse(`graph "g" { %0 = input f32[2] "x" ${body} }`)
  const ran = (passes: readonly Pass[], body: string, fastMath = false): string =>
    print(runPasses(text(body), passes, { verify: true, fastMath }))

  test('simplify keeps bits: x + 0 stays, since −0 + 0 = +0; x + −0 goes', () => {
    expect(ran([simplify], '%1 = literal f32[2] {value = 0} %2 = add f32[2] %0, %1 result "y" %2')).toContain('add')
    expect(ran([simplify], '%1 = literal f32[2] {value = -0} %2 = add f32[2] %0, %1 result "y" %2')).not.toContain('add')
  })

  test('stabilise takes rules that keep values: x² for pow(x, 2)', () => {
    const body = '%1 = literal f32[2] {value = 2} %2 = pow f32[2] %0, %1 result "y" %2'
    expect(ran([simplify], body)).toContain('pow')
    expect(ran([stabilise], body)).toContain('mul f32[2] %0, %0')
  })

  test('rules of the reals run under fastMath alone', () => {
    const body = '%1 = literal f32[2] {value = 0} %2 = add f32[2] %0, %1 result "y" %2'
    expect(ran(simplification, body)).toContain('add')
    expect(ran(simplification, body, true)).not.toContain('add')
  })
})
