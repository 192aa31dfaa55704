// Gauss-Newton products in doubles, against explicit matrices.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  add, ggnvp, grad, hvp, jacobian, matmul, mean, mul, scan, sin, softmaxCrossEntropy, square, sub, sum, tanh, type Tensor,
} from '../../src/index.ts'
import type { Node } from '../../src/ir/graph.ts'
import { sizeOf } from '../../src/ir/types.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'
import { differences, draw, expectClose, given, network, shapesOf, sizes } from './differences.ts'

const RUNS = { numRuns: 25 }

describe('Gauss-Newton products', () => {
  test('are Jᵀ·H·J·v by explicit matrices', () => {
    fc.assert(fc.property(sizes, (s) => {
      const { x, at, b } = given(shapesOf(s), s.seed)
      const z = network(x)
      // Convex in z, with a Hessian that is not diagonal.
      const loss = add(sum(square(square(z))), square(sum(z)))
      const wrt = [x.a, x.b]
      const vectors = wrt.map((w, i) => b.input(`v${i}`, w))
      const known = { ...at, v0: draw(sizeOf(x.a.shape), 11), v1: draw(sizeOf(x.b.shape), 12) }
      const products = numbersOf(ggnvp([z], loss, wrt, vectors) as Node[], known)
      const values = numbersOf([z], known)[0]
      const [ja, jb] = numbersOf(jacobian(z, wrt), known)
      const row = (j: number[], i: number, v: number[]): number => v.reduce((t, e, k) => t + j[i * v.length + k] * e, 0)
      const jv = values.map((_, i) => row(ja, i, known.v0) + row(jb, i, known.v1))
      // H is 12·diag(z²) + 2·1·1ᵀ.
      const hjv = values.map((v, i) => 12 * v * v * jv[i] + 2 * jv.reduce((t, e) => t + e, 0))
      const back = (j: number[], n: number): number[] =>
        Array.from({ length: n }, (_, k) => hjv.reduce((t, e, i) => t + j[i * n + k] * e, 0))
      expectClose(products[0], back(ja, known.v0.length))
      expectClose(products[1], back(jb, known.v1.length))
    }), RUNS)
  })

  test('of softmax and cross-entropy: Σ over rows of Jᵀ·(diag p − p·pᵀ)·J / rows', () => {
    const { x, at, b } = given({ x: [2, 3], w: [3, 4] })
    const v = b.input('v', x.w)
    const labels = b.constant(Int32Array.of(1, 3), { dtype: 'i32', shape: [2] })
    const z = matmul(x.x, x.w)
    const [product] = ggnvp([z], softmaxCrossEntropy(z, labels as Tensor<'i32'>), [x.w], [v])
    const known = { ...at, v: draw(12, 3) }
    const [actual, logits] = numbersOf([product!, z], known)
    const expected = new Array<number>(12).fill(0)
    for (let r = 0; r < 2; r++) {
      const e = logits.slice(4 * r, 4 * r + 4).map(Math.exp)
      const p = e.map((q) => q / e.reduce((s, t) => s + t))
      const jv = p.map((_, c) => [0, 1, 2].reduce((t, k) => t + at.x[3 * r + k] * known.v[4 * k + c], 0))
      const mean_ = p.reduce((t, q, c) => t + q * jv[c], 0)
      p.forEach((q, c) => [0, 1, 2].forEach((k) => (expected[4 * k + c] += (at.x[3 * r + k] * q * (jv[c] - mean_)) / 2)))
    }
    expectClose(actual, expected)
  })

  test('where the network is linear they are those of the Hessian; elsewhere not', () => {
    const { x, at, b } = given({ x: [4, 2], w: [2, 3] })
    const v = b.input('v', x.w)
    const known = { ...at, v: draw(6, 4) }
    const both = (z: Tensor<'f64'>): number[][] => {
      const loss = mean(square(square(sub(z, 1))))
      return numbersOf([ggnvp([z], loss, [x.w], [v])[0]!, hvp(loss, [x.w], [v])[0]!], known)
    }
    const straight = both(matmul(x.x, x.w))
    expectClose(straight[0], straight[1])
    const curved = both(tanh(matmul(x.x, x.w)))
    expect(Math.abs(curved[0][0] - curved[1][0])).toBeGreaterThan(1e-3)
  })

  test('outputs stand for themselves, even one made from another, or named twice', () => {
    const { x, at, b } = given({ w: [2] })
    const v = b.input('v', x.w)
    const known = { ...at, v: [1, -2] }
    const u = square(x.w)
    const t = sin(u)
    // H is diag(2, 2) over (u, t): Gv = Σ over both of 2·J²·v.
    const loss = add(sum(square(u)), sum(square(t)))
    for (const outputs of [[u, t], [u, t, u], [t, u]]) {
      expectClose(numbersOf([ggnvp(outputs, loss, [x.w], [v])[0]!], known)[0], at.w.map((w, i) => {
        const [ju, jt] = [2 * w, Math.cos(w * w) * 2 * w]
        return 2 * (ju * ju + jt * jt) * known.v[i]
      }))
    }
    // The loss reads u only through t.
    const [alone] = numbersOf([ggnvp([u, t], sum(square(t)), [x.w], [v])[0]!], known)
    expectClose(alone, at.w.map((w, i) => 2 * (Math.cos(w * w) * 2 * w) ** 2 * known.v[i]))
  })

  test('can be differentiated again', () => {
    const { x, at, b } = given({ w: [2] })
    const v = b.input('v', x.w)
    const z = sin(x.w)
    const loss = sum(square(square(z)))
    const energy = sum(mul(ggnvp([z], loss, [x.w], [v])[0]!, v))
    const known = { ...at, v: [1, -2] }
    expectClose(numbersOf([grad(energy, x.w)], known)[0], differences(energy, 'w', known).flat())
  })

  test('go through loops: a recurrent net and a loss that sums step by step', () => {
    const { x, at, b } = given({ x: [3, 2], w: [2, 2] })
    const v = b.input('v', x.w)
    const known = { ...at, v: draw(4, 9) }
    const first = sum(mul(x.x, 0), { axis: 0 })
    const { h } = scan({ h: first }, { x: x.x }, ({ h }, { x: at_ }) => {
      const next = tanh(add(matmul(h, x.w), at_))
      return { carry: { h: next }, out: { h: next } }
    }).out
    const { carry } = scan({ s: sum(first) }, { h }, ({ s }, { h: at_ }) => ({ carry: { s: add(s, sum(square(square(at_)))) } }))
    const [product, j, values] = numbersOf([ggnvp([h], carry.s, [x.w], [v])[0]!, jacobian(h, x.w), h], known)
    const hjv = values.map((z, i) => 12 * z * z * known.v.reduce((t, e, k) => t + j[4 * i + k] * e, 0))
    expectClose(product, known.v.map((_, k) => hjv.reduce((t, e, i) => t + j[4 * i + k] * e, 0)))
  })

  test('zeros stay symbolic, and what cannot be is refused', () => {
    const { x, b } = given({ w: [2], u: [2] })
    const v = b.input('v', x.w)
    const z = sin(x.w)
    expect(ggnvp([z], sum(z), [x.w], [v])).toEqual([null])
    expect(ggnvp([z], sum(square(z)), [x.w], [null])).toEqual([null])
    expect(ggnvp([z], sum(square(z)), [x.w, x.u], [v, null])[1]).toBe(null)
    const codeOf = (body: () => unknown): string => refusal(body).code
    expect(codeOf(() => ggnvp([z], sum(x.u), [x.w], [v]))).toBe('grad/independent')
    expect(codeOf(() => ggnvp([z], square(z), [x.w], [v]))).toBe('grad/scalar')
    expect(codeOf(() => ggnvp(z as never, sum(z), [x.w], [v]))).toBe('attr/invalid')
    expect(codeOf(() => ggnvp([z], 1 as never, [x.w], [v]))).toBe('operand/invalid')
    expect(codeOf(() => ggnvp([z], sum(square(z)), [x.w], []))).toBe('option/invalid')
    expect(codeOf(() => ggnvp([z], sum(square(z)), [x.w], [sum(v)]))).toBe('shape/mismatch')
  })
})
