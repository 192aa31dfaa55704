import { describe, expect, test } from 'vitest'
import { erf as slowErf } from '../../src/ir/special.ts'
import { main } from '../../tools/ulp.ts'
import { EXACT, erf, erfc, ulpError } from '../../tools/ulp-reference.ts'
import { numeric } from '../../src/ir/numeric.ts'
import type { Num } from '../../src/ir/numeric.ts'

const run = async (...args: string[]): Promise<{ code: number; out: string; err: string }> => {
  let [out, err] = ['', '']
  const code = await main(args, { write: (text) => (out += text) }, { write: (text) => (err += text) })
  return { code, out, err }
}

describe('the references', () => {
  // Values of glibc's erfc, which is within an ulp.
  test.each([[0.5, 0.4795001221869535], [1, 0.15729920705028513], [2, 0.004677734981047266], [5, 1.5374597944280349e-12], [10, 2.088487583762545e-45]])(
    'erfc(%d)', (x, y) => {
      expect(Math.abs(erfc(x) / y - 1)).toBeLessThan(2e-14)
      expect(erfc(-x)).toBe(2 - erfc(x))
    })

  test('erf agrees with the series of the reference evaluator', () => {
    for (let x = -6; x <= 6; x += 1 / 97) {
      const exact = (slowErf(numeric('f64'), { dtype: 'f64', value: x } as unknown as Num) as unknown as { value: number }).value
      expect(Math.abs(erf(x) - exact)).toBeLessThanOrEqual(4e-15 * Math.abs(exact))
    }
    expect(erf(1e-300)).toBeCloseTo(1.1283791670955126e-300, 310)
    expect([erf(-0), erfc(Infinity), erfc(-Infinity), erfc(NaN)]).toEqual([-0, 0, 2, NaN])
  })

  test('gelu in its tail, where 1 + erf cancels', () => {
    expect(EXACT.gelu(-7, 0)).toBeCloseTo(-7 * 1.2798125438858352e-12, 24)
    expect(EXACT.gelu(Infinity, 0)).toBe(Infinity)
    expect(EXACT.gelu(-20, 0)).toBe(-0)
  })

  test('errors count in places of the exact result', () => {
    expect([ulpError(1, 1), ulpError(1 + 2 ** -23, 1), ulpError(2 ** -149, 2 ** -148), ulpError(NaN, NaN)]).toEqual([0, 1, 1, 0])
    for (const [got, exact] of [[0, -0], [-1, 1], [NaN, 1], [1, NaN], [3e38, Infinity]]) expect(ulpError(got, exact)).toBe(Infinity)
  })
})

describe('the command', () => {
  test('tells the largest error and holds it against the bar', async () => {
    const { code, out } = await run('exp', 'log', '--step', '100003')
    expect(code).toBe(0)
    expect(out).toMatch(/^exp: 42,949 results, at most 0\.\d{3} ulp at .*; of the wrong kind 0: within the bar of 1 ulp\nlog: /)
  })

  test.each([[[]], [['sinh']], [['exp', '--step', '0']], [['exp', '--arithmetic', 'loose']], [['exp', '--nothing']]])('%j is refused', async (args) => {
    const { code, out, err } = await run(...args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(/^ulp: .+\n$/)
  })
})
