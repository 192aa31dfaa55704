// WebAssembly has two ways through a nest: element by element, and several at a time. Every op is met on both, and on both it
// gives the bits of JavaScript.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { wasmText } from '../../src/codegen/wasm/emit.ts'
import { topological } from '../../src/ir/graph.ts'
import { Machine, sameBits } from '../codegen/run.ts'
import { computed, generatorOf, type Sample } from '../generators.ts'
import { ONE_BY_ONE } from '../ops/table.ts'

const ENOUGH = 4
const MOST = 200

const isVector = (machine: Machine): boolean => /v128|[if]\d+x\d+\./.test(wasmText(machine.program))

/** Samples whose code is of one way, as many as are enough. */
function samplesOf(op: string, vector: boolean): { sample: Sample; machine: Machine }[] {
  const found: { sample: Sample; machine: Machine }[] = []
  for (const sample of fc.sample(generatorOf(op), { seed: Number(process.env.GRADC_SEED ?? 20261121), numRuns: MOST })) {
    const machine = new Machine(sample.graph)
    if (isVector(machine) === vector) found.push({ sample, machine })
    if (found.length === ENOUGH) break
  }
  return found
}

function expectSame({ sample, machine }: { sample: Sample; machine: Machine }): void {
  const [js, wasm] = (['js', 'wasm'] as const).map((target) => machine.run(target, sample).results.y)
  expect(sameBits(wasm, js), `${[...wasm].join(' ')}\nnot ${[...js].join(' ')}`).toBe(true)
}

describe.each(computed())('%s in WebAssembly', (op) => {
  test('one element at a time', () => {
    const samples = samplesOf(op, false)
    expect(samples.length).toBeGreaterThan(0)
    samples.forEach(expectSame)
  })

  test(ONE_BY_ONE[op] ? 'never several at a time' : 'several elements at a time', () => {
    const samples = samplesOf(op, true)
    samples.forEach(expectSame)
    // One value that is stored many times is stored several at a time, however it was computed.
    const alike = ({ sample }: { sample: Sample }): boolean => topological([sample.node]).some((n) => n.op === 'broadcast')
    if (ONE_BY_ONE[op]) expect(samples.filter((s) => !alike(s)).map((s) => s.sample.node)).toEqual([])
    else expect(samples.length).toBeGreaterThan(0)
  })
})
