import { expect, test } from 'vitest'
import { fn, f32, scan, tanh, add, mul, sum, matmul, grad, compile } from '../../src/index.ts'
import { evaluate } from '../../src/ir/evaluate.ts'

test('rnn compiled', async () => {
  const f = (T: number, checkpoint: never) => fn({ x: f32(T, 2, 3), w: f32(3, 4), u: f32(4, 4), h: f32(2, 4) }, ({ x, w, u, h }) => {
    const { carry, out } = scan({ h }, { x }, ({ h }, { x }) => {
      const n = tanh(add(matmul(x, w), matmul(h, u)))
      return { carry: { h: n }, out: { y: mul(n, n), h } }
    }, { checkpoint })
    const loss = add(sum(carry.h), sum(out.y)) as never
    const [dw, du, dh, dx] = grad(loss, [w, u, h, x])
    return { loss, dw, du, dh, dx, hs: out.h }
  })
  const r = (n: number, s: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * 1.7 + s))
  for (const T of [1, 5, 7]) {
  const inputs = { x: r(T * 6, 1), w: r(12, 2), u: r(16, 3), h: r(8, 4) }

  for (const c of ['all', 'sqrt', { slots: 3 }] as never[]) {
    const seen: unknown[] = []
    const want = evaluate(f(T, c).graph, { inputs }).results
    for (const target of ['js', 'wasm'] as const) {
      const p = compile({ f: f(T, c) }, { target, verify: true })
      if (T === 7 && c === ('all' as never)) console.log(p.explain())
      const m = await p.load()
      const got = m.f(inputs) as Record<string, Float32Array | number>
      for (const k of Object.keys(want)) {
        const g = typeof got[k] === 'number' ? [got[k]] : Array.from(got[k] as Float32Array)
        g.forEach((v, i) => expect(Math.abs((v as number) - (want[k][i] as number)), `${k} ${i} ${target}`).toBeLessThan(1e-5 * (1 + Math.abs(want[k][i] as number))))
      }
      seen.push(JSON.stringify(Object.values(got).map((v) => typeof v === 'number' ? v : [...v])))
    }
  expect(new Set(seen).size).toBe(1) }

  }
})
