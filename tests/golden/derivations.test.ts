// Derivatives as they are written by hand: what they compute, and what graph they become.
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { topological, type Graph, type Named, type Node } from '../../src/ir/graph.ts'
import { add, matmul, mean, mul, sigmoid, sub, sum, transpose } from '../../src/ir/lang/index.ts'
import { print } from '../../src/ir/print.ts'
import { relu, sequential, linear, softmax, softmaxCrossEntropy } from '../../src/nn/index.ts'
import { grad } from '../../src/passes/differentiate/gradient.ts'
import { rewrite } from '../../src/passes/rewrite/engine.ts'
import { allRules, stabiliseNodes } from '../../src/passes/simplify.ts'
import { numbersOf, type Numbers } from '../passes/numbers.ts'

const f64 = (...shape: number[]) => ({ dtype: 'f64', shape }) as const
const stabilise = stabiliseNodes

/** The graph of named values after all exact rewriting rules. */
function simplified(b: Builder, results: Readonly<Record<string, Node>>): Graph {
  const named: Named[] = Object.entries(results).map(([name, node]) => ({ name, node }))
  const exact = allRules.filter((r) => r.exact)
  const graph: Graph = { name: 'gradient', builder: b, inputs: b.inputs, states: b.states, results: named, updates: [] }
  return rewrite(graph, exact, { check: true })
}
const opsOf = (g: Graph): string[] => topological(g.results.map((r) => r.node)).map((n) => n.op).filter((op) => op !== 'literal')
const count = (ops: readonly string[], op: string): number => ops.filter((o) => o === op).length

const list = <T>(n: number, f: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => f(i))
/** Numbers without a pattern, the same in each run. */
const numbers = (n: number, seed: number): number[] => list(n, (i) => Math.sin(seed * 12.9898 + i * 78.233) * 1.5)

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length)
  actual.forEach((x, i) => {
    const y = expected[i]
    expect(Math.abs(x - y), `[${i}]: ${x}, by hand ${y}`).toBeLessThanOrEqual(1e-13 * (1 + Math.abs(y)))
  })
}

describe('softmax cross-entropy', () => {
  const [rows, classes] = [5, 4]
  const build = (): { b: Builder; z: Node; y: Node; loss: Node } => {
    const b = new Builder()
    const z = b.input('z', f64(rows, classes))
    const y = b.input('y', { dtype: 'i32', shape: [rows] })
    return { b, z, y, loss: softmaxCrossEntropy(z, y) }
  }
  const given: Numbers = { z: numbers(rows * classes, 1), y: [3, 0, 2, 2, 1] }

  test('the gradient is (p − y) / n', () => {
    const { z, loss } = build()
    const [g, p] = numbersOf([grad(loss, z, { stabilise }), softmax(z)], given)
    expectClose(g, p.map((x, i) => (x - Number(i % classes === given.y[Math.floor(i / classes)])) / rows))
  })

  test('the gradient needs one exponential and no logarithm', () => {
    const { b, z, loss } = build()
    const g = simplified(b, { g: grad(loss, z, { stabilise }) })
    const ops = opsOf(g)
    expect(count(ops, 'exp')).toBe(1)
    expect(count(ops, 'log')).toBe(0)
    // e^z·(1/n / Σe^z) + select(label, −1/n, 0): one sum for probabilities, one selection for labels.
    const [{ node }] = g.results
    expect(node.op).toBe('add')
    const [labels, probabilities] = [...node.operands].sort((l) => (l.op === 'select' ? -1 : 1))
    expect([labels.op, labels.operands[0].op]).toEqual(['select', 'eq'])
    expect(probabilities.op).toBe('mul')
    expect(probabilities.operands.map((x) => x.op).sort()).toEqual(['broadcast', 'exp'])
    expect([count(ops, 'sum'), count(ops, 'reduceMax'), count(ops, 'select'), count(ops, 'add')]).toEqual([1, 1, 1, 1])
  })

  test('loss and gradient share the exponential', () => {
    const { b, z, loss } = build()
    expect(count(opsOf(simplified(b, { loss, g: grad(loss, z) })), 'exp')).toBe(1)
  })

  test('a loss written as −log softmax has the same gradient, also where softmax underflows', () => {
    const b = new Builder()
    const z = b.input('z', f64(2))
    const onehot = b.input('y', f64(2))
    const loss = mul(sum(mul(onehot, b.make('log', [softmax(z)]))), -1)
    const [g] = numbersOf([grad(loss, z, { stabilise })], { z: [0, 2000], y: [1, 0] })
    expect(g).toEqual([-1, 1])
  })
})

describe('sigmoid', () => {
  test('σ′ = σ·(1 − σ), with σ computed once', () => {
    const b = new Builder()
    const x = b.input('x', f64())
    const g = simplified(b, { g: grad(sigmoid(x), x) })
    expect(print(g)).toMatchInlineSnapshot(`
      "graph "gradient" {
        %0 = input f64[] "x"
        %1 = sigmoid f64[] %0
        %2 = literal f64[] {value = 1}
        %3 = sub f64[] %2, %1
        %4 = mul f64[] %1, %3
        result "g" %4
      }
      "
    `)
  })

  test('binary cross-entropy: the gradient is σ(x) − y, also where σ is 0 or 1', () => {
    const b = new Builder()
    const [x, y] = [b.input('x', f64(5)), b.input('y', f64(5))]
    const p = sigmoid(x)
    const log = (v: Node): Node => b.make('log', [v])
    const loss = mul(sum(add(mul(y, log(p)), mul(sub(1, y), log(sub(1, p))))), -1)
    const xs = [-800, -1, 0, 2, 800]
    const ys = [1, 0, 1, 0.25, 0]
    const [g] = numbersOf([grad(loss, x, { stabilise })], { x: xs, y: ys })
    expectClose(g, xs.map((v, i) => 1 / (1 + Math.exp(-v)) - ys[i]))
  })
})

