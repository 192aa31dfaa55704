import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { GradcError } from '../../src/ir/errors.ts'
import type { Graph, Node } from '../../src/ir/graph.ts'
import { parse } from '../../src/ir/parse.ts'
import { verify, violations, type Invariant } from '../../src/ir/verify.ts'

const good = (): Graph =>
  parse(`graph "g" {
    state "w" f32[2, 3] trainable
    %0 = input f32[2, 3] "x"
    %1 = state f32[2, 3] "w"
    %2 = mul f32[2, 3] %0, %1
    %3 = sum f32[2] %2 {axes = [1]}
    %4 = literal f32[2, 3] {value = 0.5}
    %5 = sub f32[2, 3] %1, %4
    result "y" %3
    update "w" %5
  }`)

/** A node as no builder would make it: nodes are frozen, a forgery is a copy. */
const forged = (node: Node, changes: Partial<Node>): Node => ({ ...node, id: node.id + 1000, ...changes })
const withResult = (graph: Graph, node: Node): Graph => ({ ...graph, results: [{ name: 'y', node }] })
const found = (graph: Graph): Invariant[] => [...new Set(violations(graph).map((v) => v.invariant))]

const y = (g: Graph): Node => g.results[0].node
const product = (g: Graph): Node => y(g).operands[0]
const literal = (g: Graph): Node => g.updates[0].node.operands[1]

/** What is broken, and how. Each breaks one invariant and no other. */
const BROKEN: readonly [string, Invariant, (g: Graph) => Graph][] = [
  ['a node of another builder', 'builder', (g) => withResult(g, literal(good()))],
  ['an operand of another builder', 'builder',
    (g) => withResult(g, forged(product(g), { operands: [product(g).operands[0], literal(good())] }))],
  ['a cycle', 'order', (g) => {
    const loop = { ...g.builder.make('neg', [product(g)]) } as { operands: Node[] } & Node
    loop.operands = [loop]
    return withResult(g, loop)
  }],
  ['a node that stands twice', 'identity',
    (g) => withResult(g, g.builder.make('add', [product(g), forged(product(g), { id: 999 })]))],
  ['an id that is taken', 'identity', (g) => withResult(g, forged(y(g), { id: product(g).id }))],
  ['an op that does not exist', 'op', (g) => withResult(g, forged(y(g), { op: 'frobnicate' }))],
  ['an op named like a property of every object', 'op', (g) => withResult(g, forged(y(g), { op: 'constructor' }))],
  ['too few operands', 'arity', (g) => withResult(g, forged(product(g), { operands: [product(g).operands[0]] }))],
  ['too many operands', 'arity', (g) => withResult(g, forged(y(g), { operands: [product(g), product(g)] }))],
  ['an attribute too many', 'attribute', (g) => withResult(g, forged(y(g), { attrs: { axes: [1], keepdims: true } }))],
  ['a missing attribute', 'attribute', (g) => withResult(g, forged(y(g), { attrs: {} }))],
  ['an attribute that is only inherited', 'attribute',
    (g) => withResult(g, forged(y(g), { attrs: Object.create({ axes: [1] }) as Node['attrs'] }))],
  ['an attribute of another kind', 'attribute', (g) => withResult(g, forged(y(g), { attrs: { axes: '1' } }))],
  ['a negative extent', 'extent', (g) => withResult(g, forged(y(g), { shape: [-2] }))],
  ['a fractional extent', 'extent', (g) => withResult(g, forged(y(g), { shape: [2.5] }))],
  ['more bytes than can be counted', 'extent', (g) => withResult(g, forged(y(g), { shape: [2 ** 52] }))],
  ['an unknown element type', 'extent', (g) => withResult(g, forged(y(g), { dtype: 'f24' as 'f32' }))],
  ['a type that inference does not give', 'type', (g) => withResult(g, forged(y(g), { shape: [3] }))],
  ['operands that do not fit', 'type', (g) => withResult(g, forged(product(g), { operands: [product(g).operands[0], y(g)] }))],
  ['a literal that its dtype does not hold', 'literal',
    (g) => withResult(g, forged(literal(g), { attrs: { ...literal(g).attrs, value: 0.1 } }))],
  ['a region on an op without', 'region', (g) => withResult(g, forged(y(g), { regions: [good()] }))],
  ['an input that is not declared', 'input', (g) => ({ ...g, inputs: [] })],
  ['an input that is declared twice', 'input', (g) => ({ ...g, inputs: [...g.inputs, ...g.inputs] })],
  ['an input under another name', 'input', (g) => ({ ...g, inputs: [{ name: 'z', node: g.inputs[0].node }] })],
  ['a declared input that is none', 'input', (g) => ({ ...g, inputs: [...g.inputs, { name: 'z', node: product(g) }] })],
  ['a state declared twice', 'state', (g) => ({ ...g, states: [...g.states, ...g.states] })],
  ['a state declared with another type', 'state', (g) => ({ ...g, states: [{ ...g.states[0], shape: [3, 2] }], updates: [] })],
  ['a state that is not declared', 'state', (g) => ({ ...g, states: [], updates: [] })],
  ['a result that is named twice', 'result', (g) => ({ ...g, results: [...g.results, ...g.results] })],
  ['an update of no state', 'update', (g) => ({ ...g, updates: [{ name: 'v', node: g.updates[0].node }] })],
  ['an update of another type', 'update', (g) => ({ ...g, updates: [{ name: 'w', node: y(g) }] })],
  ['two updates of one state', 'update', (g) => ({ ...g, updates: [...g.updates, ...g.updates] })],
]

