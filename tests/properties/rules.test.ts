import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluateNodes } from '../../src/ir/evaluate.ts'
import type { Node } from '../../src/ir/graph.ts'
import { add, log, mul, neg, sigmoid, sub } from '../../src/ir/lang/index.ts'
import { showAround } from '../../src/ir/print.ts'
import { rewriteNodes } from '../../src/passes/rewrite/engine.ts'
import { lit, p, x, y } from '../../src/passes/rewrite/pattern.ts'
import { rule, type Rule } from '../../src/passes/rewrite/rule.ts'
import { stability } from '../../src/passes/rewrite/rules/stability.ts'
import { allRules } from '../../src/passes/simplify.ts'
import { close, Instances, randomFrom, Reject } from '../passes/instances.ts'

const TRIES = 400

/** Left sides that random choices would not meet: what other rules make of a formula. */
const EXAMPLES: { readonly [rule: string]: (instances: Instances) => Node } = {
  'concat-3-1': (instances) => concatOf(instances, 3, 1),
  'concat-1-3': (instances) => concatOf(instances, 1, 3),
  'add-pads-2': (instances) => padsOf(instances, 2),
  'add-pads-3': (instances) => padsOf(instances, 3),
  'add-pads-4': (instances) => padsOf(instances, 4),
  'cross-entropy': (instances) => crossEntropyOf(instances, (y, log1, log0) => add(mul(y, log1), mul(sub(1, y), log0))),
  'cross-entropy-loss': (instances) => crossEntropyOf(instances, (y, log1, log0) => sub(mul(neg(y), log1), mul(sub(1, y), log0))),
}

function concatOf(instances: Instances, ...counts: number[]): Node {
  const dtype = instances.pick(['f32', 'i32', 'bool'] as const)
  const parts = (count: number): Node => {
    const each = Array.from({ length: count }, () => instances.input({ dtype, shape: [2, instances.int(4)] }))
    return count === 1 ? each[0] : each[0].builder.make('concat', each, { axis: 1 })
  }
  const sides = counts.map(parts)
  return sides[0].builder.make('concat', sides, { axis: 1 })
}

/** The adjoints of neighbouring slices of one axis, in any order, perhaps not of the whole. */
function padsOf(instances: Instances, count: number): Node {
  const dtype = instances.pick(['f32', 'f64', 'i32'] as const)
  const [axis, other] = [instances.int(2), 1 + instances.int(3)]
  const sizes = Array.from({ length: count }, () => instances.int(4))
  const [low, high] = [instances.int(2), instances.int(2)]
  const whole = sizes.reduce((n, d) => n + d, 0)
  const along = (n: number, rest: number): number[] => (axis === 0 ? [n, rest] : [rest, n])
  const pads = sizes.map((size, i) => {
    const before = low + sizes.slice(0, i).reduce((n, d) => n + d, 0)
    const x = instances.input({ dtype, shape: along(size, other) })
    const after = high + whole + low - before - size
    return x.builder.make('pad', [x], { low: along(before, 0), high: along(after, 0), interior: [0, 0], value: 0 })
  })
  for (let i = pads.length - 1; i > 0; i--) {
    const j = instances.int(i + 1)
    ;[pads[i], pads[j]] = [pads[j], pads[i]]
  }
  return pads.reduce((x, y) => add(x, y))
}

function crossEntropyOf(instances: Instances, formula: (y: Node, log1: Node, log0: Node) => Node): Node {
  const type = { dtype: instances.pick(['f32', 'f64'] as const), shape: instances.shape() }
  const [x, y] = [instances.input(type), instances.input(type)]
  const p = sigmoid(x)
  const node = formula(y, log(p), log(sub(1, p)))
  return rewriteNodes([node], stability.filter((r) => !r.name.startsWith('cross-entropy'))).get(node)!
}

interface Found {
  readonly instances: Instances
  readonly left: Node
  readonly right: Node
}

