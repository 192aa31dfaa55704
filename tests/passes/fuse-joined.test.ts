// A kernel's stores over points finer than their own axes: what is made of a contraction or reduction through a reshape that joins axes.
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { evaluate } from '../../src/ir/evaluate.ts'
import type { Node } from '../../src/ir/graph.ts'
import { add, einsum, exp, max, mul, reshape, sub, sum, tanh, transpose } from '../../src/ir/lang/index.ts'
import { sizeOf } from '../../src/ir/types.ts'
import { Machine } from '../codegen/run.ts'
import { graphOf, input, planned } from './plans.ts'

const numbers = (n: number, seed: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(seed * 12.9898 + i * 78.233))

/** The results have the same bits on all targets, and are what the evaluator says. */
function sameEverywhere(b: Builder, results: Record<string, Node>): void {
  const graph = graphOf(b, results)
  const inputs = Object.fromEntries(graph.inputs.map(({ name, node }, i) => [name, numbers(sizeOf(node.shape), i + 1)]))
  const machine = new Machine(graph)
  const [wasm, js, nests] = (['wasm', 'js', 'nests'] as const).map((target) => machine.run(target, { inputs }).results)
  const exact = evaluate(graph, { inputs, states: {} }, { precision: 'f64' }).results
  for (const name of Object.keys(results)) {
    expect(js[name]).toEqual(wasm[name])
    expect(nests[name]).toEqual(wasm[name])
    const errors = [...wasm[name]].map((v, i) => Math.abs(v - exact[name][i]))
    expect(Math.max(...errors)).toBeLessThanOrEqual(1e-5)
  }
}

describe('axes that a reshape joins', () => {
  test('of a contraction: what follows runs in its registers, and may be read with what it was made of', () => {
    const b = new Builder()
    const [x, w] = [input(b, 'x', [2, 3, 6]), input(b, 'w', [3, 5, 2])]
    const [bias, residual] = [input(b, 'b', [5, 1]), input(b, 'r', [2, 5, 12])]
    const blocks = einsum('ncx,cor->noxr', x, w)
    const y = mul(add(reshape(blocks, [2, 5, 12]), bias), residual)
    expect(planned(graphOf(b, { y })).kernels).toEqual(['contract_add_mul: x w b r -> y f32[2, 5, 12]'])
    expect(planned(graphOf(b, { y, blocks })).kernels).toHaveLength(1)
    sameEverywhere(b, { y, blocks })
  })

  test('of a reduction, several at once', () => {
    const b = new Builder()
    const x = input(b, 'x', [2, 3, 4, 5])
    const y = add(tanh(reshape(sum(x, { axis: 3 }), [2, 12])), input(b, 'b', [12]))
    expect(planned(graphOf(b, { y })).kernels).toEqual(['sum_tanh_add: x b -> y f32[2, 12]'])
    sameEverywhere(b, { y })
  })

  test('but not axes that it takes apart or turns', () => {
    const b = new Builder()
    const y = einsum('ik,kj->ij', input(b, 'x', [4, 3]), input(b, 'w', [3, 6]))
    const parted = add(reshape(y, [2, 2, 6]), input(b, 'b', [2, 1]))
    expect(planned(graphOf(b, { parted })).kernels).toHaveLength(2)
    const turned = add(reshape(transpose(y), [24]), input(b, 'c', [24]))
    expect(planned(graphOf(b, { turned })).kernels).toHaveLength(2)
    sameEverywhere(b, { parted, turned })
  })

  test('kernels that run row by row: two axes of two stay apart from those that one of four has', () => {
    const b = new Builder()
    const [q, k] = [input(b, 'q', [8, 2, 2, 16]), input(b, 'k', [8, 16, 32])]
    const scores = reshape(einsum('bhic,bck->bhik', q, k), [8, 4, 32])
    const e = exp(sub(scores, max(scores, { axis: 2, keepdims: true })))
    const p = mul(add(e, 1), input(b, 'm', [8, 4, 32]))
    sameEverywhere(b, { p, total: sum(p, { axis: 2 }), y: einsum('bik,bck->bic', p, k) })
  })

  test('of nothing', () => {
    const b = new Builder()
    const y = einsum('ncx,cor->noxr', input(b, 'x', [0, 3, 6]), input(b, 'w', [3, 5, 2]))
    expect(planned(graphOf(b, { y: tanh(reshape(y, [0, 5, 12])) })).kernels.length).toBeGreaterThan(0)
  })
})