describe('verify', () => {
  test('a good graph has no violations', () => {
    expect(violations(good())).toEqual([])
    expect(() => verify(good())).not.toThrow()
  })

  test.each(BROKEN)('%s: %s', (_, invariant, breaking) => {
    const graph = breaking(good())
    expect(found(graph)).toEqual([invariant])
    expect(() => verify(graph)).toThrow(GradcError)
  })

  test('every invariant is broken by some case above', () => {
    const all: Record<Invariant, true> = {
      builder: true, order: true, identity: true, op: true, arity: true, attribute: true, extent: true, type: true, literal: true,
      region: true, input: true, state: true, result: true, update: true,
    }
    expect([...new Set(BROKEN.map(([, invariant]) => invariant))].sort()).toEqual(Object.keys(all).sort())
  })

  test('violations inside a region are told with its name', () => {
    const inner = { ...good(), name: 'body', results: [...good().results, ...good().results] }
    const graph = withResult(good(), good().results[0].node)
    const outer = withResult(graph, forged(graph.results[0].node, { builder: graph.builder, regions: [inner] }))
    expect(violations(outer).some((v) => v.invariant === 'region' && v.problem.includes('in "body": result:'))).toBe(true)
  })

  test('the message names the graph, the invariant and the node', () => {
    const g = good()
    const graph = withResult(g, forged(y(g), { shape: [3] }))
    let error: unknown
    try {
      verify(graph)
    } catch (e) {
      error = e
    }
    expect(error).toBeInstanceOf(GradcError)
    expect((error as GradcError).code).toBe('verify/invalid')
    expect((error as GradcError).message)
      .toMatch(/graph "g" breaks type: sum gives f32\[2\], not f32\[3\]\n {4}%\d+ = sum f32\[3\] %\d+ \{axes = \[1\]\}/)
  })

  test('a chain of 50,000 nodes is verified without overflow', () => {
    const b = new Builder()
    let x: Node = b.input('x', { dtype: 'f32', shape: [] })
    for (let i = 0; i < 50_000; i++) x = b.make('neg', [x])
    expect(violations({ name: 'g', builder: b, inputs: b.inputs, states: [], results: [{ name: 'x', node: x }], updates: [] }))
      .toEqual([])
  })
})
