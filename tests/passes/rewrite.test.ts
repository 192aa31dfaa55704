import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { InternalError } from '../../src/ir/errors.ts'
import { topological, type Graph, type Node } from '../../src/ir/graph.ts'
import { print } from '../../src/ir/print.ts'
import { rewrite, rewriteNodes, type RewriteOptions } from '../../src/passes/rewrite/engine.ts'
import { as, lit, match, orders, p, variable, x, y, type Bindings } from '../../src/passes/rewrite/pattern.ts'
import { checkRules, problemsOf, rule, type Rule } from '../../src/passes/rewrite/rule.ts'
import { algebra } from '../../src/passes/rewrite/rules/algebra.ts'
import { allRules } from '../../src/passes/simplify.ts'

const f32 = (...shape: number[]) => ({ dtype: 'f32' as const, shape })
const make = (op: string, ...operands: Node[]): Node => operands[0].builder.make(op, operands)
const graphOf = (b: Builder, node: Node): Graph =>
  ({ name: 'g', builder: b, inputs: b.inputs, states: b.states, results: [{ name: 'y', node }], updates: [] })
const rewritten = (node: Node, rules: readonly Rule[], options: RewriteOptions = { check: true }): Node =>
  rewriteNodes([node], rules, options).get(node)!

const negNeg = rule('neg-neg', p.neg(p.neg(x)), ({ x }) => x)
const mulOne = rule('mul-one', p.mul(x, lit(1)), ({ x }) => x)

describe('patterns', () => {
  const b = new Builder()
  const [u, v] = [b.input('u', f32(2)), b.input('v', f32(2))]
  const none = new Set<Node>()
  const bind = (pattern: Parameters<typeof match>[0], node: Node): Bindings | null => {
    for (const q of orders(pattern)) {
      const bound: Bindings = {}
      if (match(q, node, bound, none)) return bound
    }
    return null
  }

  test('one name twice is one node', () => {
    expect(bind(p.sub(x, x), make('sub', u, u))).toEqual({ x: u })
    expect(bind(p.sub(x, x), make('sub', u, v))).toBeNull()
  })

  test('a literal matches by value, in any shape and dtype, and −0 is not 0', () => {
    for (const type of [f32(), f32(3, 2), { dtype: 'i32' as const, shape: [1] }]) {
      expect(bind(lit(1), b.literal(1, type))).toEqual({})
      expect(bind(lit(2), b.literal(1, type))).toBeNull()
    }
    expect(bind(lit(0), b.literal(-0, f32()))).toBeNull()
    expect(bind(lit(NaN), b.literal(NaN, f32()))).toEqual({})
    expect(bind(lit('c'), b.literal(5, f32()))).toEqual({ c: b.literal(5, f32()) })
    expect(bind(lit('c'), u)).toBeNull()
  })

  test('commutative ops match in both orders, also nested; others do not', () => {
    const pattern = p.div(p.mul(p.neg(x), y), p.add(p.sin(x), as('e', p.exp(x))))
    const [n, e, s] = [make('neg', u), make('exp', u), make('sin', u)]
    for (const product of [make('mul', n, v), make('mul', v, n)]) {
      for (const sum of [make('add', s, e), make('add', e, s)]) {
        expect(bind(pattern, make('div', product, sum))).toEqual({ x: u, y: v, e })
        expect(bind(pattern, make('div', sum, product))).toBeNull()
      }
    }
    expect(bind(p.sub(x, lit(1)), make('sub', b.literal(1, u), u))).toBeNull()
  })

  test('literals stand last in canonical graphs, so a pattern with one has no second order', () => {
    expect(orders(p.mul(lit(1), x))).toEqual(orders(p.mul(x, lit(1))))
    expect(orders(p.mul(x, lit(1))).length).toBe(1)
    expect(orders(p.add(p.mul(x, y), p.mul(y, lit(2)))).length).toBe(4)
    expect(orders(p.mul(x, x)).length).toBe(1)
    expect(rewritten(make('mul', b.literal(1, u), u), [mulOne])).toBe(u)
  })

  test('the operand order is found by shape of the whole, not by the first operand that fits', () => {
    // x binds to a product in one order only: a matcher without both orders would give up.
    const product = make('mul', make('neg', u), make('neg', v))
    expect(bind(p.mul(p.neg(y), p.neg(x)), product)).toEqual({ x: v, y: u })
    expect(bind(p.add(p.mul(x, y), p.neg(x)), make('add', make('neg', v), make('mul', u, v)))).toEqual({ x: v, y: u })
  })

  test('attributes are compared by value, or by a test', () => {
    const sum = b.make('sum', [b.input('m', f32(2, 3))], { axes: [0, 1] })
    expect(bind(p.sum(x, { axes: [0, 1] }), sum)).not.toBeNull()
    expect(bind(p.sum(x, { axes: [0] }), sum)).toBeNull()
    expect(bind(p.sum(x, { axes: (axes) => (axes as number[]).length === 2 }), sum)).not.toBeNull()
  })
})

