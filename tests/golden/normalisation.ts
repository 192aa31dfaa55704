// Holds a layer against what PyTorch recorded for it: values and gradients of the compiled f32 program on both targets.
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { compile, f32, fn, grad, i32, mul, nn, sum, type Tensor } from '../../src/index.ts'
import type { TypedArray } from '../../src/ir/types.ts'

/** A tensor in a JSON file. */
interface Recorded {
  readonly shape: readonly number[]
  readonly values: readonly number[]
}
type Lists = Readonly<Record<string, readonly number[]>>

/** One use of a layer: the gradients are those of Σ value·weights. */
export interface Use {
  readonly inputs: Readonly<Record<string, Recorded>>
  readonly weights: readonly number[]
  readonly value: Recorded
  readonly gradients: Lists
  /** States after the step, where the layer keeps statistics. */
  readonly after?: Lists
}
/** One case: states before, and its uses: one, or steps of training and then evaluation. */
export interface Case extends Partial<Use> {
  readonly states: Lists
  readonly steps?: readonly Use[]
  readonly evaluation?: Use
}

/** The cases of a file beside this one. */
export const recorded = (name: string): Readonly<Record<string, Case>> =>
  JSON.parse(readFileSync(new URL(`./${name}.json`, import.meta.url), 'utf8')) as Record<string, Case>

/** A layer, and how it is used if not by `layer(x)`. */
export interface Held {
  readonly layer: nn.Layer
  readonly call?: (inputs: Readonly<Record<string, Tensor>>) => Tensor
}

/** Largest error, relative to the largest magnitude of the tensor; a tensor of zeros by itself. */
export function expectNear(what: string, actual: ArrayLike<number>, expected: readonly number[], tolerance = 1e-5): void {
  expect(actual.length, what).toBe(expected.length)
  const size = Math.max(...expected.map(Math.abs), 1e-3)
  expected.forEach((e, i) => {
    expect(Math.abs(actual[i] - e) / size, `${what}[${i}]: ${actual[i]}, PyTorch ${e}`).toBeLessThanOrEqual(tolerance)
  })
}

/** Runs all that a case records, on both targets. */
export async function hold({ layer, call }: Held, recorded: Case): Promise<void> {
  const uses = recorded.steps ?? [recorded as Use]
  const entries = { train: declared(layer, call, uses[0], false) }
  const program = recorded.evaluation ? { ...entries, evaluate: declared(layer, call, recorded.evaluation, true) } : entries
  expect(layer.parameters.map((p) => p.name), 'names and order').toEqual(Object.keys(recorded.states))
  const seen: unknown[] = []
  for (const target of ['wasm', 'js'] as const) {
    const model = await compile(program, { target, verify: true }).load() as unknown as Loaded
    expect(Object.keys(model.state).sort()).toEqual(Object.keys(recorded.states).sort())
    for (const [name, values] of Object.entries(recorded.states)) model.state[name].set(values as number[] & bigint[])
    const bits: unknown[] = []
    for (const use of uses) {
      bits.push(check(model.train(given(use)), use))
      for (const [name, values] of Object.entries(use.after ?? recorded.states)) expectNear(name, model.state[name], values)
    }
    if (recorded.evaluation) bits.push(check(model.evaluate(given(recorded.evaluation)), recorded.evaluation))
    seen.push([bits, Object.values(model.state).map((s) => [...s])])
  }
  expect(seen[1]).toEqual(seen[0])
}

type Arrays = Record<string, TypedArray>
interface Loaded {
  readonly state: Arrays
  train(inputs: Arrays): Arrays
  evaluate(inputs: Arrays): Arrays
}

const isIndex = (name: string): boolean => name === 'index'

function given({ inputs, weights }: Use): Arrays {
  const arrays: Arrays = { weights: Float32Array.from(weights) }
  for (const [name, { values }] of Object.entries(inputs)) arrays[name] = (isIndex(name) ? Int32Array : Float32Array).from(values)
  return arrays
}

/** The function that gives the value and all gradients that PyTorch gave. */
function declared(layer: nn.Layer, call: Held['call'], { inputs, value, gradients }: Use, evaluation: boolean) {
  const spec = ([name, { shape }]: [string, Recorded]) => [name, (isIndex(name) ? i32 : f32)(...shape)] as const
  const specs = Object.fromEntries(Object.entries(inputs).map(spec))
  return fn({ ...specs, weights: f32(...value.shape) }, ({ weights, ...given }) => {
    const [x] = Object.values(given) as Tensor[]
    const use = (): Tensor => (call ?? (() => layer(x)))(given)
    const y = evaluation ? x.builder.evaluating(use) : use()
    expect(y.shape).toEqual(value.shape)
    const results: Record<string, Tensor> = { value: y }
    const parameters = new Map(layer.parameters.map((p) => [p.name, p]))
    const names = Object.keys(gradients)
    if (names.length === 0) return results
    const wrt = names.map((name): Tensor => (given as Record<string, Tensor>)[name] ?? parameters.get(name)!.of(x))
    grad(sum(mul(y, weights as Tensor)), wrt).forEach((g, i) => (results[`gradient of ${names[i]}`] = g))
    return results
  })
}

function check(results: Arrays, { value, gradients }: Use): number[][] {
  expectNear('value', results.value, value.values)
  for (const [name, values] of Object.entries(gradients)) {
    expectNear(`gradient of ${name}`, results[`gradient of ${name}`], values)
  }
  return Object.values(results).map((r) => [...r])
}