describe('two-layer perceptron', () => {
  const [n, inputs, hidden, classes] = [6, 5, 4, 3]
  const given: Numbers = {
    x: numbers(n * inputs, 2), y: [0, 2, 1, 1, 0, 2],
    '0.weight': numbers(hidden * inputs, 3), '0.bias': numbers(hidden, 4),
    '2.weight': numbers(classes * hidden, 5), '2.bias': numbers(classes, 6),
  }

  test('dW1, db1, dW2, db2 are the written formulas', () => {
    const b = new Builder()
    const x = b.input('x', f64(n, inputs))
    const y = b.input('y', { dtype: 'i32', shape: [n] })
    const net = sequential(linear(inputs, hidden, { dtype: 'f64' }), relu, linear(hidden, classes, { dtype: 'f64' }))
    const loss = softmaxCrossEntropy(net(x), y)
    const parameters = net.parameters.map((p) => p.of(x))
    const gradients = numbersOf(grad(loss, parameters, { stabilise }), given)

    // Plain loops: z1 = x·W1ᵀ + b1, h = relu(z1), z2 = h·W2ᵀ + b2, p = softmax(z2).
    const at = (name: string, columns: number, i: number, j: number): number => given[name][i * columns + j]
    const table = (r: number, c: number, f: (i: number, j: number) => number): number[][] =>
      list(r, (i) => list(c, (j) => f(i, j)))
    const total = (m: number, f: (k: number) => number): number => list(m, f).reduce((s, v) => s + v, 0)
    const xW = table(n, hidden, (i, j) => total(inputs, (k) => at('x', inputs, i, k) * at('0.weight', inputs, j, k)))
    const z1 = xW.map((row) => row.map((v, j) => v + given['0.bias'][j]))
    const h = z1.map((row) => row.map((v) => Math.max(v, 0)))
    const z2 = table(n, classes, (i, j) => total(hidden, (k) => h[i][k] * at('2.weight', hidden, j, k)) + given['2.bias'][j])
    const p = z2.map((row) => row.map((v) => Math.exp(v) / total(classes, (k) => Math.exp(row[k]))))
    // dz2 = (p − y) / n, dW2 = dz2ᵀ·h, db2 = Σ dz2, dz1 = (dz2·W2) ∘ [z1 > 0], dW1 = dz1ᵀ·x, db1 = Σ dz1.
    const dz2 = p.map((row, i) => row.map((v, j) => (v - Number(given.y[i] === j)) / n))
    const dW2 = table(classes, hidden, (j, k) => total(n, (i) => dz2[i][j] * h[i][k]))
    const db2 = list(classes, (j) => total(n, (i) => dz2[i][j]))
    const dz1 = table(n, hidden, (i, k) => (z1[i][k] > 0 ? total(classes, (j) => dz2[i][j] * at('2.weight', hidden, j, k)) : 0))
    const dW1 = table(hidden, inputs, (k, l) => total(n, (i) => dz1[i][k] * at('x', inputs, i, l)))
    const db1 = list(hidden, (k) => total(n, (i) => dz1[i][k]))
    expect(z1.flat().some((v) => v > 0) && z1.flat().some((v) => v < 0)).toBe(true)
    ;[dW1.flat(), db1, dW2.flat(), db2].forEach((expected, i) => expectClose(gradients[i], expected))
  })

  test('the backward pass is three contractions, without a gradient by x', () => {
    const b = new Builder()
    const x = b.input('x', f64(n, inputs))
    const y = b.input('y', { dtype: 'i32', shape: [n] })
    const net = sequential(linear(inputs, hidden, { dtype: 'f64' }), relu, linear(hidden, classes, { dtype: 'f64' }))
    const loss = softmaxCrossEntropy(net(x), y)
    const gradients = grad(loss, net.parameters.map((p) => p.of(x)), { stabilise })
    const ops = opsOf(simplified(b, { loss, ...Object.fromEntries(gradients.map((g, i) => [`g${i}`, g])) }))
    // Two forward, and dW2, dh, dW1 backward.
    expect(count(ops, 'contract')).toBe(5)
    expect(ops).not.toContain('permute')
  })

  test('linear regression: dW = 2/n·(xW − y)ᵀ·x', () => {
    const b = new Builder()
    const [x, w, y] = [b.input('x', f64(n, inputs)), b.input('w', f64(inputs, 1)), b.input('y', f64(n, 1))]
    const residual = sub(matmul(x, w), y)
    const byHand = mul(matmul(transpose(x), residual), 2 / n)
    const [g, expected] = numbersOf([grad(mean(mul(residual, residual)), w), byHand], {
      x: numbers(n * inputs, 7), w: numbers(inputs, 8), y: numbers(n, 9),
    })
    expectClose(g, expected)
  })
})