describe('rules', () => {
  test('the rules of gradc are well formed', () => {
    expect(problemsOf(allRules)).toEqual([])
  })

  test.each([
    ['a name that is taken', [mulOne, mulOne], 'mul-one: the name is taken'],
    ['an op that does not exist', [rule('r', p.frobnicate(x), ({ x }) => x)], 'r: there is no op frobnicate'],
    ['a left side that is a variable', [rule('r', x, ({ x }) => x)], 'r: the left side must begin with an op'],
    ['too many operands', [rule('r', p.neg(x, y), ({ x }) => x)], 'r: neg takes 1 operands'],
    ['an inner op with too few operands', [rule('r', p.neg(p.add(x)), ({ x }) => x)], 'r: add takes 2 operands'],
    ['a name with blanks', [rule('a rule', p.neg(x), ({ x }) => x)], 'a rule: no name in dashes'],
    ['a variable named root', [rule('r', p.neg(variable('root')), ({ root }) => root)],
      'r: `root` is always the root of the match'],
    ['an inexact rule that keeps bits', [rule('r', p.neg(x), ({ x }) => x, { exact: false, keeps: 'bits' })],
      'r: an inexact rule does not keep bits'],
    ['a condition on what is not bound', [{ ...mulOne, once: ['q'] }], 'mul-one: `q` is not bound'],
  ])('%s', (_, rules, problem) => {
    expect(problemsOf(rules)).toEqual([problem])
    expect(() => checkRules(rules)).toThrow(InternalError)
  })

  test('every variable that a right side reads is bound on the left', () => {
    const unbound = (r: Rule): string[] => {
      const bound = new Set(['root', ...JSON.stringify(r.left).matchAll(/"name":"(\w+)"/g)].map((m) =>
        (typeof m === 'string' ? m : m[1])))
      const read = /^\(?\s*\{([^}]*)\}/.exec(String(r.right))?.[1] ?? ''
      return read.split(',').map((s) => s.split(':')[0].trim()).filter((name) => name && !bound.has(name))
    }
    expect(unbound(rule('r', p.neg(x), ({ q }: Record<string, Node>) => q))).toEqual(['q'])
    expect(allRules.flatMap((r) => unbound(r).map((name) => `${r.name}: ${name}`))).toEqual([])
  })
})

describe('rewrite', () => {
  test('works from the operands up, to the end, and shares what becomes equal', () => {
    const b = new Builder()
    const u = b.input('u', f32(2))
    const one = b.literal(1, u)
    // −(−(u·1)) + (1·u)  →  u + u
    const node = make('add', make('neg', make('neg', make('mul', u, one))), make('mul', one, u))
    expect(rewritten(node, [negNeg, mulOne])).toBe(make('add', u, u))
  })

  test('what a rule makes is rewritten too', () => {
    const b = new Builder()
    const [u, v] = [b.input('u', f32(2)), b.input('v', f32(2))]
    const node = make('mul', make('neg', u), make('neg', make('neg', v)))
    const up = rule('up', p.mul(p.neg(x), y), ({ x, y }) => make('neg', make('mul', x, y)))
    expect(rewritten(make('neg', node), [up, negNeg])).toBe(make('mul', u, v))
  })

  test('a graph on which no rule fires is the same object', () => {
    const b = new Builder()
    const graph = graphOf(b, make('exp', b.input('u', f32(2))))
    expect(rewrite(graph, allRules)).toBe(graph)
  })

  test('operands of commutative ops come in one order: by age, literals last', () => {
    const b = new Builder()
    const [u, v, c] = [b.input('u', f32()), b.input('v', f32()), b.literal(3, f32())]
    expect(rewritten(make('add', v, u), [])).toBe(make('add', u, v))
    expect(rewritten(make('mul', c, v), [])).toBe(make('mul', v, c))
    expect(rewritten(make('sub', v, u), [])).toBe(make('sub', v, u))
    expect(rewritten(make('sub', make('add', u, v), make('add', v, u)), [rule('sub-self', p.sub(x, x), ({ x }) => b.zeros(x))]))
      .toBe(b.zeros(u))
  })

  test('maps every old node, and nodes carry the site of what they replace', () => {
    const b = new Builder()
    const u = b.capture(() => b.input('u', f32(2)))
    const declared = b.capture(() => make('sub', u, make('neg', u)))
    const map = rewriteNodes([declared], algebra, { check: true })
    const added = map.get(declared)!
    expect(added.op).toBe('add')
    expect(added.source).toBe(declared.source)
    expect(added.source!.site()!.file).toContain('rewrite.test.ts')
    expect(topological([declared]).every((n) => map.has(n))).toBe(true)
  })

  test('opaque nodes stay, and no pattern looks into them', () => {
    const b = new Builder()
    const u = b.input('u', f32(2))
    const inner = make('neg', u)
    const outer = make('neg', inner)
    expect(rewritten(outer, [negNeg])).toBe(u)
    expect(rewritten(outer, [negNeg], { opaque: new Set([inner]) })).toBe(outer)
    const deep = make('exp', make('neg', make('neg', u)))
    expect(rewritten(make('neg', make('neg', deep)), [negNeg], { opaque: new Set([deep]) })).toBe(deep)
  })

  test('an opaque literal is no literal to a pattern', () => {
    const b = new Builder()
    const [u, one] = [b.input('u', f32()), b.literal(1, f32())]
    expect(rewritten(make('mul', u, one), [mulOne], { opaque: new Set([one]) }).op).toBe('mul')
  })

  test('a rule may ask that an inner node has no other user', () => {
    const only = rule('only', p.permute(as('c', p.contract(x, y))),
      ({ c, x, y }) => c.builder.make('contract', [x, y], { spec: 'ik,jk->ji' }), { once: ['c'] })
    const b = new Builder()
    const [u, v] = [b.input('u', f32(2, 3)), b.input('v', f32(4, 3))]
    const product = b.make('contract', [u, v], { spec: 'ik,jk->ij' })
    const turned = b.make('permute', [product], { perm: [1, 0] })
    expect(rewritten(turned, [only]).op).toBe('contract')
    const both = rewriteNodes([turned, make('exp', product)], [only])
    expect(both.get(turned)).toBe(turned)
    expect(rewriteNodes([turned, product], [only]).get(turned)).toBe(turned)
  })

  test('rules see what they did, and each firing is told', () => {
    const b = new Builder()
    const told: string[] = []
    const u = b.input('u', f32())
    rewritten(make('neg', make('neg', make('mul', u, b.one(u)))), [negNeg, mulOne],
      { fired: (r, before, after) => told.push(`${r.name} ${before.op} ${after.op}`) })
    expect(told).toEqual(['mul-one mul input', 'neg-neg neg input'])
  })
})

