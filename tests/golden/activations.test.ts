// Every activation against PyTorch: value and gradient, at kinks and far out too. The numbers are made by activations.py.
import { beforeAll, expect, test } from 'vitest'
import { lessEqual, mul, nn, reshape, where } from '../../src/index.ts'
import { casesOf, expectGolden, resultsOf, type Build } from './cases.ts'

const activations = nn as unknown as Readonly<Record<string, (...args: any[]) => any>>
const cases = casesOf('activations')

const build = (name: string): Build => (inputs, { count, ...options }) => {
  if (name !== 'prelu') return Object.keys(options).length ? activations[name](inputs.x, options) : activations[name](inputs.x)
  // A parameter has no gradient as an input has: what prelu computes, with the slopes as an input (see also the test of prelu).
  const slopes = count ? reshape(inputs.weight, [1, count, 1]) : inputs.weight
  return where(lessEqual(inputs.x, 0), mul(inputs.x, slopes), inputs.x)
}

let results: Record<string, Float32Array>[]
beforeAll(async () => {
  results = await resultsOf(cases, build)
})

test('every activation is among the cases', () => {
  const named = new Set(cases.map((c) => c.name))
  expect([...named].sort()).toEqual([
    'celu', 'elu', 'gelu', 'glu', 'hardSigmoid', 'hardSwish', 'hardTanh', 'leakyRelu', 'logSigmoid', 'logSoftmax', 'logsumexp',
    'mish', 'prelu', 'relu', 'relu6', 'selu', 'sigmoid', 'silu', 'softmax', 'softmin', 'softplus', 'softsign', 'tanh',
  ])
})

test.each(cases.map((c, i) => [i, c.name, JSON.stringify(c.options)] as const))('%i: %s %s', (i) => {
  const { value, gradients } = cases[i]
  expectGolden(results[i].value, value, 'value')
  for (const [k, wanted] of Object.entries(gradients)) expectGolden(results[i][`d_${k}`], wanted, `gradient by ${k}`)
})
