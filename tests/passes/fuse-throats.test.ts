import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import type { Node } from '../../src/ir/graph.ts'
import { add, exp, less, matmul, mul, sum, tanh, where } from '../../src/ir/lang/index.ts'
import * as nn from '../../src/nn/index.ts'
import { grad } from '../../src/passes/differentiate/gradient.ts'
import { graphOf, input, planned } from './plans.ts'

const ACTIVATIONS: readonly [string, (x: Node) => Node][] = [
  ['gelu', (x) => nn.gelu(x)], ['gelu by tanh', (x) => nn.gelu(x, { approximate: 'tanh' })], ['silu', (x) => nn.silu(x)],
]

describe('what the backward pass wants of an argument', () => {
  test.each(ACTIVATIONS)('%s keeps its slope, and neither its argument nor what both are made of', (_, activation) => {
    const b = new Builder()
    const [x, v, w] = [input(b, 'x', [8, 6]), input(b, 'v', [6, 5]), input(b, 'w', [5, 4])]
    const loss = sum(mul(matmul(activation(matmul(x, v)), w), input(b, 'c', [8, 4])))
    const { kernels } = planned(graphOf(b, { loss, dv: grad(loss, v) }))
    // The slope is a factor of what comes back, and one of two values that the forward leaves.
    expect(kernels).toEqual(expect.arrayContaining([
      expect.stringMatching(/: x v -> t\d+ f32\[8, 5\], t\d+ f32\[8, 5\]$/),
      expect.stringMatching(/^contract_mul: t\d+ w t\d+ -> t\d+ f32\[8, 5\]$/),
    ]))
  })
})

/** A product that has a use of its own, and a second product whose epilogue reads `of` of the first. */
function twoProducts(of: (u: Node, z: Node) => Node): string[] {
  const b = new Builder()
  const u = matmul(input(b, 'x', [8, 6]), input(b, 'v', [6, 5]))
  const z = matmul(input(b, 'p', [8, 3]), input(b, 'q', [3, 5]))
  return planned(graphOf(b, { h: tanh(u), y: of(u, z) })).kernels
}

describe('where all that others want of a value meets', () => {
  test('several ways from the value to it', () => {
    expect(twoProducts((u, z) => mul(z, add(mul(u, exp(u)), u)))).toEqual([
      'contract_tanh_exp_mul_add: x v -> h f32[8, 5], t0 f32[8, 5]',
      'contract_mul: p q t0 -> y f32[8, 5]',
    ])
  })

  test('not beyond what the first product would have to wait for', () => {
    expect(twoProducts((u, z) => add(mul(add(z, u), exp(u)), u))).toEqual([
      'contract_tanh: x v -> t0 f32[8, 5], h f32[8, 5]',
      'contract_add_exp_mul: p q t0 -> y f32[8, 5]',
    ])
  })

  test('the last of several, though a later one cannot be', () => {
    expect(twoProducts((u, z) => exp(add(z, exp(mul(u, exp(u))))))).toEqual([
      'contract_tanh_exp_mul: x v -> h f32[8, 5], t0 f32[8, 5]',
      'contract_add_exp: p q t0 -> y f32[8, 5]',
    ])
  })

  test('a mere chain up to there is left to its reader, unless it ends in fewer bytes', () => {
    expect(twoProducts((u, z) => exp(add(z, exp(mul(u, u)))))).toEqual([
      'contract_tanh: x v -> t0 f32[8, 5], h f32[8, 5]',
      'contract_mul_exp_add: p q t0 -> y f32[8, 5]',
    ])
    expect(twoProducts((u, z) => exp(where(less(mul(u, u), 1), z, 0)))).toEqual([
      'contract_tanh_mul_lt: x v -> h f32[8, 5], t0 bool[8, 5]',
      'contract_select_exp: p q t0 -> y f32[8, 5]',
    ])
  })
})