describe('promises of rules', () => {
  const b = new Builder()
  const u = b.input('u', f32(2))
  const bad = (r: Rule): (() => Node) => () => rewritten(make('neg', make('exp', u)), [r])

  test('a rule that changes the type is named', () => {
    expect(bad(rule('shrinks', p.exp(x), () => b.zeros(f32())))).toThrow(/rule shrinks changes the type from f32\[2\] to f32\[\]/)
  })

  test('a rule whose right side fails is named', () => {
    expect(bad(rule('fails', p.exp(x), ({ x }) => make('not', x)))).toThrow(/rule fails failed: dtype\/unsupported/)
  })

  test('a rule that grows what it rewrites is named', () => {
    expect(bad(rule('grows', p.exp(x), ({ x }) => make('exp', make('neg', make('neg', x))))))
      .toThrow(/rule grows does not decrease the measure/)
  })

  test('a variable may stand for a node that the pattern names elsewhere', () => {
    const t = make('tanh', make('neg', u))
    const same = make('sub', make('neg', t), make('neg', t))
    expect(rewritten(same, algebra.filter((r) => r.name === 'sub-neg')).op).toBe('add')
  })

  test('rules that undo each other are named when checked, and end when not', () => {
    const there = rule('there', p.exp(x), ({ x }) => make('sin', x))
    const back = rule('back', p.sin(x), ({ x }) => make('exp', x))
    const node = make('neg', make('exp', u))
    expect(() => rewritten(node, [there, back])).toThrow(InternalError)
    expect(['exp', 'sin']).toContain(rewritten(node, [there, back], {}).operands[0].op)
  })

  test('a rule that grows for ever spends the budget and stops', () => {
    let count = 0
    const grows = rule('grows', p.exp(x), ({ x }) => make('exp', make('abs', make('neg', x))))
    const done = rewritten(make('exp', u), [grows], { fired: () => count++ })
    expect(done.op).toBe('exp')
    expect(count).toBeGreaterThan(100)
    expect(count).toBeLessThan(10_000)
  })
})

describe('large graphs', () => {
  test('a chain of 100,000 nodes: no recursion, work linear in nodes', () => {
    const b = new Builder()
    const u = b.input('u', f32())
    let node = u
    for (let i = 0; i < 50_000; i++) node = make('neg', make('mul', make('exp', node), b.one(u)))
    let fired = 0
    const done = rewritten(node, [negNeg, mulOne], { fired: () => fired++ })
    expect(topological([done]).length).toBe(100_001)
    expect(fired).toBe(50_000)
  })

  test('diamonds 1000 deep are rewritten node by node, not path by path', () => {
    const b = new Builder()
    const u = b.input('u', f32())
    let node = u
    for (let i = 0; i < 1000; i++) node = make('add', make('neg', make('neg', node)), make('mul', node, b.one(u)))
    let fired = 0
    const done = rewritten(node, [negNeg, mulOne], { check: true, fired: () => fired++ })
    expect(topological([done]).length).toBe(1001)
    expect(fired).toBe(2000)
  })

  test('the same graph gives the same text, whatever else its builder holds', () => {
    const text = (noise: number): string => {
      const b = new Builder()
      const [u, v] = [b.input('u', f32(2, 3)), b.input('v', f32(3))]
      for (let i = 0; i < noise; i++) b.literal(i, f32(7))
      const row = b.make('broadcast', [b.make('reshape', [v], { shape: [1, 3] })], { shape: [2, 3] })
      return print(rewrite(graphOf(b, make('log', make('exp', make('add', u, make('neg', row))))), allRules))
    }
    expect(text(5)).toBe(text(0))
  })
})
