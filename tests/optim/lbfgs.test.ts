import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { optim } from '../../src/index.ts'
import { refusal } from '../passes/numbers.ts'

const { lbfgs } = optim

/** Rosenbrock's valley in n dimensions: Σ 100·(x[i+1] − x[i]²)² + (1 − x[i])². */
function rosenbrock(x: Float64Array | Float32Array): optim.Evaluated {
  let loss = 0
  const gradient = new Float64Array(x.length)
  for (let i = 0; i + 1 < x.length; i++) {
    const [valley, off] = [x[i + 1] - x[i] ** 2, 1 - x[i]]
    loss += 100 * valley ** 2 + off ** 2
    gradient[i] += -400 * x[i] * valley - 2 * off
    gradient[i + 1] += 200 * valley
  }
  return { loss, gradients: [gradient] }
}

describe('lbfgs', () => {
  test.each([2, 10])('finds the end of Rosenbrock’s valley in %i dimensions', (n) => {
    const x = Float64Array.from({ length: n }, (_, i) => (i % 2 ? 1 : -1.2))
    const outcome = lbfgs([x], () => rosenbrock(x), { maxIterations: 200 })
    x.forEach((v) => expect(v).toBeCloseTo(1, 6))
    expect(outcome.stopped).toMatch(/gradient|change/)
    expect(outcome.loss).toBeLessThan(1e-12)
    expect(outcome.evaluations).toBeLessThan(n === 2 ? 60 : 150)
  })

  test('as far as f32 goes', () => {
    const x = Float32Array.of(-1.2, 1)
    const outcome = lbfgs([x], () => rosenbrock(x))
    x.forEach((v) => expect(v).toBeCloseTo(1, 3))
    expect(outcome.loss).toBe(rosenbrock(x).loss)
  })

  test('parabolas in any number of pieces, in about as many steps as dimensions', () => {
    const matrix = fc.array(fc.double({ min: 0.1, max: 10, noNaN: true }), { minLength: 2, maxLength: 8 })
    fc.assert(fc.property(matrix, fc.integer({ min: 1, max: 7 }), (scales, cut) => {
      const parts = [new Float64Array(Math.min(cut, scales.length)), new Float64Array(Math.max(scales.length - cut, 0))]
      const at = (): number[] => [...parts[0], ...parts[1]]
      const { stopped } = lbfgs(parts, () => {
        const gradient = at().map((v, i) => scales[i] * (v - i - 1))
        const loss = at().reduce((s, v, i) => s + 0.5 * scales[i] * (v - i - 1) ** 2, 0)
        return { loss, gradients: [gradient.slice(0, parts[0].length), gradient.slice(parts[0].length)] }
      })
      expect(['gradient', 'change', 'search']).toContain(stopped)
      at().forEach((v, i) => expect(v).toBeCloseTo(i + 1, 4))
    }))
  })

  test('a loss without end below stops at a limit', () => {
    const x = Float64Array.of(0)
    const outcome = lbfgs([x], () => ({ loss: -x[0], gradients: [[-1]] }), { maxIterations: 3, maxEvaluations: 30 })
    expect(outcome.stopped).toMatch(/evaluations|iterations|search/)
    expect(outcome.evaluations).toBeLessThanOrEqual(30)
  })

  test('steps into what is not finite are shortened', () => {
    const x = Float64Array.of(0.001)
    // −log x + x, NaN below zero; lowest at 1.
    lbfgs([x], () => ({ loss: x[0] - Math.log(x[0]), gradients: [[1 - 1 / x[0]]] }))
    expect(x[0]).toBeCloseTo(1, 5)
  })

  test('at the minimum nothing moves', () => {
    const x = Float64Array.of(1, 1)
    const still = { loss: 0, gradientNorm: 0, iterations: 0, evaluations: 1, stopped: 'gradient' }
    expect(lbfgs([x], () => rosenbrock(x))).toEqual(still)
  })

  test('limits hold', () => {
    const x = Float64Array.of(-1.2, 1)
    expect(lbfgs([x], () => rosenbrock(x), { maxIterations: 3 })).toMatchObject({ iterations: 3, stopped: 'iterations' })
    const y = Float64Array.of(-1.2, 1)
    const outcome = lbfgs([y], () => rosenbrock(y), { maxEvaluations: 5 })
    expect(outcome.evaluations).toBeLessThanOrEqual(5)
    expect(outcome.loss).toBe(rosenbrock(y).loss)
  })

  const fine = (): optim.Evaluated => ({ loss: 1, gradients: [[1]] })
  test.each([
    ['no list', () => lbfgs(Float32Array.of(1) as never, fine)],
    ['an empty list', () => lbfgs([], fine)],
    ['an array of numbers', () => lbfgs([[1]] as never, fine)],
    ['no function', () => lbfgs([Float32Array.of(1)], undefined as never)],
    ['gradients of another length', () => lbfgs([Float32Array.of(1, 2)], fine)],
    ['too few gradients', () => lbfgs([Float32Array.of(1), Float32Array.of(2)], fine)],
    ['gradients in pieces', () => lbfgs([Float32Array.of(1)], () => ({ loss: 1, gradients: 5 as never }))],
    ['an unknown option', () => lbfgs([Float32Array.of(1)], fine, { lr: 1 } as never)],
    ['c1 above c2', () => lbfgs([Float32Array.of(1)], fine, { c1: 0.5, c2: 0.4 })],
    ['history 0', () => lbfgs([Float32Array.of(1)], fine, { history: 0 })],
    ['a negative tolerance', () => lbfgs([Float32Array.of(1)], fine, { gradientTolerance: -1 })],
  ])('refuses %s', (_, body) => {
    expect(refusal(body).code).toBe('option/invalid')
  })

  test('refuses to begin where nothing is finite', () => {
    expect(refusal(() => lbfgs([Float32Array.of(1)], () => ({ loss: NaN, gradients: [[1]] }))).code).toBe('value/nonfinite')
  })
})
