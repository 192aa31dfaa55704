import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { evaluateNodes } from '../../src/ir/evaluate.ts'
import type { Graph, Node } from '../../src/ir/graph.ts'
import { add, div, exp, log, max, mul, neg, sigmoid, stopGradient, sub, sum } from '../../src/ir/lang/index.ts'
import { topological } from '../../src/ir/graph.ts'
import { print } from '../../src/ir/print.ts'
import { grad } from '../../src/passes/differentiate/gradient.ts'
import { runPasses } from '../../src/passes/runner.ts'
import { simplification, stabiliseNodes } from '../../src/passes/simplify.ts'

type Formula = (x: Node) => Node

/** Values at these points, in doubles: of the formula before differentiation, after it, and after all passes. */
function forms(formula: Formula, at: readonly number[]): { name: string; values: number[] }[] {
  const b = new Builder()
  const x = b.input('x', { dtype: 'f64', shape: [at.length] })
  const y = formula(x)
  const stable = stabiliseNodes([y], new Set([x]), true).get(y)!
  const graph: Graph = { name: 'g', builder: b, inputs: b.inputs, states: [], results: [{ name: 'y', node: stable }],
    updates: [] }
  const final = runPasses(graph, simplification, { verify: true }).results[0].node
  const values = evaluateNodes([stable, final], { inputs: { x: at } })
  return [{ name: 'stable', values: [...values.get(stable)!] }, { name: 'final', values: [...values.get(final)!] }]
}

/** Derivatives of Σ formula at these points after all passes. */
function slopes(formula: Formula, at: readonly number[]): number[] {
  const b = new Builder()
  const x = b.input('x', { dtype: 'f64', shape: [at.length] })
  const node = grad(sum(formula(x)), x, { stabilise: (roots, opaque) => stabiliseNodes(roots, opaque, true) })
  const graph: Graph = { name: 'g', builder: b, inputs: b.inputs, states: [], results: [{ name: 'g', node }], updates: [] }
  const final = runPasses(graph, simplification, { verify: true }).results[0].node
  return [...evaluateNodes([final], { inputs: { x: at } }).get(final)!]
}

function near(actual: readonly number[], expected: readonly number[]): void {
  actual.forEach((v, i) => {
    const e = expected[i]
    if (!Number.isFinite(e)) return expect(v).toBe(e)
    expect(Math.abs(v - e), `[${i}] ${v} instead of ${e}`).toBeLessThanOrEqual(5e-16 * Math.abs(e))
  })
}

const EXTREMES = [-Infinity, -1000, -745, -40, -20, -1, -1e-10, 0, 1e-10, 1, 20, 40, 710, 1000, Infinity]
const softplus = (v: number): number => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))
const sigma = (v: number): number => (v < 0 ? Math.exp(v) / (1 + Math.exp(v)) : 1 / (1 + Math.exp(-v)))

const ELEMENTWISE: readonly [string, Formula, (v: number) => number, (v: number) => number][] = [
  ['log σ(x)', (x) => log(sigmoid(x)), (v) => -softplus(-v), (v) => sigma(-v)],
  ['log(1 − σ(x))', (x) => log(sub(1, sigmoid(x))), (v) => -softplus(v), (v) => -sigma(v)],
  ['log(1 + e^x)', (x) => log(add(1, exp(x))), softplus, sigma],
  ['log(e^x + 1)', (x) => log(add(exp(x), 1)), softplus, sigma],
  ['log(1 / (1 + e^−x))', (x) => log(div(1, add(1, exp(neg(x))))), (v) => -softplus(-v), (v) => sigma(-v)],
  ['log(e^x)', (x) => log(exp(x)), (v) => v, () => 1],
  ['e^x − 1', (x) => sub(exp(x), 1), Math.expm1, (v) => Math.exp(v)],
]

