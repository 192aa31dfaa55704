// Cases as tests/golden/losses.py and activations.py write them, compiled and compared.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { compile, constant, f32, fn, grad, i32, mul, reshape, sum, type Spec, type Tensor } from '../../src/index.ts'
import { sizeOf } from '../../src/ir/types.ts'

interface Operand {
  readonly dtype: 'f32' | 'i32'
  readonly shape: readonly number[]
  readonly values: readonly number[]
}

export interface Case {
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
  readonly inputs: Readonly<Record<string, Operand>>
  readonly shape: readonly number[]
  readonly value: readonly number[]
  readonly gradients: Readonly<Record<string, readonly number[]>>
}

/** Builds a case's result from its inputs. */
export type Build = (inputs: any, options: any) => Tensor

export const casesOf = (area: string): Case[] => JSON.parse(readFileSync(join(import.meta.dirname, `${area}.json`), 'utf8'))

/** What a result that is no scalar is summed with, as the scripts do. */
const weights = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => ((i % 5) - 2) / 4 + 0.125)

/** One function a case, with its value and gradients; the same bits on both targets. */
export async function resultsOf(cases: readonly Case[], build: (name: string) => Build): Promise<Record<string, Float32Array>[]> {
  const functions = Object.fromEntries(cases.map((c, i) => [`f${i}`, functionOf(c, build(c.name))]))
  const runs = await Promise.all((['wasm', 'js'] as const).map(async (target) => {
    const model: any = await compile(functions, { target, verify: true }).load()
    return cases.map((c, i) => {
      const given = Object.entries(c.inputs).map(([k, o]) => [k, (o.dtype === 'i32' ? Int32Array : Float32Array).from(o.values)])
      const taken: Record<string, number | Float32Array> = model[`f${i}`](Object.fromEntries(given))
      return Object.fromEntries(Object.entries(taken).map(([k, v]) => [k, Float32Array.from(typeof v === 'number' ? [v] : v)]))
    })
  }))
  runs[0].forEach((results, i) => expect(runs[1][i], cases[i].name).toEqual(results))
  return runs[0] as Record<string, Float32Array>[]
}

function functionOf(c: Case, build: Build): any {
  const specs: Record<string, Spec> = {}
  for (const [k, { dtype, shape }] of Object.entries(c.inputs)) specs[k] = (dtype === 'i32' ? i32 : f32)(...shape)
  return fn(specs, (inputs: any) => {
    const y = build(inputs, c.options)
    expect(y.shape, c.name).toEqual(c.shape)
    const n = sizeOf(y.shape)
    const total = y.shape.length ? sum(mul(reshape(y, [n]), constant(y, weights(n)))) : y
    const wrt = Object.keys(c.gradients)
    const gradients = grad(total, wrt.map((k) => inputs[k]))
    return { value: y, ...Object.fromEntries(wrt.map((k, i) => [`d_${k}`, gradients[i]])) }
  })
}

/** Each element within 1e-5 of itself; of the largest one (at most 1), where it is smaller than that. */
export function expectGolden(actual: ArrayLike<number>, wanted: readonly number[], what: string): void {
  expect(actual.length, what).toBe(wanted.length)
  const largest = wanted.reduce((m, v) => Math.max(m, Math.abs(v)), 0)
  wanted.forEach((v, i) => {
    const error = Math.abs(actual[i] - v) / Math.max(Math.abs(v), Math.min(1, largest), 1e-30)
    expect(error, `${what}[${i}] is ${actual[i]}, PyTorch ${v}`).toBeLessThanOrEqual(1e-5)
  })
}