/** An instance of the rule's left side on which it fires, and what it makes of it. The measure is checked on the way. */
function firing(rule: Rule, seed: number): Found | null {
  const random = randomFrom(seed)
  for (let i = 0; i < TRIES; i++) {
    const instances = new Instances(random, rule.keeps === 'bits')
    try {
      const left = EXAMPLES[rule.name]?.(instances) ?? instances.root(rule.left)
      let count = 0
      const right = rewriteNodes([left], [rule], { check: true, fired: () => count++ }).get(left)!
      if (count) return { instances, left, right }
    } catch (error) {
      if (!(error instanceof Reject)) throw error
    }
  }
  return null
}

/** Compares both sides of a rule on random instances; throws at the first that differ. Says how much was compared. */
function compare(rule: Rule, numRuns = 15): { fired: number; compared: number } {
  const count = { fired: 0, compared: 0 }
  fc.assert(
    fc.property(fc.noShrink(fc.integer()), (seed) => {
      const found = firing(rule, seed)
      if (!found) return
      count.fired++
      const { instances, left, right } = found
      for (let i = 0; i < 3; i++) {
        const inputs = instances.values()
        const values = evaluateNodes([left, right], { inputs }, { precision: rule.keeps === 'bits' ? 'declared' : 'f64' })
        const [a, b] = [values.get(left)!, values.get(right)!]
        a.forEach((v, j) => {
          // Over the reals nothing is said about what overflows or is undefined on the left.
          if (rule.keeps === 'values' && !Number.isFinite(v)) return
          count.compared++
          const same = rule.keeps === 'bits' ? Object.is(v, b[j]) : close(v, b[j], left.dtype)
          const sides = `${showAround(left)}\n→\n${showAround(right, 6)}`
          if (!same) throw new Error(`${rule.name}: element ${j}: ${v} became ${b[j]}\n${JSON.stringify(inputs)}\n${sides}`)
        })
      }
    }),
    { numRuns },
  )
  return count
}

describe('each rule alone, on random instances of its own left side', () => {
  test.each(allRules.map((rule) => [rule.name, rule] as const))('%s', (_, rule) => {
    const { fired, compared } = compare(rule)
    expect(fired, 'the left side never matched').toBeGreaterThan(0)
    expect(compared, 'there was no finite value to compare').toBeGreaterThan(0)
  })
})

describe('this comparison finds wrong rules', () => {
  const make = (op: string, ...operands: Node[]): Node => operands[0].builder.make(op, operands)
  const zero = (like: Node): Node => like.builder.zeros(like)
  test.each([
    rule('add-zero', p.add(x, lit(0)), ({ x }) => x), // −0 + 0 = +0
    rule('mul-zero', p.mul(x, lit(0)), ({ root }) => zero(root)), // ∞ · 0 = NaN
    rule('sub-self', p.sub(x, x), ({ root }) => zero(root)), // NaN − NaN = NaN
    rule('neg-sub', p.neg(p.sub(x, y)), ({ x, y }) => make('sub', y, x)), // −(x − x) = −0
    rule('not-lt', p.not(p.lt(x, y)), ({ x, y }) => make('ge', x, y)), // NaN
    rule('abs-neg', p.abs(p.neg(x)), ({ x }) => make('abs', x)), // −x wraps for u32
    rule('mul-div', p.div(p.mul(x, y), y), ({ x }) => x), // rounds twice
    rule('sub-swapped', p.sub(p.neg(x), y), ({ x, y }) => make('neg', make('sub', x, y)), { keeps: 'values' }),
    rule('log-of-product', p.log(p.mul(x, y)), ({ x }) => make('log', x), { keeps: 'values' }),
  ])('$name', (wrong) => {
    let found: unknown
    try {
      compare(wrong, 500)
    } catch (error) {
      found = (error as Error).cause
    }
    expect(String(found)).toMatch(new RegExp(`${wrong.name}: element \\d+: \\S+ became`))
  })
})
