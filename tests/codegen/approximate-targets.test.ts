import { expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { Machine, sameBits } from './run.ts'
import { around, floatOf, formulaOf } from './ulp.ts'

const OPS = ['exp', 'expm1', 'log', 'log1p', 'sin', 'cos', 'tanh', 'sigmoid', 'erf', 'normalPdf', 'normalCdf', 'gelu', 'pow', 'atan2'] as const
const SEAMS = [0, 2 ** -126, 0.34657359, Math.SQRT1_2, 1, -1, 1.125, Math.PI, 9.01, 88.72284, -87.33655, -103.97208, 0.9375, -13.5, 102943, -16367173 * 2 ** 72, Infinity]

// 2⁹ patterns from all over, neighbourhoods of the seams, and a length that leaves a rest of three lanes.
const PATTERNS = Array.from({ length: 512 }, (_, i) => floatOf(i * 8388593))
const XS = Float32Array.from([...PATTERNS, ...[...around(SEAMS, 20)].map(([x]) => x)]).slice(0, 1223)
const YS = XS.map((x, i) => (i % 3 === 0 ? x : i % 3 === 1 ? (i % 40) - 20 : Math.sin(i) * 50))

test.each(OPS)('%s: the same bits from the formula, JavaScript and WebAssembly', (op) => {
  const two = op === 'pow' || op === 'atan2'
  const builder = new Builder()
  const type = { dtype: 'f32', shape: [XS.length] } as const
  const operands = (two ? ['x', 'y'] : ['x']).map((name) => builder.input(name, type))
  const results = [{ name: 'z', node: builder.make(op, operands) }]
  const machine = new Machine({ name: 'f', builder, inputs: builder.inputs, states: [], results, updates: [] })
  const expected = formulaOf(op).run(XS, YS)
  expect(XS.length % 4).toBe(3)
  for (const target of ['js', 'wasm'] as const) {
    const { z } = machine.run(target, { inputs: two ? { x: XS, y: YS } : { x: XS } }).results
    const wrong = z.findIndex((v, i) => !Object.is(v, expected[i]))
    expect(sameBits(z, expected), `${target}, ${op}(${XS[wrong]}, ${YS[wrong]}): ${z[wrong]} not ${expected[wrong]}`).toBe(true)
  }
})
