import { describe, expect, it } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { evaluateNodes, firstNonFinite } from '../../src/ir/evaluate.ts'
import type { Graph, Node } from '../../src/ir/graph.ts'
import * as g from '../../src/ir/lang/index.ts'

/** A graph whose one result is made of the f32[2] input x, and where it first stops being finite at x. */
function provenance(make: (x: Node<'f32'>) => Node, values: readonly [number, number]): string | null {
  const b = new Builder()
  const x = b.input('x', { dtype: 'f32', shape: [2] }) as Node<'f32'>
  const results = [{ name: 'y', node: make(x) }]
  const graph: Graph = { name: 'f', builder: b, inputs: b.inputs, states: [], results, updates: [] }
  return firstNonFinite(graph, { x: Float32Array.from(values) }, {})
}
/** exp(m − max m) over the positive elements; the others are masked out by −∞. */
const masked = (x: Node<'f32'>): Node => {
  const m = g.where(g.greater(x, 0), x, -Infinity)
  return g.exp(g.sub(m, g.max(m, { keepdims: true })))
}

describe('the first value that is not finite', () => {
  it('is none where all are finite', () => expect(provenance((x) => g.log(x), [1, 2])).toBeNull())
  it('is the op that made it, with the element and what it came from', () => {
    const said = provenance((x) => g.add(g.exp(g.log(x)), 1), [1, -1])
    expect(said).toMatch(/^NaN first in log f32\[2\].*, element 1\n {2}from input f32\[2\] "x"/)
    expect(provenance((x) => g.sqrt(g.div(1, x)), [0, 1])).toMatch(/^Infinity first in div f32\[2\].*, element 0/)
  })
  it('is the input that was so already', () => {
    expect(provenance((x) => g.exp(x), [NaN, 1])).toMatch(/^NaN first in input f32\[2\] "x"/)
    expect(provenance((x) => g.exp(x), [1, -Infinity])).toMatch(/^-Infinity first in input f32\[2\] "x".*, element 1/)
  })
  it('is no infinity that was written down on purpose', () => expect(provenance(masked, [1, -1])).toBeNull())
  it('is the first NaN that such an infinity leads to', () => {
    expect(provenance(masked, [-1, -1])).toMatch(/^NaN first in sub f32\[2\]/)
  })
  it('is such an infinity if it is what is returned', () => {
    expect(provenance((x) => g.where(g.greater(x, 0), x, -Infinity), [1, -1])).toMatch(/^-Infinity first in literal f32\[2\]/)
  })
  it('is a NaN that was written down', () => expect(provenance((x) => g.mul(x, NaN), [1, 2])).toMatch(/^NaN first in literal/))
})

describe('storage floats', () => {
  it('are read as numbers, not as integers', () => {
    const b = new Builder()
    const x = b.constant(Float32Array.of(1.5, 0.1), { dtype: 'f32', shape: [2] })
    const y = g.cast(g.cast(x, 'bf16'), 'f32')
    expect([...evaluateNodes([y], {}).get(y)!]).toEqual([1.5, 0.10009765625])
  })
})

it('a running sum starts from zero, as kernels do, so that −0 becomes 0', () => {
  const b = new Builder()
  const y = g.cumsum(b.constant(Float32Array.of(-0, -0), { dtype: 'f32', shape: [2] }), { axis: 0 })
  expect([...evaluateNodes([y], {}).get(y)!]).toEqual([0, 0])
})
