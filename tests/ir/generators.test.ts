import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../src/ir/evaluate.ts'
import { rootsOf, topological } from '../../src/ir/graph.ts'
import { verify } from '../../src/ir/verify.ts'
import { sizeOf } from '../../src/ir/types.ts'
import { arbitraryGraph, computed, differentiable, generatorOf, unmatched } from '../generators.ts'

it('every op has a generator, and every generator an op', () => {
  expect(unmatched()).toEqual([])
  expect(() => generatorOf('no-such-op')).toThrow(/no generator/)
})

describe('every op can be drawn, verified and evaluated', () => {
  for (const name of computed()) {
    it(name, () => {
      const seen = { empty: false, scalar: false, view: false }
      fc.assert(fc.property(generatorOf(name, { special: true }), (s) => {
        expect(topological([s.node]).some((n) => n.op === name)).toBe(true)
        verify(s.graph)
        const { results } = evaluate(s.graph, s)
        expect(results.y.length).toBe(sizeOf(s.node.shape))
        seen.empty ||= results.y.length === 0
        seen.scalar ||= results.y.length === 1
        seen.view ||= s.node.operands.some((o) => ['flip', 'permute', 'slice', 'broadcast'].includes(o.op))
      }), { numRuns: 100 })
      expect(seen.scalar).toBe(true)
      if (!['input', 'state', 'constant', 'literal', 'iota', 'randomBits'].includes(name)) expect(seen.view).toBe(true)
    })
  }
})

it('the differentiable ops are those with a rule', () => {
  const names = differentiable()
  expect(names).toContain('contract')
  expect(names).toContain('prod')
  expect(names).not.toContain('lt')
  expect(names).not.toContain('argmax')
})

it('random functions verify, evaluate to finite values and use most ops', () => {
  const used = new Set<string>()
  fc.assert(fc.property(arbitraryGraph(), (p) => {
    verify(p.graph)
    const { results, updates } = evaluate(p.graph, p)
    for (const v of [...Object.values(results), ...Object.values(updates)]) expect((v as Float32Array).every(Number.isFinite)).toBe(true)
    for (const n of topological(rootsOf(p.graph))) used.add(n.op)
  }), { numRuns: 100 })
  expect(used.size).toBeGreaterThan(25)
})