describe('formulas as in textbooks are computed as in libraries', () => {
  test.each(ELEMENTWISE)('%s at extreme points, before and after differentiation', (_, formula, expected) => {
    for (const { name, values } of forms(formula, EXTREMES)) {
      values.forEach((v, i) => {
        const e = expected(EXTREMES[i])
        const ok = Object.is(v, e) || v === e || Math.abs(v - e) <= 4e-16 * Math.abs(e) + 1e-16
        expect(ok, `${name} at ${EXTREMES[i]}: ${v} instead of ${e}`).toBe(true)
      })
    }
  })

  test.each(ELEMENTWISE)('the derivative of %s is finite and right at finite extremes', (_, formula, __, slope) => {
    const at = EXTREMES.filter((v) => Number.isFinite(v) && Math.abs(v) < 700)
    slopes(formula, at).forEach((v, i) => {
      const e = slope(at[i])
      expect(Math.abs(v - e), `at ${at[i]}: ${v} instead of ${e}`).toBeLessThanOrEqual(1e-15 * Math.max(1, Math.abs(e)))
    })
  })

  test('tiny values keep their digits: log(1 + x), log(1 − x) and e^x − 1 near 0', () => {
    const tiny = [1e-20, -1e-20, 1e-300, 3e-12]
    for (const { values } of forms((x) => log(add(x, 1)), tiny)) near(values, tiny.map(Math.log1p))
    for (const { values } of forms((x) => log(sub(1, x)), tiny)) near(values, tiny.map((v) => Math.log1p(-v)))
    for (const { values } of forms((x) => sub(exp(x), 1), tiny)) near(values, tiny.map(Math.expm1))
  })

  test('second derivatives of softplus are σ(1 − σ), also far out', () => {
    const b = new Builder()
    const at = [-600, -30, 0, 2, 30, 600]
    const x = b.input('x', { dtype: 'f64', shape: [at.length] })
    const first = grad(sum(log(add(1, exp(x)))), x, { stabilise: stabiliseNodes })
    const second = grad(sum(first), x)
    const values = evaluateNodes([second], { inputs: { x: at } }).get(second)!
    values.forEach((v, i) => expect(Math.abs(v - sigma(at[i]) * sigma(-at[i]))).toBeLessThanOrEqual(1e-15))
  })
})

describe('sums of exponentials', () => {
  const rows = [[1, 2, 3], [1000, 1001, 999], [-1000, -1001, -2000], [-Infinity, 0, 1], [-Infinity, -Infinity, -Infinity],
    [Infinity, 0, 1]]
  const build = (formula: Formula): { stable: Float64Array; gradient: Float64Array; x: Node } => {
    const b = new Builder()
    const x = b.input('x', { dtype: 'f64', shape: [rows.length, 3] })
    const y = formula(x)
    const node = stabiliseNodes([y], new Set([x]), true).get(y)!
    const g = grad(sum(formula(x)), x, { stabilise: stabiliseNodes })
    const values = evaluateNodes([node, g], { inputs: { x: rows.flat() } })
    return { stable: values.get(node) as Float64Array, gradient: values.get(g) as Float64Array, x }
  }
  const lse = (r: readonly number[]): number => {
    const m = Math.max(...r)
    return Number.isFinite(m) ? m + Math.log(r.reduce((s, v) => s + Math.exp(v - m), 0)) : m
  }

  test.each<[string, Formula]>([
    ['log Σ e^x', (x) => log(sum(exp(x), { axis: -1 }))],
    ['log Σ e^x with the axis kept', (x) => log(sum(exp(x), { axis: -1, keepdims: true }))],
  ])('%s does not overflow, and is right for infinite rows', (_, formula) => {
    const { stable, gradient } = build(formula)
    rows.forEach((r, i) => {
      const e = lse(r)
      expect(stable[i] === e || Math.abs(stable[i] - e) <= 1e-15 * Math.abs(e), `${stable[i]} instead of ${e}`).toBe(true)
      if (r.some((v) => !Number.isFinite(v))) return
      r.forEach((v, j) => expect(Math.abs(gradient[3 * i + j] - Math.exp(v - e))).toBeLessThanOrEqual(1e-12))
    })
  })

  test.each<[string, Formula]>([
    ['a plain softmax', (x) => div(exp(x), sum(exp(x), { axis: -1, keepdims: true }))],
    ['a softmax that was shifted by hand', (x) => {
      const e = exp(sub(x, stopGradient(max(x, { axis: -1, keepdims: true }))))
      return div(e, sum(e, { axis: -1, keepdims: true }))
    }],
  ])('%s is finite, and so is its logarithm', (_, formula) => {
    const p = build(formula).stable
    const l = build((x) => log(formula(x))).stable
    rows.slice(0, 3).forEach((r, i) => r.forEach((v, j) => {
      const m = Math.max(...r)
      const share = Math.exp(v - m) / r.reduce((s, w) => s + Math.exp(w - m), 0)
      expect(Math.abs(p[3 * i + j] - share)).toBeLessThanOrEqual(1e-15)
      expect(Math.abs(l[3 * i + j] - (v - lse(r)))).toBeLessThanOrEqual(1e-12)
    }))
  })

  test('what is stable already is left alone', () => {
    const b = new Builder()
    const x = b.input('x', { dtype: 'f64', shape: [4, 3] })
    const m = stopGradient(max(x, { axis: -1, keepdims: true }))
    const y = log(sum(exp(sub(x, m)), { axis: -1 }))
    expect(stabiliseNodes([y]).get(y)).toBe(y)
  })
})

