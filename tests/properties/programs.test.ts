import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compile, fn, type GradcError, type CompileOptions, type Functions } from '../../src/index.ts'
import { grad } from '../../src/passes/differentiate/gradient.ts'
import { evaluate, type Evaluation } from '../../src/ir/evaluate.ts'
import { mean, mul, tanh } from '../../src/ir/lang/index.ts'
import type { Graph } from '../../src/ir/graph.ts'
import type { TypedArray } from '../../src/ir/types.ts'
import { arbitraryGraph, type Program } from '../generators.ts'

const bits = (v: TypedArray): string => [...new Uint8Array(v.buffer, v.byteOffset, v.byteLength)].join()

/** Runs two steps of a compiled function from given states; results and states after each. */
async function run({ inputs, states }: Program, graph: Graph, options: CompileOptions): Promise<Evaluation[]> {
  const declared = { f: { inputs: {}, graph, results: {} } } as unknown as Functions
  const model = (await compile(declared, { verify: true, ...options }).load()) as any
  for (const name of Object.keys(states)) model.state[name].set(states[name])
  return [1, 2].map(() => {
    const raw = model.f(inputs) as Record<string, TypedArray | number>
    const results = Object.fromEntries(Object.entries(raw).map(([k, v]) => [k, typeof v === 'number' ? Float32Array.of(v) : v.slice()]))
    return { results, updates: Object.fromEntries(Object.keys(states).map((s) => [s, model.state[s].slice()])) }
  })
}

/** Two steps by the reference evaluator, on the graph as declared. */
function reference({ inputs, states }: Program, graph: Graph): Evaluation[] {
  let now = states
  return [1, 2].map(() => {
    const { results, updates } = evaluate(graph, { inputs, states: now })
    now = { ...now, ...updates } as typeof states
    return { results, updates: now as Record<string, TypedArray> }
  })
}

function close(got: Evaluation[], want: Evaluation[]): void {
  got.forEach((step, i) => {
    for (const part of ['results', 'updates'] as const) {
      for (const [name, values] of Object.entries(want[i][part])) {
        const have = step[part][name]
        expect(have.length).toBe(values.length)
        // Ops of random graphs keep values near 1 and amplify little; f32 carries 1e-7.
        values.forEach((v: number, j: number) => expect(Math.abs(have[j] - v), `${part} ${name}[${j}]: ${have[j]} for ${v}`).toBeLessThanOrEqual(2e-4 * (1 + Math.abs(v))))
      }
    }
  })
}

const same = (a: Evaluation[], b: Evaluation[]): void =>
  a.forEach((step, i) => {
    for (const part of ['results', 'updates'] as const) for (const name of Object.keys(step[part])) expect(bits(step[part][name])).toBe(bits(b[i][part][name]))
  })

const RUNS = { numRuns: 60 }

describe('a random program', () => {
  it('computes what the evaluator says, with the same bits on both targets', async () => {
    await fc.assert(fc.asyncProperty(arbitraryGraph(), async (p) => {
      const wasm = await run(p, p.graph, { target: 'wasm' })
      close(wasm, reference(p, p.graph))
      same(await run(p, p.graph, { target: 'js' }), wasm)
    }), RUNS)
  })

  it('computes the same over the reals under fastMath', async () => {
    await fc.assert(fc.asyncProperty(arbitraryGraph(), async (p) => close(await run(p, p.graph, { fastMath: true }), reference(p, p.graph))), RUNS)
  })

  it('computes its gradient too', async () => {
    let count = 0
    await fc.assert(fc.asyncProperty(arbitraryGraph({ size: 12 }), async (p) => {
      const loss = mean(tanh(p.graph.results[0].node))
      const leaves = [...p.graph.inputs.map((i) => i.node), ...p.graph.states.map((s) => p.graph.builder.state(s))]
      const gradients = leaves.flatMap((leaf) => {
        try {
          return [grad(loss, leaf)]
        } catch (e) {
          expect((e as GradcError).code).toBe('grad/independent')
          return []
        }
      })
      count += gradients.length
      const results = [{ name: 'loss', node: loss }, ...gradients.map((node, i) => ({ name: `g${i}`, node: mul(node, 1) }))]
      const graph: Graph = { ...p.graph, results, updates: [] }
      const wasm = await run(p, graph, { target: 'wasm' })
      close(wasm, reference(p, graph))
      same(await run(p, graph, { target: 'js' }), wasm)
    }), RUNS)
    expect(count).toBeGreaterThan(30)
  })
})

it('a declared function gives what its graph evaluates to', async () => {
  const f = fn({ x: { dtype: 'f32', shape: [3] } as const }, ({ x }) => ({ y: mul(x, x) }))
  const { results } = evaluate(f.graph, { inputs: { x: Float32Array.of(1, 2, 3) } })
  expect([...results.y]).toEqual([1, 4, 9])
})
