// Every loss against PyTorch: value and all gradients. The numbers are made by losses.py.
import { beforeAll, expect, test } from 'vitest'
import { nn } from '../../src/index.ts'
import { casesOf, expectGolden, resultsOf, type Build } from './cases.ts'

type Loss = (...args: any[]) => any
const losses = nn as unknown as Readonly<Record<string, Loss>>
const cases = casesOf('losses')

/** Names of operands in their order; those beside them are options. */
const OPERANDS = ['pred', 'target', 'rows', 'labels', 'input', 'x', 'y', 'anchor', 'positive', 'negative', 'advantages']
const ORDER: Readonly<Record<string, readonly string[]>> = {
  cosineEmbedding: ['x', 'y', 'labels'],
  klDivergence: ['input', 'target'],
}
const build = (name: string): Build => (inputs, options) => {
  if (name.endsWith('Penalty')) return losses[name](inputs.x, [inputs.x, inputs.y])
  const order = ORDER[name] ?? OPERANDS
  const operands = order.filter((k) => k in inputs)
  const rest = Object.fromEntries(Object.entries(inputs).filter(([k]) => !operands.includes(k)))
  return losses[name](...operands.map((k) => inputs[k]), { ...options, ...rest })
}

let results: Record<string, Float32Array>[]
beforeAll(async () => {
  results = await resultsOf(cases, build)
})

test('every loss is among the cases', () => {
  const named = new Set(cases.map((c) => c.name))
  expect([...named].sort()).toEqual([
    'binaryCrossEntropy', 'binaryCrossEntropyWithLogits', 'cosineEmbedding', 'cosineSimilarity', 'halfSquaredError', 'hinge',
    'huber', 'klDivergence', 'l1Loss', 'l1Penalty', 'l2Penalty', 'mae', 'mse', 'multiMargin', 'nll', 'perplexity', 'reinforce',
    'smoothL1', 'softmaxCrossEntropy', 'tripletMargin',
  ])
})

test.each(cases.map((c, i) => [i, c.name, JSON.stringify(c.options)] as const))('%i: %s %s', (i) => {
  const { value, gradients } = cases[i]
  expectGolden(results[i].value, value, 'value')
  for (const [k, wanted] of Object.entries(gradients)) expectGolden(results[i][`d_${k}`], wanted, `gradient by ${k}`)
})
