import { describe, expect, it } from 'vitest'
import { compile, div, exp, expm1, f32, fn, grad, hvp, jvp, log, mul, nn, optim, sum, vjp, type Tensor } from '../../src/index.ts'

const run = async (body: (x: Tensor<'f32'>) => Record<string, Tensor>, x: readonly number[]): Promise<any> => {
  const f = fn({ x: f32(x.length) }, ({ x }) => body(x))
  return (await compile({ f }, { verify: true }).load()).f({ x: Float32Array.from(x) })
}

describe('derivatives inside a function', () => {
  it('grad of grad of grad', async () => {
    const r = await run((x) => {
      const y = sum(mul(mul(x, x), mul(x, x)))
      const first = grad(y, x)
      const second = grad(sum(first), x)
      return { first, second, third: grad(sum(second), x) }
    }, [1, 2, -3])
    expect([...r.first]).toEqual([4, 32, -108])
    expect([...r.second]).toEqual([12, 48, 108])
    expect([...r.third]).toEqual([24, 48, -72])
  })

  it('products with the Jacobian, its transpose and the Hessian', async () => {
    const r = await run((x) => {
      const y = mul(x, x)
      const one = mul(x, 0)
      const v = exp(one)
      return { jvp: jvp([y], [x], [v])[0]!, vjp: vjp([y], [x], [v])[0]!, hvp: hvp(sum(mul(y, x)), [x], [v])[0]! }
    }, [1, 2, -3])
    expect([...r.jvp]).toEqual([2, 4, -6])
    expect([...r.vjp]).toEqual([2, 4, -6])
    expect([...r.hvp]).toEqual([6, 12, -18])
  })

  it('are those of the stable forms', async () => {
    // Written without care: the second class underflows to 0, and its logarithm to −∞.
    const careless = (x: Tensor): Tensor => {
      const e = exp(x)
      return log(div(e, sum(e, { axis: -1, keepdims: true })))
    }
    const r = await run((x) => {
      const y = careless(x)
      return { y, g: grad(sum(mul(y, y)), x) }
    }, [0, -200])
    expect([...r.y]).toEqual([0, -200])
    // dy/dx = [[0, 0], [−1, 1]] here, so that the gradient of Σy² is −2·200·[−1, 1].
    expect([...r.g]).toEqual([400, -400])
  })

  it('expm1 keeps its digits where y + 1 would lose them', async () => {
    const r = await run((x) => ({ g: grad(sum(expm1(x)), x) }), [-20])
    expect(r.g[0] / Math.exp(-20) - 1).toBeCloseTo(0, 6)
  })

  it('of a gradient penalty, minimised', async () => {
    const layer = nn.linear(2, 1, { bias: false })
    const train = fn({ x: f32(4, 2) }, ({ x }) => {
      const y = sum(mul(layer(x), layer(x)))
      const slope = grad(y, x)
      return { loss: sum(mul(slope, slope)) }
    }).minimize('loss', optim.sgd({ lr: 1e-3 }))
    const model = await compile({ train }).load()
    const x = Float32Array.of(1, 2, 3, 4, -1, 0.5, 2, 2)
    const first = model.train({ x }).loss
    for (let i = 0; i < 20; i++) model.train({ x })
    expect(model.train({ x }).loss).toBeLessThan(first)
  })
})