type Loss = (y: Node, log1: Node, log0: Node) => Node

describe('binary cross-entropy by σ', () => {
  const sumOfBoth: Loss = (y, log1, log0) => neg(sum(add(mul(y, log1), mul(sub(1, y), log0))))
  const sumOfLosses: Loss = (y, log1, log0) => sum(sub(mul(neg(y), log1), mul(sub(1, y), log0)))
  const build = (written: Loss): { final: Graph } => {
    const b = new Builder()
    const [x, y] = [b.input('x', { dtype: 'f64', shape: [5] }), b.input('y', { dtype: 'f64', shape: [5] })]
    const p = sigmoid(x)
    const loss = written(y, log(p), log(sub(1, p)))
    const results = [{ name: 'loss', node: stabiliseNodes([loss]).get(loss)! },
      { name: 'g', node: grad(loss, x, { stabilise: stabiliseNodes }) }]
    const graph: Graph = { name: 'bce', builder: b, inputs: b.inputs, states: [], results, updates: [] }
    return { final: runPasses(graph, simplification, { verify: true }) }
  }

  test.each([
    ['−Σ(y·log p + (1 − y)·log(1 − p))', sumOfBoth],
    ['Σ(−y·log p − (1 − y)·log(1 − p))', sumOfLosses],
  ])('%s has the gradient p − y, to the letter', (_, written) => {
    const { final } = build(written)
    const only = { ...final, results: final.results.filter((r) => r.name === 'g') }
    expect(print(only)).toBe(`graph "bce" {
  %0 = input f64[5] "x"
  %1 = input f64[5] "y"
  %2 = sigmoid f64[5] %0
  %3 = sub f64[5] %2, %1
  result "g" %3
}
`)
  })

  test('the loss is that of PyTorch’s binary_cross_entropy_with_logits, also where σ is 0 or 1', () => {
    const { final } = build(sumOfBoth)
    const inputs = { x: [-800, 800, 30, 0, -3], y: [0, 1, 0, 0.5, 0.25] }
    const loss = evaluateNodes([final.results[0].node], { inputs }).get(final.results[0].node)![0]
    const expected = inputs.x.reduce((s, v, i) => s + (Math.max(v, 0) - v * inputs.y[i] + Math.log1p(Math.exp(-Math.abs(v)))), 0)
    expect(Math.abs(loss - expected)).toBeLessThanOrEqual(1e-14 * expected)
    const ops = topological([final.results[0].node]).map((n) => n.op)
    expect(ops.filter((op) => ['exp', 'log', 'log1p', 'expm1', 'sigmoid'].includes(op)).sort()).toEqual(['exp', 'log1p'])
  })
})
