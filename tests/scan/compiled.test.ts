// Loops in compiled programs: both back ends to the bit, near the evaluator, of a size that does not grow with the steps.
import { describe, expect, test } from 'vitest'
import {
  add, compile, f32, fn, grad, matmul, mul, nn, optim, scan, sub, sum, square, tanh, type Program, type Scalar, type StateDecl, type Tensor,
} from '../../src/index.ts'
import { evaluate } from '../../src/ir/evaluate.ts'
import { sizeOf } from '../../src/ir/types.ts'
import { CASES } from './cases.ts'

type Arrays = Record<string, Float32Array>

const numbers = (length: number, seed: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => 0.9 * Math.sin(i * 1.7 + seed + 0.5) + 0.05)
const TARGETS = ['js', 'wasm'] as const

async function run(program: Program<any>, inputs: Arrays): Promise<Record<string, number[]>> {
  const results = (await program.load() as unknown as { f: (i: Arrays) => Record<string, Float32Array | number> }).f(inputs)
  return Object.fromEntries(Object.entries(results).map(([name, v]) => [name, typeof v === 'number' ? [v] : [...v]]))
}

describe.each(CASES.map((c) => [c.name, c] as const))('%s', (_, c) => {
  test('value and gradients, compiled', async () => {
    const names = Object.keys(c.inputs)
    const f = fn(Object.fromEntries(names.map((n) => [n, f32(...c.inputs[n])])), (x) => {
      const loss = c.loss(x)
      const gradients = grad(loss, names.map((n) => x[n]))
      return { loss, ...Object.fromEntries(gradients.map((g, i) => [`d${names[i]}`, g])) }
    })
    const inputs = Object.fromEntries(names.map((n, i) => [n, numbers(sizeOf(c.inputs[n]), i)]))
    const [js, wasm] = await Promise.all(TARGETS.map((target) => run(compile({ f }, { target, verify: true }), inputs)))
    expect(wasm).toEqual(js)
    const exact = evaluate(f.graph, { inputs }, { precision: 'f64' }).results
    for (const [name, values] of Object.entries(exact)) {
      const largest = Math.max(1e-3, ...Array.from(values, Math.abs))
      js[name].forEach((v, i) => expect(Math.abs(v - values[i]) / largest, `${name}[${i}] = ${v}, not ${values[i]}`).toBeLessThan(1e-5))
    }
  })
})

describe('a training step with a loop', () => {
  const train = (steps: number) => {
    const cell = nn.linear(4, 4)
    return fn({ x: f32(steps, 2, 4), y: f32(2, 4) }, ({ x, y }) => {
      const h = mul(sum(x, { axis: 0 }), 0) as Tensor<'f32'>
      const { carry } = scan({ h }, { x }, ({ h }, { x }) => ({ carry: { h: tanh(cell(add(h, x)) as Tensor<'f32'>) } }))
      return { loss: sum(square(sub(carry.h, y))) }
    }).minimize('loss', optim.sgd({ lr: 0.05 }))
  }

  test('learns, to the same bits on both back ends', async () => {
    const inputs = { x: numbers(40, 1), y: numbers(8, 2) }
    const seen = await Promise.all(TARGETS.map(async (target) => {
      const model = await compile({ train: train(5) }, { target, seed: 3 }).load()
      const losses = Array.from({ length: 30 }, () => model.train(inputs).loss)
      return { losses, weights: [...(model.state as Record<string, Float32Array>)['linear.weight'] ?? []] }
    }))
    expect(seen[1]).toEqual(seen[0])
    expect(seen[0].losses.at(-1)!).toBeLessThan(0.1 * seen[0].losses[0])
  })

  test('has the same code for 64 and for 512 steps', () => {
    const code = (steps: number, target: 'js' | 'wasm'): { bytes: number; lines: number } => {
      const { code } = compile({ train: train(steps) }, { target }).compiled
      return 'bytes' in code ? { bytes: code.bytes.length, lines: 0 } : { bytes: code.js.length, lines: code.js.split('\n').length }
    }
    expect(code(512, 'js').lines).toBe(code(64, 'js').lines)
    // Addresses have more digits.
    expect(code(512, 'wasm').bytes / code(64, 'wasm').bytes).toBeLessThan(1.03)
  })

  test('keeps the carries of segments instead of all values, if asked', () => {
    const arena = (checkpoint: 'all' | 'sqrt' | { slots: number }): number => {
      const f = fn({ x: f32(100, 8), w: f32(8, 8), h: f32(8) }, ({ x, w, h }) => {
        const { carry } = scan({ h }, { x }, ({ h }, { x }) => {
          return { carry: { h: tanh(add(matmul(tanh(matmul(tanh(matmul(h, w)), w)), w), x)) } }
        }, { checkpoint })
        return { d: grad(sum(carry.h), w) }
      })
      return compile({ f }).memory.arenaBytes
    }
    expect(arena('sqrt')).toBeLessThan(0.7 * arena('all'))
    expect(arena({ slots: 4 })).toBeGreaterThan(arena({ slots: 10 }))
  })
})

describe('a state that goes through a loop', () => {
  test('starts as it was left, and is written in place', async () => {
    for (const target of TARGETS) {
      const f = fn({ x: f32(3, 2) }, ({ x }) => {
        const zero: StateDecl = { name: 'h', dtype: 'f32', shape: [2], init: (b, t) => b.zeros(t), trainable: false, owner: TARGETS }
        const h = x.builder.state(zero) as Tensor<'f32'>
        const { carry, out } = scan({ h }, { x }, ({ h }, { x }) => ({ carry: { h: add(h, x) }, out: { h } }))
        x.builder.update(h, carry.h)
        return { before: out.h, total: sum(carry.h) as Scalar<'f32'> }
      })
      const model = await compile({ f }, { target, verify: true }).load()
      const x = Float32Array.of(1, 10, 2, 20, 3, 30)
      expect([...model.f({ x }).before]).toEqual([0, 0, 1, 10, 3, 30])
      const second = model.f({ x })
      expect([[...second.before], second.total]).toEqual([[6, 60, 7, 70, 9, 90], 132])
    }
  })
})
