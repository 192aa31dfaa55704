import { expect, test } from 'vitest'
import { fn, f64, scan, tanh, add, mul, sum, matmul, grad, transpose, stopGradient } from '../../src/index.ts'
import { evaluate } from '../../src/ir/evaluate.ts'
import { print } from '../../src/ir/print.ts'
import { verify } from '../../src/ir/verify.ts'
import { optimise } from '../../src/passes/pipeline.ts'

test('rnn', () => {
  const f = fn({ x: f64(5, 2, 3), w: f64(3, 4), u: f64(4, 4), h: f64(2, 4) }, ({ x, w, u, h }) => {
    const { carry, out } = scan({ h }, { x }, ({ h }, { x }) => {
      const n = tanh(add(matmul(x, w), matmul(h, u)))
      return { carry: { h: n }, out: { y: mul(n, n) } }
    })
    const loss = add(sum(carry.h), sum(out.y)) as never
    const [dw, du, dh, dx] = grad(loss, [w, u, h, x])
    const second = grad(sum(mul(dw, dw)) as never, [u])[0]
    return { loss, dw, du, dh, dx, second }
  })
  const r = (n: number, s: number) => Float64Array.from({ length: n }, (_, i) => Math.sin(i * 1.7 + s))
  const inputs = { x: r(30, 1), w: r(12, 2), u: r(16, 3), h: r(8, 4) }
  verify(f.graph)
  const at = (i: typeof inputs) => evaluate(f.graph, { inputs: i }, { precision: 'f64' }).results
  const v = at(inputs)
  for (const [name, key] of [['w', 'dw'], ['u', 'du'], ['h', 'dh'], ['x', 'dx']] as const) {
    const d = v[key] as Float64Array
    for (let i = 0; i < d.length; i++) {
      const e = 1e-5
      const p = { ...inputs, [name]: inputs[name].slice() }; p[name][i] += e
      const m = { ...inputs, [name]: inputs[name].slice() }; m[name][i] -= e
      const num = ((at(p).loss[0] as number) - (at(m).loss[0] as number)) / (2 * e)
      expect(Math.abs(num - d[i])).toBeLessThan(1e-7 * (1 + Math.abs(num)))
    }
  }
  for (let i = 0; i < 16; i++) {
    const e = 1e-5
    const sq = (a: ArrayLike<number>) => Array.from(a).reduce((s, x) => s + x * x, 0)
    const p = { ...inputs, u: inputs.u.slice() }; p.u[i] += e
    const m = { ...inputs, u: inputs.u.slice() }; m.u[i] -= e
    const num = (sq(at(p).dw) - sq(at(m).dw)) / (2 * e)
    expect(Math.abs(num - (v.second[i] as number))).toBeLessThan(1e-5 * (1 + Math.abs(num)))
  }
  const o = optimise({ ...f.graph, name: 'f' }, { verify: true })
  const w = evaluate(o, { inputs }, { precision: 'f64' }).results
  for (const k of Object.keys(v)) for (let i = 0; i < v[k].length; i++) expect(Math.abs(w[k][i] - v[k][i])).toBeLessThan(1e-12 * (1 + Math.abs(v[k][i])))
  const g = fn({ x: f64(5, 2, 3), w: f64(3, 4), u: f64(4, 4), h: f64(2, 4) }, ({ x, w, u, h }) => {
    const { carry } = scan({ h }, { x }, ({ h }, { x }) => ({ carry: { h: tanh(add(matmul(x, w), matmul(h, u))) } }))
    return { dw: grad(sum(carry.h) as never, w) }
  })
  console.log(print(optimise({ ...g.graph, name: 'f' }, { verify: true })))
})
