import { describe, expect, test } from 'vitest'
import { compile, f32, f64, fn, grad, nn, sum, type Tensor } from '../../src/index.ts'

type Activation = (x: Tensor) => Tensor
const GATES: Readonly<Record<string, Activation>> = {
  silu: (x) => nn.silu(x),
  'gelu by tanh': (x) => nn.gelu(x, { approximate: 'tanh' }),
  gelu: (x) => nn.gelu(x),
}
const TARGETS = ['js', 'wasm'] as const

/** Values and slopes. */
async function both(of: Activation, at: readonly number[], dtype: typeof f32 | typeof f64, target: 'js' | 'wasm'): Promise<{ y: number[]; slope: number[] }> {
  const f = fn({ x: dtype(at.length) }, ({ x }) => {
    const y = of(x as Tensor)
    return { y, slope: grad(sum(y), x as Tensor) }
  })
  const program = await compile({ f }, { target, name: 'gate' }).load()
  const { y, slope } = program.f({ x: dtype === f32 ? Float32Array.from(at) : Float64Array.from(at) } as never) as unknown as Record<string, Float32Array>
  return { y: [...y], slope: [...slope] }
}

describe.each(Object.entries(GATES))('%s', (_, of) => {
  test.each([['f32', f32], ['f64', f64]] as const)('at its ends, in %s', async (_, dtype) => {
    const largest = dtype === f32 ? 3.4028234663852886e38 : Number.MAX_VALUE
    for (const target of TARGETS) {
      const { y, slope } = await both(of, [-Infinity, -largest, -0, 0, largest, Infinity, NaN], dtype, target)
      expect(y.map((v) => (v === 0 ? 0 : v))).toEqual([0, 0, 0, 0, largest, Infinity, NaN])
      // x·σ takes the sign of x, down to its limit.
      expect(y.slice(0, 4).map((v) => Object.is(v, -0))).toEqual([true, true, true, false])
      expect(slope.map((v) => (v === 0 ? 0 : v))).toEqual([0, 0, 0.5, 0.5, 1, 1, NaN])
    }
  })
})

// By mpmath. What rounding does to the cubic of tanh grows with it.
test.each<[string, number, number[], number[], number[]]>([
  ['silu', 1e-6, [-90, -20, -8, 3], [-7.374611361591464e-38, -4.122307236380407e-08, -0.002682801043731825, 2.8577223804672998],
    [-7.292671235351559e-38, -3.9161918660646786e-08, -0.0023465512355853157, 1.0881041060151695]],
  ['gelu by tanh', 5e-5, [-8, -6, -5, -1, 3], [-3.1077829375011112e-21, -8.439646700762297e-11, -2.291796196629506e-07, -0.1588080093917233, 2.996362607918227],
    [-4.7147845041068414e-20, -7.709973930953696e-10, -1.5463619875325946e-06, -0.08296408384578255, 1.0115841666309697]],
])('%s: relative accuracy of values and slopes', async (name, within, at, values, slopes) => {
  for (const target of TARGETS) {
    const { y, slope } = await both(GATES[name], at, f32, target)
    values.forEach((v, i) => expect(Math.abs(y[i] / v - 1), `${target} at ${at[i]}`).toBeLessThan(within))
    slopes.forEach((v, i) => expect(Math.abs(slope[i] / v - 1), `${target}, slope at ${at[i]}`).toBeLessThan(within))
  }
})
