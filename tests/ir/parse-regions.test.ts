// Regions in text, in verification and in rewriting, held with ops that are nothing but a body, or two.
import { describe, expect, test, vi } from 'vitest'
import type { Graph } from '../../src/ir/graph.ts'
import type { OpDef } from '../../src/ir/op.ts'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { violations } from '../../src/ir/verify.ts'

vi.mock('../../src/ir/ops/index.ts', async (original) => {
  const real = await original<typeof import('../../src/ir/ops/index.ts')>()
  const call: OpDef = {
    name: 'call',
    arity: 1,
    attrs: [],
    regions: 1,
    infer: (_, __, regions) => regions[0].results[0].node,
    lowering: { kind: 'region' },
  }
  const own = new Map([call, { ...call, name: 'callTwo', regions: 2 }].map((def) => [def.name, def]))
  return {
    ops: () => [...real.ops(), ...own.values()],
    isOp: (name: string) => own.has(name) || real.isOp(name),
    opNamed: (name: string) => own.get(name) ?? real.opNamed(name),
  }
})

const TEXT = `graph "outer" {
  %0 = input f32[3] "x"
  %1 = callTwo f32[3] %0 graph "body" {
    state "w" f32[3]
    %0 = input f32[3] "x"
    %1 = neg f32[3] %0
    %2 = call f32[3] %1 graph "inner" {
      %0 = input f32[3] "x"
      %1 = neg f32[3] %0
      %2 = neg f32[3] %1
      result "y" %2
    }
    result "y" %2
  } graph "other" {
  }
  %2 = exp f32[3] %1
  result "y" %2
}
`

describe('regions', () => {
  test('are printed nested and read back', () => {
    const graph = parse(TEXT)
    expect(print(graph)).toBe(TEXT)
    expect(violations(graph)).toEqual([])
    const [body, other] = graph.results[0].node.operands[0].regions
    expect([body.name, other.name, body.builder === graph.builder]).toEqual(['body', 'other', false])
  })

  test('do not see the nodes around them', () => {
    expect(() => parse('graph "g" { %0 = input f32[] "x" %1 = call f32[] %0 graph "b" { result "y" %0 } }'))
      .toThrow(/%0 is used before it is defined/)
  })

  test('cannot be nested without end', () => {
    const body = (n: number): string => (n ? `%1 = call f32[] %0 ${deep(n - 1)} result "y" %1` : 'result "y" %0')
    const deep = (n: number): string => `graph "g" { %0 = input f32[] "x" ${body(n)} }`
    expect(print(parse(deep(10)))).toContain('call')
    expect(() => parse(deep(1000))).toThrow(/regions are nested too deep/)
  })

  test('are verified with the graph', () => {
    const graph = parse(TEXT)
    const call = graph.results[0].node.operands[0]
    const broken = { ...call.regions[0], inputs: [] }
    const forged = { ...call, id: 1000, regions: [broken, call.regions[1]] }
    const outer: Graph = { ...graph, results: [{ name: 'y', node: forged }] }
    expect(violations(outer).map((v) => [v.invariant, v.problem]))
      .toEqual([['region', 'in "body": input: an input is not declared by the graph']])
  })

  test('are rewritten from the inside', async () => {
    const { rewrite } = await import('../../src/passes/rewrite/engine.ts')
    const { algebra } = await import('../../src/passes/rewrite/rules/algebra.ts')
    const text = print(rewrite(parse(TEXT), algebra, { check: true }))
    expect(text).not.toContain('%2 = neg')
    expect(text).toContain('result "y" %0\n    }')
    const plain = parse(TEXT.replaceAll('neg', 'exp'))
    expect(rewrite(plain, algebra)).toBe(plain)
  })
})
