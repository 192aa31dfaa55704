// Matrices of derivatives as compiled programs: both targets give the same bits, and the right ones.
import { describe, expect, test } from 'vitest'
import {
  bf16, cast, compile, f16, f32, fn, ggnvp, grad, hessian, i32, jacobian, jvp, matmul, nn, optim, scan, sigmoid, sin,
  softmaxCrossEntropy, square, sum, tanh, vjp, type Fn,
} from '../../src/index.ts'
import { draw, expectClose } from './differences.ts'

const TARGETS = ['wasm', 'js'] as const
type Arrays = Record<string, Float32Array>

/** The results on both targets, which must be equal to the bit. */
async function onBoth(f: Fn<any, any>, inputs: any): Promise<Arrays> {
  const results: Arrays[] = []
  for (const target of TARGETS) {
    const r = (await compile({ f }, { target, verify: true }).load()).f(inputs) as Arrays
    results.push(Object.fromEntries(Object.entries(r).map(([name, v]) => [name, v.slice()])))
  }
  expect(results[0]).toEqual(results[1])
  return results[0]
}

describe('compiled', () => {
  test('both targets give the same bits, and those of the definition', async () => {
    const f = fn({ x: f32(3, 4), a: f32(4, 5), b: f32(5, 2), v: f32(4, 5), y: i32(3) }, ({ x, a, b, v, y }) => {
      const z = matmul(sigmoid(matmul(x, a)), b)
      const loss = softmaxCrossEntropy(z, y)
      return {
        forward: jacobian(z, a, { mode: 'forward' }), reverse: jacobian(z, a, { mode: 'reverse' }), h: hessian(loss, b),
        g: ggnvp([z], loss, [a], [v])[0]!, pushed: jvp([z], [a], [v])[0]!, pulled: vjp([z], [a], [z])[0]!,
      }
    })
    const inputs = { x: Float32Array.from(draw(12, 1)), a: Float32Array.from(draw(20, 2)), b: Float32Array.from(draw(10, 3)),
      v: Float32Array.from(draw(20, 4)), y: Int32Array.of(0, 1, 1) }
    const { forward, reverse, pushed } = await onBoth(f, inputs)
    expectClose([...forward], [...reverse], 1e-6)
    const product = Array.from({ length: 6 }, (_, i) => inputs.v.reduce((t, v, k) => t + forward[20 * i + k] * v, 0))
    expectClose([...pushed], product, 1e-5)
  })

  test('a Jacobian of every step of a loop, and a gradient through it', async () => {
    const f = fn({ x: f32(5, 3), w: f32(3, 3) }, ({ x, w }) => {
      const { j } = scan({}, { x }, (_, { x: at }) => ({ carry: {}, out: { j: jacobian(tanh(matmul(at, w)), at) } })).out
      return { j, g: grad(sum(square(j)), w) }
    })
    const [x, w] = [Float32Array.from(draw(15, 1)), Float32Array.from(draw(9, 2))]
    const { j, g } = await onBoth(f, { x, w })
    // dy[o]/dx[i] = (1 − y²)·w[i, o]; the sum of squares has the gradient that differences give.
    const jacobians = (weights: ArrayLike<number>): number[] => Array.from({ length: 45 }, (_, at) => {
      const [step, o, i] = [Math.floor(at / 9), Math.floor(at / 3) % 3, at % 3]
      const y = Math.tanh([0, 1, 2].reduce((t, k) => t + x[3 * step + k] * weights[3 * k + o], 0))
      return (1 - y * y) * weights[3 * i + o]
    })
    expectClose([...j], jacobians(w), 1e-6)
    const energy = (k: number, by: number): number => jacobians([...w].with(k, w[k] + by)).reduce((t, e) => t + e * e, 0)
    expectClose([...g], Array.from(w, (_, k) => (energy(k, 1e-4) - energy(k, -1e-4)) / 2e-4), 1e-5)
  })

  test('a penalty on the Jacobian is minimised, in both modes', async () => {
    const x = Float32Array.from(draw(3, 1))
    for (const mode of ['forward', 'reverse'] as const) {
      const states: Uint8Array[] = []
      for (const target of TARGETS) {
        const net = nn.sequential(nn.linear(3, 8), nn.tanh, nn.linear(8, 3))
        const train = fn({ x: f32(3) }, ({ x }) => ({ loss: sum(square(jacobian(net(x), x, { mode }))) }))
          .minimize('loss', optim.adam({ lr: 1e-2 }))
        const model = await compile({ train }, { target, verify: true }).load()
        const first = model.train({ x }).loss
        for (let i = 0; i < 50; i++) model.train({ x })
        expect(model.train({ x }).loss).toBeLessThan(first / 2)
        states.push(model.save())
      }
      expect(states[0], mode).toEqual(states[1])
    }
  })

  test('by values stored in half precision', async () => {
    for (const [spec, bits] of [[f16, 0x3c00], [bf16, 0x3f80]] as const) {
      for (const mode of ['forward', 'reverse'] as const) {
        const f = fn({ x: spec(3) }, ({ x }) => ({ j: jacobian(sin(cast(x, 'f32')), x, { mode }) }))
        const { j } = await onBoth(f, { x: new Uint16Array(3) })
        expect([...j]).toEqual([bits, 0, 0, 0, bits, 0, 0, 0, bits])
      }
    }
  })
})
