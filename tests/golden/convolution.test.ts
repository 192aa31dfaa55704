// Convolutions, poolings and upsampling against PyTorch: values and all gradients. convolution.py makes the numbers.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { compile, f32, fn, grad, mul, nn, sum, type Tensor } from '../../src/index.ts'

type Numbers = readonly number[]
interface Case {
  readonly layer: string
  readonly arguments: readonly unknown[]
  readonly options: object
  readonly shape: Numbers
  readonly result: Numbers
  readonly x: Numbers
  readonly ct: Numbers
  readonly y: Numbers
  readonly dx: Numbers
  readonly parameters: Readonly<Record<string, Numbers>>
  readonly gradients: Readonly<Record<string, Numbers>>
}

const CASES = JSON.parse(readFileSync(new URL('convolution.json', import.meta.url), 'utf8')) as Case[]
const shown = (c: Case): string => {
  const given = [...c.arguments, c.options].map((a) => JSON.stringify(a))
  return `${c.layer}(${given.join(', ')}) of [${c.shape.join(', ')}]`
}
const layerOf = (c: Case): nn.Layer =>
  (nn as unknown as Record<string, (...given: unknown[]) => nn.Layer>)[c.layer](...c.arguments, c.options)

/** Value and gradients of Σ y·ct by name, as the compiled program gives them. */
async function run(c: Case, target: 'wasm' | 'js'): Promise<Record<string, Float32Array>> {
  const layer = layerOf(c)
  const parameters = layer.parameters ?? []
  const step = fn({ x: f32(...c.shape), ct: f32(...c.result) }, ({ x, ct }) => {
    const y = layer(x) as Tensor
    expect(y.shape).toEqual(c.result)
    const [dx, ...rest] = grad(sum(mul(y, ct)), [x, ...parameters.map((p) => p.of(x))] as Tensor[])
    return { y, dx, ...Object.fromEntries(rest.map((g, i) => [`d${parameters[i].name}`, g])) }
  })
  const model = await compile({ step }, { target, verify: true }).load()
  expect(Object.keys(model.state)).toEqual(Object.keys(c.parameters))
  for (const [name, values] of Object.entries(c.parameters)) (model.state[name] as Float32Array).set(values)
  const inputs = { x: Float32Array.from(c.x), ct: Float32Array.from(c.ct) }
  const results = model.step(inputs) as unknown as Record<string, Float32Array>
  return Object.fromEntries(Object.entries(results).map(([name, v]) => [name, v.slice()]))
}

function expectClose(what: string, actual: Float32Array, expected: Numbers): void {
  expect(actual.length, what).toBe(expected.length)
  const largest = Math.max(...expected.map(Math.abs))
  expected.forEach((e, i) => {
    expect(Math.abs(actual[i] - e), `${what}[${i}]: ${actual[i]}, PyTorch ${e}`).toBeLessThanOrEqual(1e-5 * largest)
  })
}

describe('as PyTorch', () => {
  test.each(CASES.map((c) => [shown(c), c] as const))('%s', async (_, c) => {
    const [wasm, js] = [await run(c, 'wasm'), await run(c, 'js')]
    const expected = { y: c.y, dx: c.dx, ...Object.fromEntries(Object.entries(c.gradients).map(([name, g]) => [`d${name}`, g])) }
    expect(Object.keys(wasm).sort()).toEqual(Object.keys(expected).sort())
    for (const [name, values] of Object.entries(expected)) expectClose(name, wasm[name], values)
    expect(js).toEqual(wasm)
  })
})
